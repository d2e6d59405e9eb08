"""What `les init` writes: a commented `les.toml`, a `hooks.d` with the sample scripts, a systemd unit.

    settings   les.toml, from the descriptions of its keys
    scripts    hooks.d, from the sample scripts that came with the package
    unit       les.service, tight or relaxed, from one table
    files      writing them all, or none

Imported by `cli` only.
"""

from les_hooks.starter.files import NewFile, existing, write_all
from les_hooks.starter.scripts import hooks_folder
from les_hooks.starter.settings import settings_file
from les_hooks.starter.unit import HARDENING, Directive, hidden_by, needs_of, unit_file, unit_lines

__all__ = [
    "HARDENING",
    "Directive",
    "NewFile",
    "existing",
    "hidden_by",
    "hooks_folder",
    "needs_of",
    "settings_file",
    "unit_file",
    "unit_lines",
    "write_all",
]
