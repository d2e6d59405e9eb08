"""The bytes of ARP and neighbour discovery, against captures written down from the RFCs."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from les_plugins.vip.frames import announcements, filter_for, mac_text, probe, read_claim

OUR_MAC = bytes.fromhex("020000000001")
THEIR_MAC = bytes.fromhex("020000000002")
FOUR = ipaddress.ip_address("10.0.0.100")
SIX = ipaddress.ip_address("fd00::1:64")


def packet(text: str) -> bytes:
    """Return the bytes that a dump shows."""
    return bytes.fromhex("".join(text.split()))


ARP_PROBE = packet("""
    ffffffffffff 020000000001 0806
    0001 0800 06 04 0001 020000000001 00000000 000000000000 0a000064
""")
GRATUITOUS_REQUEST = packet("""
    ffffffffffff 020000000001 0806
    0001 0800 06 04 0001 020000000001 0a000064 000000000000 0a000064
""")
GRATUITOUS_REPLY = packet("""
    ffffffffffff 020000000001 0806
    0001 0800 06 04 0002 020000000001 0a000064 020000000001 0a000064
""")
THEIR_REPLY = packet("""
    020000000001 020000000002 0806
    0001 0800 06 04 0002 020000000002 0a000064 020000000001 00000000
""")
SOLICITATION = packet("""
    3333ff010064 020000000001 86dd
    60000000 0018 3a ff 00000000000000000000000000000000 ff0200000000000000000001ff010064
    87 00 7cdd 00000000 fd000000000000000000000000010064
""")
ADVERTISEMENT = packet("""
    333300000001 020000000001 86dd
    60000000 0020 3a ff fd000000000000000000000000010064 ff020000000000000000000000000001
    88 00 59d3 20000000 fd000000000000000000000000010064 02 01 020000000001
""")
THEIR_ADVERTISEMENT = packet("""
    333300000001 020000000002 86dd
    60000000 0020 3a ff fd000000000000000000000000010064 ff020000000000000000000000000001
    88 00 d9d1 a0000000 fd000000000000000000000000010064 02 01 020000000002
""")


def checksum_holds(frame: bytes) -> bool:
    """Whether the sum over pseudo-header and message is all ones: RFC 1071, as a receiver does it."""
    size = struct.unpack_from("!H", frame, 18)[0]
    message = frame[54 : 54 + size]
    data = frame[22:54] + size.to_bytes(4, "big") + (58).to_bytes(4, "big") + message + bytes(len(message) % 2)
    total = 0
    for index in range(0, len(data), 2):
        total += data[index] * 256 + data[index + 1]
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


# -- what is sent ------------------------------------------------------------------------------------------------------


def test_an_arp_probe_names_no_sender() -> None:
    assert probe(FOUR, OUR_MAC) == ARP_PROBE


def test_one_host_can_be_asked_alone() -> None:
    assert probe(FOUR, OUR_MAC, THEIR_MAC) == THEIR_MAC + ARP_PROBE[6:]
    assert probe(SIX, OUR_MAC, THEIR_MAC) == THEIR_MAC + SOLICITATION[6:]


def test_an_address_is_announced_as_request_and_as_reply() -> None:
    assert announcements(FOUR, OUR_MAC, router=False) == (GRATUITOUS_REQUEST, GRATUITOUS_REPLY)


def test_a_solicitation_comes_from_nobody_and_goes_to_the_group_of_the_address() -> None:
    assert probe(SIX, OUR_MAC) == SOLICITATION


def test_an_advertisement_overrides_and_names_the_hardware_address() -> None:
    assert announcements(SIX, OUR_MAC, router=False) == (ADVERTISEMENT,)


def test_a_router_stays_one() -> None:
    (frame,) = announcements(SIX, OUR_MAC, router=True)
    assert frame[58:62] == bytes.fromhex("a0000000")
    assert checksum_holds(frame)


@given(st.ip_addresses(v=6), st.binary(min_size=6, max_size=6), st.booleans())
def test_checksums_are_right(address: ipaddress.IPv6Address, mac: bytes, router: bool) -> None:
    assert checksum_holds(probe(address, mac))
    assert all(checksum_holds(frame) for frame in announcements(address, mac, router=router))


@given(st.ip_addresses(), st.binary(min_size=6, max_size=6))
def test_only_announcements_claim_an_address(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, mac: bytes
) -> None:
    for frame in announcements(address, mac, router=False):
        claim = read_claim(frame, address)
        assert claim is not None
        assert claim.mac == mac
    if int(address):
        assert read_claim(probe(address, mac), address) is None


# -- what is read ------------------------------------------------------------------------------------------------------

CLAIMS = [
    pytest.param(THEIR_REPLY, FOUR, id="arp-reply"),
    pytest.param(packet("ffffffffffff 020000000002") + GRATUITOUS_REQUEST[12:22] + THEIR_MAC + GRATUITOUS_REQUEST[28:],
                 FOUR, id="gratuitous-arp"),
    pytest.param(THEIR_REPLY + bytes(18), FOUR, id="arp-reply-padded"),
    pytest.param(THEIR_ADVERTISEMENT, SIX, id="advertisement"),
    pytest.param(THEIR_ADVERTISEMENT[:78], SIX, id="advertisement-without-options"),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "address"), CLAIMS)
def test_a_claim_is_read(frame: bytes, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    # The last one says less than its length field: what is there of it is read all the same.
    claim = read_claim(frame, address)
    assert claim is not None
    assert mac_text(claim.mac) == "02:00:00:00:00:02"


@pytest.mark.parametrize(("frame", "address"), CLAIMS)
def test_what_is_cut_off_is_no_claim_or_the_same(
    frame: bytes, address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    needed = 42 if address.version == 4 else 78
    for size in range(len(frame)):
        claim = read_claim(frame[:size], address)
        assert (claim is not None) == (size >= needed)
        assert claim is None or claim.mac == THEIR_MAC


@given(st.binary(max_size=200), st.sampled_from([FOUR, SIX]))
def test_random_bytes_claim_nothing(frame: bytes, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert read_claim(frame, address) is None


@given(st.data(), st.sampled_from(["THEIR_REPLY", "THEIR_ADVERTISEMENT"]))
def test_a_changed_frame_never_raises(data: st.DataObject, which: str) -> None:
    frame = bytearray(globals()[which])
    for place in data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=8)):
        frame[place] = data.draw(st.integers(0, 255))
    for address in (FOUR, SIX):
        claim = read_claim(bytes(frame), address)
        assert claim is None or len(claim.mac) == 6


def test_a_claim_of_another_address_is_none_of_this_one() -> None:
    assert read_claim(THEIR_REPLY, ipaddress.ip_address("10.0.0.101")) is None
    assert read_claim(THEIR_ADVERTISEMENT, ipaddress.ip_address("fd00::1:65")) is None
    assert read_claim(THEIR_REPLY, SIX) is None
    assert read_claim(THEIR_ADVERTISEMENT, FOUR) is None


def change(frame: bytes, place: int, value: str) -> bytes:
    """Return the frame with these bytes in that place."""
    new = bytes.fromhex(value)
    return frame[:place] + new + frame[place + len(new) :]


@pytest.mark.parametrize(
    ("frame", "address"),
    [
        pytest.param(THEIR_REPLY[:12] + packet("8100 0064") + THEIR_REPLY[12:], FOUR, id="in-a-vlan"),
        pytest.param(change(THEIR_REPLY, 14, "0006"), FOUR, id="arp-for-no-ethernet"),
        pytest.param(change(THEIR_REPLY, 16, "86dd"), FOUR, id="arp-for-no-ipv4"),
        pytest.param(change(THEIR_REPLY, 18, "0804"), FOUR, id="arp-with-longer-hardware-addresses"),
        pytest.param(change(THEIR_REPLY, 28, "00000000"), FOUR, id="arp-probe"),
        pytest.param(change(THEIR_ADVERTISEMENT, 20, "11"), SIX, id="udp"),
        pytest.param(change(THEIR_ADVERTISEMENT, 21, "fe"), SIX, id="came-through-a-router"),
        pytest.param(change(THEIR_ADVERTISEMENT, 54, "87"), SIX, id="solicitation"),
        pytest.param(change(THEIR_ADVERTISEMENT, 55, "01"), SIX, id="of-an-unknown-code"),
        pytest.param(change(THEIR_ADVERTISEMENT, 18, "0017"), SIX, id="too-short-in-its-own-words"),
    ],
)
def test_what_only_looks_like_a_claim_is_none(
    frame: bytes, address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    assert read_claim(frame, address) is None


def test_the_sender_is_taken_where_an_advertisement_names_no_hardware_address() -> None:
    for options in ("", "0200020000000003", "0102", "ff01000000000000", "0202000000000000"):
        frame = change(THEIR_ADVERTISEMENT[:78] + bytes.fromhex(options), 18, f"{24 + len(options) // 2:04x}")
        claim = read_claim(frame, SIX)
        assert claim is not None
        assert claim.mac == THEIR_MAC


def test_an_option_may_stand_before_the_hardware_address() -> None:
    options = "0501000000000000" + "0201020000000009"
    frame = change(THEIR_ADVERTISEMENT[:78] + bytes.fromhex(options), 18, "0028")
    claim = read_claim(frame, SIX)
    assert claim is not None
    assert mac_text(claim.mac) == "02:00:00:00:00:09"


# -- what the kernel lets through --------------------------------------------------------------------------------------


def passes(program: list[tuple[int, int, int, int]], frame: bytes) -> bool:
    """Run a classic BPF program as the kernel does: a load past the end of the frame drops it."""
    accumulator, counter = 0, 0
    while True:
        code, if_true, if_false, k = program[counter]
        counter += 1
        if code in (0x20, 0x30):
            size = 4 if code == 0x20 else 1
            if k + size > len(frame):
                return False
            accumulator = int.from_bytes(frame[k : k + size], "big")
        elif code == 0x15:
            counter += if_true if accumulator == k else if_false
        else:
            assert code == 0x06
            return k > 0


@pytest.mark.parametrize(("frame", "address"), CLAIMS)
def test_claims_pass_the_filter(frame: bytes, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert passes(filter_for(address), frame)


@given(st.ip_addresses(), st.ip_addresses(), st.binary(min_size=6, max_size=6))
def test_the_filter_lets_through_what_is_a_claim_and_nothing_else_that_is_common(
    wanted: ipaddress.IPv4Address | ipaddress.IPv6Address,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
    mac: bytes,
) -> None:
    program = filter_for(wanted)
    for frame in announcements(other, mac, router=False):
        if wanted.version == other.version:
            assert passes(program, frame) == (wanted == other)
    if int(wanted):
        assert not passes(program, probe(wanted, mac))


@given(st.binary(max_size=100), st.ip_addresses())
def test_the_filter_always_ends(frame: bytes, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert passes(filter_for(address), frame) in (True, False)
