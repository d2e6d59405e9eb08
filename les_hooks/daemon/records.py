"""What outlives a process, opened by the next one: the state directory, the audit trail, the story that was told.

Imported by `parts`, `node` and `cleanup`. Apart from `parts`, because `cleanup` must not wait for the imports of an
election.
"""

import asyncio
import contextlib
import threading
import time
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from les_hooks.audit import Audit, Head
from les_hooks.audit.files import find
from les_hooks.audit.leaderships import Leaderships
from les_hooks.audit.past import recall
from les_hooks.config import Config
from les_hooks.daemon.folder import lock_holder
from les_hooks.daemon.narrator import Narrator, Origin, Past
from les_hooks.daemon.setup import LAST_RESORT_SECONDS
from les_hooks.daemon.state import StateStore
from les_hooks.errors import StartError
from les_hooks.members import Address, Boot

__all__ = ["make_audit", "make_narrator", "open_store", "read_leaderships"]

# The daemon before may hold the state directory for as long as its hooks run; a start that waits longer should fail,
# as that daemon does not seem to end at all. `les cleanup` does.
_LOCK_PATIENCE_SECONDS = 60.0


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
        after=Head(seq=told.audit_seq, hash=told.audit_hash) if told is not None else None,
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


async def read_leaderships(path: Path, history: Leaderships) -> None:
    """Have the history begin with what the end of the trail tells; nothing where that cannot be read."""

    def take() -> None:
        with contextlib.suppress(OSError):
            recall(find(path).files, history)

    await asyncio.to_thread(take)
