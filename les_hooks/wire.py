"""What travels between our own nodes: frames as bytes, and what is believed of the bytes that come in. Pure.

Backends import it, and tests. What an original sends and reads is in `wire_original`.
"""

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import get_args

import msgspec

from les_hooks.election.frames import (
    MOST_ADDRESSES,
    Answer,
    Ask,
    Beat,
    Bye,
    Electorate,
    Farewell,
    Frame,
    Grant,
    Hello,
    Offer,
    Refusal,
    Relayed,
    Release,
    Request,
    State,
    Tell,
    addresses_in,
)
from les_hooks.election.roles import Role
from les_hooks.errors import PeerError
from les_hooks.members import NAME, Boot, Part, join_host_port, parse_address
from les_hooks.text import printable

__all__ = [
    "FRAME_LIMIT",
    "PROTOCOL",
    "check_hello",
    "check_terms",
    "decode",
    "encode",
    "excerpt",
    "highest_term",
    "is_address",
    "is_boot",
    "phrase",
]

PROTOCOL = 1
"""The version of the frames; nodes of two versions refuse each other."""

FRAME_LIMIT = 256 * 1024
"""The largest frame in bytes: a tell of some 80 members, each relayed with all its links, fits."""

_KINDS = frozenset(kind.__struct_config__.tag for kind in get_args(Frame))
_ROLES = frozenset(Role)
_PARTS = frozenset(Part)
_VERSION = re.compile(r"[A-Za-z0-9.+!_-]{0,64}")
_MOST_STARTS = 2**53
_REASON_LENGTH = 200
_PHRASE_LENGTH = 256
# No cluster gets past the first by itself, so that clocks do not matter to it. And none elects faster than the second,
# so that one which was lied to has terms left, too.
_TERMS_AT_ONCE = 2**32
_TERMS_PER_SECOND = 1000
# As long as a duration can be in a configuration.
_LONGEST_LEASE = 366 * 86400.0

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(Frame)


class _Kind(msgspec.Struct):
    """All that is read of a frame of an unknown kind."""

    kind: str


_kind_decoder = msgspec.json.Decoder(_Kind)


def encode(frame: Frame) -> bytes:
    """Return the frame as it travels."""
    return _encoder.encode(frame)


def decode(data: bytes, peer: str = "peer") -> Frame | None:
    """Return the frame in the bytes, or None where its kind belongs to a newer protocol and is to be ignored.

    Raises PeerError, about `peer`, for everything that a node of this protocol does not send.
    """
    if len(data) > FRAME_LIMIT:
        raise PeerError(peer, f"sent a frame of {len(data)} bytes; {FRAME_LIMIT} are allowed")
    try:
        frame = _decoder.decode(data)
    # ValueError: text that is not UTF-8. RecursionError: brackets without end.
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        if _is_newer(data):
            return None
        raise PeerError(peer, f"sent a malformed frame: {excerpt(str(error))}") from None
    if type(frame) is not Beat:  # a beat holds nothing but numbers, and comes all the time
        fault = next(_faults(frame), None)
        if fault is not None:
            raise PeerError(peer, f"sent a malformed frame: {fault}")
    return frame


def check_hello(hello: Hello | Farewell, cluster: str) -> None:
    """Raise PeerError where the other speaks another protocol or belongs to another cluster than `cluster`."""
    if hello.protocol != PROTOCOL:
        raise PeerError(hello.address, f"speaks protocol {hello.protocol}, this node speaks protocol {PROTOCOL}")
    if hello.cluster != cluster:
        raise PeerError(hello.address, f"belongs to cluster {hello.cluster!r}, this node to cluster {cluster!r}")


def highest_term(wall: float) -> int:
    """The highest term that is believed at this time, in Unix seconds.

    A term lasts for ever, on every disk. If any number went, a single frame could name the last one that there is, and
    nobody could be elected again. What is believed grows with time alone, the same on all nodes: whoever names the
    highest of now leaves enough for everybody a moment later, those that were away at the time included.
    """
    return _TERMS_AT_ONCE + int(_TERMS_PER_SECOND * max(0.0, wall))


def check_terms(frame: Frame, wall: float, peer: str) -> None:
    """Raise PeerError, about `peer`, where a term in the frame is past belief at this time."""
    match frame:
        case Tell():
            states = (frame.state, *(relayed.state for relayed in frame.relayed))
            term = max(max(state.term, state.led_term, *_sitting_terms(state)) for state in states)
        case Request() | Refusal():
            term = frame.term
        case _:
            return
    highest = highest_term(wall)
    if term > highest:
        why = f"names the term {term}, and none above {highest} is believed; compare the clocks of both hosts"
        raise PeerError(peer, why)


def _sitting_terms(state: State) -> Iterator[int]:
    return (leadership.term for leadership in state.sitting)


@lru_cache(maxsize=4096)  # the same few addresses stand in every tell; the bound is for a peer that makes them up
def is_address(text: str) -> bool:
    """Whether the text is an address in its one spelling."""
    try:
        return join_host_port(*parse_address(text)) == text
    except ValueError:
        return False


def is_boot(boot: Boot) -> bool:
    """Whether a process could be called so."""
    return 0 <= boot.counter <= _MOST_STARTS and NAME.fullmatch(boot.nonce) is not None


def phrase(text: str) -> str:
    """Return words of people as they may stand in a frame: on one line, harmless in a terminal, and not long."""
    words = printable(text.strip())
    return words if len(words) <= _PHRASE_LENGTH else f"{words[: _PHRASE_LENGTH - 3]}..."


def excerpt(text: str) -> str:
    """Return foreign text as it may stand in an error: without control characters, and not long."""
    return printable(text)[:_REASON_LENGTH]


def _is_newer(data: bytes) -> bool:
    try:
        return _kind_decoder.decode(data).kind not in _KINDS
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False


def _faults(frame: Frame) -> Iterator[str]:
    """Yield what is wrong with a frame whose types are right."""
    match frame:
        case Hello():
            yield from _address_faults((frame.address,))
            yield from _name_faults(frame.name, frame.version)
            yield from _boot_faults(frame.boot)
            yield from _cluster_faults(frame.cluster)
        case Tell():
            yield from _address_faults(_named(frame))
            yield from _state_faults(frame.state)
            yield from _name_faults(frame.state.name, frame.state.version)
            for relayed in frame.relayed:
                yield from _relayed_faults(relayed)
        case Ask() | Answer():
            yield from _address_faults((frame.address,))
            yield from _boot_faults(frame.boot)
        case Bye() | Grant() | Refusal() | Release() | Offer():
            yield from _boot_faults(frame.boot)
        case Request(term=0):
            yield "a request for no term"
        case Farewell():
            yield from _address_faults((frame.address,))
            yield from _boot_faults(frame.boot)
            yield from _cluster_faults(frame.cluster)


def _relayed_faults(relayed: Relayed) -> Iterator[str]:
    state = relayed.state
    yield from _state_faults(state)
    if not relayed.original:
        yield from _name_faults(state.name, state.version)
    # An original has no name of its own; the machine calls it by its address.
    elif state.version or state.name != state.address[: len(state.name)]:
        yield "an original with a name"
    elif state.part != Part.MEMBER or state.unfit or state.electorate is not None:
        yield "an original with words that it does not know"


def _named(tell: Tell) -> Collection[str]:
    """Whom it speaks of, each of them once."""
    named: dict[str, None] = {}
    for state in (tell.state, *(relayed.state for relayed in tell.relayed)):
        named |= dict.fromkeys(addresses_in(state))
    return named


def _state_faults(state: State) -> Iterator[str]:
    yield from _boot_faults(state.boot)
    if state.leader_boot is not None:
        yield from _boot_faults(state.leader_boot)
    for leadership in state.sitting:
        yield from _boot_faults(leadership.boot)
    if state.role not in _ROLES:
        yield "a role that is none"
    if state.part not in _PARTS:
        yield f"a part that is none: {excerpt(state.part)}"
    if not state.unfit.isprintable():
        yield f"a reason that is not one printable line: {excerpt(state.unfit)}"
    if state.electorate is not None:
        yield from _electorate_faults(state.electorate)


def _electorate_faults(electorate: Electorate) -> Iterator[str]:
    voters = electorate.voters
    if not voters or list(voters) != sorted(set(voters)):
        yield "voters that are not sorted, each of them once"
    if not 0 < electorate.lease <= _LONGEST_LEASE:
        yield f"a lease of {electorate.lease:g} s"


def _address_faults(addresses: Collection[str]) -> Iterator[str]:
    if len(addresses) > MOST_ADDRESSES:
        yield f"{len(addresses)} addresses; {MOST_ADDRESSES} are allowed"
        return
    for address in addresses:
        if not is_address(address):
            yield f"an address that is none: {excerpt(address)}"


def _name_faults(name: str, version: str) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield f"a name that is none: {excerpt(name)}"
    if not _VERSION.fullmatch(version):
        yield f"a version that is none: {excerpt(version)}"


def _boot_faults(boot: Boot) -> Iterator[str]:
    if not is_boot(boot):
        yield "a boot that is none"


def _cluster_faults(cluster: str) -> Iterator[str]:
    if not NAME.fullmatch(cluster):
        yield "a cluster's name that is none"
