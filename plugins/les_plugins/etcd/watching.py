"""The messages of one watch, in the order in which they come. Pure; private to `etcd`."""

import dataclasses
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from les_plugins.etcd.answers import WireHeader, WireKeyValue, decoded, header_of, key_value_of
from les_plugins.etcd.faults import EndpointError, judged_reason, streamed_error
from les_plugins.etcd.store import Batch, Change, ChangeKind, CompactedError, Header

__all__ = ["Watching"]


class _Event(msgspec.Struct):
    kv: WireKeyValue
    kind: Literal["PUT", "DELETE"] = msgspec.field(name="type", default="PUT")
    prev_kv: WireKeyValue | None = None


class _Result(msgspec.Struct):
    header: WireHeader
    created: bool = False
    canceled: bool = False
    cancel_reason: str = ""
    compact_revision: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    fragment: bool = False
    events: tuple[_Event, ...] = ()


class _Line(msgspec.Struct):
    result: _Result


class Watching:
    """Reads the messages of a watch of `prefix` from `revision` on; `told` is up to where all has been told."""

    def __init__(self, prefix: str, revision: int) -> None:
        if revision < 1:
            raise ValueError("etcd counts revisions from 1 on")
        self.told = revision - 1
        self._prefix = prefix.encode()
        self._created = False

    def read(self, line: bytes) -> Batch:
        """Read the next message.

        Raises CompactedError, EtcdError where etcd refuses, and EndpointError where it ends, for whatever reason.
        """
        try:
            result = decoded(line, _Line).result
        except EndpointError as error:
            raise streamed_error(line) or error from None
        if result.compact_revision:
            raise CompactedError(result.compact_revision)
        if result.canceled:
            raise judged_reason(result.cancel_reason)
        if result.created == self._created:
            raise EndpointError("opened a watch twice, or told of changes before it was open")
        if result.created:
            self._created = True
            # Its header is of now, and what lies between has not been told yet.
            return Batch(header=self._upto(result.header), changes=())
        return self._changes(result)

    def _changes(self, result: _Result) -> Batch:
        changes = tuple(map(self._change, result.events))
        revisions = [change.kv.mod_revision for change in changes]
        # Behind when it tells of what has been, it names the present one too, at which it is not yet.
        newest = revisions[-1] if revisions else result.header.revision
        if result.fragment or revisions != sorted(revisions) or (revisions and revisions[0] <= self.told):
            raise EndpointError("told of changes out of their order")
        self.told = max(self.told, newest)
        return Batch(header=self._upto(result.header), changes=changes)

    def _change(self, event: _Event) -> Change:
        before = event.prev_kv
        if not event.kv.key.startswith(self._prefix) or (before is not None and before.key != event.kv.key):
            raise EndpointError("told of keys that were not asked for")
        deleted = event.kind == "DELETE"
        if not deleted and not event.kv.create_revision:
            raise EndpointError("told of a key that was never created")
        return Change(
            kind=ChangeKind.DELETE if deleted else ChangeKind.PUT,
            kv=key_value_of(event.kv),
            before=None if before is None else key_value_of(before),
        )

    def _upto(self, header: WireHeader) -> Header:
        return dataclasses.replace(header_of(header), revision=self.told)
