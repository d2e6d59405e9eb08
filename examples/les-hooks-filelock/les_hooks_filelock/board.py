"""The file that the nodes of a cluster share, and who of them is alive.

Each process has a lock on a file of its own for as long as it lives: the kernel lets go of it whatever the process dies
of. What the nodes know of each other stands in one file, which is read and written by who has the lock of the board.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from les_hooks import Reason
from les_hooks.backends import Role
from les_hooks.members import Address, Boot, Part

_MOST_GOODBYES = 64


class Entry(msgspec.Struct, kw_only=True):
    """What a node says of itself. Who has the lowest `number` of those that may lead is the next to."""

    address: Address
    name: str
    version: str
    boot: Boot
    part: Part
    number: int = 0
    since: float = 0.0
    role: Role = Role.FOLLOWER
    unfit: str = ""


class Sheet(msgspec.Struct, kw_only=True):
    """What stands on the board. `leader` is whose leadership has not ended, though its process may be dead, since
    `dead_since`; `ending` is how the last one ended.
    """

    term: int = 0
    last_number: int = 0
    leader: Boot | None = None
    dead_since: float | None = None
    ending: Reason = Reason.FIRST
    entries: list[Entry] = []
    goodbyes: list[Boot] = []

    def entry(self, boot: Boot | None) -> Entry | None:
        """What this process says of itself."""
        return next((entry for entry in self.entries if entry.boot == boot), None)

    def sorted(self) -> list[Entry]:
        """All of them, the one that is to lead first."""
        return sorted(self.entries, key=lambda entry: (_cannot_lead(entry), entry.number))

    def next_number(self) -> int:
        """A place at the end of the line."""
        self.last_number += 1
        return self.last_number

    def strike(self, boot: Boot, ending: Reason, *, goodbye: bool = False) -> None:
        """Take a process off, and its leadership with it."""
        self.entries = [entry for entry in self.entries if entry.boot != boot]
        if goodbye:
            self.goodbyes = [*self.goodbyes, boot][-_MOST_GOODBYES:]
        self.end(boot, ending)

    def end(self, boot: Boot, ending: Reason) -> None:
        """Nothing is left of the leadership of this process, if it had one."""
        if self.leader == boot:
            self.leader, self.dead_since, self.ending = None, None, ending


def _cannot_lead(entry: Entry) -> bool:
    return bool(entry.unfit) or entry.part is not Part.MEMBER


class Board:
    """In a folder that the nodes share. All of it raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._life = -1

    def come_alive(self, boot: Boot) -> None:
        """Take the lock that says that this process is alive."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._life = os.open(self._life_file(boot), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._life, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Be dead to the others."""
        if self._life >= 0:
            os.close(self._life)
            self._life = -1

    @contextmanager
    def turn(self) -> Iterator[Sheet]:
        """Have the board for a moment, in which nobody must wait; raises BlockingIOError where somebody else has it."""
        lock = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sheet, before = Sheet(), b""
            with suppress(FileNotFoundError):
                before = self._file.read_bytes()
                sheet = _read(before)
            yield sheet
            after = msgspec.json.encode(sheet)
            if after != before:
                # Not synced: with the host all processes die, and terms go on from what the nodes remember.
                new = self._folder / "board.new"
                new.write_bytes(after)
                new.replace(self._file)
        finally:
            os.close(lock)

    def bury(self, sheet: Sheet, now: float, patience: float) -> None:
        """Take off the dead; a leader among them is one for `patience` seconds more."""
        for entry in sheet.entries:
            if self._is_dead(entry.boot):
                self._life_file(entry.boot).unlink(missing_ok=True)
                if sheet.leader == entry.boot:
                    sheet.dead_since = now
        sheet.entries = [entry for entry in sheet.entries if self._life_file(entry.boot).exists()]
        if sheet.leader is not None and sheet.dead_since is not None and now >= sheet.dead_since + patience:
            sheet.end(sheet.leader, Reason.LEADER_LOST)

    def _is_dead(self, boot: Boot) -> bool:
        try:
            life = os.open(self._life_file(boot), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(life, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(life)

    def _life_file(self, boot: Boot) -> Path:
        return self._folder / f"{boot.counter}-{boot.nonce}.alive"

    @property
    def _file(self) -> Path:
        return self._folder / "board.json"


def _read(data: bytes) -> Sheet:
    try:
        return msgspec.json.decode(data, type=Sheet)
    except msgspec.MsgspecError as error:
        raise OSError(f"board.json cannot be read: {error}; end all nodes, and delete it") from error
