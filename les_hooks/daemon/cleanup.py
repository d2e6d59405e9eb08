"""`les cleanup`: what a daemon that died could not do itself. Run by the guard, by systemd, or by hand."""

from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from les_hooks.audit import Action, Outcome
from les_hooks.config import Config
from les_hooks.daemon.hooks import Hooks
from les_hooks.daemon.parts import make_audit, make_narrator
from les_hooks.daemon.setup import LAST_RESORT_SECONDS, recorder
from les_hooks.daemon.state import StateStore
from les_hooks.plugins import Registry

__all__ = ["Cleaned", "clean_up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What there was to do: `needed` says whether a daemon had died, `failed` which plugins could not clean up."""

    needed: bool
    failed: tuple[str, ...] = ()


async def clean_up(
    config: Config, *, log: FilteringBoundLogger, registry: Registry, lock_seconds: float, force: bool = False
) -> Cleaned:
    """Run the demote hooks (reason `crashed`) and every plugin's `cleanup`, if a daemon died without doing so.

    Holds the lock of the state directory meanwhile, so that a new daemon waits for it; raises StartError where a
    daemon has it for longer than `lock_seconds`. `force` does it without a crash as well.
    """
    with StateStore.open(config.node.state_dir, lock_seconds) as store:
        if not (store.crashed or force):
            return Cleaned(needed=False)
        cleaned = await _clean_up(config, store, log, registry)
        if not cleaned.failed:
            store.mark_stopped()
        return cleaned


async def _clean_up(config: Config, store: StateStore, log: FilteringBoundLogger, registry: Registry) -> Cleaned:
    boot = store.next_boot()
    audit = make_audit(config, store, boot, log)
    record = recorder(audit)
    hooks = Hooks(registry, log=log, record=record)
    hooks.apply(config)
    plugins, dispatcher = hooks.plugins, hooks.dispatcher
    dispatcher.start()
    dispatcher.submit(make_narrator(config, store, boot).crashed())
    await dispatcher.drained(LAST_RESORT_SECONDS)
    failed = []
    for name in registry.loaded:
        result = await dispatcher.ask(name, "cleanup", plugins.settings[name].timeout)
        if result is not None and result.error:
            failed.append(name)
            log.error("cleanup-failed", plugin=name, error=result.error)
    await dispatcher.close()
    audit.record(Action.CLEANUP_RUN, Outcome.FAILURE if failed else Outcome.SUCCESS, failed=failed)
    audit.close()
    return Cleaned(needed=True, failed=tuple(failed))
