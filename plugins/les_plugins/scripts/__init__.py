"""The bundled plugin `scripts`: runs what is in `hooks.d`. Loaded through its entry point; nothing imports it.

    folders   which programs run on which event
    running   one after another for an event; again and again while leading
    record    what became of them

`docs/scripts.md` tells users of it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated
from weakref import WeakKeyDictionary

import msgspec

from les_hooks.config import Written
from les_hooks.config.durations import DURATION_PATTERN, format_duration, parse_duration
from les_hooks.errors import PluginError
from les_hooks.events import Event, EventKind
from les_hooks.hookspecs import Context, hookimpl
from les_hooks.text import plain, printable
from les_plugins.programs import Verdict, call, missing_interpreter
from les_plugins.scripts import running
from les_plugins.scripts.folders import Entry, discover, scripts_for
from les_plugins.scripts.record import FAILURES, Record

__all__ = ["ScriptsConfig"]


# What an end takes elsewhere is made for this: the guard's own limit, and what a cancelled hook gets to wind up.
_LONGEST_GRACE_SECONDS = 5.0


def _parse_grace(text: str) -> float:
    seconds = parse_duration(text)
    if seconds > _LONGEST_GRACE_SECONDS:
        raise ValueError(f'is too long; "{_LONGEST_GRACE_SECONDS:g}s" is the most, so that a take-over need not wait')
    return seconds


Grace = Annotated[
    float,
    Written(what="a duration", example="5s", pattern=DURATION_PATTERN, parse=_parse_grace, write=format_duration),
]


class ScriptsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`dir` comes from `[hooks]`, and so does `timeout` (seconds, for each script) where the plugin's table has none.

    `path` is the PATH that scripts get. `grace` lies between TERM and KILL; 5 seconds at most.
    """

    dir: str = "hooks.d"
    timeout: float
    grace: Grace = 5.0
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# By context and not in one variable: a process may hold several nodes.
_records: WeakKeyDictionary[Context, Record] = WeakKeyDictionary()


def _record(ctx: Context) -> Record:
    return _records.setdefault(ctx, Record())


async def _tell(event: Event, ctx: Context) -> None:
    await running.tell(event, ctx, _record(ctx))


@hookimpl
def config_type() -> type[msgspec.Struct]:
    """Read `[plugins.scripts]` into this."""
    return ScriptsConfig


@hookimpl
async def on_started(event: Event, ctx: Context) -> None:
    """Run `started.d`."""
    await _tell(event, ctx)


@hookimpl
async def on_stopping(event: Event, ctx: Context) -> None:
    """Run `stopping.d`."""
    await _tell(event, ctx)


@hookimpl
async def on_elected(event: Event, ctx: Context) -> None:
    """Run `elected.d`."""
    await _tell(event, ctx)


@hookimpl
async def on_demoted(event: Event, ctx: Context) -> None:
    """Run `demoted.d`."""
    await _tell(event, ctx)


@hookimpl
async def on_reasserted(event: Event, ctx: Context) -> None:
    """Run `reasserted.d`."""
    await _tell(event, ctx)


@hookimpl
async def on_leader_changed(event: Event, ctx: Context) -> None:
    """Run `leader-changed.d`."""
    await _tell(event, ctx)


@hookimpl
async def on_member_joined(event: Event, ctx: Context) -> None:
    """Run `member-joined.d`."""
    await _tell(event, ctx)


@hookimpl
async def on_member_left(event: Event, ctx: Context) -> None:
    """Run `member-left.d`."""
    await _tell(event, ctx)


@hookimpl
async def on_member_lost(event: Event, ctx: Context) -> None:
    """Run `member-lost.d`."""
    await _tell(event, ctx)


@hookimpl
async def while_leader(event: Event, ctx: Context) -> None:
    """Keep `while-leader.d` running."""
    await running.keep_all(msgspec.structs.replace(event, kind=EventKind.WHILE_LEADER), ctx, _record(ctx))


@hookimpl
async def deadline(event: Event, ctx: Context) -> float:
    """Each script has its own limit; all of them together get what they may take one after another."""
    return await running.longest(event.kind, ctx)


@hookimpl
def validate(ctx: Context) -> Sequence[str]:
    """Complain about what would be skipped or refused."""
    folder = running.folder_of(ctx)
    if not folder.exists():
        return [f"{folder}: there is no such folder, so no script runs; make it, or correct [hooks] dir"]
    entries = discover(folder, os.geteuid())
    complaints = [
        f"{entry.path}: {entry.verdict}: {entry.reason}"
        for entry in entries
        if entry.verdict in (Verdict.SKIPPED, Verdict.REFUSED)
    ]
    scripts = [entry.path for entry in entries if entry.verdict is Verdict.RUNS]
    complaints += [
        f"{path}: cannot start: {why}" for path in scripts if (why := missing_interpreter(path) or ctx.barred(path))
    ]
    return [printable(complaint) for complaint in complaints]


@hookimpl
def plan(kind: EventKind, ctx: Context) -> Sequence[str]:
    """Name the scripts."""
    what = "end" if kind is EventKind.WHILE_LEADER else "run"
    entries = scripts_for(kind, running.folder_of(ctx), os.geteuid())
    return [f"{what} {printable(str(entry.path))}" for entry in entries if entry.verdict is Verdict.RUNS]


@hookimpl
def status(ctx: Context) -> Mapping[str, object]:
    """Tell the last run of each script."""
    record = _record(ctx)
    return {"summary": _summary(record), "scripts": [asdict(run) for run in record.runs.values()]}


def _summary(record: Record) -> str:
    last = record.runs.values()
    counts = {
        "ran": {run.path for run in last},
        "failed last": {run.path for run in last if run.outcome in FAILURES},
        "running now": record.since,
    }
    return ", ".join(f"{len(those)} {what}" for what, those in counts.items() if those)


@hookimpl
def control(action: str, arguments: Mapping[str, object], ctx: Context) -> object:
    """`list`: all of `hooks.d`, with verdicts and last runs. `preview`: how scripts would be called for `event`."""
    match action:
        case "list":
            return [_listed(entry, _record(ctx)) for entry in discover(running.folder_of(ctx), os.geteuid())]
        case "preview":
            event = _event(arguments, ctx)
            entries = scripts_for(event.kind, running.folder_of(ctx), os.geteuid())
            return [
                msgspec.to_builtins(call(entry.path, event, ctx.config.path, running.limit(event.kind, ctx)))
                for entry in entries
                if entry.verdict is Verdict.RUNS
            ]
        case _:
            raise PluginError(ctx.name, f"knows the actions list and preview, not {plain(action)!r}")


def _event(arguments: Mapping[str, object], ctx: Context) -> Event:
    try:
        return msgspec.convert(arguments.get("event"), Event)
    except msgspec.ValidationError as error:
        raise PluginError(ctx.name, f"cannot read the event: {error}") from error


def _listed(entry: Entry, record: Record) -> dict[str, object]:
    runs = [asdict(run) for run in record.runs.values() if run.path == str(entry.path)]
    return {
        "event": entry.event,
        "path": printable(str(entry.path)),
        "verdict": entry.verdict,
        "reason": entry.reason,
        "running_since": record.running_since(str(entry.path)),
        "last_runs": runs,
    }
