"""`les cleanup`: what a daemon that died could not do itself. Run by the guard, by systemd, or by hand."""

import contextlib
import math
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from les_hooks.audit import Action, Outcome
from les_hooks.config import Config
from les_hooks.daemon.confined import unless_unavailable
from les_hooks.daemon.folder import GUARD_LOCK, HeldError
from les_hooks.daemon.hooks import Hooks
from les_hooks.daemon.records import make_audit, make_narrator, open_store
from les_hooks.daemon.release import release
from les_hooks.daemon.setup import LAST_RESORT_SECONDS, Demotion, NoAuthority, recorder
from les_hooks.daemon.state import StateStore
from les_hooks.daemon.undoing import undo_plugins
from les_hooks.events import Event
from les_hooks.guard import Guard
from les_hooks.members import NO_MANDATE, Mandate
from les_hooks.plugins import Registry

__all__ = ["Cleaned", "clean_up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What there was to do: `needed` says whether a daemon had died, `failed` what was not undone: plugins' names,
    the demotion as a whole, or programs that nothing ends. `held_by` is who has the state directory, and sees to it.
    """

    needed: bool
    failed: tuple[str, ...] = ()
    held_by: str = ""


async def clean_up(
    config: Config,
    *,
    log: FilteringBoundLogger,
    registry: Registry,
    lock_seconds: float,
    force: bool = False,
    release_by: float = math.inf,
) -> Cleaned:
    """Run the demote hooks (reason `crashed`) and every plugin's `cleanup`, if a daemon died without doing so.

    Where that was done, the voters that had granted the dead daemon their votes are told, and may grant them anew: a
    crash costs no lease. `release_by` is the boottime at which the grants run out, where it is known: what undoes is
    gone by then.

    Holds the lock of the state directory meanwhile, so that a new daemon waits for it. Does nothing where another has
    it for longer than `lock_seconds`: a daemon demotes at its start. `force` does it without a crash as well, and
    raises StartError then. Cancelled, it ends what it runs, and the mark of the crash stays.
    """
    try:
        store = await open_store(
            config.node.state_dir, log, patience=lock_seconds, cleanup_patience=lock_seconds, cleaning=True
        )
    except HeldError as error:
        if force:
            raise
        return Cleaned(needed=False, held_by=error.holder)
    with store:
        if not (store.crashed or force):
            return Cleaned(needed=False)
        cleaned = await _clean_up(config, store, log, registry, release_by)
        if not cleaned.failed:
            store.mark_stopped()
        return cleaned


async def _clean_up(
    config: Config, store: StateStore, log: FilteringBoundLogger, registry: Registry, release_by: float
) -> Cleaned:
    dead, boot = store.running, store.next_boot()
    async with contextlib.AsyncExitStack() as close:
        audit = make_audit(config, store, boot, log)
        close.callback(audit.close)
        # Without a command: whoever ends this process at once may run it again, its scripts must not go on alone.
        guard = Guard(log, lock=config.node.state_dir / GUARD_LOCK)
        guard.start()
        close.push_async_callback(guard.close)
        guard.authority(Mandate(act_until=NO_MANDATE.act_until, release_by=release_by))
        demotion = Demotion(recorder(audit))
        released: list[Event] = []
        hooks = Hooks(
            registry,
            log=log,
            record=demotion.record,
            guard=guard,
            authority=NoAuthority(release_by),
            # What needs no program is undone all the same.
            confinement=unless_unavailable(config),
            on_released=lambda event, _failed: released.append(event),
        )
        hooks.apply(config)
        hooks.dispatcher.start()
        close.push_async_callback(hooks.dispatcher.close)
        hooks.dispatcher.submit(make_narrator(config, store, boot).crashed())
        await hooks.dispatcher.drained(LAST_RESORT_SECONDS)
        undone = demotion.failed if released else ("the demotion",)
        failed = list(dict.fromkeys([*undone, *await undo_plugins(hooks, log), *hooks.remains]))
        if dead is not None and not failed:
            # Before all that has time: others wait for it.
            await release(config, dead, registry, log)
        audit.record(Action.CLEANUP_RUN, Outcome.FAILURE if failed else Outcome.SUCCESS, failed=failed)
    return Cleaned(needed=True, failed=tuple(failed))
