"""Whether the daemon of a unit can read its secrets, and a group enter where its socket is. For `les check`."""

import grp
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from les_hooks.cli.inspection import Finding
from les_hooks.config import Config
from les_hooks.control.endpoint import closed_to_group, control_of, group_id
from les_hooks.errors import StartError
from les_hooks.starter import RUNTIME, InstalledUnit, group_lines, load_line, root_files

__all__ = ["access_findings"]

_EDIT = "Add below [Service], by `systemctl edit les`: "


def access_findings(config: Config, unit: InstalledUnit | None) -> Iterator[Finding]:
    """What keeps the daemon from its files, and the group of the control socket from that; `unit` is this node's."""
    if unit is not None and not unit.root:
        yield from _files(config, unit)
    if config.control.group is not None:
        yield from _group(config, config.control.group, unit)


def _files(config: Config, unit: InstalledUnit) -> Iterator[Finding]:
    security = config.security
    key_file = security.tls.key_file if security.tls is not None else None
    loaded = dict(line.partition(":")[::2] for line in unit.all("LoadCredential"))
    loaded |= dict(line.partition(":")[::2] for line in unit.all("LoadCredentialEncrypted"))
    for name, path in root_files(secret_file=security.secret_file, key_file=key_file).items():
        if name in loaded or _readable(path, unit):
            continue
        message = f"the user of {unit.path} cannot read it. {_EDIT}{load_line(name, path)}"
        yield Finding(area="files", what=str(path), message=message)


def _readable(path: Path, unit: InstalledUnit) -> bool:
    """Whether the user of the unit may read the file; also where that cannot be told."""
    try:
        status = path.stat()
    except OSError:
        return True  # complained of elsewhere
    if not unit.dynamic and _names(status.st_uid) & {unit.last("User")}:
        return True
    groups = {unit.last("Group"), *(word for line in unit.all("SupplementaryGroups") for word in line.split())}
    return bool(status.st_mode & stat.S_IROTH) or bool(
        status.st_mode & stat.S_IRGRP and _group_names(status.st_gid) & groups
    )


def _names(uid: int) -> set[str]:
    try:
        return {str(uid), pwd.getpwuid(uid).pw_name}
    except KeyError:
        return {str(uid)}


def _group_names(gid: int) -> set[str]:
    try:
        return {str(gid), grp.getgrgid(gid).gr_name}
    except KeyError:
        return {str(gid)}


def _group(config: Config, group: str, unit: InstalledUnit | None) -> Iterator[Finding]:
    path, what = config.control.socket, f"[control] group {group}"
    try:
        number = group_id(path, control_of(group))
    except StartError as error:
        yield Finding(area="files", what=what, message=f"{error.why}; {error.advice}")
        return
    if unit is not None and not unit.root:
        have = {word for line in unit.all("SupplementaryGroups") for word in line.split()}
        filtered = not unit.lists("SystemCallFilter", "@chown", unset=True, empty=True)
        if not _group_names(number) & have or filtered or unit.apart:
            lines = "; ".join(group_lines(group)[1:])
            yield Finding(area="files", what=what, message=f"{unit.path} keeps it from the daemon. {_EDIT}{lines}")
    made = unit is not None and RUNTIME.name in " ".join(unit.all("RuntimeDirectory")).split()
    if made and path.is_relative_to(RUNTIME):
        return  # everybody may enter what systemd makes
    closed = closed_to_group(path, number)
    if closed is not None:
        message = (
            f"its members cannot enter {closed}, so not reach the control socket {path}. Write [control] socket = "
            f'"{RUNTIME / "control.sock"}", and RuntimeDirectory={RUNTIME.name} below [Service] by `systemctl edit les`'
        )
        yield Finding(area="files", what=what, message=message)
