"""What a plugin may implement: one function per hook, and the context that comes with each call.

Plugin authors import `hookimpl`, `Event` and `Context` from `les_hooks`. Every function here is documented in
`docs/hooks.md`, and a test compares the two. All event hooks may be `async def` (awaited) or `def` (run in a thread);
each call has a deadline and is isolated from the others.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

from les_hooks.events import Event, EventKind

if TYPE_CHECKING:
    import click
    import msgspec
    from aiohttp import web
    from structlog.typing import FilteringBoundLogger

    from les_hooks.backends import Engine
    from les_hooks.processes import Command, Finished

__all__ = ["PROJECT", "Context", "HookSpecs", "NodeReport", "Note", "Route", "hookimpl", "hookspec"]

PROJECT = "les_hooks"
"""The pluggy project name, and the group of entry points that plugins register in."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Note(str):
    """A line of `validate` that is worth knowing and no problem: what cannot be told on this host, or at this time."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A page of a plugin's, on the listener that `[http] listen` names.

    `path` is all of the path, `method` a word in capitals; `GET` answers `HEAD` as well. `handler` takes the request
    and returns the response. What is `open` is shown to who has no token, too.
    """

    path: str
    handler: "Callable[[web.Request], Awaitable[web.StreamResponse]]"
    method: str = "GET"
    open: bool = False


class NodeReport(Protocol):
    """What a node tells of itself, as plain JSON values."""

    async def status(self) -> Mapping[str, Any]:
        """What `les status --json` prints; it may be a quarter of a second old."""

    def history(self, since: float = 0.0) -> Sequence[Mapping[str, Any]]:
        """What `les history --json` prints, the oldest first: what lasted until `since` (Unix seconds) or later."""

    def records(self) -> Sequence[Mapping[str, Any]]:
        """The last records of the audit trail, the oldest first; some hundreds."""

    def events(self, after: int | None = None) -> AsyncGenerator[Event, None]:
        """The events from this call on, until the node has stopped, and before them those of a number above `after`.

        Only the last some hundreds are remembered. Raises ControlError where the listener is too slow.
        """


class Context(Protocol):
    """What a plugin has to work with; one for each plugin, the same for all its calls."""

    @property
    def name(self) -> str:
        """The plugin's name, as in `[plugins.<name>]`."""

    @property
    def cluster(self) -> str:
        """The name of the cluster."""

    @property
    def config(self) -> Any:
        """The plugin's table as its `config_type`, or None where it has no such hook."""

    @property
    def log(self) -> "FilteringBoundLogger":
        """A structured log, bound to the plugin's name."""

    @property
    def state_dir(self) -> Path:
        """The plugin's own folder, made on first use; it survives restarts."""

    @property
    def dry_run(self) -> bool:
        """True where nothing may be changed: say what would be done."""

    def authority(self) -> float:
        """Seconds for which this node may still act as leader, 0.0 when it must not; ask right before you act."""

    def hold_left(self) -> float:
        """Seconds for which what this node took as leader may stay with it, 0.0 when it must be gone.

        It is `authority`, and goes on through an orderly demotion until that has ended: a lease of what must not be on
        two nodes, in a kernel say, is renewed by this. Lost authority ends it for the rest of the leadership.
        """

    def release_left(self) -> float:
        """Seconds until others may lead, 0.0 once they may.

        Infinite where that is not bound to time: always with `quorum = "members"`, and on who holds no votes.
        """

    async def confirmed(self) -> bool:
        """Wait, for a bounded time, until it is known whether this node may act as leader; then say so.

        `authority` is 0.0 meanwhile, though this node may well go on leading: a clock jumped, say.
        """

    def time_left(self) -> float:
        """Seconds that this call, and a program that it runs, have before they are ended; infinite outside of a call.

        What a leader does has until its limit, or its authority if that is less; the latter is renewed while it leads.
        """

    def offers(self, kind: str) -> Mapping[str, object]:
        """What the loaded plugins offer to others under this kind, by name; their hook `offers` says it.

        Raises PluginError where two offer the same name, or a hook fails.
        """

    def audit(self, action: str, outcome: str, **fields: object) -> None:
        """Leave a record: `action` is written as `plugin.<name>.<action>`, `outcome` is one of `audit.Outcome`."""

    def barred(self, program: Path) -> str:
        """Say what keeps the user that `run` runs programs as from starting this one, and what mends it.

        Empty where that is nothing, as far as owners and modes tell; for `validate`.
        """

    async def run(self, command: "Command") -> "Finished":
        """Run a program in a process group of its own that never outlives the deadline, this call or the daemon.

        It runs as `[hooks] user` says, with that user's HOME in place of one in `env`.

        What `on_elected`, `on_reasserted` and `while_leader` run ends with this node's authority too, and is not
        started without: it is `superseded` then, and `error` says why.
        """


class HookSpecs:
    """All hooks of the project `les_hooks`."""

    @hookspec
    def on_started(self, event: Event, ctx: Context) -> None:
        """This node has its first view of the cluster."""

    @hookspec
    def on_stopping(self, event: Event, ctx: Context) -> None:
        """This node is about to leave."""

    @hookspec
    def on_elected(self, event: Event, ctx: Context) -> None:
        """This node begins to lead."""

    @hookspec
    def on_demoted(self, event: Event, ctx: Context) -> None:
        """This node no longer leads; told once at start too, with the reason `startup`."""

    @hookspec
    def on_reasserted(self, event: Event, ctx: Context) -> None:
        """This node still leads, after a conflict or a reload: apply everything again."""

    @hookspec
    def on_leader_changed(self, event: Event, ctx: Context) -> None:
        """The leader that this node accepts is another one now, or nobody."""

    @hookspec
    def on_member_joined(self, event: Event, ctx: Context) -> None:
        """A member was heard for the first time."""

    @hookspec
    def on_member_left(self, event: Event, ctx: Context) -> None:
        """A member said goodbye."""

    @hookspec
    def on_member_lost(self, event: Event, ctx: Context) -> None:
        """A member is gone without a word."""

    @hookspec
    async def while_leader(self, event: Event, ctx: Context) -> None:
        """Work that lasts as long as the leadership: begun after `on_elected`, cancelled before `on_demoted`.

        It must be `async def`. When it returns or raises while this node leads, it is begun again with back-off.
        """

    @hookspec
    async def while_running(self, ctx: Context) -> None:
        """Work that lasts as long as the node runs: begun before it joins, cancelled when all other hooks have ended.

        It must be `async def`. When it returns or raises it is begun again with back-off.
        """

    @hookspec
    def recorded(self, record: Mapping[str, Any], ctx: Context) -> None:
        """A record was written to the audit trail. Called in the loop, which must not wait for it: it must be `def`."""

    @hookspec
    async def check(self, ctx: Context, report: Callable[[str], None]) -> None:
        """Watch whether this node is fit to lead, from its start to its end: call `report` whenever that changes.

        `report("")` says that it is, `report(why)` that it is not. Until the first report the node is unfit, and also
        when this returns or raises, which begins it again with back-off. It must be `async def`; `report` is to be
        called in the loop.
        """

    @hookspec
    async def prepare(self, ctx: Context) -> None:
        """Make ready what can be made ready without acting: this node may lead in a moment, as the leader is silent.

        Cancelled when the leader is heard again or another node leads, and when the `on_elected` hooks of this node
        have ended, which so can look at what it found out. It must be `async def`.
        """

    @hookspec
    def deadline(self, event: Event, ctx: Context) -> float:
        """Seconds that all of the plugin's work on this event may take; without this hook, its `timeout`.

        For plugins that bound each step themselves, as `scripts` does. It must be quick.
        """
        raise NotImplementedError

    @hookspec
    def config_type(self) -> "type[msgspec.Struct]":
        """The struct that `[plugins.<name>]` is read into; unknown keys are errors there too."""
        raise NotImplementedError

    @hookspec
    def validate(self, ctx: Context) -> Sequence[str]:
        """What `les check` should complain about, one line each, a `Note` where it is none; nothing may be changed."""
        return ()

    @hookspec
    def plan(self, kind: EventKind, ctx: Context) -> Sequence[str]:
        """What the plugin would do on an event of this kind, one line each, for an operator's dry run.

        In the imperative: "remove 10.0.0.100 from eth0"; for `while-leader`, what it would end. It must be quick.
        """
        return ()

    @hookspec
    def status(self, ctx: Context) -> Mapping[str, object]:
        """The plugin's part of `les status`, as plain JSON values; it must be quick."""
        return {}

    @hookspec
    def http_routes(self, node: NodeReport, ctx: Context) -> Sequence[Route]:
        """The plugin's pages on the listener of `[http] listen`; not called where there is none."""
        return ()

    @hookspec
    def offers(self, kind: str, ctx: Context) -> Mapping[str, object]:
        """What the plugin offers to other plugins under this kind, by name; `ctx.offers(kind)` gathers it."""
        return {}

    @hookspec
    def backends(self) -> "Mapping[str, Engine]":
        """The engines that the plugin gives, by the name in `[cluster] backend`; each has the name of the plugin.

        Called once, before the node starts. An engine says who leads; `docs/backends.md` has what is asked of one.
        """
        return {}

    @hookspec
    def commands(self, cli: "click.Group") -> None:
        """Add commands to the command line; `les_hooks.plugin_call` reaches `control` on the daemon's side."""

    @hookspec
    def control(self, action: str, arguments: Mapping[str, object], ctx: Context) -> object:
        """Answer a request of the plugin's own commands, in the daemon, with plain JSON values."""

    @hookspec
    def cleanup(self, ctx: Context) -> None:
        """Undo what a daemon that died may have left behind; called by `les cleanup`, without a daemon."""
