"""What `les init` writes: a commented `les.toml`, a `hooks.d` with the sample scripts, a systemd unit.

    settings   les.toml, from the descriptions of its keys
    scripts    hooks.d, from the sample scripts that came with the package
    hardening  what the units forbid, in one table
    unit       les.service, tight or relaxed, from that
    installed  what a unit that is there grants
    files      writing them all, or none

Imported by `cli` only.
"""

from les_hooks.starter.files import NewFile, existing, write_all
from les_hooks.starter.hardening import HARDENING, Directive
from les_hooks.starter.installed import InstalledUnit
from les_hooks.starter.scripts import hooks_folder
from les_hooks.starter.settings import settings_file
from les_hooks.starter.unit import (
    RUNTIME,
    group_lines,
    hidden_by,
    load_line,
    needs_of,
    root_files,
    unit_file,
    unit_lines,
)

__all__ = [
    "HARDENING",
    "RUNTIME",
    "Directive",
    "InstalledUnit",
    "NewFile",
    "existing",
    "group_lines",
    "hidden_by",
    "hooks_folder",
    "load_line",
    "needs_of",
    "root_files",
    "settings_file",
    "unit_file",
    "unit_lines",
    "write_all",
]
