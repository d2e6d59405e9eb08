"""Proving the secret on a link: what passes is what was sent, in order, by somebody who has the secret."""

import hmac
import itertools
import struct

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from les_hooks.security import Dialed, Listened, Open, Seal, Secret, Unproven
from les_hooks.security.proof import MAGIC, NONCE_BYTES, OVERHEAD_BYTES, derive

OURS, OTHER = Secret("les_" + "a" * 43), Secret("les_" + "b" * 43)
HELLO = b'{"kind":"hello"}'
DIALER_NONCE, LISTENER_NONCE = bytes(range(32)), bytes(range(32, 64))


def link(
    dialer: Secret = OURS, *accepted: Secret, dialer_nonce: bytes = DIALER_NONCE, listener_nonce: bytes = LISTENER_NONCE
) -> tuple[Seal, Seal]:
    """A link whose ends have proven themselves: what the dialer seals with, and the listener."""
    listener = Listened(accepted or (OURS,), listener_nonce)
    first, outer = Dialed(dialer, dialer_nonce).answer(listener.challenge, HELLO)
    said, inner, proved = listener.take(first)
    assert said == HELLO
    assert proved == dialer
    assert outer.open(inner.seal(b"welcome")) == b"welcome"
    return outer, inner


def test_frames_pass_in_both_directions_and_in_order() -> None:
    outer, inner = link()
    for number in range(300):
        frame = str(number).encode()
        assert inner.open(outer.seal(frame)) == frame
        assert outer.open(inner.seal(frame)) == frame


def test_keys_are_those_of_hkdf_and_tags_those_of_hmac() -> None:
    """Against another implementation of RFC 5869, and the transcript as `docs/security.md` has it, by hand."""

    def hkdf(info: bytes) -> bytes:
        salt = DIALER_NONCE + LISTENER_NONCE
        return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(OURS.reveal().encode())

    outward, inward = derive(OURS, DIALER_NONCE, LISTENER_NONCE)
    assert outward == hkdf(b"les-hooks link 1 dialer to listener")
    assert inward == hkdf(b"les-hooks link 1 listener to dialer")
    listener = Listened((OURS,), LISTENER_NONCE)
    assert listener.challenge == b"les.secret.1\n" + LISTENER_NONCE
    first, outer = Dialed(OURS, DIALER_NONCE).answer(listener.challenge, HELLO)
    assert first == DIALER_NONCE + hmac.digest(outward, struct.pack("!Q", 0) + HELLO, "sha256") + HELLO
    assert outer.seal(b"more") == hmac.digest(outward, struct.pack("!Q", 1) + b"more", "sha256") + b"more"


def test_either_of_two_secrets_is_accepted_and_the_link_goes_on_with_it() -> None:
    link(OURS, OTHER, OURS)
    link(OTHER, OTHER, OURS)


def test_who_has_not_the_secret_proves_nothing_to_a_listener() -> None:
    listener = Listened((OURS,), LISTENER_NONCE)
    first, _ = Dialed(OTHER, DIALER_NONCE).answer(listener.challenge, HELLO)
    with pytest.raises(Unproven, match="compare the fingerprints"):
        listener.take(first)


def test_who_has_not_the_secret_proves_nothing_to_a_dialer() -> None:
    liar = Listened((OTHER,), LISTENER_NONCE)
    _, outer = Dialed(OURS, DIALER_NONCE).answer(liar.challenge, HELLO)
    _, inner = Dialed(OTHER, DIALER_NONCE).answer(liar.challenge, HELLO)
    with pytest.raises(Unproven):
        outer.open(inner.seal(b"welcome"))


def test_a_frame_that_is_replayed_is_refused() -> None:
    outer, inner = link()
    message = outer.seal(b"I lead")
    assert inner.open(message) == b"I lead"
    with pytest.raises(Unproven):
        inner.open(message)


def test_a_first_message_that_is_replayed_on_another_connection_is_refused() -> None:
    """Its listener has another nonce."""
    listener = Listened((OURS,), LISTENER_NONCE)
    first, _ = Dialed(OURS, DIALER_NONCE).answer(listener.challenge, HELLO)
    with pytest.raises(Unproven):
        Listened((OURS,), bytes(32)).take(first)


def test_a_listener_that_is_replayed_to_a_dialer_is_refused() -> None:
    """Its dialer has another nonce."""
    listener = Listened((OURS,), LISTENER_NONCE)
    first, _ = Dialed(OURS, DIALER_NONCE).answer(listener.challenge, HELLO)
    welcome = listener.take(first)[1].seal(b"welcome")
    _, outer = Dialed(OURS, bytes(32)).answer(listener.challenge, HELLO)
    with pytest.raises(Unproven):
        outer.open(welcome)


def test_a_frame_that_is_sent_back_to_its_sender_is_refused() -> None:
    outer, inner = link()
    with pytest.raises(Unproven):
        outer.open(outer.seal(b"I lead"))
    with pytest.raises(Unproven):
        inner.open(inner.seal(b"I lead"))


def test_frames_out_of_order_and_frames_that_are_left_out_are_refused() -> None:
    outer, inner = link()
    first, second = outer.seal(b"first"), outer.seal(b"second")
    with pytest.raises(Unproven):
        inner.open(second)
    outer, inner = link()
    first, second = outer.seal(b"first"), outer.seal(b"second")
    assert inner.open(first) == b"first"
    assert inner.open(second) == b"second"


def test_a_frame_of_another_link_is_refused() -> None:
    """Same nodes, same secret, same number: other nonces."""
    one, other = (
        link(),
        link(dialer_nonce=bytes(32)),
    )
    with pytest.raises(Unproven):
        other[1].open(one[0].seal(b"I lead"))


@given(st.data())
def test_no_message_passes_with_a_bit_changed(data: st.DataObject) -> None:
    outer, inner = link()
    message = bytearray(outer.seal(data.draw(st.binary(max_size=64))))
    at = data.draw(st.integers(0, len(message) * 8 - 1))
    message[at // 8] ^= 1 << at % 8
    with pytest.raises(Unproven):
        inner.open(bytes(message))


@given(st.binary(max_size=200))
def test_no_bytes_pass_for_a_proof(message: bytes) -> None:
    with pytest.raises(Unproven):
        Listened((OURS, OTHER), LISTENER_NONCE).take(message)
    with pytest.raises(Unproven):
        link()[0].open(message)


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        HELLO,
        MAGIC,
        MAGIC + bytes(NONCE_BYTES - 1),
        MAGIC + bytes(NONCE_BYTES + 1),
        bytes(len(MAGIC) + NONCE_BYTES),
    ],
)
def test_what_is_no_challenge_is_not_answered(challenge: bytes) -> None:
    with pytest.raises(Unproven, match="did not begin with a challenge"):
        Dialed(OURS, DIALER_NONCE).answer(challenge, HELLO)


def test_a_message_cut_anywhere_is_refused() -> None:
    listener = Listened((OURS,), LISTENER_NONCE)
    first, _ = Dialed(OURS, DIALER_NONCE).answer(listener.challenge, HELLO)
    assert len(first) == OVERHEAD_BYTES + len(HELLO)
    for end in range(len(first)):
        with pytest.raises(Unproven):
            listener.take(first[:end])


def test_keys_differ_with_each_secret_nonce_and_direction() -> None:
    nonces = (DIALER_NONCE, LISTENER_NONCE, bytes(32))
    keys = [
        key for secret in (OURS, OTHER) for pair in itertools.permutations(nonces, 2) for key in derive(secret, *pair)
    ]
    assert len(set(keys)) == len(keys) == 24


def test_without_a_secret_frames_travel_as_they_are() -> None:
    assert Open().seal(b"frame") == Open().open(b"frame") == b"frame"


def test_nothing_shows_the_secret_or_the_keys() -> None:
    outer, _ = link()
    shown = repr([OURS, outer, vars(outer), Dialed(OURS, DIALER_NONCE).__dict__])
    assert OURS.reveal() not in shown
    assert repr(derive(OURS, DIALER_NONCE, LISTENER_NONCE)[0]) not in shown
