"""The line: the keys of the cluster in etcd's own order of seniority, and what has become of those that went.

Pure; private to `etcd`. It is fed with lists and with what the watch tells, and says what has happened.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter

from les_hooks.backends import Role
from les_hooks.members import Address, Boot
from les_plugins.etcd.entry import Entry, Keys, Parting, Place, read_entry
from les_plugins.etcd.store import Batch, Change, ChangeKind, KeyValue, Ranged

__all__ = ["Gone", "Line", "Standing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A node's key. `revision` is the one that it was created at, which is its seniority and, if it leads, its term.

    `entry` is None where it cannot be read, with the reason in `fault`.
    """

    key: str
    place: Place
    revision: int
    changed: int
    lease: int
    entry: Entry | None
    fault: str = ""

    @property
    def boot(self) -> Boot | None:
        """Whose process it is."""
        return self.entry.boot if self.entry is not None else None

    @property
    def rank(self) -> tuple[int, str]:
        """The lower, the more senior. No node makes two keys at one revision; if somebody does, one is first."""
        return self.revision, self.key

    @property
    def name(self) -> str:
        """The last part of the key, which its trace has as well."""
        return self.key.rpartition("/")[2]


_rank = attrgetter("rank")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A key that is there no more. `led`: it was the first in line until then, so that its node may have led.

    `orderly`: its trace is gone as well. `parting` is what its process has said of its going. `removed`: the trace is
    gone, but the process left no other key, as it does when it takes both away itself: so somebody else did.
    """

    standing: Standing
    led: bool
    orderly: bool
    parting: Parting
    removed: bool = False


class Line:
    """All keys of the cluster as of `revision`, 0 before the first list."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._standings: dict[str, Standing] = {}
        self._traces: dict[str, Standing] = {}
        self._faults: dict[str, str] = {}
        self.revision = 0

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def faults(self) -> tuple[str, ...]:
        """What of ours cannot be read, a sentence each."""
        return tuple(f"the key {key} {fault}" for key, fault in sorted(self._faults.items()))

    @property
    def count(self) -> int:
        """How many keys there are under the prefix, those of strangers too."""
        known = self._standings.keys() | {trace.key for trace in self._traces.values()}
        return len(known | self._faults.keys())

    def find(self, key: str) -> Standing | None:
        """The standing of this key."""
        return self._standings.get(key)

    def all(self, place: Place) -> tuple[Standing, ...]:
        """Those that stand there, the most senior first."""
        found = (standing for standing in self._standings.values() if standing.place is place)
        return tuple(sorted(found, key=_rank))

    @property
    def first(self) -> Standing | None:
        """Who leads, or is to."""
        return min(self._standing_in_line(), key=_rank, default=None)

    @property
    def leader(self) -> Standing | None:
        """Who leads by its own word, and by its place."""
        first = self.first
        return first if first is not None and first.entry is not None and first.entry.role is Role.LEADER else None

    def ahead_of(self, key: str) -> tuple[Standing, ...]:
        """Those in line that are more senior than this key, the most senior first; empty where it is not in line."""
        own = self._standings.get(key)
        if own is None or own.place is not Place.LINE:
            return ()
        return tuple(standing for standing in self.all(Place.LINE) if standing.rank < own.rank)

    @property
    def strays(self) -> tuple[Standing, ...]:
        """The traces whose keys are gone, oldest first; `revision` is that of the key, too."""
        names = {standing.name for standing in self._standing_in_line()}
        found = (trace for name, trace in self._traces.items() if name not in names)
        return tuple(sorted(found, key=_rank))

    def wishes(self) -> Iterator[tuple[Standing, int]]:
        """Those in line whom a leader that gave up wants as the next, each with the revision of the wish."""
        line = self.all(Place.LINE)
        for standing in self._standings.values():
            heir = standing.entry.heir if standing.entry is not None else None
            if heir is not None:
                named = (each for each in line if each.entry is not None and each.entry.address == heir)
                yield from ((each, standing.revision) for each in named)

    def members(self) -> Iterator[Standing]:
        """One standing for each address, the newest process of each: those in line first, by seniority."""
        newest: dict[Address, Standing] = {}
        for standing in (*self.all(Place.LINE), *self.all(Place.ASIDE)):
            entry = standing.entry
            if entry is None:
                continue
            known = newest.get(entry.address)
            if known is None or known.boot is None or (known.boot, known.changed) < (entry.boot, standing.changed):
                newest[entry.address] = standing
        for standing in (*self.all(Place.LINE), *self.all(Place.ASIDE)):
            if standing.entry is not None and newest[standing.entry.address] is standing:
                yield standing

    # -- what happens --------------------------------------------------------------------------------------------------

    def replace(self, ranged: Ranged) -> list[Gone]:
        """Take a list of all that there is; returns what has gone since."""
        before = self._standings
        self._standings, self._traces, self._faults = {}, {}, {}
        for kv in ranged.kvs:
            self._take(kv)
        self.revision = ranged.header.revision
        lost = [standing for key, standing in before.items() if self._is_gone(key, standing)]
        # Between two lists it may have had another key, and have left; but not all of them at once.
        return self._gone(lost, all_removed=len(lost) == len(before))

    def follow(self, batch: Batch) -> list[Gone]:
        """Take what the watch tells; returns what has gone. What is known already changes nothing."""
        gone: list[Gone] = []
        changes = [change for change in batch.changes if change.kv.mod_revision > self.revision]
        for revision in sorted({change.kv.mod_revision for change in changes}):
            gone += self._turn([change for change in changes if change.kv.mod_revision == revision])
            self.revision = revision
        self.revision = max(self.revision, batch.header.revision if not batch.changes else 0)
        return gone

    def confirm(self, revision: int) -> None:
        """It stands as it is known at this revision, too."""
        self.revision = max(self.revision, revision)

    def forget(self) -> None:
        """Know nothing."""
        self._standings, self._traces, self._faults, self.revision = {}, {}, {}, 0

    def _turn(self, changes: Iterable[Change]) -> list[Gone]:
        """All of one revision."""
        lost = []
        for change in changes:
            key = change.kv.key
            before = self._standings.get(key)
            if change.kind is ChangeKind.PUT:
                self._take(change.kv)
            else:
                self._drop(key)
            if before is not None and self._is_gone(key, before):
                lost.append(before)
        return self._gone(lost, all_removed=True)

    def _gone(self, lost: Iterable[Standing], *, all_removed: bool) -> list[Gone]:
        """`all_removed`: those that have no other key were not removed by their own process."""
        first = self.first
        boots = {standing.boot for standing in self._standings.values()}
        return [
            Gone(
                standing=standing,
                led=standing.place is Place.LINE and (first is None or standing.rank < first.rank),
                orderly=standing.name not in self._traces,
                parting=self._parting_of(standing),
                removed=all_removed and standing.name not in self._traces and standing.boot not in boots,
            )
            for standing in sorted(lost, key=_rank)
        ]

    def _parting_of(self, standing: Standing) -> Parting:
        if standing.entry is None:
            return Parting.NONE
        said = (
            other.entry.parting for other in self._standings.values() if other.entry and other.boot == standing.boot
        )
        return next((parting for parting in said if parting), standing.entry.parting)

    def _is_gone(self, key: str, standing: Standing) -> bool:
        now = self._standings.get(key)
        return now is None or now.revision != standing.revision

    def _drop(self, key: str) -> None:
        """Know of this key no more."""
        self._faults.pop(key, None)
        self._standings.pop(key, None)
        if self._keys.is_trace(key):
            self._traces.pop(key.rpartition("/")[2], None)

    def _take(self, kv: KeyValue) -> None:
        self._drop(kv.key)
        place, is_trace = self._keys.place(kv.key), self._keys.is_trace(kv.key)
        entry, fault = None, ""
        try:
            entry = read_entry(kv.value)
        except ValueError as error:
            fault = f"cannot be read: {error}"
        if place is None and not is_trace:
            fault = "is none of les-hooks; it is left alone"
        elif is_trace == bool(kv.lease):
            # No node of ours makes one, and in line it would stand in the way for ever.
            lease = "a lease" if kv.lease else "no lease"
            fault = f"has {lease}, so no node of les-hooks wrote it; it counts for nothing, delete it"
        else:
            standing = Standing(
                key=kv.key,
                place=place or Place.LINE,
                revision=kv.create_revision,
                changed=kv.mod_revision,
                lease=kv.lease,
                entry=entry,
                fault=fault,
            )
            if is_trace:
                self._traces[standing.name] = standing
            else:
                self._standings[kv.key] = standing
                if fault and place is Place.LINE:
                    fault = f"{fault}; nobody behind it leads until its lease {kv.lease:x} ends"
        if fault:
            self._faults[kv.key] = fault

    def _standing_in_line(self) -> Iterator[Standing]:
        return (standing for standing in self._standings.values() if standing.place is Place.LINE)
