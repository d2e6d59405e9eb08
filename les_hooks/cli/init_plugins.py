"""The plugins that flags of `les init` ask for, which are loaded as any other. For `init` alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from les_hooks.config import PluginConfig, load_plugin_table
from les_hooks.errors import ConfigError, PluginError
from les_hooks.members import Part
from les_hooks.plugins import Registry

__all__ = ["ETCD", "check_etcd", "etcd_plugin", "listed", "vip_plugin"]

ETCD: Final = "etcd"
_VIP: Final = "vip"
"""The bundled plugins of the flags of these names."""


def vip_plugin(vip: Sequence[str], interface: str | None, role: Part, folder: Path) -> Mapping[str, PluginConfig]:
    """The plugin of --vip, if it is given. Raises ConfigError, naming the flag, for what is no configuration."""
    if interface is not None and not vip:
        raise click.UsageError("--interface goes with --vip, and names the interface of these addresses")
    if not vip:
        return {}
    if role is not Part.MEMBER:
        raise click.UsageError(f"--vip is for nodes that can lead: no address ever comes to a node with --{role}")
    table = {"addresses": list(vip)} | ({"interface": interface} if interface is not None else {})
    return {_VIP: _plugin(_VIP, table, folder, {f"plugins.{_VIP}.interface": "--interface"})}


def check_etcd(given: Mapping[str, str | None], *, insecure: bool, witness: bool) -> None:
    """Refuse what goes together with no etcd, and an etcd without a name for this node."""
    if given["etcd"] is None:
        return
    beside = [f"--{flag}" for flag in ("bind", "seeds", "voters") if given[flag] is not None]
    if beside or insecure:
        raise click.UsageError(
            f"{', '.join(beside) or '--insecure'} is for nodes that reach each other: with --etcd they meet in etcd, "
            "and have no port"
        )
    if witness:
        raise click.UsageError(
            "--witness is for nodes that vote, which none does with --etcd; take --observer to watch"
        )
    if given["advertise"] is None:
        raise click.UsageError("--etcd goes with --advertise HOST:PORT, which names this node among the others")


def etcd_plugin(endpoints: str | None, folder: Path) -> Mapping[str, PluginConfig]:
    """The plugin of --etcd, if it is given. Raises ConfigError, naming the flag, for what is no configuration."""
    return {} if endpoints is None else {ETCD: _plugin(ETCD, {"endpoints": listed(endpoints)}, folder, {})}


def _plugin(name: str, table: Mapping[str, object], folder: Path, flags: Mapping[str, str]) -> PluginConfig:
    """The table of the plugin whose flag has its name; `flags` are others, by the keys that they set."""
    registry = Registry()
    registry.load([name])
    if name not in registry.loaded:
        raise PluginError(name, next(info.why for info in registry.infos() if info.name == name))
    try:
        return load_plugin_table(name, table, registry.config_types([name])[name], base=folder)
    except ConfigError as error:
        problems = (replace(each, where=flags.get(each.key, f"--{name}")) for each in error.problems)
        raise ConfigError(tuple(problems)) from None


def listed(said: str) -> list[str]:
    """What stands between the commas."""
    return [one.strip() for one in said.split(",") if one.strip()]
