"""What `les init` writes: a commented `les.toml`, a `hooks.d` with the sample scripts, a systemd unit.

    settings   les.toml, from the descriptions of its keys
    scripts    hooks.d, from the sample scripts that came with the package
    hardening  what the units forbid, in one table
    unit       les.service, tight or relaxed, from that
    files      writing them all, or none

Imported by `cli` only.
"""

from les_hooks.starter.files import NewFile, existing, write_all
from les_hooks.starter.hardening import HARDENING, Directive
from les_hooks.starter.scripts import hooks_folder
from les_hooks.starter.settings import settings_file
from les_hooks.starter.unit import (
    RUNTIME,
    credentials_of,
    group_lines,
    hidden_by,
    load_line,
    needs_of,
    unit_file,
    unit_lines,
)

__all__ = [
    "HARDENING",
    "RUNTIME",
    "Directive",
    "NewFile",
    "credentials_of",
    "existing",
    "group_lines",
    "hidden_by",
    "hooks_folder",
    "load_line",
    "needs_of",
    "settings_file",
    "unit_file",
    "unit_lines",
    "write_all",
]
