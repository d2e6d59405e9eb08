"""What is on the interfaces is what should be, whoever changes it; what is wrong with them makes the node unfit."""

import asyncio
from dataclasses import replace

import pytest

from les_hooks.errors import PluginError
from les_hooks.events import Reason
from les_plugins.vip.kernel import KernelError
from les_plugins.vip.settings import Mode
from tests.fake_context import an_event
from tests.plugins.vip.fakes import ETH0, Stage, a_config, now
from tests.virtual import virtual

IP = "10.0.0.100"
AFTER_ORDERLY = an_event(reason=Reason.LEADER_LEFT)
ETH1 = replace(ETH0, index=3, name="eth1", mac=bytes.fromhex("020000000011"))


async def leading(stage: Stage) -> None:
    """It watches, and has led for a while."""
    await stage.watch()
    await stage.keeper.take(AFTER_ORDERLY)
    await asyncio.sleep(10.0)


# -- what others remove ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ip", [IP, "fd00::64"])
@virtual()
async def test_what_somebody_removes_is_put_back_at_once_announced_and_audited(ip: str) -> None:
    async with Stage(a_config(f"{ip}/24")) as stage:
        await leading(stage)
        announced = len(stage.segment.announced(ip))
        stage.kernel.delete(ip)
        await asyncio.sleep(0.02)
        assert stage.kernel.ips == [ip]
        assert len(stage.segment.announced(ip)) == announced + 1
        (record,) = stage.audited("restored")
        assert (record["address"], record["interface"], record["outcome"]) == (ip, "eth0", "success")


@virtual()
async def test_what_a_renewal_put_back_first_is_announced_and_audited_too() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.slowness = 0.3  # a host with so many interfaces that to list them takes longer than a renewal
        stage.kernel.delete(IP)
        announced = len(stage.segment.announced(IP))
        await asyncio.sleep(1.5)
        assert stage.kernel.ips == [IP]
        assert len(stage.audited("restored")) == 1
        assert len(stage.segment.announced(IP)) > announced


@virtual()
async def test_what_is_removed_again_and_again_is_put_back_at_a_bounded_pace() -> None:
    """Two programs that disagree for ever: neither the processor nor the trail is filled."""
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.calls.clear()
        begun = now()
        while now() < begun + 60.0:
            stage.kernel.delete(IP)
            await asyncio.sleep(0.002)
        assert 20 < len(stage.audited("restored")) < 100
        assert stage.kernel.calls["put"] < 350
        assert stage.kernel.calls["links"] < 150
        await asyncio.sleep(1.1)
        assert stage.kernel.ips == [IP]


@virtual()
async def test_what_is_added_again_and_again_is_removed_at_a_bounded_pace() -> None:
    async with Stage() as stage:
        await stage.watch()
        begun = now()
        while now() < begun + 60.0:
            stage.kernel.configure(IP, 32)
            await asyncio.sleep(0.002)
        assert 20 < len(stage.audited("removed")) < 100
        await asyncio.sleep(1.1)
        assert not stage.kernel.ips


@virtual()
async def test_a_hundred_removals_over_time_are_all_put_back() -> None:
    async with Stage() as stage:
        await leading(stage)
        for _ in range(100):
            stage.kernel.delete(IP)
            await asyncio.sleep(11.0)
            assert stage.kernel.ips == [IP]
        assert len(stage.audited("restored")) == 100


@virtual()
async def test_what_nobody_told_of_is_seen_all_the_same() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.delete(IP)
        stage.kernel.lose_changes()
        await asyncio.sleep(11.0)
        assert stage.kernel.ips == [IP]


@virtual()
async def test_renewals_are_no_reason_to_look() -> None:
    async with Stage(a_config(*(f"10.0.1.{n}/24" for n in range(1, 65)))) as stage:
        await leading(stage)
        stage.kernel.calls.clear()
        await asyncio.sleep(60.0)
        assert stage.kernel.calls["links"] <= 7


@virtual()
async def test_containers_that_come_and_go_are_no_reason_to_look() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.calls.clear()
        for number in range(10, 1000):
            stage.kernel.add_link(replace(ETH0, index=number, name=f"veth{number}"))
            stage.kernel.configure(f"172.17.0.{number % 250}", 16, number)
            await asyncio.sleep(0.001)
            stage.kernel.remove_link(f"veth{number}")
        assert stage.kernel.calls["links"] <= 2


# -- what others put ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "valid"), [(32, None), (24, None), (32, 100.0)])
@virtual()
async def test_an_address_that_appears_on_a_node_that_does_not_lead_is_removed(
    length: int, valid: float | None
) -> None:
    async with Stage(links=[ETH0, ETH1]) as stage:
        await stage.watch()
        for index in (2, 3):
            stage.kernel.configure(IP, length, index, valid)
            await asyncio.sleep(0.1)
            assert not stage.kernel.ips
        assert [record["why"] for record in stage.audited("removed")] == ["not-leading"] * 2
        assert stage.unfit == ""


@pytest.mark.parametrize(("length", "index"), [(24, 2), (32, 3)])
@virtual()
async def test_a_twin_of_an_address_that_is_held_is_removed_for_it_would_outlive_the_daemon(
    length: int, index: int
) -> None:
    async with Stage(links=[ETH0, ETH1]) as stage:
        await leading(stage)
        stage.kernel.calls.clear()
        stage.kernel.configure(IP, length, index)
        await asyncio.sleep(0.2)
        assert [each.key for each in await stage.kernel.assigned()] == [(2, IP, 32)]
        assert [record["why"] for record in stage.audited("removed")] == ["twin"]
        assert not stage.audited("restored")
        await asyncio.sleep(30.0)
        assert stage.kernel.calls["links"] <= 3  # renewals are no reason to look


@virtual()
async def test_what_an_earlier_process_left_is_removed_at_the_first_look() -> None:
    async with Stage() as stage:
        stage.kernel.configure(IP, 32, valid=100.0)
        await stage.watch()
        assert not stage.kernel.ips
        assert stage.unfit == ""


@pytest.mark.parametrize(("length", "valid"), [(32, None), (24, None), (24, 3600.0)])
@virtual()
async def test_a_stranger_is_left_alone_and_keeps_the_node_from_leading(length: int, valid: float | None) -> None:
    """Somebody has configured it before: it is not ours to remove, and not ours to have."""
    async with Stage() as stage:
        stage.kernel.configure(IP, length, valid=valid)
        await stage.keeper.release()  # as every daemon does when it starts
        await stage.watch()
        assert stage.unfit == (
            "10.0.0.100 is configured on eth0 already, and not by this plugin; unless this host needs it there, run: "
            f"ip address del 10.0.0.100/{length} dev eth0"
        )
        with pytest.raises(PluginError, match="is configured on eth0 already"):
            await stage.keeper.take(AFTER_ORDERLY)
        await stage.keeper.release()
        await asyncio.sleep(60.0)
        assert stage.kernel.ips == [IP]
        assert not stage.kernel.put_at
        stage.kernel.delete(IP)
        await asyncio.sleep(0.2)
        assert stage.unfit == ""
        await stage.keeper.take(AFTER_ORDERLY)
        assert stage.kernel.ips == [IP]


@virtual()
async def test_what_a_leader_could_not_take_and_goes_on_without_is_tried_again_each_minute() -> None:
    async with Stage(a_config(critical=False)) as stage:
        await stage.watch()
        stage.kernel.fail("put", KernelError("no"), times=2)
        with pytest.raises(PluginError, match="no"):
            await stage.keeper.take(AFTER_ORDERLY)
        await asyncio.sleep(50.0)
        assert not stage.kernel.ips
        await asyncio.sleep(200.0)
        assert stage.kernel.ips == [IP]
        assert [record["outcome"] for record in stage.audited("taken")] == ["failure", "failure", "success"]


# -- links -------------------------------------------------------------------------------------------------------------


@virtual()
async def test_a_link_that_goes_down_makes_unfit_and_is_told_of_when_it_is_back() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.set_link("eth0", carrier=False)
        await asyncio.sleep(0.1)
        assert stage.unfit == "eth0 has no carrier"
        stage.kernel.set_link("eth0", carrier=True)
        announced = len(stage.segment.announced(IP))
        await asyncio.sleep(0.06)
        assert stage.unfit == ""
        assert len(stage.segment.announced(IP)) == announced + 1
        assert stage.reports == ["", "eth0 has no carrier", ""]


@virtual()
async def test_the_reason_changes_without_a_moment_of_fitness() -> None:
    async with Stage() as stage:
        await stage.watch()
        stage.kernel.set_link("eth0", carrier=False)
        await asyncio.sleep(0.1)
        stage.kernel.set_link("eth0", up=False)
        await asyncio.sleep(0.1)
        stage.kernel.remove_link("eth0")
        await asyncio.sleep(0.1)
        assert stage.reports == [
            "",
            "eth0 has no carrier",
            "eth0 is down; bring it up with: ip link set eth0 up",
            "there is no interface eth0",
        ]


@virtual()
async def test_two_addresses_on_a_link_that_is_down_are_one_reason() -> None:
    async with Stage(a_config("10.0.0.100/24", "10.0.0.101/24", "10.0.0.102/24 dev eth1")) as stage:
        stage.kernel.set_link("eth0", carrier=False)
        await stage.watch()
        assert stage.unfit == "eth0 has no carrier; there is no interface eth1"
        assert len(stage.logged("vip-problem")) == 2


@virtual()
async def test_one_of_two_lookouts_that_cannot_hear_is_told_once() -> None:
    """The one that can is no proof for the other."""
    async with Stage(a_config("10.0.0.100/24", "10.0.0.101/24")) as stage:
        stage.segment.refuses[IP] = KernelError("asking wants CAP_NET_RAW")
        await stage.watch()
        await asyncio.sleep(60.0)
        assert stage.reports == ["asking wants CAP_NET_RAW"]
        assert len(stage.logged("vip-problem")) == 1
        stage.segment.refuses.clear()
        await asyncio.sleep(61.0)
        assert stage.unfit == ""


@virtual()
async def test_another_hardware_address_is_announced() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.segment.sent.clear()
        stage.kernel.set_link("eth0", mac=b"\x02\0\0\0\0\x63")
        await asyncio.sleep(0.02)
        assert stage.segment.sent[0][1][22:28] == b"\x02\0\0\0\0\x63"


@virtual()
async def test_an_interface_that_is_removed_makes_unfit_and_does_not_hinder_the_end() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.remove_link("eth0")
        await asyncio.sleep(2.0)
        assert stage.unfit == "there is no interface eth0; cannot keep 10.0.0.100: the interface is gone"
        assert len(stage.logged("vip-problem")) == 2
        await stage.keeper.release()
        assert stage.unfit == "there is no interface eth0"


@virtual()
async def test_an_interface_that_was_made_anew_has_its_address_again() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.remove_link("eth0")
        stage.kernel.add_link(replace(ETH0, index=9))
        await asyncio.sleep(0.1)
        assert stage.unfit == ""
        assert [(each.index, each.ip) for each in await stage.kernel.assigned()] == [(9, IP)]
        await asyncio.sleep(10.0)
        await stage.keeper.release()
        assert not stage.kernel.ips


@virtual()
async def test_an_interface_that_is_renamed_makes_unfit_and_keeps_its_address_until_the_end() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.set_link("eth0", name="wan0")
        await asyncio.sleep(5.0)
        assert stage.unfit == "there is no interface eth0"
        assert stage.kernel.ips == [IP]
        await stage.keeper.release()
        assert not stage.kernel.ips


@virtual()
async def test_a_kernel_that_cannot_be_asked_makes_unfit_until_it_can() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.fail("links", KernelError("no netlink"))
        stage.kernel.fail("assigned", KernelError("still none"))
        await asyncio.sleep(63.0)
        assert stage.reports == ["", "no netlink", "still none", ""]
        assert stage.kernel.ips == [IP]


# -- another configuration ---------------------------------------------------------------------------------------------


async def reloaded(stage: Stage, *addresses: str, **keys: object) -> None:
    """As an engine does: the check begins anew, and a leader reasserts."""
    stage.reload(a_config(*addresses, **keys))  # type: ignore[arg-type]  # whatever the table takes
    await stage.keeper.look()
    if stage.keeper._holdings.leads:
        await stage.keeper.reassert(an_event(reason=Reason.RELOAD))


@virtual()
async def test_a_leader_lets_go_of_what_is_not_named_any_more_and_takes_what_is_new() -> None:
    async with Stage(a_config("10.0.0.100/24", "10.0.0.101/24")) as stage:
        await leading(stage)
        await reloaded(stage, "10.0.0.101/24", "10.0.0.102/24", lifetime=5)
        assert stage.kernel.ips == ["10.0.0.101", "10.0.0.102"]
        assert [(each["address"], each["why"]) for each in stage.audited("removed")] == [(IP, "unconfigured")]
        await asyncio.sleep(20.0)
        assert {placement.seconds for when, placement in stage.kernel.put_at if when > now() - 10} == {5}
        assert len(stage.segment.ethers) == 2
        await stage.keeper.release()
        assert not stage.kernel.ips


@virtual()
async def test_an_address_moves_to_another_interface() -> None:
    async with Stage(links=[ETH0, ETH1]) as stage:
        await leading(stage)
        await reloaded(stage, "10.0.0.100/24", interface="eth1")
        await asyncio.sleep(5.0)
        assert [(each.index, each.ip) for each in await stage.kernel.assigned()] == [(3, IP)]
        assert [ether.link.name for ether in stage.segment.ethers] == ["eth1"]
        await stage.keeper.release()
        assert not stage.kernel.ips


@pytest.mark.parametrize("address", ["10.0.0.100/25", "10.0.0.100/24 dev eth0"])
@virtual()
async def test_an_address_that_is_only_written_otherwise_stays_where_it_is(address: str) -> None:
    async with Stage() as stage:
        await leading(stage)
        gone = len(stage.kernel.gone_at)
        await reloaded(stage, address)
        await asyncio.sleep(5.0)
        assert len(stage.kernel.gone_at) == gone
        assert stage.kernel.ips == [IP]
        assert [stage.keeper.config.addresses[0]] == [*stage.keeper.held]
        assert stage.keeper.claims(stage.keeper.config.addresses[0]) == []
        await stage.keeper.release()
        assert not stage.kernel.ips


@virtual()
async def test_a_follower_watches_what_is_named_now() -> None:
    async with Stage() as stage:
        await stage.watch()
        stage.kernel.set_link("eth0", carrier=False)
        await asyncio.sleep(0.1)
        stage.kernel.add_link(ETH1)
        await reloaded(stage, "10.0.0.101/24", interface="eth1")
        assert stage.unfit == ""
        assert [(ether.link.name, str(ether.address)) for ether in stage.segment.ethers] == [("eth1", "10.0.0.101")]
        stage.kernel.configure("10.0.0.101", 32, 3)
        stage.kernel.configure(IP, 32)
        await asyncio.sleep(0.1)
        assert stage.kernel.ips == [IP]


@virtual()
async def test_what_is_named_now_and_was_there_before_is_a_stranger() -> None:
    async with Stage() as stage:
        await stage.watch()
        stage.kernel.configure("10.0.0.101", 24)
        await asyncio.sleep(0.1)
        await reloaded(stage, "10.0.0.100/24", "10.0.0.101/24")
        assert "10.0.0.101 is configured on eth0 already" in stage.unfit
        assert stage.kernel.ips == ["10.0.0.101"]
        await reloaded(stage, "10.0.0.100/24")
        assert stage.unfit == ""


@virtual()
async def test_a_leader_that_cannot_take_what_a_reload_names_is_unfit_until_it_has_let_go() -> None:
    """`elected` is the engine's to see to; a `reasserted` that fails would leave it leading without the address."""
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.fail("put", KernelError("no room"), times=2)  # the renewal that the reload brings, too
        with pytest.raises(PluginError, match="cannot take"):
            await reloaded(stage, "10.0.0.100/24", "10.0.0.101/24")
        assert "no room" in stage.unfit
        await stage.keeper.release()
        assert stage.unfit == ""


@virtual()
async def test_a_route_goes_when_only_the_address_is_wanted() -> None:
    async with Stage(a_config(mode=Mode.ROUTE)) as stage:
        await leading(stage)
        await reloaded(stage)
        assert [each.ip for each in stage.kernel.removals] == [IP]
        assert stage.kernel.ips == [IP]
        assert not stage.kernel.put_at[-1][1].route
