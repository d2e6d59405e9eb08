"""The kernel's side, on a real kernel: what is put is there, for as long as was said."""

import asyncio
import contextlib
import errno
import gc
import json
import os
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from les_plugins.vip import netlink as module
from les_plugins.vip.kernel import Assigned, Change, KernelError, Placement
from les_plugins.vip.netlink import Netlink
from les_plugins.vip.rtnl import ROUTE_PROTOCOL
from tests.plugins.vip.namespace import addresses, batch, drop_capabilities, in_namespace, ip

FOUR = "10.0.0.100"
SIX = "fd00::64"


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Netlink]:
    kernel = Netlink()
    try:
        yield kernel
    finally:
        kernel.close()
        await asyncio.sleep(0)


def index(name: str = "eth0") -> int:
    return socket.if_nametoindex(name)


def place(
    address: str, seconds: int = 5, *, device: str = "eth0", label: str | None = None, route: bool = False
) -> Placement:
    length = 128 if ":" in address else 32
    return Placement(index=index(device), ip=address, length=length, seconds=seconds, label=label, route=route)


def there(address: str, device: str = "eth0") -> Assigned:
    return Assigned(index=index(device), ip=address, length=128 if ":" in address else 32, valid=None)


# -- addresses ---------------------------------------------------------------------------------------------------------


@in_namespace
async def test_an_ipv4_address_is_there_with_its_lease_and_label() -> None:
    async with opened() as kernel:
        await kernel.put(place(FOUR, 3, label="eth0:les"))
    shown = addresses()[FOUR]
    assert (shown["prefixlen"], shown["label"], shown["scope"]) == (32, "eth0:les", "global")
    assert 2 <= shown["valid_life_time"] <= 3
    assert 2 <= shown["preferred_life_time"] <= 3


@in_namespace
async def test_an_ipv6_address_is_usable_at_once_and_brings_no_subnet() -> None:
    async with opened() as kernel:
        await kernel.put(place(SIX, 3, label="eth0:les"))
    shown = addresses()[SIX]
    assert shown["prefixlen"] == 128
    assert shown["nodad"] is True
    assert shown["noprefixroute"] is True
    assert "tentative" not in shown
    assert 2 <= shown["valid_life_time"] <= 3


@pytest.mark.parametrize("address", [FOUR, SIX])
@in_namespace
async def test_what_is_put_again_stays_longer_and_what_is_shorter_shorter(address: str) -> None:
    async with opened() as kernel:
        for seconds in (100, 1000, 10):
            await kernel.put(place(address, seconds))
            assert seconds - 2 <= addresses()[address]["valid_life_time"] <= seconds
            assert len(addresses()) == 1


@in_namespace
async def test_what_is_renewed_together_stays_and_then_goes_half_a_second_late_at_most() -> None:
    both = [f"{base}{number}" for base in ("10.0.0.", "fd00::") for number in range(1, 5)]
    async with opened() as kernel:
        for _ in range(4):
            for address in both:
                await kernel.put(place(address, 2))
            begun = time.monotonic()
            await asyncio.sleep(0.5)
            assert len(addresses()) == len(both)
        while addresses():
            await asyncio.sleep(0.02)
            assert time.monotonic() - begun < 3.0  # of which half a second is for a busy machine
        assert time.monotonic() - begun > 1.9


@pytest.mark.parametrize("address", [FOUR, SIX])
@in_namespace
async def test_what_is_removed_is_gone_and_twice_is_no_fault(address: str) -> None:
    async with opened() as kernel:
        await kernel.put(place(address))
        assert await kernel.remove(there(address))
        assert not addresses()
        assert not await kernel.remove(there(address))


@in_namespace
async def test_all_addresses_are_told_with_what_they_have_left() -> None:
    ip("addr", "add", "10.0.0.1/24", "dev", "eth0")
    ip("addr", "add", "10.1.0.1", "peer", "10.1.0.2/32", "dev", "eth0")
    async with opened() as kernel:
        await kernel.put(place(FOUR, 50))
        await kernel.put(place(SIX, 50))
        assigned = {each.ip: each for each in await kernel.assigned() if each.index == index()}
    assert assigned["10.0.0.1"] == Assigned(index=index(), ip="10.0.0.1", length=24, valid=None)
    assert assigned["10.0.0.1"].permanent
    assert assigned["10.1.0.1"].length == 32
    for address in (FOUR, SIX):
        assert not assigned[address].permanent
        assert assigned[address].valid in (49, 50)


@in_namespace
async def test_the_neighbours_addresses_are_left_alone() -> None:
    ip("addr", "add", "10.0.0.1/24", "dev", "eth0")
    ip("addr", "add", f"{FOUR}/24", "dev", "eth0")
    async with opened() as kernel:
        await kernel.put(place(FOUR))
        assert await kernel.remove(there(FOUR))
        assert not await kernel.remove(there(FOUR))
    assert [*addresses()] == ["10.0.0.1", FOUR]
    assert addresses()[FOUR]["prefixlen"] == 24


# -- routes ------------------------------------------------------------------------------------------------------------


def routes(family: str) -> list[dict[str, object]]:
    shown: list[dict[str, object]] = json.loads(ip(family, "-j", "-d", "route", "show", "proto", str(ROUTE_PROTOCOL)))
    return shown


@in_namespace
async def test_an_ipv4_route_goes_with_its_address() -> None:
    async with opened() as kernel:
        for _ in range(2):
            await kernel.put(place(FOUR, 50, route=True))
        (route,) = routes("-4")
        assert (route["dst"], route["dev"], route["prefsrc"]) == (FOUR, "eth0", FOUR)
        await kernel.remove(there(FOUR))
        assert not routes("-4")


@in_namespace
async def test_an_ipv6_route_has_the_same_lease_and_goes_with_the_address() -> None:
    async with opened() as kernel:
        for seconds in (100, 50):
            await kernel.put(place(SIX, seconds, route=True))
        (route,) = routes("-6")
        assert (route["dst"], route["dev"]) == (SIX, "eth0")
        assert route["expires"] in (49, 50)
        await kernel.remove(there(SIX))
        assert not routes("-6")


@in_namespace
async def test_an_ipv4_route_is_possible_on_loopback_and_goes_with_its_lease() -> None:
    async with opened() as kernel:
        await kernel.put(place(FOUR, 1, device="lo", route=True))
        assert [route["dev"] for route in routes("-4")] == ["lo"]
        await asyncio.sleep(2.1)
        assert not routes("-4")


# -- links -------------------------------------------------------------------------------------------------------------


@in_namespace
async def test_links_are_told_with_all_that_matters() -> None:
    mac = "02:00:00:00:00:07"
    ip("link", "set", "eth0", "address", mac)
    ip("link", "add", "br0", "type", "bridge")
    async with opened() as kernel:
        links = await kernel.links()
        assert {"lo", "eth0", "far0", "br0"} <= links.keys()
        eth0 = links["eth0"]
        assert (eth0.index, eth0.name, eth0.mac.hex(":"), eth0.up, eth0.carrier, eth0.speaks_arp) == (
            index(),
            "eth0",
            mac,
            True,
            True,
            True,
        )
        assert not links["lo"].speaks_arp
        assert "br0 is down; bring it up with: ip link set br0 up" in links["br0"].obstacle
        ip("link", "set", "far0", "down")
        assert (await kernel.links())["eth0"].obstacle == "eth0 has no carrier"
        ip("link", "set", "eth0", "arp", "off")
        assert not (await kernel.links())["eth0"].speaks_arp


@in_namespace
async def test_an_address_on_an_interface_that_is_gone_cannot_be_put_and_is_gone() -> None:
    async with opened() as kernel:
        placement, assigned = place(FOUR), there(FOUR)
        await kernel.put(placement)
        ip("link", "del", "eth0")
        with pytest.raises(KernelError, match="the interface is gone"):
            await kernel.put(placement)
        assert not await kernel.remove(assigned)


@in_namespace
async def test_an_interface_keeps_its_addresses_under_another_name() -> None:
    async with opened() as kernel:
        placement = place(FOUR)
        await kernel.put(placement)
        ip("link", "set", "eth0", "down")
        ip("link", "set", "eth0", "name", "wan0")
        ip("link", "set", "wan0", "up")
        await kernel.put(placement)
        assert (await kernel.links())["wan0"].index == placement.index
        assert [*addresses("wan0")] == [FOUR]


@in_namespace
async def test_without_ipv6_the_reason_is_told() -> None:
    Path("/proc/sys/net/ipv6/conf/eth0/disable_ipv6").write_text("1")
    async with opened() as kernel:
        with pytest.raises(KernelError, match=r"IPv6 is disabled on the interface; `les check` has the command"):
            await kernel.put(place(SIX))
        await kernel.put(place(FOUR))


@in_namespace
async def test_without_the_capability_what_to_do_is_told_and_reading_works() -> None:
    drop_capabilities()
    async with opened() as kernel:
        for address in (FOUR, SIX):
            with pytest.raises(
                KernelError, match="CAP_NET_ADMIN; put this into the unit: CapabilityBoundingSet="
            ) as caught:
                await kernel.put(place(address))
            assert caught.value.code == errno.EPERM
            with pytest.raises(KernelError, match="CAP_NET_ADMIN"):
                await kernel.remove(there(address))
        assert "eth0" in await kernel.links()
        assert any(each.ip == "127.0.0.1" for each in await kernel.assigned())


# -- changes -----------------------------------------------------------------------------------------------------------


SOMETHING = Change()


async def told(kernel: Netlink, wanted: Change = SOMETHING) -> None:
    """Wait until this is told; without another: that something may have changed."""
    async with asyncio.timeout(10):
        while wanted not in await kernel.changes():
            pass


@in_namespace
async def test_changes_are_told_by_whoever_makes_them() -> None:
    async with opened() as kernel:
        await told(kernel)  # what was before is to be looked at
        ip("addr", "add", f"{FOUR}/32", "dev", "eth0")
        await told(kernel, Change(ip=FOUR, length=32, index=index()))
        ip("addr", "del", f"{FOUR}/32", "dev", "eth0")
        await told(kernel, Change(ip=FOUR, length=32, index=index(), gone=True))
        ip("addr", "add", f"{SIX}/128", "dev", "eth0", "nodad")
        await told(kernel, Change(ip=SIX, length=128, index=index()))
        ip("addr", "del", f"{SIX}/128", "dev", "eth0")
        await told(kernel, Change(ip=SIX, length=128, index=index(), gone=True))
        await kernel.put(place(FOUR))
        await told(kernel, Change(ip=FOUR, length=32, index=index()))
        ip("link", "set", "far0", "down")
        await told(kernel, Change(link="eth0", index=index()))


@in_namespace
async def test_an_address_that_the_kernel_removes_is_told() -> None:
    async with opened() as kernel:
        await told(kernel)
        await kernel.put(place(FOUR, 1))
        await told(kernel, Change(ip=FOUR, length=32, index=index(), gone=True))


@in_namespace
async def test_more_changes_than_the_buffer_holds_are_told_as_one_and_later_ones_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loop is blocked meanwhile; the kernel drops what does not fit, and says so."""
    monkeypatch.setattr(module, "_REOPEN_SECONDS", 0.01)
    async with opened() as kernel:
        await told(kernel)
        lines = "".join(
            f"addr add 10.{n // 250}.1.{n % 250}/32 dev eth0\naddr del 10.{n // 250}.1.{n % 250}/32 dev eth0\n"
            for n in range(3000)
        )
        batch(lines)
        await told(kernel)
        ip("addr", "add", f"{FOUR}/32", "dev", "eth0")
        await told(kernel, Change(ip=FOUR, length=32, index=index()))


@in_namespace
async def test_who_does_not_ask_for_changes_costs_no_memory() -> None:
    async with opened() as kernel:
        await told(kernel)
        lines = "".join(f"addr {verb} 10.0.1.{n}/32 dev eth0\n" for n in range(250) for verb in ("add", "del"))
        batch(lines)
        async with asyncio.timeout(10):
            while SOMETHING not in kernel._changes:
                await asyncio.sleep(0.02)
        assert len(await kernel.changes()) <= 256


# -- when it breaks ----------------------------------------------------------------------------------------------------


@in_namespace
async def test_a_broken_socket_fails_once_and_is_replaced() -> None:
    async with opened() as kernel:
        await kernel.put(place(FOUR))
        assert kernel._requests is not None
        kernel._requests.close()
        with pytest.raises(KernelError):
            await kernel.put(place(FOUR))
        await kernel.put(place(FOUR))


@in_namespace
async def test_a_kernel_that_does_not_answer_is_not_waited_for_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANSWER_SECONDS", 0.1)
    async with opened() as kernel:
        await kernel.put(place(FOUR))
        assert kernel._requests is not None
        kernel._requests.transport.pause_reading()
        with pytest.raises(KernelError, match="did not answer within") as caught:
            await kernel.put(place(FOUR))
        assert caught.value.silent
        await kernel.put(place(FOUR))


@in_namespace
async def test_a_list_that_is_cancelled_leaves_the_next_one_alone() -> None:
    for number in range(40):
        ip("link", "add", f"v{number}", "type", "veth", "peer", f"w{number}")
    async with opened() as kernel:
        for rounds in range(12):
            task = asyncio.create_task(kernel.links())
            for _ in range(rounds):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert len(await kernel.links()) == 83


@in_namespace
async def test_a_call_that_is_cancelled_leaves_the_next_one_alone() -> None:
    async with opened() as kernel:
        for rounds in range(12):
            task = asyncio.create_task(kernel.put(place(FOUR)))
            for _ in range(rounds):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await kernel.put(place(SIX))
            assert await kernel.remove(there(SIX))
            assert "eth0" in await kernel.links()


@in_namespace
async def test_calls_at_the_same_time_get_their_own_answers() -> None:
    async with opened() as kernel:
        placements = [place(f"10.0.0.{n}") for n in range(1, 30)]
        await asyncio.gather(*map(kernel.put, placements), *(kernel.links() for _ in range(5)))
        assert len(addresses()) == 29
        gone = await asyncio.gather(*(kernel.remove(there(f"10.0.0.{n}")) for n in range(1, 40)))
        assert gone == [True] * 29 + [False] * 10


# -- what it leaves ----------------------------------------------------------------------------------------------------


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@in_namespace
async def test_it_starts_no_thread_and_no_process_and_leaves_nothing() -> None:
    threads, before = threading.active_count(), descriptors()
    for _ in range(20):
        async with opened() as kernel:
            await kernel.put(place(FOUR))
            await kernel.changes()
            await kernel.remove(there(FOUR))
            assert threading.active_count() == threads
            assert not Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()
    await asyncio.sleep(0.05)
    gc.collect()
    assert descriptors() == before


@in_namespace
async def test_closing_while_somebody_waits_for_changes_ends_the_watching() -> None:
    before = descriptors()
    kernel = Netlink()
    waiting = asyncio.create_task(kernel.changes())
    await asyncio.sleep(0.02)
    waiting.cancel()
    kernel.close()
    kernel.close()
    await asyncio.sleep(0.02)
    gc.collect()
    assert descriptors() == before


@in_namespace
async def test_one_that_was_never_used_has_nothing_to_close() -> None:
    before = descriptors()
    Netlink().close()
    assert descriptors() == before
