"""`les cleanup`: what a daemon that died could not do itself."""

import asyncio
import math
import os
import signal
from collections.abc import Coroutine
from typing import Any

import click

from les_hooks.cli.flags import config_flags, read_config
from les_hooks.cli.group import FAILED
from les_hooks.cli.output import emit_json, say
from les_hooks.cli.target import Target, config_option, json_option
from les_hooks.daemon.cleanup import Cleaned, clean_up
from les_hooks.guard.process import RELEASE_VARIABLE
from les_hooks.log import make_log
from les_hooks.plugins import Registry
from les_hooks.processes.memory import keep_memory_private

__all__ = ["cleanup"]


@click.command
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Wait so long for who holds the state directory.",
)
@click.option("--force", is_flag=True, help="Clean up although the daemon ended in order.")
@config_option
@config_flags
@json_option
@click.pass_obj
def cleanup(target: Target, /, wait_seconds: float, force: bool, as_json: bool, **given: Any) -> None:
    """Clear what a daemon that died left behind.

    It runs the demote hooks, and undoes what plugins must undo. The guard and systemd (ExecStopPost) call it; by hand
    it does no harm. It does nothing while a daemon runs. SIGTERM and Ctrl-C end it with the scripts that it runs.

    With quorum = "majority" it then gives back the votes that the daemon had, so that another node leads at once.
    """
    keep_memory_private()  # run by systemd it inherits nothing from a daemon
    registry = Registry()
    config = read_config(target, given, registry)
    log = make_log(config.log.format, config.log.level)
    work = clean_up(
        config, log=log, registry=registry, lock_seconds=wait_seconds, force=force, release_by=_release_by()
    )
    done = asyncio.run(_until_told(work))
    if done is None:
        click.echo("les: told to end, so the cleanup is not complete; run it again", err=True)
        click.get_current_context().exit(FAILED)
    if as_json:
        emit_json({"needed": done.needed, "failed": list(done.failed)})
    elif done.held_by:
        say(f"nothing to clean up: {done.held_by} has the state directory")
    elif not done.needed:
        say("nothing to clean up: the daemon ended in order")
    elif not done.failed:
        say("cleaned up what the daemon left behind")
    if done.failed:
        click.echo(f"les: could not clean up: {', '.join(done.failed)}; the log above says why", err=True)
        click.get_current_context().exit(FAILED)


def _release_by() -> float:
    """When others may lead, whatever is done here, as the guard of a daemon tells it that died."""
    try:
        moment = float(os.environ.get(RELEASE_VARIABLE, ""))
    except ValueError:
        return math.inf
    return moment if moment >= 0.0 else math.inf


async def _until_told(work: Coroutine[Any, Any, Cleaned]) -> Cleaned | None:
    """Do it, unless a signal says otherwise: then it is cancelled, which ends the groups of its scripts."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return None
