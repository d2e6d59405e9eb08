"""What is believed of bytes that come over a link, and what is not."""

import contextlib
import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from les_hooks import wire
from les_hooks.election.frames import (
    MOST_ADDRESSES,
    Beat,
    Electorate,
    Farewell,
    Frame,
    Grant,
    Hello,
    Leadership,
    Offer,
    Refusal,
    Relayed,
    Release,
    Request,
    Tell,
)
from les_hooks.errors import PeerError
from les_hooks.members import Boot, Part
from tests.fuzz.seeds import BOOT, STATE
from tests.fuzz.strategies import frames, json_values

FAREWELL = Farewell(protocol=wire.PROTOCOL, cluster="web", address="10.0.0.1:4000", boot=BOOT)
HELLO = Hello(protocol=wire.PROTOCOL, cluster="web", address="[::1]:4000", name="a", version="0.1.0", boot=BOOT)


def _changed(frame: Frame, **changes: Any) -> bytes:
    """The frame as JSON with some keys of it, or of its state, replaced."""
    plain = json.loads(wire.encode(frame))
    for key, value in changes.items():
        where = plain["state"] if key in plain.get("state", {}) else plain
        where[key] = value
    return json.dumps(plain).encode()


TELL = Tell(seq=1, ack=0, state=STATE, relayed=())


@given(frames)
def test_what_one_node_encodes_another_decodes(frame: Frame) -> None:
    assert wire.decode(wire.encode(frame)) == frame


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: json.dumps({"kind": text}).encode()))
def test_any_bytes_are_a_frame_or_nothing_or_the_peers_fault(data: bytes) -> None:
    why = ""
    try:
        wire.decode(data)
    except PeerError as error:
        why = error.why
    assert why.isascii()
    assert why.isprintable()


@given(frames, st.data())
def test_a_frame_with_one_wrong_value_is_never_more_than_the_peers_fault(frame: Frame, data: st.DataObject) -> None:
    plain = json.loads(wire.encode(frame))
    where = plain["state"] if "state" in plain and data.draw(st.booleans()) else plain
    where[data.draw(st.sampled_from(sorted(where)))] = data.draw(json_values)
    try:
        decoded = wire.decode(json.dumps(plain).encode())
    except PeerError:
        return
    assert decoded is None or wire.decode(wire.encode(decoded)) == decoded


def test_an_unknown_kind_belongs_to_a_newer_protocol_and_is_ignored() -> None:
    assert wire.decode(b'{"kind": "vote", "for": ["x"]}') is None


def test_unknown_keys_of_a_known_kind_are_ignored() -> None:
    assert wire.decode(_changed(Beat(seq=1, ack=2), mood="good")) == Beat(seq=1, ack=2)


def test_a_node_that_has_not_heard_of_roles_and_votes_is_a_fit_member_without_voters() -> None:
    plain = json.loads(wire.encode(TELL))
    for key in ("part", "unfit", "electorate"):
        del plain["state"][key]
    older = wire.decode(json.dumps(plain).encode())
    assert isinstance(older, Tell)
    assert (older.state.part, older.state.unfit, older.state.electorate) == (Part.MEMBER, "", None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"kind": 3}',
        b'{"kind": "beat"}',
        b'{"kind": "beat", "seq": "1", "ack": 0}',
        b'{"kind": "beat", "seq": -1, "ack": 0}',
        b'{"kind": "beat", "seq": 1e999, "ack": 0}',
        b'{"kind": "beat", "seq": 9007199254740993, "ack": 0}',
        b"[" * 100_000,
        b'{"kind": "beat", "seq": 1, "ack": 0, "x": ' + b"[" * 100_000,
        _changed(TELL, start_time=2**33 + 1),
        _changed(TELL, start_time="old"),
        _changed(TELL, term=2**53 + 1),
        _changed(TELL, term=1.5),
        _changed(TELL, role="king"),
        _changed(TELL, fit=1),
        _changed(TELL, name='a"\n\x1b[2J'),
        _changed(TELL, name=""),
        _changed(TELL, name="../../etc"),
        _changed(TELL, version="1.0\x1b[2J"),
        _changed(TELL, address="10.0.0.1"),
        _changed(TELL, address="10.0.0.1:04000"),
        _changed(TELL, address="LOCALHOST:4000"),
        _changed(TELL, address="::1:4000"),
        _changed(TELL, address="[fe80::1%eth0;reboot]:4000"),
        _changed(TELL, leader="nobody"),
        _changed(TELL, leader=False),
        _changed(TELL, links=["$(reboot):1"]),
        _changed(TELL, members=[f"10.1.{n // 250}.{n % 250}:4000" for n in range(257)]),
        _changed(TELL, members=["a:1"] * 100_000),
        _changed(TELL, boot=[1]),
        _changed(TELL, boot=[-1, "x"]),
        _changed(TELL, boot=[1, "x\n"]),
        _changed(TELL, part="king"),
        _changed(TELL, part=None),
        _changed(TELL, unfit="two\nlines"),
        _changed(TELL, unfit="\x1b[2J"),
        _changed(TELL, unfit="x" * 257),
        _changed(TELL, unfit=None),
        _changed(TELL, electorate=[]),
        _changed(TELL, electorate=[[], 4.0]),
        _changed(TELL, electorate=[["b:1", "a:1"], 4.0]),
        _changed(TELL, electorate=[["a:1", "a:1"], 4.0]),
        _changed(TELL, electorate=[["a"], 4.0]),
        _changed(TELL, electorate=[["a:1"], 0.0]),
        _changed(TELL, electorate=[["a:1"], -4.0]),
        _changed(TELL, electorate=[["a:1"], 2**33]),
        _changed(TELL, electorate=[["a:1"], "4s"]),
        _changed(TELL, electorate=[[f"10.1.{n // 250}.{n % 250}:4000" for n in range(257)], 4.0]),
        _changed(Request(number=1, term=2, sitting=True), sitting=1),
        _changed(Request(number=1, term=2, sitting=True), term=-1),
        _changed(Request(number=1, term=2, sitting=True), term=0),
        _changed(Grant(number=1, boot=BOOT), boot=[1, ""]),
        _changed(Grant(number=1, boot=BOOT), number=2**53 + 1),
        _changed(Refusal(number=1, boot=BOOT, term=3), boot=None),
        _changed(Refusal(number=1, boot=BOOT, term=3), term=2**53 + 1),
        _changed(Release(number=1, boot=BOOT), boot=[-1, "x"]),
        _changed(Offer(start_time=1.6e9, boot=BOOT), start_time=2**33 + 1),
        _changed(Offer(start_time=1.6e9, boot=BOOT), boot=[1, "x\n"]),
        _changed(FAREWELL, address="10.0.0.1"),
        _changed(FAREWELL, boot=[1, ""]),
        _changed(FAREWELL, cluster="web\n"),
        _changed(HELLO, cluster="web\n"),
        _changed(HELLO, protocol=None),
    ],
    ids=lambda data: repr(data[:40]),
)
def test_what_is_malformed_is_the_peers_fault_and_the_reason_is_safe_to_log(data: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        wire.decode(data, "10.0.0.9:4000")
    assert caught.value.peer == "10.0.0.9:4000"
    assert caught.value.why.isprintable()
    assert len(caught.value.why) < 300


def test_a_frame_past_the_limit_is_refused_unread() -> None:
    with pytest.raises(PeerError, match="262144 are allowed"):
        wire.decode(_changed(Beat(seq=1, ack=2), x="x" * wire.FRAME_LIMIT))


def test_a_frame_of_more_addresses_than_a_cluster_has_members_is_refused() -> None:
    def tell(count: int) -> Tell:
        made_up = [f"[::{number:x}]:4000" for number in range(1, count)]
        lists = [tuple(made_up[at : at + 250]) for at in range(0, len(made_up), 250)]
        relayed = tuple(Relayed(state=msgspec.structs.replace(STATE, links=links), age=0.1) for links in lists)
        return Tell(seq=1, ack=1, state=STATE, relayed=relayed)

    known = len({STATE.address, *STATE.members})
    assert wire.decode(wire.encode(tell(MOST_ADDRESSES - known + 1))) is not None
    with pytest.raises(PeerError, match="1025 addresses; 1024 are allowed"):
        wire.decode(wire.encode(tell(MOST_ADDRESSES - known + 2)))


@pytest.mark.parametrize(
    "data",
    [
        b"[" * wire.FRAME_LIMIT,
        b'{"kind":"newer","x":' + b"[" * (wire.FRAME_LIMIT - 40),
        b'{"kind":"beat","ack":0,"seq":' + b"9" * (wire.FRAME_LIMIT - 40) + b"}",
        b'{"kind":"offer","boot":[1,"x"],"start_time":0.' + b"9" * (wire.FRAME_LIMIT - 60) + b"}",
        b'{"kind":"beat","seq":1,"ack":0' + b',"seq":1' * 32_000 + b"}",
        b"{" + b'"a":1,' * 43_000 + b'"kind":"beat","seq":1,"ack":-1}',
        b'{"kind":"beat","seq":1,"ack":0,"x":"' + b"\\u0041" * 43_000 + b'"}',
        wire.encode(
            Tell(
                seq=1,
                ack=1,
                state=msgspec.structs.replace(STATE, links=(), members=()),
                relayed=tuple(
                    Relayed(
                        age=0.1,
                        state=msgspec.structs.replace(
                            STATE, links=tuple(f"[::{256 * place + number:x}]:1" for number in range(1, 257))
                        ),
                    )
                    for place in range(60)
                ),
            )
        ),
    ],
    ids=lambda data: repr(data[:24]),
)
def test_the_worst_frame_costs_less_than_a_heartbeat(data: bytes) -> None:
    """The slowest that was found takes some milliseconds; before there were bounds it was most of a second."""
    wire.is_address.cache_clear()
    begun = time.process_time()
    with contextlib.suppress(PeerError):
        wire.decode(data)
    assert time.process_time() - begun < 0.1


def test_a_tell_of_80_members_with_all_links_relayed_fits_in_a_frame() -> None:
    everybody = tuple(f"10.100.0.{n}:4000" for n in range(100, 180))
    full = msgspec.structs.replace(
        STATE,
        members=everybody,
        links=everybody[:40],
        part=Part.OBSERVER,
        unfit="gateway 10.100.0.1 does not answer: 3 of 3 pings were lost",
        electorate=Electorate(everybody[:15], 4.0),
    )
    relayed = tuple(Relayed(state=full, age=0.1) for _ in everybody)
    assert len(wire.encode(Tell(seq=1, ack=1, state=full, relayed=relayed))) < wire.FRAME_LIMIT


def test_a_relayed_original_is_called_by_its_address_and_nothing_else() -> None:
    original = msgspec.structs.replace(STATE, name=STATE.address, version="", boot=Boot(0, repr(1.6e9)))
    tell = Tell(seq=1, ack=1, state=STATE, relayed=(Relayed(state=original, age=1, original=True),))
    assert wire.decode(wire.encode(tell)) == tell
    for lie in (
        {"name": "\x1b[2J"},
        {"part": Part.WITNESS},
        {"unfit": "ill"},
        {"electorate": Electorate(("10.0.0.1:4000",), 4.0)},
    ):
        liar = msgspec.structs.replace(original, **lie)
        with pytest.raises(PeerError, match="original"):
            wire.decode(
                wire.encode(msgspec.structs.replace(tell, relayed=(Relayed(state=liar, age=1, original=True),)))
            )


def test_another_cluster_is_refused_by_both_names() -> None:
    with pytest.raises(PeerError, match=r"belongs to cluster 'web', this node to cluster 'db'"):
        wire.check_hello(HELLO, "db")


def test_another_protocol_version_is_refused_by_both_numbers() -> None:
    newer = msgspec.structs.replace(HELLO, protocol=2)
    with pytest.raises(PeerError, match="speaks protocol 2, this node speaks protocol 1"):
        wire.check_hello(newer, "web")


def test_a_node_of_the_same_cluster_and_version_is_welcome() -> None:
    wire.check_hello(HELLO, "web")


def test_who_speaks_for_a_dead_process_is_of_the_same_cluster_and_version_too() -> None:
    wire.check_hello(FAREWELL, "web")
    with pytest.raises(PeerError, match="belongs to cluster 'web'"):
        wire.check_hello(FAREWELL, "db")
    with pytest.raises(PeerError, match="speaks protocol 2"):
        wire.check_hello(msgspec.structs.replace(FAREWELL, protocol=2), "web")


@given(st.text(max_size=600))
def test_any_words_of_people_can_be_made_to_travel(text: str) -> None:
    state = msgspec.structs.replace(STATE, fit=False, unfit=wire.phrase(text))
    tell = msgspec.structs.replace(TELL, state=state)
    assert wire.decode(wire.encode(tell)) == tell


def test_words_that_are_too_long_end_in_dots() -> None:
    assert wire.phrase(" new kernel\n") == "new kernel"
    assert wire.phrase("x" * 256) == "x" * 256
    assert wire.phrase("x" * 257) == "x" * 253 + "..."
    assert wire.phrase("two\nlines") == r"two\nlines"


@pytest.mark.parametrize(
    "frame",
    [
        msgspec.structs.replace(TELL, state=msgspec.structs.replace(STATE, term=2**52)),
        msgspec.structs.replace(TELL, state=msgspec.structs.replace(STATE, led_term=2**52)),
        msgspec.structs.replace(TELL, state=msgspec.structs.replace(STATE, sitting=(Leadership("a:1", BOOT, 2**52),))),
        Request(number=1, term=2**52, sitting=False),
        Refusal(number=1, boot=BOOT, term=2**52),
    ],
)
def test_a_term_that_no_cluster_can_have_come_to_is_not_believed(frame: Frame) -> None:
    with pytest.raises(PeerError, match="names the term 4503599627370496"):
        wire.check_terms(frame, 1.8e9, "b:1")


@pytest.mark.parametrize("wall", [-5.0, 0.0, 1.8e9])
def test_the_terms_of_a_cluster_that_nobody_lied_to_are_believed_whatever_the_clock_says(wall: float) -> None:
    wire.check_terms(Request(number=1, term=2**32, sitting=False), wall, "b:1")
    wire.check_terms(TELL, wall, "b:1")
    wire.check_terms(Beat(seq=1, ack=0), wall, "b:1")


def test_whoever_names_the_highest_term_of_now_leaves_a_thousand_for_the_next_second() -> None:
    assert wire.highest_term(1.8e9 + 1) - wire.highest_term(1.8e9) == 1000
    assert wire.highest_term(2.0**33) < 2**53
