"""What this plugin asks of etcd, and how that answers: values, errors, and the protocol that `gateway` implements.

Values only, without a word of JSON; anybody in the plugin may import it. Names are those of etcd's own API (v3).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

__all__ = [
    "Batch",
    "Change",
    "ChangeKind",
    "CompactedError",
    "Comparison",
    "Delete",
    "Granted",
    "Header",
    "Kept",
    "KeyValue",
    "LeaseGoneError",
    "Life",
    "Operation",
    "Put",
    "Range",
    "Ranged",
    "RefusedError",
    "Store",
    "StoreError",
    "Transacted",
    "Transaction",
    "UnreachableError",
]


class StoreError(Exception):
    """etcd did not do what it was asked; `why` is a phrase for people, and names the endpoint where one said it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class UnreachableError(StoreError):
    """No endpoint answered in time: whether the request has had its effect is not known."""


class RefusedError(StoreError):
    """etcd answered, and the answer is no: a wrong password, a missing right, a request that it does not know."""


class LeaseGoneError(RefusedError):
    """There is no such lease any more: nothing can be written on it."""


class CompactedError(StoreError):
    """The revision from which a watch should go on is gone; `revision` is the oldest that is left."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"compacted up to revision {revision}")
        self.revision = revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What heads each answer: which cluster, which of its members, at which revision and in which Raft term."""

    cluster_id: int
    member_id: int
    revision: int
    raft_term: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyValue:
    """A key and what stands in it. `lease` is 0 without one; `value` is empty where only keys were asked for."""

    key: str
    value: bytes
    create_revision: int
    mod_revision: int
    lease: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A new lease; `ttl` is what etcd made of the seconds that were asked for."""

    header: Header
    lease: int
    ttl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a keep-alive came to; `ttl` is 0 where there is no such lease any more."""

    header: Header
    ttl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """How long a lease lasts unless it is renewed: `ttl` whole seconds, rounded towards zero, -1 where it is gone."""

    header: Header
    ttl: int
    granted_ttl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Ask for a key, or with `prefix` for all that begin so, at the latest revision and through the quorum.

    Sorted by key. Only keys that were written at `min_mod_revision` or later, at most `limit` of them (0: all).
    """

    key: str
    prefix: bool = False
    min_mod_revision: int = 0
    limit: int = 0
    keys_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranged:
    """The keys found; `count` is how many there are, whatever `limit` and `min_mod_revision` say."""

    header: Header
    kvs: tuple[KeyValue, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Write a key, on that lease (0: on none)."""

    key: str
    value: bytes
    lease: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Remove one key; nothing happens where there is none."""

    key: str


Operation = Put | Delete | Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Holds where the key was created at that revision; 0 holds where there is no such key."""

    key: str
    create_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """All of `then` where every comparison holds, else all of `otherwise`. No key is written twice."""

    compare: tuple[Comparison, ...] = ()
    then: tuple[Operation, ...] = ()
    otherwise: tuple[Operation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transacted:
    """Whether every comparison held, and what each Range among the operations found, in their order."""

    header: Header
    succeeded: bool
    ranged: tuple[Ranged, ...]


class ChangeKind(StrEnum):
    """What happened to a key."""

    PUT = "put"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A key was written, or deleted: then `kv` has its name and the revision of that, and nothing else.

    `before` is what stood there, None for a new key and where compaction has taken it.
    """

    kind: ChangeKind
    kv: KeyValue
    before: KeyValue | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a watch tells at once, in the order of revisions: whole revisions, and none of them twice.

    Without changes it says that the watch stands, or that there were none. The revision in `header` is up to where all
    has been told: a new watch goes on at the next one. It is not etcd's own, which may be ahead of what was told yet.
    """

    header: Header
    changes: tuple[Change, ...]


class Store(Protocol):
    """etcd. Each call tries the endpoints in turn, is bounded in time, and raises StoreError.

    After UnreachableError the request may or may not have had its effect; it may be made again.
    """

    async def grant(self, ttl: int) -> Granted:
        """Make a lease of so many seconds."""

    async def keep_alive(self, lease: int) -> Kept:
        """Renew a lease."""

    async def revoke(self, lease: int) -> None:
        """End a lease, and with it its keys; one that is gone already is no error."""

    async def time_to_live(self, lease: int) -> Life:
        """Tell how long a lease lasts unless it is renewed."""

    async def range(self, asked: Range) -> Ranged:
        """Read through the quorum: what is told stood so at some moment after the call began."""

    async def transact(self, transaction: Transaction) -> Transacted:
        """Do all of it at one revision; one that only reads is read through the quorum, too."""

    def watch(self, prefix: str, revision: int) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Tell every change of keys that begin with `prefix`, from that revision on, with what stood there before.

        Yields an empty Batch as soon as the watch stands. Raises CompactedError where the revision is gone, and
        StoreError where the watch breaks, both while it is iterated; then open another. A watch that says nothing may
        be dead: etcd need not tell, so compare it with a read now and then.
        """

    def status(self) -> Sequence[Mapping[str, object]]:
        """How each endpoint does, as plain JSON values."""

    async def close(self) -> None:
        """End what runs, and let connections go."""
