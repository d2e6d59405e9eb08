"""Packet sockets on real interfaces: what is heard, what is not, and what happens when the link goes."""

import asyncio
import ipaddress
import socket
import threading

import pytest

from les_plugins.vip.ether import Ether, open_ether
from les_plugins.vip.frames import announcements, probe
from les_plugins.vip.kernel import KernelError, Link
from tests.plugins.vip.namespace import drop_capabilities, far_host, in_namespace, ip
from tests.plugins.vip.test_netlink import opened

FOUR = ipaddress.ip_address("10.0.0.100")
SIX = ipaddress.ip_address("fd00::64")
THEIR_MAC = bytes.fromhex("020000000099")


async def link(name: str) -> Link:
    async with opened() as kernel:
        return (await kernel.links())[name]


class Ear:
    """Listens on an interface for who claims an address."""

    def __init__(self, on: Link, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
        self.heard: list[bytes] = []
        self.ether: Ether = open_ether(on, address, self.heard.append)

    async def hears(self, count: int = 1) -> None:
        """Wait until it has heard so many claims."""
        async with asyncio.timeout(5):
            while len(self.heard) < count:
                await asyncio.sleep(0.001)


@pytest.mark.parametrize("address", [FOUR, SIX])
@in_namespace
async def test_only_claims_of_the_address_get_through_the_filter_in_the_kernel(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    eth0, far0 = await link("eth0"), await link("far0")
    ear, mouth = Ear(eth0, address), Ear(far0, address)
    other = address + 1
    frames = [
        *announcements(other, THEIR_MAC, router=False),
        probe(address, THEIR_MAC),
        b"\xff" * 6 + THEIR_MAC + b"\x08\x06" + bytes(10),
        *announcements(address, THEIR_MAC, router=False),
    ]
    assert all(mouth.ether.send(frame) for frame in frames)
    await ear.hears(len(announcements(address, THEIR_MAC, router=False)))
    await asyncio.sleep(0.02)
    assert {*ear.heard} == {THEIR_MAC}
    assert len(ear.heard) == len(announcements(address, THEIR_MAC, router=False))
    assert not mouth.heard  # what it says itself
    ear.ether.close()
    mouth.ether.close()


@pytest.mark.parametrize("address", [FOUR, SIX])
@in_namespace
async def test_a_real_host_answers_a_question_whether_all_are_asked_or_it_alone(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Its kernel does, without any program: the far end is a host of its own."""
    eth0, far0 = await link("eth0"), await link("far0")
    flags = ("nodad",) if address.version == 6 else ()
    with far_host() as host:
        ip("-n", host, "addr", "add", f"{address}/{address.max_prefixlen}", "dev", "far0", *flags)
        ear = Ear(eth0, address)
        for count, to in enumerate((None, far0.mac), start=1):
            ear.ether.send(probe(address, eth0.mac, to))
            await ear.hears(count)
        assert {*ear.heard} == {far0.mac}
        ip("-n", host, "addr", "del", f"{address}/{address.max_prefixlen}", "dev", "far0")
        ear.ether.send(probe(address, eth0.mac))
        await asyncio.sleep(0.05)
        assert len(ear.heard) == 2
        ear.ether.close()


@in_namespace
async def test_a_flood_of_other_peoples_arp_does_not_wake_this_process() -> None:
    eth0, far0 = await link("eth0"), await link("far0")
    ear = Ear(eth0, FOUR)
    mouth = Ear(far0, FOUR)
    for number in range(2000):
        mouth.ether.send(probe(FOUR + number + 1, THEIR_MAC))
    channel = ear.ether._channel  # type: ignore[attr-defined]  # of the real one
    with pytest.raises(BlockingIOError):
        channel.recv(512)
    ear.ether.close()
    mouth.ether.close()


@in_namespace
async def test_a_link_that_goes_down_and_up_is_heard_again() -> None:
    eth0, far0 = await link("eth0"), await link("far0")
    ear, mouth = Ear(eth0, FOUR), Ear(far0, FOUR)
    ip("link", "set", "eth0", "down")
    assert not ear.ether.send(probe(FOUR, eth0.mac))
    await asyncio.sleep(0.05)
    ip("link", "set", "eth0", "up")
    for frame in announcements(FOUR, THEIR_MAC, router=False):
        mouth.ether.send(frame)
    await ear.hears()
    assert ear.ether.send(probe(FOUR, eth0.mac))
    ear.ether.close()
    mouth.ether.close()


@in_namespace
async def test_an_interface_that_is_gone_costs_no_time() -> None:
    eth0 = await link("eth0")
    ear = Ear(eth0, FOUR)
    ip("link", "del", "eth0")
    assert not ear.ether.send(probe(FOUR, eth0.mac))
    loop = asyncio.get_running_loop()
    rounds = 0
    reads = ear.ether._read  # type: ignore[attr-defined]  # of the real one

    def count() -> None:
        nonlocal rounds
        rounds += 1
        reads()

    loop.add_reader(ear.ether._channel, count)  # type: ignore[attr-defined]  # the same
    await asyncio.sleep(0.1)
    assert rounds <= 2
    ear.ether.close()
    with pytest.raises(KernelError, match="the interface is gone"):
        Ear(eth0, FOUR)


@in_namespace
async def test_without_the_capability_what_to_do_is_told() -> None:
    eth0 = await link("eth0")
    drop_capabilities()
    with pytest.raises(KernelError, match="wants CAP_NET_RAW; put this into the unit: CapabilityBoundingSet="):
        Ear(eth0, FOUR)


@in_namespace
async def test_it_starts_no_thread_and_closes_all() -> None:
    eth0 = await link("eth0")
    threads = threading.active_count()
    ear = Ear(eth0, FOUR)
    channel: socket.socket = ear.ether._channel  # type: ignore[attr-defined]  # of the real one
    assert threading.active_count() == threads
    ear.ether.close()
    assert channel.fileno() == -1
