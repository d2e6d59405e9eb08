"""The replies that originals read and give."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from les_hooks.election.frames import State
from les_hooks.election.messages import OriginalAnswered
from les_hooks.errors import PeerError
from les_hooks.members import UNSTAMPED, Address
from les_hooks.wire_original import REPLY_LIMIT, OriginalReply, decode_original, encode_diag, encode_state
from tests.fuzz.seeds import STATE

PEER = "10.0.0.9:4000"


def _reply(**changes: Any) -> bytes:
    plain = {"members": [PEER, "10.0.0.1:4000"], "leader": False, "start_time": 1627515915.703066} | changes
    return json.dumps({key: value for key, value in plain.items() if value is not ...}).encode()


def test_an_original_finds_its_three_keys_in_our_state_as_it_writes_them() -> None:
    plain = json.loads(encode_state(STATE))
    assert plain["members"] == ["10.0.0.1:4000", "10.0.0.2:4000"]
    assert plain["leader"] == "10.0.0.2:4000"
    assert plain["start_time"] == 1.6e9
    assert plain.keys() - {"members", "leader", "start_time"} == {"term", "boot", "name", "version", "part"}


def test_no_leader_is_false_and_no_stamp_is_one_that_no_original_nominates() -> None:
    plain = json.loads(encode_state(msgspec.structs.replace(STATE, leader=None, start_time=UNSTAMPED)))
    assert plain["leader"] is False
    assert plain["start_time"] == 4102444800.0


def test_our_own_address_is_the_first_member_even_where_we_know_nobody() -> None:
    assert json.loads(encode_state(msgspec.structs.replace(STATE, members=())))["members"] == ["10.0.0.1:4000"]


def test_diag_is_indented_and_shows_ours_and_originals_alike() -> None:
    heard: dict[Address, State | OriginalAnswered] = {
        Address("10.0.0.2:4000"): STATE,
        Address(PEER): OriginalAnswered(address=Address(PEER), start_time=5.0, leader=None, members=()),
    }
    text = encode_diag(STATE, heard).decode()
    assert text.startswith('{\n  "state": {\n    "members": [')
    plain = json.loads(text)
    assert plain["member_states"][PEER] == {"members": [PEER], "leader": False, "start_time": 5.0}
    assert plain["member_states"]["10.0.0.2:4000"]["leader"] == "10.0.0.2:4000"


def test_a_reply_of_an_original_is_read() -> None:
    assert decode_original(_reply(), PEER) == OriginalReply(
        address=Address(PEER),
        start_time=1627515915.703066,
        leader=None,
        members=(Address(PEER), Address("10.0.0.1:4000")),
        ours=False,
    )


@pytest.mark.parametrize("leader", [False, None, "", "somebody", "LOCALHOST:1"])
def test_a_leader_that_is_no_address_is_nobody(leader: object) -> None:
    assert decode_original(_reply(leader=leader), PEER).leader is None


def test_a_start_time_may_be_a_whole_number() -> None:
    assert decode_original(_reply(start_time=1627515915), PEER).start_time == 1627515915.0


def test_members_that_are_no_addresses_are_left_out() -> None:
    reply = decode_original(_reply(members=["web", "$(reboot):1", "[::1]:4000", "a:b", "[fe80::1%x]:1"]), PEER)
    assert reply.members == ("[::1]:4000",)
    assert reply.address is None


def test_a_reply_with_a_boot_is_one_of_ours() -> None:
    assert decode_original(encode_state(STATE), PEER).ours


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"[]",
        b"\xff",
        b"[" * 60_000,
        _reply(members=...),
        _reply(members="a:1"),
        _reply(members=[1]),
        _reply(members=[f"10.1.{n // 250}.{n % 250}:4000" for n in range(300)]),
        _reply(members=["10.0.0.1:4000"] * 100_000),
        _reply(leader=...),
        _reply(leader=True),
        _reply(leader=3),
        _reply(start_time=...),
        _reply(start_time="yesterday"),
        _reply(start_time=-1),
        _reply(start_time=2**33 + 1),
        _reply(start_time=True),
        b'{"members": [], "leader": false, "start_time": NaN}',
        b" " * (REPLY_LIMIT + 1),
    ],
    ids=lambda body: repr(body[:50]),
)
def test_a_malformed_reply_is_the_peers_fault(body: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        decode_original(body, PEER)
    assert caught.value.peer == PEER
    assert caught.value.why.isprintable()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_reply_or_the_peers_fault(body: bytes) -> None:
    why = ""
    try:
        decode_original(body, PEER)
    except PeerError as error:
        why = error.why
    assert why.isprintable()
