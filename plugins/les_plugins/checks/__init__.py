"""The bundled plugin `checks`: keeps this node from leading while something that it needs does not work.

Loaded through its entry point; nothing imports it.

    settings  what `[plugins.checks]` can hold
    watch     all checks, again and again, and what they say together
    track     from single results to a state: rise and fall
    probes    which code looks, for each kind
    kinds     one module for each kind of check
    commands  `les checks`

`docs/checks.md` tells users of it.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import click
import msgspec

from les_hooks import Context, Note, PluginError, hookimpl
from les_hooks.text import plain, printable
from les_plugins.checks import commands as command_line
from les_plugins.checks.kinds.interface import no_interface
from les_plugins.checks.kinds.ping import cannot_ping
from les_plugins.checks.kinds.unit import no_bus, no_systemctl
from les_plugins.checks.settings import Check, ChecksConfig, Kind
from les_plugins.checks.track import State
from les_plugins.checks.watch import Watch, Watched
from les_plugins.programs import Verdict, look, missing_interpreter

__all__ = ["ChecksConfig"]

# By context and not in one variable: a process may hold several nodes.
_watches: WeakKeyDictionary[Context, Watch] = WeakKeyDictionary()


@hookimpl
def config_type() -> type[msgspec.Struct]:
    """Read `[plugins.checks]` into this."""
    return ChecksConfig


@hookimpl
async def check(ctx: Context, report: Callable[[str], None]) -> None:
    """Watch all there is to watch, as long as the node runs."""
    watch = _watches[ctx] = Watch(ctx, report)
    try:
        await watch.run()
    finally:
        del _watches[ctx]


@hookimpl
def validate(ctx: Context) -> Sequence[str]:
    """Complain about what cannot be checked on this host."""
    config: ChecksConfig = ctx.config
    found = look(config.dir, os.geteuid())
    complaints = [
        f"{each.path}: {each.verdict}: {each.reason}"
        for each in found
        if each.verdict in (Verdict.SKIPPED, Verdict.REFUSED)
    ]
    scripts = {each.path.name: each.path for each in found if each.verdict is Verdict.RUNS}
    complaints += [
        f"{path}: cannot start: {why}"
        for path in scripts.values()
        if (why := missing_interpreter(path) or ctx.barred(path))
    ]
    complaints += [f"{each.label}: {why}" for each in config.check if (why := _impossible(each, config, scripts))]
    if not (config.check or scripts):
        complaints.append(f"nothing is checked; put a script into {config.dir}, or add [[plugins.checks.check]]")
    notes = [f"{each.label}: {why}" for each in config.check if (why := _absent(each, config))]
    return [*map(printable, complaints), *(Note(printable(note)) for note in notes)]


def _impossible(each: Check, config: ChecksConfig, scripts: Mapping[str, object]) -> str:
    match each.kind:
        case Kind.SCRIPT if each.target not in scripts:
            return f"there is no script {config.dir / each.target} that would run"
        case Kind.UNIT:
            return no_systemctl(config.path)
        case Kind.GATEWAY:
            return cannot_ping(each.target)
        case _:
            return ""


def _absent(each: Check, config: ChecksConfig) -> str:
    """What is not here now, and may be when the daemon runs: the check is unfit until then."""
    match each.kind:
        case Kind.UNIT if not no_systemctl(config.path):
            return no_bus()
        case Kind.INTERFACE if no_interface(each.target):
            return f"{no_interface(each.target)} at present"
        case _:
            return ""


@hookimpl
def status(ctx: Context) -> Mapping[str, object]:
    """Tell what each check says, and has said."""
    watch = _watches.get(ctx)
    if watch is None:
        return {"summary": "checks nothing yet", "checks": [], "refused": {}}
    shown = [_shown(each) for each in watch.watched.values()]
    return {"summary": _summary(watch), "checks": shown, "refused": watch.refused}


def _summary(watch: Watch) -> str:
    states = Counter(each.track.state for each in watch.watched.values())
    count = len(watch.watched)
    words = [f"{count} check{'' if count == 1 else 's'}"]
    words += [f"{states[state]} {state}" for state in (State.UNFIT, State.UNKNOWN) if states[state]]
    words += [f"{len(watch.refused)} refused"] if watch.refused else []
    return ", ".join(words)


@hookimpl
def commands(cli: click.Group) -> None:
    """Add `les checks`."""
    command_line.add(cli)


@hookimpl
async def control(action: str, arguments: Mapping[str, object], ctx: Context) -> object:
    """`list`: every check and what is refused. `run`: the check `name`, now."""
    watch = _watches.get(ctx)
    if watch is None:
        raise PluginError(ctx.name, "does not check anything yet; see the log")
    match action:
        case "list":
            refused = [{"name": name, "state": State.UNFIT, "reason": why} for name, why in watch.refused.items()]
            return [*refused, *(_shown(each) for each in watch.watched.values())]
        case "run":
            return await _run(plain(str(arguments.get("name", ""))), watch, ctx)
        case _:
            raise PluginError(ctx.name, f"knows the actions list and run, not {plain(action)!r}")


async def _run(name: str, watch: Watch, ctx: Context) -> Sequence[Mapping[str, object]]:
    results = await watch.run_now(name)
    if not results:
        raise PluginError(ctx.name, f"has no check {name!r}; it has {', '.join(watch.watched) or 'none'}")
    return [
        {
            "name": label,
            "state": State.UNFIT if result.why else State.FIT,
            "reason": result.why,
            "seconds": result.seconds,
        }
        for label, result in results.items()
    ]


def _shown(each: Watched) -> Mapping[str, Any]:
    track = each.track
    return {
        "name": each.check.label,
        "kind": each.check.kind,
        "target": each.check.target,
        "state": track.state,
        "reason": track.why,
        "since": track.since,
        "runs": track.runs,
        "failures": track.failures,
        "last": None if track.last_at is None else (track.last or "ok"),
        "last_at": track.last_at,
        "last_seconds": track.took,
    }
