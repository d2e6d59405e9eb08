"""The keys of an etcd, revision by revision. No clock and no leases: it says which keys are on which lease."""

from collections.abc import Iterable
from dataclasses import replace

from les_plugins.etcd.store import (
    Change,
    ChangeKind,
    Comparison,
    Delete,
    KeyValue,
    Operation,
    Put,
    Range,
    RefusedError,
    Transaction,
)

__all__ = ["Found", "Keyspace"]

Found = tuple[tuple[KeyValue, ...], int]
"""What a Range found: the keys, and how many there are in all."""


class Keyspace:
    """`revision` is the latest; revisions before `compacted` are gone, that one can still be read."""

    def __init__(self) -> None:
        self.revision = 1
        self.compacted = 0
        self.kvs: dict[str, KeyValue] = {}
        self._log: dict[int, tuple[Change, ...]] = {}

    # -- reading -------------------------------------------------------------------------------------------------------

    def find(self, asked: Range) -> Found:
        """What stands there now."""
        inside = sorted(key for key in self.kvs if (key.startswith(asked.key) if asked.prefix else key == asked.key))
        found = [self.kvs[key] for key in inside if self.kvs[key].mod_revision >= asked.min_mod_revision]
        if asked.limit:
            found = found[: asked.limit]
        return tuple(replace(kv, value=b"") if asked.keys_only else kv for kv in found), len(inside)

    def holds(self, comparison: Comparison) -> bool:
        """Whether the key was created at that revision; 0 stands for no key."""
        kv = self.kvs.get(comparison.key)
        return comparison.create_revision == (kv.create_revision if kv is not None else 0)

    def history(self, prefix: str, first: int, most: int) -> Iterable[tuple[Change, ...]]:
        """The changes of keys that begin so, from revision `first` on, in portions of `most` revisions."""
        portion: list[Change] = []
        revisions = 0
        for revision in range(max(first, self.compacted), self.revision + 1):
            changes = [change for change in self._log.get(revision, ()) if change.kv.key.startswith(prefix)]
            revisions += bool(changes)
            portion += changes
            if revisions == most:
                yield tuple(portion)
                portion, revisions = [], 0
        if portion:
            yield tuple(portion)

    # -- writing -------------------------------------------------------------------------------------------------------

    def transact(self, transaction: Transaction) -> tuple[bool, tuple[Found, ...], tuple[Change, ...]]:
        """Whether all comparisons held, what was found on the way, and what has changed. Raises RefusedError.

        Whatever changes does so at one new revision; where nothing does, there is none. Reads see the writes before.
        """
        for branch in (transaction.then, transaction.otherwise):
            written = [operation.key for operation in branch if not isinstance(operation, Range)]
            if len(set(written)) < len(written):
                raise RefusedError("etcdserver: duplicate key given in txn request")
        succeeded = all(map(self.holds, transaction.compare))
        found: list[Found] = []
        changes: list[Change] = []
        for operation in transaction.then if succeeded else transaction.otherwise:
            if isinstance(operation, Range):
                found.append(self.find(operation))
            elif (change := self._change(operation)) is not None:
                changes.append(change)
        self._commit(changes)
        return succeeded, tuple(found), tuple(changes)

    def delete(self, keys: Iterable[str]) -> tuple[Change, ...]:
        """Remove these keys in one revision, as the end of their lease does."""
        changes = [change for key in sorted(keys) if (change := self._change(Delete(key=key))) is not None]
        self._commit(changes)
        return tuple(changes)

    def _change(self, operation: Operation) -> Change | None:
        revision = self.revision + 1
        before = self.kvs.get(operation.key)
        if isinstance(operation, Put):
            created = before.create_revision if before is not None else revision
            kv = KeyValue(
                key=operation.key,
                value=operation.value,
                create_revision=created,
                mod_revision=revision,
                lease=operation.lease,
            )
            self.kvs[kv.key] = kv
            return Change(kind=ChangeKind.PUT, kv=kv, before=before)
        if before is None:
            return None
        del self.kvs[operation.key]
        gone = KeyValue(key=operation.key, value=b"", create_revision=0, mod_revision=revision, lease=0)
        return Change(kind=ChangeKind.DELETE, kv=gone, before=before)

    def _commit(self, changes: list[Change]) -> None:
        if changes:
            self.revision += 1
            self._log[self.revision] = tuple(changes)

    # -- history -------------------------------------------------------------------------------------------------------

    def compact(self, revision: int) -> None:
        """Forget what was before it.

        As 3.4 has it: deletions at that very revision are forgotten, too, and nobody is told.
        """
        if revision > self.revision:
            raise ValueError(f"revision {revision} is yet to come, after {self.revision}")
        self.compacted = max(self.compacted, revision)
        self._log = {at: changes for at, changes in self._log.items() if at >= self.compacted}
        kept = [change for change in self._log.get(self.compacted, ()) if change.kind is ChangeKind.PUT]
        self._log[self.compacted] = tuple(replace(change, before=None) for change in kept)

    def restore(self, revision: int) -> None:
        """Be again what it was at that revision; the numbers of those after it are given anew."""
        if not self.compacted <= revision <= self.revision:
            raise ValueError(f"revision {revision} is not between {self.compacted} and {self.revision}")
        for at in range(self.revision, revision, -1):
            for change in reversed(self._log.pop(at, ())):
                self.kvs.pop(change.kv.key, None)
                if change.before is not None:
                    self.kvs[change.kv.key] = change.before
        self.revision = revision
