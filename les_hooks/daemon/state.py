"""The state directory: what a node must not forget, and the lock that keeps it to one process.

Imported by the daemon and by `les cleanup`. Three files, because they promise different things:

    state.json  synced before it counts: start counter, term, newest stamp, what was granted as a voter, event numbers,
                the mark of a running daemon
    voters.json synced as well: who elected the last leader. An operator who starts over with other voters removes it,
                and must not lose terms by that
    told.json   written on the side and never synced: what hooks were told last. Were it part of state.json, its
                unsynced replacement could lose a term in a power cut.
"""

import asyncio
import contextlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from les_hooks.audit import Head
from les_hooks.daemon.folder import Lock, Patience, replace_file
from les_hooks.daemon.stored import Running, State, Told, Voters, load_state, load_told, load_voters
from les_hooks.election.identity import Memory
from les_hooks.errors import StartError
from les_hooks.members import Boot

__all__ = ["SEQ_BLOCK", "STATE_FILE", "VOTERS_FILE", "StateStore", "Told"]

STATE_FILE: Final = "state.json"
VOTERS_FILE: Final = "voters.json"

SEQ_BLOCK: Final = 1000
"""How many event numbers are reserved at a time: a crash skips at most this many."""

_SAVE_SECONDS: Final = 5.0


class StateStore:
    """The state of one node on disk. Made by `open`, to be closed; methods may be called from any thread.

    `crashed`: the daemon before did not say that it stopped. `was_fresh`: there was nothing to remember at `open`: this
    node is new, or its state directory did not survive.

    Fork the guard before: a forked process keeps the lock as long as it lives. A program that is exec'd does not.
    """

    def __init__(self, path: Path, lock: Lock, *, wall: Callable[[], float], nonce: Callable[[], str]) -> None:
        """Use `open`."""
        self.path = path
        self._wall = wall
        self._nonce = nonce
        self._held = lock
        self._guard = threading.Lock()
        # One thread of our own: the loop's default ones may all be busy with hooks just when a term must be saved.
        self._writer = ThreadPoolExecutor(1, "les-state")
        self._fresh, self._state = load_state(path / STATE_FILE)
        self.was_fresh = self._fresh
        self._durable = self._state
        self._voters: tuple[str, ...] | None = None
        self._voters_pending = False
        self._told = load_told(path / "told.json")
        self._told_pending = False
        self._next_seq = self._state.reserved + 1
        self._reserving = False
        self.crashed = self._state.running is not None

    @classmethod
    def open(
        cls,
        path: Path,
        wait_seconds: float,
        *,
        cleanup_seconds: float | None = None,
        cleaning: bool = False,
        wall: Callable[[], float] = time.time,
        nonce: Callable[[], str] = lambda: secrets.token_hex(8),
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Self:
        """Make the directory if need be (0700), lock it and read what is in it. Blocks for a bounded time.

        The wait is for a daemon that is just ending, or for `les cleanup`, which may have `cleanup_seconds` instead;
        then for the guard of a daemon that died. `cleaning`: this process is `les cleanup`. Raises HeldError where the
        time is up, StartError for all else.
        """
        patience = Patience(
            seconds=wait_seconds,
            cleanup_seconds=wait_seconds if cleanup_seconds is None else cleanup_seconds,
            cleaning=cleaning,
        )
        lock = Lock.acquire(path, patience, now=now, sleep=sleep)
        try:
            return cls(path, lock, wall=wall, nonce=nonce)
        except BaseException:
            lock.release()
            raise

    @property
    def term(self) -> int:
        """The highest term that was saved, or was to be saved."""
        return self._state.term

    @property
    def newest(self) -> float:
        """The newest stamp that was saved, or was to be saved, in Unix seconds."""
        return self._state.newest

    @property
    def running(self) -> Boot | None:
        """The daemon that runs, or that died without saying that it stopped."""
        return self._state.running.boot if self._state.running is not None else None

    @property
    def memory(self) -> Memory:
        """What an election goes on from."""
        state = self._state
        return Memory(
            term=state.term,
            newest=state.newest,
            granted_term=state.granted_term,
            granted_boot=state.granted_boot,
            longest_lease=state.longest_lease,
            kept=not self.was_fresh,
        )

    @property
    def voters(self) -> tuple[str, ...]:
        """Who elected the last leader that this node knows, sorted; empty where none is known. Raises StartError."""
        # Read when it is asked for: rubbish in it keeps a daemon from starting, and is not to hinder `les cleanup`.
        if self._voters is None:
            self._voters = load_voters(self.path / VOTERS_FILE)
        return self._voters

    @property
    def last_told(self) -> Told | None:
        """What `told` was called with last, by this process or the one before it."""
        return self._told

    def next_boot(self) -> Boot:
        """Count this start, and reserve the first event numbers; durable when it returns. Raises StartError.

        Where nothing is stored the counter begins at the wall clock's seconds, so that a wiped directory does not make
        others take the new process for an old one.
        """
        counter = max(1, int(self._wall())) if self._fresh else self._state.counter + 1

        def count(state: State) -> State:
            return msgspec.structs.replace(state, counter=counter, reserved=state.reserved + SEQ_BLOCK)

        self._commit_at_start(count)
        self._fresh = False
        return Boot(counter, self._nonce())

    def mark_running(self, boot: Boot) -> None:
        """Note that a daemon runs, so that its crash is seen at the next `open`. Durable; raises StartError."""
        running = Running(boot=boot, pid=os.getpid())
        self._commit_at_start(lambda state: msgspec.structs.replace(state, running=running))

    def mark_stopped(self) -> None:
        """Note that nothing was left behind; the event numbers not used go back. Durable; raises OSError."""
        used = self._next_seq - 1
        self._commit(lambda state: msgspec.structs.replace(state, running=None, reserved=used))
        self.crashed = False

    async def save(self, term: int, newest: float) -> None:
        """Have term and stamp on disk; neither is ever lowered. Raises OSError, TimeoutError after five seconds."""

        def raised(state: State) -> State:
            return msgspec.structs.replace(state, term=max(state.term, term), newest=max(state.newest, newest))

        await self._write(raised)

    async def pledge(self, term: int, boot: Boot, lease: float) -> None:
        """Have on disk that this voter grants `term` to `boot`, for `lease` seconds. Raises as `save` does."""

        def pledged(state: State) -> State:
            return msgspec.structs.replace(
                state,
                term=max(state.term, term),
                granted_term=term,
                granted_boot=boot,
                longest_lease=max(state.longest_lease, lease),
            )

        await self._write(pledged)

    async def _write(self, change: Callable[[State], State]) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(loop.run_in_executor(self._writer, self._commit, change), _SAVE_SECONDS)

    def remember_voters(self, voters: Iterable[str]) -> None:
        """Remember that a leader whom these voters elected was seen; does not block. Without any nothing is forgotten.

        Where the disk fails, the next call tries again.
        """
        in_force = tuple(sorted(voters))
        if in_force and in_force != self.voters and not self._voters_pending:
            self._voters_pending = True
            self._writer.submit(self._write_voters, in_force)

    def next_seq(self) -> int:
        """The next event number; does not block. Numbers are never used twice.

        The one exception: a disk that refuses every write for a whole block of events, and a crash on top of it. Events
        must go out all the same, and a daemon that cannot save gives up leadership anyway.
        """
        seq = self._next_seq
        self._next_seq += 1
        if not self._reserving and self._state.reserved - seq < SEQ_BLOCK // 2:
            self._reserving = True
            self._writer.submit(self._reserve)
        return seq

    def told(self, *, leader: str | None, term: int, members: tuple[str, ...], audited: Head) -> None:
        """Remember what hooks were told; does not block, and may be lost."""
        told = Told(leader=leader, term=term, members=members, audit_seq=audited.seq, audit_hash=audited.hash)
        self._remember(told)

    def audited(self, head: Head) -> None:
        """Remember the last audit record, unless nothing was told yet; does not block, and may be lost."""
        if self._told is not None:
            self._remember(msgspec.structs.replace(self._told, audit_seq=head.seq, audit_hash=head.hash))

    def _remember(self, told: Told) -> None:
        self._told = told
        # One write at a time waits; it takes the latest value, so that a slow disk piles nothing up.
        if not self._told_pending:
            self._told_pending = True
            self._writer.submit(self._write_told)

    def later(self, work: Callable[[], None]) -> None:
        """Have something written by the thread that writes here, after all that waits; it must not raise."""
        self._writer.submit(work)

    def close(self) -> None:
        """Finish what is being written, as far as the disk lets it within five seconds, and release the lock."""
        with contextlib.suppress(TimeoutError):
            self._writer.submit(lambda: None).result(_SAVE_SECONDS)
        self._writer.shutdown(wait=False)
        self._held.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _commit(self, change: Callable[[State], State]) -> None:
        with self._guard:
            # Kept even if the write fails: it may have reached the disk, and what follows must not undo it.
            self._state = change(self._state)
            if self._state != self._durable:
                replace_file(self.path / STATE_FILE, msgspec.json.encode(self._state), durable=True)
                self._durable = self._state

    def _commit_at_start(self, change: Callable[[State], State]) -> None:
        try:
            self._commit(change)
        except OSError as error:
            raise StartError(
                f"state directory {self.path}",
                f"cannot be written ({error.strerror or error})",
                "make room or make it writable, or name another one as [node] state_dir",
            ) from error

    def _reserve(self) -> None:
        try:
            end = self._next_seq - 1 + SEQ_BLOCK
            self._commit(lambda state: msgspec.structs.replace(state, reserved=max(state.reserved, end)))
        except OSError:
            # The next event asks again; whoever saves a term reports the disk.
            return
        finally:
            self._reserving = False

    def _write_told(self) -> None:
        self._told_pending = False
        with contextlib.suppress(OSError):  # it may be lost, and whoever saves a term reports the disk
            replace_file(self.path / "told.json", msgspec.json.encode(self._told), durable=False)

    def _write_voters(self, voters: tuple[str, ...]) -> None:
        self._voters_pending = False
        with contextlib.suppress(OSError):  # whoever saves a term reports the disk
            replace_file(self.path / VOTERS_FILE, msgspec.json.encode(Voters(voters=voters)), durable=True)
            self._voters = voters
