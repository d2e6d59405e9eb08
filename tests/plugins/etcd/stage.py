"""A store that does at once what it is told, and one candidate on it, with time that a test sets. No I/O."""

from typing import Any, Final

import msgspec

from les_hooks.backends import Identity, Instant, Role
from les_hooks.members import Address, Boot, Part
from les_plugins.etcd.candidate import Candidate
from les_plugins.etcd.entry import Entry, Keys, Own, Place, write_entry
from les_plugins.etcd.inquest import Inquest
from les_plugins.etcd.keeper import moving
from les_plugins.etcd.line import Gone, Line, Standing
from les_plugins.etcd.store import (
    Batch,
    Change,
    ChangeKind,
    Delete,
    Header,
    KeyValue,
    Life,
    Operation,
    Put,
    Range,
    Ranged,
)

__all__ = ["KEYS", "Stage", "Store", "address", "boot", "entry", "header", "lease_of", "led_by_other", "life", "tell"]

KEYS: Final = Keys("/les-hooks", "web")
_WALL: Final = 1.7e9


def address(name: str) -> Address:
    """Where the node of that name is."""
    return Address(f"{name}:4000")


def boot(name: str, counter: int = 1) -> Boot:
    """That start of the node of that name."""
    return Boot(counter, f"{name}{counter}")


def lease_of(name: str) -> int:
    """The lease of the node of that name."""
    return 0x1000 + int.from_bytes(name.encode(), "big")


def entry(name: str, counter: int = 1, **fields: Any) -> Entry:
    """What the node of that name says of itself."""
    plain = Entry(address=address(name), name=name, boot=boot(name, counter), version="1", ttl=5)
    return msgspec.structs.replace(plain, **fields)


def header(revision: int, raft_term: int = 2) -> Header:
    """What heads an answer."""
    return Header(cluster_id=1, member_id=1, revision=revision, raft_term=raft_term)


def life(ttl: int, *, granted: int = 5, raft_term: int = 2) -> Life:
    """How long a lease has left."""
    return Life(header=header(1, raft_term), ttl=ttl, granted_ttl=granted)


def tell(inquest: Inquest, standing: Standing, said: Life, received: float) -> None:
    """etcd says so, by a server that has named its Raft term before."""
    for _ in range(2):
        inquest.asked(standing, said, received)


class Store:
    """The keys that stand, and the changes that made them."""

    def __init__(self, revision: int = 0) -> None:
        self.revision = revision
        self.raft_term = 2
        self.kvs: dict[str, KeyValue] = {}

    def do(self, *operations: Operation) -> Batch:
        """Do all of it at one revision; returns what a watch tells of it."""
        self.revision += 1
        changes = tuple(change for operation in operations if (change := self._change(operation)) is not None)
        return Batch(header=header(self.revision, self.raft_term), changes=changes)

    def ranged(self) -> Ranged:
        """All that there is."""
        kvs = tuple(sorted(self.kvs.values(), key=lambda kv: kv.key))
        return Ranged(header=header(self.revision, self.raft_term), kvs=kvs, count=len(kvs))

    def _change(self, operation: Operation) -> Change | None:
        assert not isinstance(operation, Range)
        before = self.kvs.pop(operation.key, None)
        if isinstance(operation, Delete):
            if before is None:
                return None
            bare = KeyValue(key=operation.key, value=b"", create_revision=0, mod_revision=self.revision, lease=0)
            return Change(kind=ChangeKind.DELETE, kv=bare, before=before)
        kv = KeyValue(
            key=operation.key,
            value=operation.value,
            create_revision=before.create_revision if before is not None else self.revision,
            mod_revision=self.revision,
            lease=operation.lease,
        )
        self.kvs[kv.key] = kv
        return Change(kind=ChangeKind.PUT, kv=kv, before=before)


class Stage:
    """The node `a`, whose candidate is under test, and others whose keys the test writes.

    What is done is told to the candidate at once; `missed` is what it was `deaf` to. `moves` counts its keys.
    """

    def __init__(
        self,
        *,
        part: Part = Part.MEMBER,
        ttl: int = 5,
        hold: float = 30.0,
        floor: int = 0,
        store: Store | None = None,
        counter: int = 1,
    ) -> None:
        self.store = store or Store()
        self.boottime = 1000.0
        self.wall = _WALL
        self.deaf = False
        self.missed: list[Batch] = []
        self.lease = (lease_of("a") << 16) + counter
        self.stints: dict[str, int] = {}
        self.moves = 0
        identity = Identity(address=address("a"), name="a", version="1", boot=boot("a", counter), part=part)
        self.line = Line(KEYS)
        self.candidate = Candidate(identity, self.line, ttl=ttl, hold=hold, floor=floor, now=self.now)

    @property
    def now(self) -> Instant:
        """What the clocks say."""
        return Instant(boottime=self.boottime, wall=self.wall)

    def role(self) -> Role:
        """What the node does."""
        return self.candidate.role

    def stands(self) -> Place | None:
        """Where its key stands."""
        return self.candidate.own.place if self.candidate.own is not None else None

    def entry(self) -> Entry:
        """What stands in its key."""
        assert self.candidate.own is not None
        return self.candidate.own.entry

    # -- the node under test -------------------------------------------------------------------------------------------

    def join(self) -> "Stage":
        """List, place the key, and prove it."""
        self.read()
        self.place()
        self.renew()
        return self

    def read(self) -> list[Gone]:
        """It reads all that there is."""
        gone = self.line.replace(self.store.ranged())
        self.candidate.saw(gone, self.store.raft_term, self.now)
        return gone

    def hear(self, batch: Batch) -> None:
        """The watch tells this."""
        if self.deaf:
            self.missed.append(batch)
        else:
            self.candidate.saw(self.line.follow(batch), batch.header.raft_term, self.now)

    def place(self) -> None:
        """See to it that what it wants stands, as the shell does, however often it wants something else."""
        for _ in range(10):
            wanted, own = self.candidate.wanted, self.candidate.own
            if wanted is None:
                return
            if own is not None and own.stint == wanted.stint:
                assert own.place is wanted.place, "whether a node may lead never changes under its key"
                if own.entry == wanted.entry:
                    return
                self._write(own, own.key, wanted.entry)
                continue
            self._write(own, KEYS.name(wanted.place, self.lease, wanted.stint), wanted.entry)
        raise AssertionError("it never has what it wants")

    def _write(self, own: Own | None, key: str, written: Entry) -> None:
        wanted = self.candidate.wanted
        assert wanted is not None
        if own is not None and own.key == key:
            batch = self.store.do(Put(key=key, value=write_entry(written), lease=self.lease))
        else:
            self.moves += 1
            batch = self.store.do(*moving(KEYS, own, key, wanted, self.lease).then)
        revision = self.store.kvs[key].create_revision
        self.candidate.placed(Own(key=key, place=wanted.place, stint=wanted.stint, revision=revision, entry=written))
        self.hear(batch)

    def renew(self, *, answered: float = 0.0, proven_in: int | None = None) -> None:
        """A keep-alive goes out, is acknowledged so many seconds later, and then a read finds the key."""
        sent = self.boottime
        self.boottime += answered
        self.wall += answered
        self.candidate.hold.renewed(sent, self.boottime, header(self.store.revision, self.store.raft_term))
        raft_term = self.store.raft_term if proven_in is None else proven_in
        self.candidate.proven(self.boottime, header(self.store.revision, raft_term), self.now)
        self.candidate.look(self.now)

    def go(self, seconds: float, *, slept: bool = False) -> None:
        """Time goes by, and it looks."""
        self.boottime += seconds
        self.wall += seconds
        self.candidate.look(self.now, slept=slept)

    def demote(self) -> None:
        """The hooks of its demotion end, and it says so."""
        self.candidate.released(self.now)
        self.place()

    def lose_lease(self) -> None:
        """Its lease is taken away."""
        self._drop(self.lease)

    # -- the others ----------------------------------------------------------------------------------------------------

    def enter(self, name: str, place: Place = Place.LINE, counter: int = 1, **fields: Any) -> int:
        """Another node writes a key; returns its revision."""
        self.hear(self.store.do(*self._new(name, place, entry(name, counter, **fields))))
        return self.store.revision

    def say(self, name: str, counter: int = 1, **fields: Any) -> None:
        """It writes something else in the key that it has."""
        put = Put(key=self.key_of(name), value=write_entry(entry(name, counter, **fields)), lease=lease_of(name))
        self.hear(self.store.do(put))

    def move(self, name: str, place: Place = Place.ASIDE, **fields: Any) -> int:
        """It puts another key in the place of the one that it has, as who has nothing left; returns the revision."""
        old = self.key_of(name)
        deletes = (Delete(key=old), Delete(key=KEYS.trace(old.rpartition("/")[2])))
        self.hear(self.store.do(*deletes, *self._new(name, place, entry(name, **fields))))
        return self.store.revision

    def vanish(self, name: str) -> None:
        """Its lease goes, and all that stands on it."""
        self._drop(lease_of(name))

    def sweep(self, name: str) -> None:
        """It takes away the traces of keys that it has no more."""
        names = {key.rpartition("/")[2] for key in self.store.kvs if KEYS.place(key) is not None}
        traces = [key for key in self.store.kvs if KEYS.is_trace(key) and key.rpartition("/")[2] not in names]
        own = f"/{lease_of(name):x}."
        self.hear(self.store.do(*(Delete(key=key) for key in traces if own in key)))

    def _new(self, name: str, place: Place, written: Entry) -> list[Operation]:
        stint = self.stints[name] = self.stints.get(name, 0) + 1
        key, value = KEYS.name(place, lease_of(name), stint), write_entry(written)
        put = Put(key=key, value=value, lease=lease_of(name))
        trace = Put(key=KEYS.trace(key.rpartition("/")[2]), value=value, lease=0)
        return [put, trace] if place is Place.LINE else [put]

    def key_of(self, name: str) -> str:
        """The key that it has."""
        return next(kv.key for kv in self.store.kvs.values() if kv.lease == lease_of(name))

    def _drop(self, lease: int) -> None:
        self.hear(self.store.do(*(Delete(key=kv.key) for kv in list(self.store.kvs.values()) if kv.lease == lease)))


def led_by_other(**fields: Any) -> Stage:
    """A stage on which `b` leads and `a` is the next."""
    stage = Stage()
    stage.enter("b", role="leader", **fields)
    return stage.join()
