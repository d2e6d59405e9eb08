"""What etcd's gateway answers, from its JSON to values of `store`. Pure; private to `etcd`.

Keys and values travel in base64 and numbers of 64 bits as texts; what is false, 0, empty or a PUT is left out. Who
reads raises EndpointError for everything that etcd does not send.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from les_hooks.wire import excerpt
from les_plugins.etcd.faults import EndpointError, streamed_error
from les_plugins.etcd.store import (
    Delete,
    Granted,
    Header,
    Kept,
    KeyValue,
    Life,
    Operation,
    Put,
    Range,
    Ranged,
    Transacted,
    Transaction,
)

__all__ = [
    "MOST_SECONDS",
    "Done",
    "WireHeader",
    "WireKeyValue",
    "decoded",
    "header_of",
    "key_value_of",
    "read_done",
    "read_granted",
    "read_kept",
    "read_life",
    "read_ranged",
    "read_token",
    "read_transacted",
    "read_version",
]

_Read = TypeVar("_Read")

MOST_SECONDS: Final = 9_000_000_000
"""The longest life of a lease that etcd gives."""

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Identity = Annotated[int, Meta(ge=0)]
"""Up to 64 bits, one more than msgspec can bound; nothing is reckoned with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """That something was done, and nothing else."""

    header: Header


class WireHeader(msgspec.Struct):
    """A header as it comes. Who has just started knows no term, and a watch that is taken back no revision."""

    cluster_id: Identity
    member_id: Identity
    revision: Number = 0
    raft_term: Number = 0


class WireKeyValue(msgspec.Struct):
    """A key as it comes; of a deleted one, its name and when that was."""

    key: Annotated[bytes, Meta(min_length=1)]
    mod_revision: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    create_revision: Number = 0
    lease: Number = 0
    value: bytes = b""


class _Granted(msgspec.Struct):
    header: WireHeader
    lease: Annotated[int, Meta(ge=1, le=2**63 - 1)] = msgspec.field(name="ID")
    ttl: Annotated[int, Meta(ge=1, le=MOST_SECONDS)] = msgspec.field(name="TTL")


class _Renewed(msgspec.Struct):
    header: WireHeader
    ttl: Annotated[int, Meta(ge=0, le=MOST_SECONDS)] = msgspec.field(name="TTL", default=0)


class _Kept(msgspec.Struct):
    result: _Renewed


class _Life(msgspec.Struct):
    header: WireHeader
    ttl: Annotated[int, Meta(ge=-1, le=MOST_SECONDS)] = msgspec.field(name="TTL", default=0)
    granted_ttl: Annotated[int, Meta(ge=0, le=MOST_SECONDS)] = msgspec.field(name="grantedTTL", default=0)


class _Found(msgspec.Struct):
    kvs: tuple[WireKeyValue, ...] = ()
    count: Number = 0


class _Ranged(_Found, kw_only=True):
    header: WireHeader


class _Done(msgspec.Struct):
    header: WireHeader


class _Written(msgspec.Struct):
    """That it was done says all."""


class _Result(msgspec.Struct):
    """What one operation came to; exactly one of them is there."""

    response_range: _Found | None = None
    response_put: _Written | None = None
    response_delete_range: _Written | None = None


class _Transacted(msgspec.Struct):
    header: WireHeader
    succeeded: bool = False
    responses: tuple[_Result, ...] = ()


class _Version(msgspec.Struct):
    etcdserver: Annotated[str, Meta(max_length=64, pattern=r"^[0-9A-Za-z.+_-]+$")]


class _Token(msgspec.Struct):
    token: Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^[!-~]+$")]


def read_granted(body: bytes) -> Granted:
    """Read what came of a grant."""
    read = decoded(body, _Granted)
    return Granted(header=header_of(read.header), lease=read.lease, ttl=read.ttl)


def read_kept(body: bytes) -> Kept:
    """Read what came of a keep-alive: one message of a stream, in which errors come with a good status."""
    try:
        read = decoded(body, _Kept).result
    except EndpointError as error:
        raise streamed_error(body) or error from None
    return Kept(header=header_of(read.header), ttl=read.ttl)


def read_done(body: bytes) -> Done:
    """Read the answer to what has no other result than that it was done."""
    return Done(header=header_of(decoded(body, _Done).header))


def read_life(body: bytes) -> Life:
    """Read how long a lease lasts."""
    read = decoded(body, _Life)
    return Life(header=header_of(read.header), ttl=read.ttl, granted_ttl=read.granted_ttl)


def read_ranged(body: bytes, asked: Range) -> Ranged:
    """Read the keys that were asked for."""
    read = decoded(body, _Ranged)
    return _found(read, header_of(read.header), asked)


def read_transacted(body: bytes, transaction: Transaction) -> Transacted:
    """Read what came of a transaction, of which each operation has its answer."""
    read = decoded(body, _Transacted)
    header = header_of(read.header)
    operations = transaction.then if read.succeeded else transaction.otherwise
    if len(operations) != len(read.responses):
        raise _malformed(f"{len(read.responses)} results of {len(operations)} operations")
    pairs = zip(operations, read.responses, strict=True)
    ranged = tuple(found for each, done in pairs if (found := _result(each, done, header)) is not None)
    return Transacted(header=header, succeeded=read.succeeded, ranged=ranged)


def read_token(body: bytes) -> str:
    """Read the token for a user and password."""
    return decoded(body, _Token).token


def read_version(body: bytes) -> str:
    """Read which etcd it is."""
    return decoded(body, _Version).etcdserver


def decoded(body: bytes, kind: type[_Read]) -> _Read:
    """Read JSON as this type, numbers from texts too."""
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # ValueError: no UTF-8
        raise _malformed(str(error).replace("`", "")) from None


def header_of(header: WireHeader) -> Header:
    """The header of an answer that has a revision."""
    if not header.revision:
        raise _malformed("no revision in its header")
    return Header(
        cluster_id=header.cluster_id,
        member_id=header.member_id,
        revision=header.revision,
        raft_term=header.raft_term,
    )


def key_value_of(read: WireKeyValue) -> KeyValue:
    """A key with what stands in it.

    Strangers may write names that are no UTF-8, which ours all are; such a name is made readable, not refused.
    """
    return KeyValue(
        key=read.key.decode("utf-8", "backslashreplace"),
        value=read.value,
        create_revision=read.create_revision,
        mod_revision=read.mod_revision,
        lease=read.lease,
    )


def _malformed(how: str) -> EndpointError:
    return EndpointError(f"gave an answer that is not understood ({excerpt(how)})")


def _result(operation: Operation, done: _Result, header: Header) -> Ranged | None:
    """What a Range found; None for the other operations."""
    match operation, done:
        case Range(), _Result(response_range=_Found() as found, response_put=None, response_delete_range=None):
            return _found(found, header, operation)
        case Put(), _Result(response_range=None, response_put=_Written(), response_delete_range=None):
            return None
        case Delete(), _Result(response_range=None, response_put=None, response_delete_range=_Written()):
            return None
        case _:
            raise _malformed("the result of another operation")


def _found(read: _Found, header: Header, asked: Range) -> Ranged:
    names = [each.key for each in read.kvs]
    if not _asked_for(names, asked) or not _rising(names):
        raise _malformed("keys that were not asked for")
    if read.count < len(names) or any(not each.create_revision for each in read.kvs):
        raise _malformed("keys that cannot be so")
    return Ranged(header=header, kvs=tuple(map(key_value_of, read.kvs)), count=read.count)


def _asked_for(names: Iterable[bytes], asked: Range) -> bool:
    name = asked.key.encode()
    return all(each.startswith(name) if asked.prefix else each == name for each in names)


def _rising(names: Sequence[bytes]) -> bool:
    return all(one < other for one, other in itertools.pairwise(names))
