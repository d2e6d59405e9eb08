"""Running scripts: in order for an event, side by side and again and again while leading. Private to `scripts`."""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from les_hooks.errors import PluginError
from les_hooks.events import Event, EventKind
from les_hooks.hookspecs import Context
from les_hooks.processes import Command, Ending, Finished
from les_hooks.text import plain
from les_plugins.programs import Verdict, call
from les_plugins.scripts.folders import Entry, judge, scripts_for
from les_plugins.scripts.record import FAILURES, Record

__all__ = ["folder_of", "keep_all", "limit", "longest", "tell"]

# A script that ends at once is started again at this pace; one that ran well for a while has earned a fresh start.
_FIRST_DELAY_SECONDS = 1.0
_LONGEST_DELAY_SECONDS = 30.0
_STEADY_SECONDS = 60.0

# The runner waits this long after KILL.
_REAPING_SECONDS = 5.0

_OF_A_LEADER = frozenset({EventKind.ELECTED, EventKind.REASSERTED, EventKind.WHILE_LEADER})

_NO_COMPLAINT = frozenset({Verdict.RUNS, Verdict.INERT})

Sleep = Callable[[float], Awaitable[object]]


def folder_of(ctx: Context) -> Path:
    """Return `hooks.d`; absolute, as scripts are started in `/`."""
    return Path(ctx.config.dir).absolute()


async def longest(kind: EventKind, ctx: Context) -> float:
    """Seconds that the scripts of the event may take one after another, their ends included."""
    return (len(await _look(kind, ctx)) + 1) * float(ctx.config.timeout + ctx.config.grace + _REAPING_SECONDS)


def limit(kind: EventKind, ctx: Context) -> float:
    """Seconds that one script of the event may take by itself."""
    return math.inf if kind is EventKind.WHILE_LEADER else float(ctx.config.timeout)


async def tell(event: Event, ctx: Context, record: Record) -> None:
    """Run all scripts of the event, in order. Raises PluginError at the end, naming those that failed."""
    failed = []
    for entry in await _runnable(event.kind, ctx, record):
        if event.kind in _OF_A_LEADER:
            await ctx.confirmed()  # while others are being asked, LES_DEADLINE would say that no time is left
        finished = await _run(entry, event, ctx, record)
        if finished is not None and finished.ending in FAILURES:
            failed.append(f"{entry.path} {_how(entry.path, finished, ctx.config.timeout)}")
    if failed:
        raise PluginError(ctx.name, f"on {event.kind}: {'; '.join(failed)}")


async def keep_all(event: Event, ctx: Context, record: Record, sleep: Sleep = asyncio.sleep) -> None:
    """Keep all scripts of `while-leader.d` running until this call is cancelled; it ends once all groups are gone."""
    async with asyncio.TaskGroup() as group:
        for entry in await _runnable(EventKind.WHILE_LEADER, ctx, record):
            group.create_task(_keep(entry, event, ctx, record, sleep))
        # To return would mean that the work is done, and the hook would be called again.
        await asyncio.get_running_loop().create_future()


async def _keep(entry: Entry, event: Event, ctx: Context, record: Record, sleep: Sleep) -> None:
    delay = _FIRST_DELAY_SECONDS
    while True:
        if await ctx.confirmed():
            finished = await _run(entry, event, ctx, record)
            if finished is not None and finished.seconds >= _STEADY_SECONDS:
                delay = _FIRST_DELAY_SECONDS
        await sleep(delay)
        delay = min(2 * delay, _LONGEST_DELAY_SECONDS)


async def _look(kind: EventKind, ctx: Context) -> list[Entry]:
    # In a thread: whose group may write a file is asked of a directory service, which may be slow, or away.
    return await asyncio.to_thread(scripts_for, kind, folder_of(ctx), os.geteuid())


async def _runnable(kind: EventKind, ctx: Context, record: Record) -> list[Entry]:
    entries = await _look(kind, ctx)
    for entry in entries:
        if record.is_news(str(entry.path), "" if entry.verdict in _NO_COMPLAINT else entry.reason):
            _complain(entry, kind, ctx)
    return [entry for entry in entries if entry.verdict is Verdict.RUNS]


def _complain(entry: Entry, kind: EventKind, ctx: Context) -> None:
    path, reason = plain(str(entry.path)), plain(entry.reason)
    ctx.log.warning(f"script-{entry.verdict}", path=path, reason=reason)
    if entry.verdict is Verdict.REFUSED:
        ctx.audit("refused", "unstarted", path=path, reason=reason, event=kind.value)


async def _run(entry: Entry, event: Event, ctx: Context, record: Record) -> Finished | None:
    """Run one script, if it still may; None where nothing is to be changed."""
    timeout = limit(event.kind, ctx)
    # What a leader does is not ended when this is over: its authority is renewed meanwhile.
    called = call(entry.path, event, ctx.config.path, min(timeout, ctx.time_left()))
    if ctx.dry_run:
        ctx.log.info("script-would-run", argv=called.argv)
        return None
    if reason := _why_not_now(entry):
        finished = Finished(ending=Ending.UNSTARTED, seconds=0.0, error=reason)
        _end(entry.path, event, ctx, record, finished)
        return finished
    command = Command(
        argv=called.argv,
        env=called.env,
        stdin=called.stdin.encode(),
        timeout=None if timeout == math.inf else timeout,
        grace=ctx.config.grace,
        on_line=lambda stream, line: ctx.log.info("script-output", script=entry.path.name, stream=stream, line=line),
        on_end=partial(_end, entry.path, event, ctx, record),
    )
    with record.running(str(entry.path), event):
        return await ctx.run(command)


def _why_not_now(entry: Entry) -> str:
    """Say why a script that could run when the event came cannot now: others may have run for long in between."""
    try:
        return judge(entry.path, entry.event, os.geteuid()).reason
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return str(error)


def _end(path: Path, event: Event, ctx: Context, record: Record, finished: Finished) -> None:
    record.add(str(path), event, finished)
    reason = _error(path, finished) or None
    if finished.ending in FAILURES:
        # Now and not with the hook's end: others may run for long before that.
        ctx.log.warning(
            "script-failed",
            path=str(path),
            outcome=finished.ending.value,
            exit_code=finished.exit_code,
            signal=finished.signal,
            error=reason,
        )
    ctx.audit(
        "script",
        finished.ending.value,
        path=str(path),
        event=event.kind.value,
        event_id=event.id,
        term=event.term,
        exit_code=finished.exit_code,
        signal=finished.signal,
        duration_ms=round(finished.seconds * 1000),
        reason=reason,
        cut=finished.cut,
    )


def _error(path: Path, finished: Finished) -> str:
    """Why it failed, without the path, which stands beside it already."""
    return finished.error.removeprefix(f"{path}: ")


def _how(path: Path, finished: Finished, timeout: float) -> str:
    match finished.ending:
        case Ending.TIMEOUT:
            return f"did not end within {min(timeout, round(finished.seconds, 2)):g} s"
        case Ending.FAILURE if finished.signal is not None:
            return f"was ended by signal {finished.signal}"
        case Ending.FAILURE:
            return f"exited with {finished.exit_code}"
        case _:
            return _error(path, finished)
