"""The plugin's engine room on a real kernel: address, announcement, drift and end, in one go."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from les_hooks.events import Reason
from les_plugins.vip.keeper import Keeper
from tests.fake_context import FakeContext, an_event
from tests.plugins.vip.fakes import a_config
from tests.plugins.vip.namespace import addresses, far_host, in_namespace, ip

IP = "10.0.0.100"


async def until(happened: Callable[[], bool]) -> None:
    """Wait for it; a busy machine may take its time."""
    async with asyncio.timeout(5):
        while not happened():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("address", [IP, "fd00::64"])
@in_namespace
async def test_an_address_lives_and_dies_with_its_keeper(address: str) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with far_host() as host:
        ip("-n", host, "addr", "add", "10.0.0.9/24", "dev", "far0")
        ip("-n", host, "-6", "addr", "add", "fd00::9/64", "dev", "far0", "nodad")
        ctx = FakeContext(name="vip", config=a_config(f"{address}/24"))
        keeper = Keeper(ctx)
        reports: list[str] = []
        watching = asyncio.create_task(keeper.watch(reports.append))
        await until(lambda: reports == [""])
        await keeper.take(an_event(reason=Reason.LEADER_LOST))
        (taken,) = ctx.audited
        assert (taken["action"], taken["found"]) == ("taken", "free")
        for _ in range(6):
            await asyncio.sleep(0.5)
            assert [*addresses()] == [address]
        ip("addr", "del", f"{address}/{128 if ':' in address else 32}", "dev", "eth0")
        await until(lambda: [record["action"] for record in ctx.audited] == ["taken", "restored"])
        assert [*addresses()] == [address]
        ip("link", "set", "eth0", "down")
        await until(lambda: reports[-1].startswith("eth0 is down"))
        ip("link", "set", "eth0", "up")
        await until(lambda: reports[-1] == "" and [*addresses()] == [address])
        await keeper.release()
        assert not addresses()
        watching.cancel()
        await asyncio.wait({watching})
        keeper.close()
    await until(lambda: len(os.listdir("/proc/self/fd")) == descriptors)


@in_namespace
async def test_a_host_that_has_the_address_is_waited_for_and_then_told_of() -> None:
    with far_host() as host:
        ip("-n", host, "addr", "add", f"{IP}/32", "dev", "far0", "valid_lft", "2", "preferred_lft", "2")
        ctx = FakeContext(name="vip", config=a_config())
        keeper = Keeper(ctx)
        try:
            await keeper.take(an_event(reason=Reason.LEADER_LOST))
            (taken,) = ctx.audited
            assert taken["found"] == "fell-silent"
            assert 1.5 < float(taken["waited"]) < 3.0
            ip("-n", host, "addr", "add", f"{IP}/32", "dev", "far0")
            keeper.ground.lookouts[ctx.config.addresses[0]].ask()
            await until(lambda: [record["action"] for record in ctx.audited] == ["taken", "conflict"])
            await keeper.release()
        finally:
            keeper.close()
            await asyncio.sleep(0)


@in_namespace
async def test_a_node_whose_interface_has_no_ipv6_is_unfit_until_it_has() -> None:
    """It would be elected, refused the address, and step down, again and again."""
    switch = Path("/proc/sys/net/ipv6/conf/eth0/disable_ipv6")
    ctx = FakeContext(name="vip", config=a_config("fd00::64/64", IP + "/24"))
    keeper = Keeper(ctx)
    reports: list[str] = []
    watching = asyncio.create_task(keeper.watch(reports.append))
    try:
        await asyncio.sleep(0.2)
        assert reports == [""]
        switch.write_text("1", encoding="ascii")
        await asyncio.sleep(0.4)
        assert reports[-1] == "IPv6 is disabled on eth0; run: sysctl -w net/ipv6/conf/eth0/disable_ipv6=0"
        switch.write_text("0", encoding="ascii")
        await asyncio.sleep(2.5)  # its own address is looked for on the link first
        assert reports[-1] == ""
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        keeper.close()
