"""What plugins undo beside their demote hooks, after a daemon that died. Imported by `cleanup` and `node`."""

from collections.abc import Sequence

from structlog.typing import FilteringBoundLogger

from les_hooks.daemon.hooks import Hooks

__all__ = ["undo_plugins"]


async def undo_plugins(hooks: Hooks, log: FilteringBoundLogger) -> Sequence[str]:
    """Have every plugin's `cleanup` called, one after the other as demote hooks are; tell which could not clean up."""
    failed = []
    for name in reversed(hooks.registry.loaded):
        result = await hooks.dispatcher.ask(name, "cleanup", hooks.plugins.settings[name].timeout)
        if result is not None and result.error:
            failed.append(name)
            log.error("cleanup-failed", plugin=name, error=result.error)
    return failed
