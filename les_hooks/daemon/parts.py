"""The parts of a node, each made from its configuration. Imported by `node` and `cleanup`."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from les_hooks import __version__
from les_hooks.audit import Audit
from les_hooks.backends import Backend, OnAuthority, OnView
from les_hooks.backends.peers import PeersBackend, Settings
from les_hooks.config import Config
from les_hooks.daemon.authority import BackendAuthority
from les_hooks.daemon.clock import boottime, instant
from les_hooks.daemon.electorate import check_change, electorate_of
from les_hooks.daemon.folder import lock_holder
from les_hooks.daemon.narrator import Narrator, Origin, Past
from les_hooks.daemon.setup import LAST_RESORT_SECONDS
from les_hooks.daemon.state import VOTERS_FILE, StateStore
from les_hooks.election.identity import Identity, Timing
from les_hooks.errors import StartError
from les_hooks.members import Address, Boot

__all__ = [
    "cleanup_command",
    "make_audit",
    "make_authority",
    "make_backend",
    "make_narrator",
    "open_memory",
    "open_store",
]

# The daemon before may hold the state directory for as long as its hooks run; a start that waits longer should fail,
# as that daemon does not seem to end at all. `les cleanup` does.
_LOCK_PATIENCE_SECONDS = 60.0

# Who is asked to confirm a leader answers or is lost within one `failure`; the second is the margin.
_FAILURES_PER_ANSWER = 2


async def open_store(
    folder: Path,
    log: FilteringBoundLogger,
    *,
    patience: float = _LOCK_PATIENCE_SECONDS,
    cleanup_patience: float = LAST_RESORT_SECONDS,
    cleaning: bool = False,
) -> StateStore:
    """Open the state directory, and wait for who still has it: a daemon, `les cleanup`, or a guard.

    `cleaning`: this is `les cleanup`. Raises StartError.
    """
    given_up = threading.Event()
    said: list[bool] = []

    def nap(seconds: float) -> None:
        if not said:
            said.append(True)
            log.warning("state-directory-held", path=str(folder), by=lock_holder(folder), patience_seconds=patience)
        if given_up.wait(seconds):
            raise StartError(f"state directory {folder}", "is held by another process", "start the node again")

    try:
        return await asyncio.to_thread(
            StateStore.open, folder, patience, cleanup_seconds=cleanup_patience, cleaning=cleaning, sleep=nap
        )
    except asyncio.CancelledError:
        given_up.set()  # a thread cannot be cancelled, and nobody would close what it opens
        raise


async def open_memory(
    config: Config, log: FilteringBoundLogger, close: AsyncExitStack
) -> tuple[StateStore, Boot, Audit]:
    """Open what outlives a process, and count this start; `close` closes it again. Raises StartError."""
    store = await open_store(config.node.state_dir, log)
    close.callback(store.close)
    electorate = electorate_of(config)
    if electorate is not None:
        check_change(electorate, store.voters, str(store.path / VOTERS_FILE))
    boot = store.next_boot()
    audit = make_audit(config, store, boot, log)
    close.callback(audit.close)
    return store, boot, audit


def make_audit(config: Config, store: StateStore, boot: Boot, log: FilteringBoundLogger) -> Audit:
    """The trail, its numbers going on where the process before this one stopped."""
    told = store.last_told
    return Audit(
        config.log.audit,
        node=config.node.name,
        cluster=config.cluster.name,
        boot=boot.counter,
        wall=time.time,
        log=log,
        after_seq=told.audit_seq if told is not None else 0,
    )


def make_narrator(config: Config, store: StateStore, boot: Boot) -> Narrator:
    """The narrator, which knows what was told before."""
    told = store.last_told
    return Narrator(
        Origin(
            node=Address(config.node.advertise), name=config.node.name, cluster=config.cluster.name, nonce=boot.nonce
        ),
        past=Past(leader=told.leader, term=told.term, members=frozenset(told.members)) if told is not None else Past(),
        next_seq=store.next_seq,
        wall=time.time,
    )


def make_backend(
    config: Config,
    store: StateStore,
    boot: Boot,
    *,
    log: FilteringBoundLogger,
    on_view: OnView,
    on_authority: OnAuthority,
    on_beat: Callable[[], None],
    on_broken: Callable[[BaseException], None],
) -> PeersBackend:
    """The election among the nodes themselves."""
    timing = config.timing
    host, port = config.node.listen
    settings = Settings(
        identity=Identity(
            address=Address(config.node.advertise),
            name=config.node.name,
            version=__version__,
            boot=boot,
            part=config.cluster.role,
        ),
        cluster=config.cluster.name,
        host=host,
        port=port,
        seeds=tuple(config.cluster.seeds),
        retry=timing.retry,
        timing=Timing(
            heartbeat=timing.heartbeat,
            failure=timing.failure,
            settle=timing.settle,
            hold=timing.hold,
            loop_rate=timing.loop_rate,
            lease=timing.lease,
            alone_after=config.cluster.alone_after,
        ),
        electorate=electorate_of(config),
    )
    return PeersBackend(
        settings,
        memory=store.memory,
        clock=instant,
        on_view=on_view,
        on_authority=on_authority,
        on_beat=on_beat,
        on_broken=on_broken,
        disk=store,
        log=log,
    )


def make_authority(backend: Backend, config: Config) -> BackendAuthority:
    """What tells whether this node may act as the leader."""
    return BackendAuthority(backend, boottime, _FAILURES_PER_ANSWER * config.timing.failure)


def cleanup_command(config: Config) -> tuple[str, ...]:
    """What undoes the work of a daemon that died; without a file there is nothing to tell it the configuration."""
    if config.source is None:
        return ()
    return (sys.executable, "-m", "les_hooks", "cleanup", "--config", str(config.source.absolute()))
