"""Taking a new configuration while running: on SIGHUP, and on `les reload`. Imported by `node` and what is above."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from les_hooks.audit import Action, Audit, Outcome
from les_hooks.config import Config, changes, restart_keys
from les_hooks.errors import ConfigError, Problem

__all__ = ["live_changes", "reload"]


class Reloadable(Protocol):
    """What is needed of a `Node`."""

    audit: Audit
    reloading: asyncio.Lock

    async def reload(self, config: Config) -> tuple[str, ...]:
        """Take the configuration, or raise ConfigError."""


async def reload(node: Reloadable, read: Callable[[], Config]) -> tuple[str, ...]:
    """Read a configuration and have the node take it; returns the keys that changed.

    Raises ConfigError where it cannot be used; the node then keeps what it has, and the audit says why.
    """
    async with node.reloading:  # of two at once the one that reads last must win
        try:
            # In a thread: a new plugin may take its time to be imported, and the heartbeat must not wait for it.
            return await node.reload(await asyncio.to_thread(read))
        except ConfigError as error:
            node.audit.record(Action.CONFIG_REJECTED, Outcome.FAILURE, reason=str(error))
            raise


def live_changes(old: Config, new: Config) -> tuple[str, ...]:
    """Name the keys that differ; ConfigError names those among them that only a restart can change."""
    why = "cannot change while the node runs; restart it, or put the old value back"
    problems = tuple(
        Problem(where=new.origins.get(key, old.origins.get(key, "")), key=key, message=why)
        for key in restart_keys(old, new)
    )
    if problems:
        raise ConfigError(problems)
    return changes(old, new)
