"""The parts of a node, each made from its configuration. Imported by `node`."""

import sys
from contextlib import AsyncExitStack

from structlog.typing import FilteringBoundLogger

from les_hooks.audit import Audit
from les_hooks.backends import Backend, Reports
from les_hooks.backends.peers import PeersBackend, Settings
from les_hooks.config import Config
from les_hooks.daemon.authority import BackendAuthority
from les_hooks.daemon.clock import boottime, instant
from les_hooks.daemon.electorate import check_change, electorate_of
from les_hooks.daemon.engines import find_engine, identity_of, seat_of
from les_hooks.daemon.records import make_audit, open_store
from les_hooks.daemon.state import VOTERS_FILE, StateStore
from les_hooks.election.identity import Timing
from les_hooks.members import Boot
from les_hooks.plugins import Registry
from les_hooks.security import Credentials

__all__ = [
    "cleanup_command",
    "make_authority",
    "make_backend",
    "open_memory",
]

# Who is asked to confirm a leader answers or is lost within one `failure`; the second is the margin.
_FAILURES_PER_ANSWER = 2


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


def make_backend(
    config: Config,
    store: StateStore,
    boot: Boot,
    credentials: Credentials,
    registry: Registry,
    reports: Reports,
    log: FilteringBoundLogger,
) -> Backend:
    """What finds a leader: a plugin's engine, or the election among the nodes themselves. Raises StartError."""
    engine = find_engine(config, registry)
    if engine is not None:
        return engine.make(seat_of(config, boot, store.memory.term, log), reports, instant, store)
    return _make_peers(config, store, boot, credentials, reports, log)


def _make_peers(
    config: Config,
    store: StateStore,
    boot: Boot,
    credentials: Credentials,
    reports: Reports,
    log: FilteringBoundLogger,
) -> PeersBackend:
    timing = config.timing
    host, port = config.node.listen
    settings = Settings(
        identity=identity_of(config, boot),
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
        public=config.security.public,
    )
    return PeersBackend(
        settings,
        memory=store.memory,
        clock=instant,
        credentials=credentials,
        on_view=reports.on_view,
        on_authority=reports.on_authority,
        on_beat=reports.on_beat,
        on_broken=reports.on_broken,
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
