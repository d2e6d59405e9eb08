"""Proving on a link that both ends have the secret. Pure: messages in, messages out; nonces are given.

The listener begins, as soon as the WebSocket stands:

    listener  ->  MAGIC, its nonce
    dialer    ->  its nonce, tag, hello
    listener  ->  tag, hello
    both      ->  tag, frame, and so on

A tag is HMAC-SHA256 over the number of the frame in its direction (from 0, 64 bits) and the frame. The number does not
travel: both ends count, so that a frame which is replayed, missing or out of order has the wrong one. The key is
HKDF-SHA256 (RFC 5869) of the secret, salted with both nonces, one for each direction: what another link or the other
direction carried fits nowhere. So each end has proven the secret with its first frame, at the cost of no round trip.
Imported through the package.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from les_hooks.security.private import Secret

__all__ = [
    "MAGIC",
    "NONCE_BYTES",
    "OVERHEAD_BYTES",
    "PROTOCOL",
    "Dialed",
    "Listened",
    "Open",
    "Seal",
    "Unproven",
    "derive",
]

PROTOCOL: Final = "les.secret.1"
"""The WebSocket subprotocol of a link on which the secret is proven."""

NONCE_BYTES: Final = 32
MAGIC: Final = b"les.secret.1\n"
OVERHEAD_BYTES: Final = NONCE_BYTES + hashlib.sha256().digest_size
"""The most that a message is longer than its frame."""

# Both ends log it, each of the other, so it accuses neither.
_DIFFERENT: Final = "the secrets differ: compare the fingerprints in `les status` on both nodes"
_CHANGED: Final = "a frame does not prove the secret: something on the way has changed it"

_TAG_BYTES: Final = hashlib.sha256().digest_size
_FROM_DIALER: Final = b"les-hooks link 1 dialer to listener"
_FROM_LISTENER: Final = b"les-hooks link 1 listener to dialer"


class Unproven(Exception):  # noqa: N818  (what somebody is, not what went wrong)
    """A message that is not what it must be; the text says why."""


class Seal(Protocol):
    """How the frames of one link travel."""

    def seal(self, frame: bytes) -> bytes:
        """Return the next message for this frame."""

    def open(self, message: bytes) -> bytes:
        """Return the frame in the next message; raises Unproven, and nothing after that counts."""


class Open:
    """Frames as they are: no secret is set."""

    def seal(self, frame: bytes) -> bytes:
        """The frame."""
        return frame

    def open(self, message: bytes) -> bytes:
        """The message."""
        return message


@dataclass(slots=True)
class _Direction:
    key: bytes = field(repr=False)
    number: int = 0

    def tag(self, frame: bytes) -> bytes:
        """The tag of the next frame."""
        found = hmac.digest(self.key, self.number.to_bytes(8) + frame, "sha256")
        self.number += 1
        return found


class _Sealed:
    """Frames with their tags, once both nonces are known."""

    def __init__(self, outward: bytes, inward: bytes) -> None:
        self._outward, self._inward = _Direction(outward), _Direction(inward)

    def seal(self, frame: bytes) -> bytes:
        """Tag and frame."""
        return self._outward.tag(frame) + frame

    def open(self, message: bytes) -> bytes:
        """The frame, if its tag is right."""
        tag, frame = message[:_TAG_BYTES], message[_TAG_BYTES:]
        first = self._inward.number == 0
        if not hmac.compare_digest(tag, self._inward.tag(frame)):
            raise Unproven(
                _DIFFERENT if first else "a frame does not prove the secret: something on the way has changed it"
            )
        return frame


class Dialed:
    """The end that dialed: the message after the challenge proves `secret`."""

    def __init__(self, secret: Secret, nonce: bytes) -> None:
        self.secret = secret
        self._nonce = nonce

    def answer(self, challenge: bytes, hello: bytes) -> tuple[bytes, Seal]:
        """Return the first message of this end, and the seal of all that follow; raises Unproven."""
        if not challenge.startswith(MAGIC) or len(challenge) != len(MAGIC) + NONCE_BYTES:
            raise Unproven("did not begin with a challenge")
        outward, inward = derive(self.secret, self._nonce, challenge[len(MAGIC) :])
        sealed = _Sealed(outward, inward)
        return self._nonce + sealed.seal(hello), sealed


class Listened:
    """The end that listened: it takes any of the secrets that are accepted, and goes on with that."""

    def __init__(self, accepted: Sequence[Secret], nonce: bytes) -> None:
        self._accepted = tuple(accepted)
        self._nonce = nonce

    @property
    def challenge(self) -> bytes:
        """The first message of this end."""
        return MAGIC + self._nonce

    def take(self, message: bytes) -> tuple[bytes, Seal, Secret]:
        """Return the hello in the other end's first message, the seal of all that follow, and what it proved.

        Raises Unproven.
        """
        if len(message) < OVERHEAD_BYTES:
            raise Unproven("begins with no proof of the secret")
        nonce, sealed = message[:NONCE_BYTES], message[NONCE_BYTES:]
        for secret in self._accepted:
            inward, outward = derive(secret, nonce, self._nonce)
            seal = _Sealed(outward, inward)
            try:
                return seal.open(sealed), seal, secret
            except Unproven as error:
                reason = error
        raise reason


def derive(secret: Secret, dialer_nonce: bytes, listener_nonce: bytes) -> tuple[bytes, bytes]:
    """Return the keys of what the dialer sends and of what the listener sends, 32 bytes each."""
    extracted = hmac.digest(dialer_nonce + listener_nonce, secret.reveal().encode(), "sha256")
    return _expand(extracted, _FROM_DIALER), _expand(extracted, _FROM_LISTENER)


def _expand(extracted: bytes, info: bytes) -> bytes:
    """HKDF-Expand for as many bytes as one hash has: a single block."""
    return hmac.digest(extracted, info + b"\x01", "sha256")
