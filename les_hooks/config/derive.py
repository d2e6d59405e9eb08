"""Filling in what the file does not say. For the loader.

Values are kept flat here, by dotted key; None stands for a value that was refused, and nothing is derived from it.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from les_hooks.config.addresses import listen_address, parse_advertise, valid_name
from les_hooks.config.check import Checker
from les_hooks.config.tables import PEERS, SECTIONS, Quorum
from les_hooks.config.toml_text import excerpt, toml_string
from les_hooks.members import Address, join_host_port

__all__ = ["Values", "derive"]

Values = dict[str, Any]
"""Dotted key to value, None where it was refused."""

_STATE_DIRECTORY = "STATE_DIRECTORY"

_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_SECRET, _KEY = "les-secret", "les-key"


def derive(values: Values, checker: Checker, environ: Mapping[str, str]) -> dict[str, str]:
    """Add every missing value; returns the origins of those that have one."""
    for section, kind in SECTIONS.items():
        for field in msgspec.structs.fields(kind):
            if not field.required:
                values.setdefault(f"{section}.{field.name}", field.default)
    values.setdefault("node.name", valid_name(socket.gethostname()))
    values.setdefault("hooks.dir", checker.source.base / "hooks.d")
    if "node.advertise" not in values:
        values["node.advertise"] = _advertise(values["node.bind"], values["cluster.backend"], checker)
    origins = {}
    if values["cluster.quorum"] is Quorum.MAJORITY and values["cluster.seeds"] == () and values["cluster.voters"]:
        values["cluster.seeds"] = values["cluster.voters"]
        origins["cluster.seeds"] = "cluster.voters"
    if "node.state_dir" not in values:
        values["node.state_dir"], origin = _state_dir(values["node.name"], checker, environ)
        origins |= {"node.state_dir": origin} if origin else {}
    state_dir: Path | None = values["node.state_dir"]
    for key, name in (("control.socket", "control.sock"), ("log.audit", "audit.jsonl")):
        values.setdefault(key, state_dir and state_dir / name)
    origins |= _credentials(values, environ)
    values.setdefault("security.public", values["security.secret_file"] is None and values["security.tls"] is None)
    return origins


def _credentials(values: Values, environ: Mapping[str, str]) -> dict[str, str]:
    """Put what systemd hands over in the place of files, which a daemon that is not root cannot read.

    It names the folder to `ExecReload=` and `ExecStopPost=` as well, and keeps what is in it from them.
    """
    folder, origin = Path(environ.get(_CREDENTIALS, "")), f"${_CREDENTIALS}"
    if not folder.is_absolute():
        return {}
    origins, tls = {}, values["security.tls"]
    # Of os.path: what must not be looked at is not there.
    if os.path.exists(folder / _SECRET):
        values["security.secret_file"], origins["security.secret_file"] = folder / _SECRET, origin
    if tls is not None and os.path.exists(folder / _KEY):
        values["security.tls"] = msgspec.structs.replace(tls, key_file=folder / _KEY)
        origins["security.tls.key_file"] = origin
    return origins


def _advertise(bind: Address | None, backend: str | None, checker: Checker) -> Address | None:
    if bind is None or backend is None:
        return None
    if backend != PEERS:
        # The default of bind would give all hosts the same name.
        checker.refuse(
            ("node", "advertise"),
            f"names this node in the cluster, and has no default with backend = {toml_string(backend)}; "
            'set it, such as "10.0.0.1:4000"',
            place=checker.source.place(("cluster", "backend")),
        )
        return None
    host, port = listen_address(bind)
    try:
        parse_advertise(join_host_port(host, port or 1))
    except ValueError:
        why, example = "is no address that others can use", port or 4000
    else:
        if port:
            return bind
        why, example = "leaves the port to the system", 4000
    place = checker.source.place(("node", "bind"))
    line = toml_string(f"10.0.0.1:{example}")
    message = f"bind {excerpt(bind)} {why}; set advertise to the address that others reach this node at, such as {line}"
    checker.refuse(("node", "advertise"), message, place=place)
    return None


def _state_dir(name: str | None, checker: Checker, environ: Mapping[str, str]) -> tuple[Path | None, str]:
    path = ("node", "state_dir")
    if given := environ.get(_STATE_DIRECTORY):
        first = Path(given.partition(":")[0])  # systemd lists all of StateDirectory=
        if not first.is_absolute():
            place = checker.source.beyond(f"${_STATE_DIRECTORY}")
            checker.refuse(path, f"{excerpt(str(first))} is no absolute path; set state_dir instead", place=place)
            return None, ""
        return first, f"${_STATE_DIRECTORY}"
    if os.geteuid() == 0:
        return Path("/var/lib/les"), ""
    home = Path(environ.get("HOME", ""))
    if not home.is_absolute():
        checker.refuse(path, "has no default, for $HOME is not set; set state_dir to a folder of this node's own")
        return None, ""
    return home / ".local/state/les" / name if name else None, ""
