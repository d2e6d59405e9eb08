"""`les demo`: a cluster on this machine whose leaders die while one watches."""

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from les_hooks.cli.program import call_words
from les_hooks.demo import ACTS, Director, Report, Timeline

__all__ = ["demo"]

_Result = TypeVar("_Result")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@click.command()
@click.option("--keep", is_flag=True, help="Leave the cluster running afterwards, until Ctrl-C, to play with.")
@click.option("--json", "as_json", is_flag=True, help="Print the closing table as JSON; the rest goes to stderr.")
@click.option("--pace", type=click.FloatRange(0, 100), default=1.0, show_default=True, help="Time to watch, stretched.")
def demo(keep: bool, as_json: bool, pace: float) -> None:
    """Start three nodes here, kill their leaders, and show who takes over, and how fast.

    It takes about fifteen seconds, uses free ports of this machine alone and a temporary folder, and leaves nothing
    behind. Exits with 1 if leadership did not move, or not in time.
    """
    sys.exit(asyncio.run(_demo(keep=keep, as_json=as_json, pace=pace)))


async def _demo(*, keep: bool, as_json: bool, pace: float) -> int:
    """Perform until the end or a signal, then take everything down; returns the exit code."""
    ending = _Ending()
    timeline = Timeline(sys.stderr if as_json else sys.stdout, on_lost=ending.lost.set)
    with tempfile.TemporaryDirectory(prefix="les-demo-") as name:
        timeline.say(f"les demo: three nodes of a cluster, in {name}")
        director = Director(Path(name), timeline, pace=pace)
        try:
            report = await ending.first(director.play(ACTS))
            if report is not None:
                _close(report, timeline, as_json)
            if report is not None and keep:
                _invite(director, timeline)
                await ending.first(director.go_on())
        finally:
            timeline.say("  taking the cluster down ...")
            await director.close()
    if report is None:
        return 128 + ending.signal
    return 0 if report.succeeded else 1


class _Ending:
    """The first signal, or the loss of the terminal. Later ones change nothing: the end has begun, and has a limit."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.signal: int = signal.SIGPIPE
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does it
                asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if not self.lost.is_set():
            self.signal = number
            self.lost.set()

    async def first(self, performance: Coroutine[Any, Any, _Result]) -> _Result | None:
        """Wait for the performance; None where the end came first."""
        playing = asyncio.ensure_future(performance)
        ending = asyncio.ensure_future(self.lost.wait())
        try:
            await asyncio.wait({playing, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
            playing.cancel()
            await asyncio.gather(ending, playing, return_exceptions=True)
        return None if playing.cancelled() else playing.result()


def _close(report: Report, timeline: Timeline, as_json: bool) -> None:
    timeline.table(report)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))


def _invite(director: Director, timeline: Timeline) -> None:
    """Tell what can be done with a cluster that runs on."""
    fleet = director.fleet
    node = director.stage.leader or fleet.nodes[0]
    les = call_words()
    timeline.say()
    timeline.say("  The cluster runs on until Ctrl-C. In another terminal:")
    for line in (
        f"curl http://{fleet.addresses[node]}/state",
        f"curl http://{fleet.addresses[node]}/diag",
        f"{les} status -c {fleet.config(node)}",
        f"{les} watch -c {fleet.config(node)}",
        f"{les} step-down -c {fleet.config(node)}",
        f"kill -9 {fleet.pid(node)}   # {node}, which leads; it is started again after a while",
        f"ls {fleet.folder}/hooks.d/*",
    ):
        timeline.say(f"    {line}")
    timeline.say()
