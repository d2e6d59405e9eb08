"""The bundled plugin `vip`: the leader has these IP addresses, and loses them when its daemon dies or hangs.

Loaded through its entry point; nothing imports it.

    settings  what `[plugins.vip]` can hold
    keeper    what one node does about its addresses: takes them, watches over them, lets go of them
    holdings  the addresses that it has put into its kernel: renewed, put back, removed
    placing   putting one there, for no longer than this node may hold it, and removing it; `lease` says how long
    takeover  whether an address may be taken yet
    lookout   who answers for an address, before it is taken
    herald    announcing an address
    ground    this host's interfaces, and what is wrong with them
    host      the same before the daemon runs, and when it starts, in more words
    frames    the bytes of ARP and neighbour discovery
    ether     packet sockets
    sysctls   what the kernel is set to
    kernel    what is wanted of the kernel; `netlink` does it, in the messages of `rtnl`
    report    what is shown of the addresses
    commands  `les vip`

`docs/vip.md` tells users of it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
import msgspec

from les_hooks import Context, Event, EventKind, Note, PluginError, hookimpl
from les_hooks.processes.rights import lacking
from les_hooks.text import plain
from les_plugins.vip import commands as command_line
from les_plugins.vip.host import complaints
from les_plugins.vip.keeper import Keeper
from les_plugins.vip.kernel import UNIT_LINES
from les_plugins.vip.netlink import Netlink
from les_plugins.vip.report import look_around, shown, summary
from les_plugins.vip.settings import VipConfig

__all__ = ["VipConfig"]

# Beyond the lifetime of an address that another host has: the longest that `elected` waits, and room for the kernel.
_MARGIN_SECONDS = 10.0

_NO_RIGHT = (
    f"this process lacks CAP_NET_ADMIN, without which it can have no address; put this into the unit: {UNIT_LINES}"
)

# By the node's folder, which outlives a reload; a process may hold several nodes.
_keepers: dict[Path, Keeper] = {}


def _keeper(ctx: Context) -> Keeper:
    keeper = _keepers.get(ctx.state_dir)
    if keeper is None:
        keeper = _keepers[ctx.state_dir] = Keeper(ctx)
    return keeper


def _close_unless_held(ctx: Context, keeper: Keeper) -> None:
    if not keeper.busy and _keepers.get(ctx.state_dir) is keeper:
        del _keepers[ctx.state_dir]
        keeper.close()


def _only_said(kind: EventKind, ctx: Context) -> bool:
    """Whether nothing may be changed; what would be is in the log then."""
    if ctx.dry_run:
        for step in plan(kind, ctx):
            ctx.log.info("vip-would", step=step)
    return ctx.dry_run


@hookimpl
def config_type() -> type[msgspec.Struct]:
    """Read `[plugins.vip]` into this."""
    return VipConfig


@hookimpl
async def deadline(event: Event, ctx: Context) -> float:
    """As long as another host's kernel may keep the addresses, and a margin."""
    config: VipConfig = ctx.config
    return config.lifetime + _MARGIN_SECONDS


@hookimpl
async def on_elected(event: Event, ctx: Context) -> None:
    """Take the addresses, as soon as nobody else has them."""
    if _only_said(event.kind, ctx):
        return
    keeper = _keeper(ctx)
    keeper.adopt(ctx)
    await keeper.take(event)


@hookimpl
async def on_reasserted(event: Event, ctx: Context) -> None:
    """Have the addresses, and announce them again."""
    if _only_said(event.kind, ctx):
        return
    keeper = _keeper(ctx)
    keeper.adopt(ctx)
    await keeper.reassert(event)


@hookimpl
async def on_demoted(event: Event, ctx: Context) -> None:
    """Let go of the addresses, left-overs included."""
    if _only_said(event.kind, ctx):
        return
    keeper = _keeper(ctx)
    try:
        await keeper.release()
    finally:
        _close_unless_held(ctx, keeper)


@hookimpl
async def prepare(ctx: Context) -> None:
    """The leader is silent: find out whether its host still answers for the addresses."""
    keeper = _keepers.get(ctx.state_dir)
    if keeper is not None:  # without `check` at work there is nobody to hear an answer
        await keeper.prepare()


@hookimpl
async def check(ctx: Context, report: Callable[[str], None]) -> None:
    """Watch interfaces and addresses, as long as the node runs; say once in the log what `les check` would."""
    lines = [line for line in await validate(ctx) if not isinstance(line, Note)]
    keeper = _keeper(ctx)
    keeper.adopt(ctx)
    if lacking(["CAP_NET_ADMIN"]):
        # Nor will it be had while this process lives: a node that stood for the office would step down at once.
        keeper.ground.fail("rights", _NO_RIGHT)

    def tell(unfit: str) -> None:
        said = tuple(keeper.ground.problems.values())
        for line in lines:
            if not line.startswith(said):
                ctx.log.warning("vip-problem", problem=line)
        lines.clear()
        report(unfit)

    try:
        await keeper.watch(tell)
    finally:
        _close_unless_held(ctx, keeper)


@hookimpl
async def validate(ctx: Context) -> Sequence[str]:
    """Complain about what would keep the addresses from being taken on this host."""
    kernel = Netlink()
    try:
        return await complaints(ctx.config, kernel)
    finally:
        kernel.close()


@hookimpl
async def cleanup(ctx: Context) -> None:
    """Remove what a daemon that died has left; the kernel would, a little later."""
    if _only_said(EventKind.DEMOTED, ctx):
        return
    keeper = Keeper(ctx)
    try:
        await keeper.release()
    finally:
        keeper.close()


@hookimpl
def plan(kind: EventKind, ctx: Context) -> Sequence[str]:
    """Say which addresses come and go."""
    config: VipConfig = ctx.config
    verb = {EventKind.ELECTED: "take", EventKind.REASSERTED: "announce", EventKind.DEMOTED: "remove"}.get(kind)
    if verb is None:
        return ()
    return [f"{verb} {each.ip}/{each.length} on {config.interface_of(each)}" for each in config.addresses]


@hookimpl
def status(ctx: Context) -> Mapping[str, object]:
    """Tell what is held, and what is wrong."""
    keeper = _keepers.get(ctx.state_dir)
    return {"summary": summary(keeper, ctx.config), **shown(keeper, ctx.config)}


@hookimpl
def commands(cli: click.Group) -> None:
    """Add `les vip`."""
    command_line.add(cli)


@hookimpl
async def control(action: str, arguments: Mapping[str, object], ctx: Context) -> object:
    """`status`: each address, having asked who has those that are not here."""
    if action != "status":
        raise PluginError(ctx.name, f"knows the action status, not {plain(action)!r}")
    keeper = _keepers.get(ctx.state_dir)
    if keeper is not None:
        await look_around(keeper)
    return shown(keeper, ctx.config)
