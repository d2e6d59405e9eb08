"""Running scripts by hand, and showing how they are called. For `les hooks run`."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from les_hooks.cli.output import fields, say
from les_hooks.cli.workbench import workbench
from les_hooks.config import Config
from les_hooks.events import Event, EventKind
from les_hooks.plugins import Registry
from les_hooks.processes import Command, Ending, Finished

__all__ = ["Called", "Tried", "show_call", "try_scripts"]

# What a script prints is kept for JSON up to here; the runner bounds each line.
_MOST_LINES = 10_000


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """What a script is started with."""

    argv: tuple[str, ...]
    env: dict[str, str]
    stdin: str


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """How a script ended; `output` is stream and line, in their order."""

    path: str
    outcome: str
    exit_code: int | None
    signal: int | None
    duration_ms: int
    error: str
    output: list[tuple[str, str]]


def show_call(called: Called) -> None:
    """Print arguments, environment and input."""
    say(called.argv[0], "cyan")
    first, *rest = sorted(f"{name}={value}" for name, value in called.env.items())
    fields(
        [
            ("argv", " ".join(called.argv)),
            ("env", first),
            *(("", line) for line in rest),
            ("stdin", called.stdin.rstrip("\n")),
        ],
        indent="  ",
    )
    say()


async def try_scripts(
    config: Config, registry: Registry, event: Event, called: Sequence[Called], *, quiet: bool
) -> list[Tried]:
    """Run one after another, each to its end; `quiet` prints nothing meanwhile."""
    lasting = event.kind is EventKind.WHILE_LEADER
    tried: list[Tried] = []
    async with workbench(config, registry, dry_run=False) as bench:
        ctx = bench.plugins.contexts["scripts"]
        for one in called:
            name = Path(one.argv[0]).name
            output: list[tuple[str, str]] = []

            def on_line(stream: str, line: str, name: str = name, output: list[tuple[str, str]] = output) -> None:
                if len(output) < _MOST_LINES:
                    output.append((stream, line))
                if not quiet:
                    say(f"{name} | {line}", "yellow" if stream == "stderr" else "")

            finished = await ctx.run(
                Command(
                    argv=one.argv,
                    env=one.env,
                    stdin=one.stdin.encode(),
                    # Work that lasts is tried until somebody ends it, or it ends by itself.
                    timeout=None if lasting else config.plugins["scripts"].timeout,
                    grace=ctx.config.grace,
                    on_line=on_line,
                )
            )
            tried.append(_tried(one, finished, output))
            if not quiet:
                _say_end(name, finished)
    return tried


def _tried(called: Called, finished: Finished, output: list[tuple[str, str]]) -> Tried:
    return Tried(
        path=called.argv[0],
        outcome=finished.ending.value,
        exit_code=finished.exit_code,
        signal=finished.signal,
        duration_ms=round(finished.seconds * 1000),
        error=finished.error,
        output=output,
    )


def _say_end(name: str, finished: Finished) -> None:
    how = finished.error or (
        f"exit code {finished.exit_code}" if finished.signal is None else f"ended by signal {finished.signal}"
    )
    colour = "green" if finished.ending is Ending.SUCCESS else "red"
    say(f"{name}: {finished.ending.value} after {finished.seconds * 1000:.0f} ms, {how}", colour)
