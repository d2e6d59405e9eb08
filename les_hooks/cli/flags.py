"""The flags of `les run` that win over the file, the original's among them. For the commands that read all of it."""

import contextlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from les_hooks.cli.target import Target
from les_hooks.config import Config, Flags
from les_hooks.daemon import load_config
from les_hooks.errors import ConfigError
from les_hooks.members import join_host_port
from les_hooks.plugins import Registry

__all__ = ["arguments", "config_flags", "read_config", "to_flags"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_DEFAULT_BIND: Final = ("127.0.0.1", 4000)
_BARE_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")

_OPTIONS: Final = (
    click.option("--bind-port", type=click.IntRange(0, 65535), metavar="PORT", help="The port to listen on."),
    click.option("--bind-interface", metavar="HOST", help="The address of the interface to listen on."),
    click.option("--advertise-addr", metavar="HOST[:PORT]", help="How the other nodes reach this one."),
    click.option("--seeds", metavar="HOST:PORT,...", help="The nodes to look for, separated by commas."),
    click.option("--loop-rate", metavar="SECONDS", help="How often nodes of the original LES are asked."),
    click.option("--name", metavar="NAME", help="What this node is called."),
    click.option("--state-dir", metavar="FOLDER", help="The folder of what this node must remember."),
    click.option("--insecure", is_flag=True, help="Let other hosts reach this node without authentication."),
)


def config_flags(command: _Command) -> _Command:
    """Give the command the flags, as keyword arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_config(target: Target, given: Mapping[str, Any], registry: Registry | None = None) -> Config:
    """Read the file under the flags, the tables of plugins included; raises ConfigError."""
    return load_config(target.file, flags=to_flags(target, given), registry=registry)


def to_flags(target: Target, given: Mapping[str, Any]) -> Flags:
    """What the flags say, by the keys of `les.toml`."""
    said = {name: value for name, value in given.items() if value not in (None, False)}
    found: dict[str, tuple[object, str]] = {}
    if "bind_port" in said or "bind_interface" in said:
        host, port = _bind(target, said.get("bind_interface"), said.get("bind_port"))
        flag = "--bind-interface" if "bind_interface" in said else "--bind-port"
        found["node.bind"] = _join(host, port), flag
    if "advertise_addr" in said:
        found["node.advertise"] = _advertise(target, said), "--advertise-addr"
    if "seeds" in said:
        seeds = [seed.strip() for seed in said["seeds"].split(",") if seed.strip()]
        found["cluster.seeds"] = seeds, "--seeds"
    if "loop_rate" in said:
        rate = said["loop_rate"]
        found["timing.loop_rate"] = f"{rate}s" if _BARE_NUMBER.fullmatch(rate) else rate, "--loop-rate"
    if "name" in said:
        found["node.name"] = said["name"], "--name"
    if "state_dir" in said:
        # Relative to where the flag was given, not to the file.
        found["node.state_dir"] = str(Path(said["state_dir"]).absolute()), "--state-dir"
    if "insecure" in said:
        found["security.insecure"] = True, "--insecure"
    return found


def arguments(target: Target, given: Mapping[str, Any]) -> tuple[str, ...]:
    """The command line that says the same again, from whatever folder."""
    words: list[str] = [] if target.file is None else ["--config", str(target.file.absolute())]
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if name == "state_dir" and value is not None:
            words += [flag, str(Path(value).absolute())]
        elif value is True:
            words.append(flag)
        elif value not in (None, False):
            words += [flag, str(value)]
    return tuple(words)


def _bind(target: Target, host: str | None, port: int | None) -> tuple[str, int]:
    """Host and port; what only one flag says, the file completes."""
    known_host, known_port = _DEFAULT_BIND
    if host is None or port is None:
        # It is read once more with the flags, which may mend it, and then its mistakes are told.
        with contextlib.suppress(ConfigError):
            known_host, known_port = target.config().node.listen
    return known_host if host is None else host.strip("[]"), known_port if port is None else port


def _advertise(target: Target, said: Mapping[str, Any]) -> str:
    """The address, with the port that this node listens on where none was given."""
    address: str = said["advertise_addr"]
    bare_v6 = address.count(":") > 1 and not address.startswith("[")
    if bare_v6 or address.endswith("]") or ":" not in address:
        return _join(address.strip("[]"), _bind(target, None, said.get("bind_port"))[1])
    return address


def _join(host: str, port: int) -> str:
    return join_host_port(host, port)
