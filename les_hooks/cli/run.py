"""`les run`: one node, until it is told to stop."""

import asyncio
import sys
from typing import Any

import click

from les_hooks.cli.flags import arguments, config_flags, read_config
from les_hooks.cli.supervisor import Supervisor
from les_hooks.cli.target import Target, config_option
from les_hooks.config import Config
from les_hooks.control.client import call
from les_hooks.daemon.systemd import ServiceManager
from les_hooks.errors import ControlError, StartError
from les_hooks.plugins import Registry

__all__ = ["run"]

_PROBE_SECONDS = 2.0


@click.command
@config_option
@config_flags
@click.pass_obj
def run(target: Target, /, **given: Any) -> None:
    """Run a node in the foreground, until SIGTERM or Ctrl-C.

    A second one ends it at once. Flags win over the file, and are enough without one. SIGHUP reads the file again. The
    log goes to standard error.
    """
    service = ServiceManager()

    def read() -> Config:
        # A registry of its own: what is only looked at must not be loaded into the node's.
        return read_config(target, given, Registry())

    config = read()
    # From here on the same file, whatever the working folder has in it later.
    target.file = config.source.absolute() if config.source is not None else None
    _refuse_second(config)
    cleanup = (sys.executable, "-P", "-m", "les_hooks", "cleanup", *arguments(target, given))
    supervisor = Supervisor(config, read=read if target.file is not None else None, cleanup=cleanup, service=service)
    with asyncio.Runner() as runner:
        runner.run(supervisor.run())


def _refuse_second(config: Config) -> None:
    """Say at once that a daemon runs: a start waits for the state directory, as that daemon could be about to end."""
    try:
        answer: Any = call(config.control.socket, "status", timeout=_PROBE_SECONDS)
    except ControlError:
        return  # nobody answers, or somebody who has another socket's error to tell when we want to listen there
    if not answer["node"]["stopping"]:
        raise StartError(
            f"control socket {config.control.socket}",
            f"the daemon {answer['node']['name']} answers there (process {answer['node']['pid']})",
            "end it with `les leave`, or give this node a [node] state_dir of its own",
        )
