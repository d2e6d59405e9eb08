"""`les cleanup`: what a daemon that died could not do itself. Run by the guard, by systemd, or by hand."""

import time
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from les_hooks.audit import Action, Audit, Outcome
from les_hooks.config import Config
from les_hooks.daemon.clock import boottime
from les_hooks.daemon.narrator import Narrator, Origin, Past
from les_hooks.daemon.setup import NoAuthority, Plugins, recorder
from les_hooks.daemon.state import StateStore
from les_hooks.dispatch import Dispatcher
from les_hooks.members import Address, Boot
from les_hooks.plugins import Registry
from les_hooks.processes import Runner

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
    boot: Boot = store.next_boot()
    told = store.last_told
    audit = Audit(
        config.log.audit,
        node=config.node.advertise,
        cluster=config.cluster.name,
        boot=boot.counter,
        wall=time.time,
        log=log,
        after_seq=told.audit_seq if told is not None else 0,
    )
    record = recorder(audit)
    plugins = Plugins(registry=registry, log=log, record=record, runner=Runner(None, boottime))
    plugins.load(config)
    dispatcher = Dispatcher(
        registry=registry,
        authority=NoAuthority(),
        record=record,
        log=log,
        clock=boottime,
        on_released=lambda _: None,
        on_critical=lambda _: None,
        on_broken=lambda _: None,
    )
    dispatcher.configure(plugins.contexts, plugins.settings)
    dispatcher.start()
    narrator = Narrator(
        Origin(
            node=Address(config.node.advertise), name=config.node.name, cluster=config.cluster.name, nonce=boot.nonce
        ),
        past=Past(leader=told.leader, term=told.term) if told is not None else Past(),
        next_seq=store.next_seq,
        wall=time.time,
    )
    dispatcher.submit(narrator.crashed())
    await dispatcher.drained(plugins.limit)
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
