"""What travels between an original node and ours: the replies that both read, as bytes. Pure.

An original reads `members`, `leader` and `start_time`, and ignores what else there is. Backends import it, and tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from les_hooks.election.frames import Stamp, State
from les_hooks.election.messages import OriginalAnswered
from les_hooks.errors import PeerError
from les_hooks.members import Address
from les_hooks.wire import excerpt, is_address

__all__ = ["REPLY_LIMIT", "OriginalReply", "decode_original", "encode_diag", "encode_state"]

REPLY_LIMIT = 64 * 1024
"""The largest reply that is read from an original, in bytes."""

_MOST_MEMBERS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalReply:
    """What stood in a reply to `GET /state`; `ours` says that one of our own nodes gave it.

    `address` is what the original calls itself: the first of its members, always.
    """

    address: Address | None
    start_time: float
    leader: Address | None
    members: tuple[Address, ...]
    ours: bool


class _Reply(msgspec.Struct):
    members: Annotated[tuple[str, ...], Meta(max_length=_MOST_MEMBERS)]
    leader: str | bool | None
    start_time: Stamp
    boot: Raw | UnsetType = UNSET


_decoder = msgspec.json.Decoder(_Reply)


def decode_original(body: bytes, peer: str) -> OriginalReply:
    """Return what the body of a reply says; raises PeerError, about `peer`, where it is malformed.

    An original takes in whatever address somebody names, so members that are not `host:port` are left out, and a
    leader that is not is nobody that this node could know.
    """
    if len(body) > REPLY_LIMIT:
        raise PeerError(peer, f"answered with more than {REPLY_LIMIT} bytes")
    try:
        reply = _decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise PeerError(peer, f"answered with a malformed state: {excerpt(str(error))}") from None
    if reply.leader is True:
        raise PeerError(peer, "answered with a malformed state: true is no leader")
    return OriginalReply(
        address=_known(reply.members[0]) if reply.members else None,
        start_time=reply.start_time,
        leader=_known(reply.leader) if isinstance(reply.leader, str) else None,
        members=tuple(Address(member) for member in reply.members if is_address(member)),
        ours=reply.boot is not UNSET,
    )


def _known(text: str) -> Address | None:
    return Address(text) if is_address(text) else None


def encode_state(state: State) -> bytes:
    """Return the reply to `GET /state`."""
    return msgspec.json.encode(_plain(state))


def encode_diag(state: State, heard: Mapping[Address, State | OriginalAnswered]) -> bytes:
    """Return the reply to `GET /diag`: this node's state, and what it last heard from each other member."""
    report = {"state": _plain(state), "member_states": {address: _plain(heard[address]) for address in sorted(heard)}}
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def _plain(state: State | OriginalAnswered) -> dict[str, Any]:
    plain: dict[str, Any] = {
        # An original's own address is the first of its members, always.
        "members": [state.address, *(member for member in state.members if member != state.address)],
        # What an original says before an election; it never says null.
        "leader": state.leader or False,
        "start_time": state.start_time,
    }
    if isinstance(state, State):
        plain |= {
            "term": state.term,
            "boot": state.boot,
            "name": state.name,
            "version": state.version,
            # Why somebody has no stamp: to an original, witnesses and observers are from the year 2100.
            "part": state.part,
        }
    return plain
