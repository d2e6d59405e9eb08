"""Plugins without a daemon, for the commands that look at hooks or try them: `check`, `hooks`, `plugins`."""

import contextlib
import math
from collections.abc import AsyncIterator

from les_hooks.config import Config, LogFormat, LogLevel
from les_hooks.daemon.confined import confinement_of, tried_confinement
from les_hooks.daemon.hooks import Hooks
from les_hooks.errors import StartError
from les_hooks.log import make_log
from les_hooks.plugins import Registry
from les_hooks.processes import Confinement, Unavailable

__all__ = ["Pretended", "workbench"]


class Pretended:
    """The authority of a leader for the length of a trial."""

    def left(self) -> float:
        """As long as it takes."""
        return math.inf

    def hold_left(self) -> float:
        """As long as it takes."""
        return math.inf

    def release_left(self) -> float:
        """As long as it takes."""
        return math.inf

    async def confirmed(self) -> bool:
        """Yes."""
        return True


def _supposed(config: Config) -> Confinement | Unavailable | None:
    """How the daemon would confine programs, whether or not this process could."""
    try:
        return confinement_of(config)
    except StartError as error:
        return Unavailable(why=str(error))


def _forget(_action: str, _outcome: str, /, **_fields: object) -> None:
    """A trial is no part of the node's history."""


@contextlib.asynccontextmanager
async def workbench(config: Config, registry: Registry, *, dry_run: bool) -> AsyncIterator[Hooks]:
    """The plugins of the configuration, loaded, with their hooks ready to be called one by one.

    Raises StartError where programs could not be run as the daemon would; in a `dry_run` nothing is run.
    """
    confinement = _supposed(config) if dry_run else tried_confinement(config)
    hooks = Hooks(
        registry,
        log=make_log(LogFormat.CONSOLE, LogLevel.WARNING),
        record=_forget,
        authority=Pretended(),
        confinement=confinement,
        dry_run=dry_run,
    )
    hooks.apply(config)
    hooks.dispatcher.start()
    try:
        yield hooks
    finally:
        await hooks.dispatcher.close()
