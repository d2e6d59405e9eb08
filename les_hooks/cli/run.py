"""`les run`: one node, until it is told to stop."""

import asyncio
import os
import sys
import threading
from typing import Any

import click
from structlog.typing import FilteringBoundLogger

from les_hooks.cli.flags import arguments, config_flags, read_config
from les_hooks.cli.group import exit_code
from les_hooks.cli.supervisor import Supervisor
from les_hooks.cli.target import Target, config_option
from les_hooks.config import Config
from les_hooks.control.client import call
from les_hooks.daemon.systemd import ServiceManager
from les_hooks.errors import ControlError, StartError
from les_hooks.http import check_port
from les_hooks.log import make_log
from les_hooks.plugins import Registry
from les_hooks.processes.memory import keep_memory_private
from les_hooks.text import error_words

__all__ = ["run"]

_PROBE_SECONDS = 2.0

# What left-overs get to end: each was told to before, and had its time then.
_CLOSE_SECONDS = 1.0


@click.command
@config_option
@config_flags
@click.pass_obj
def run(target: Target, /, **given: Any) -> None:
    """Run a node in the foreground, until SIGTERM or Ctrl-C.

    A second one ends it at once. Flags win over the file, and are enough without one. SIGHUP reads the file again. The
    log goes to standard error.
    """
    keep_memory_private()
    service = ServiceManager()

    def read() -> Config:
        # A registry of its own: what is only looked at must not be loaded into the node's.
        return read_config(target, given, Registry())

    config = read()
    # From here on the same file, whatever the working folder has in it later.
    target.file = config.source.absolute() if config.source is not None else None
    if not _is_ending(config):
        check_port(config.http.listen)  # before it joins, and comes and goes with each attempt to start it
    cleanup = (sys.executable, "-P", "-m", "les_hooks", "cleanup", *arguments(target, given))
    supervisor = Supervisor(config, read=read if target.file is not None else None, cleanup=cleanup, service=service)
    _run_to_the_end(supervisor, make_log(config.log.format, config.log.level))


def _run_to_the_end(supervisor: Supervisor, log: FilteringBoundLogger) -> None:
    """Run it, and end whatever a plugin left behind; what cannot be ended does not keep the process."""
    runner = asyncio.Runner()
    code, why = 0, ""
    try:
        runner.run(supervisor.run())
    except BaseException as error:
        code, why = exit_code(error), error_words(error)
        raise
    finally:
        # `close` waits for all tasks and for the threads of the loop, Python for all others; neither has a limit.
        end = threading.Timer(_CLOSE_SECONDS, _end_at_once, (runner.get_loop(), log, code, why))
        end.daemon = True
        end.start()
        runner.close()
        if not _threads():
            end.cancel()


def _end_at_once(loop: asyncio.AbstractEventLoop, log: FilteringBoundLogger, code: int, why: str) -> None:
    """End this process; all that must be written is, by now, and what is left is not ours."""
    tasks = sorted(task.get_name() for task in asyncio.all_tasks(loop))
    log.warning("ended-with-leftovers", tasks=tasks, threads=_threads(), error=why or None)
    os._exit(code)


def _threads() -> list[str]:
    """The names of the threads that Python would wait for."""
    return [one.name for one in threading.enumerate() if not one.daemon and one is not threading.main_thread()]


def _is_ending(config: Config) -> bool:
    """Whether a daemon is about to end here, for which a start waits. Raises StartError where one runs."""
    try:
        answer: Any = call(config.control.socket, "status", timeout=_PROBE_SECONDS)
    except ControlError:
        return False  # nobody answers, or somebody who has another socket's error to tell when we want to listen there
    if not answer["node"]["stopping"]:
        raise StartError(
            f"control socket {config.control.socket}",
            f"the daemon {answer['node']['name']} answers there (process {answer['node']['pid']})",
            "end it with `les leave`, or give this node a [node] state_dir of its own",
        )
    return True
