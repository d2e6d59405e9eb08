"""Addresses are taken when this node leads, and let go when it does not: each as soon as it may be, and all of them."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from les_hooks.errors import PluginError
from les_hooks.events import Reason
from les_plugins.vip.kernel import KernelError
from les_plugins.vip.settings import Mode, Takeover
from tests.fake_context import an_event
from tests.plugins.vip.fakes import ETH0, Stage, a_config, now
from tests.virtual import virtual

IP = "10.0.0.100"
LOST = an_event(reason=Reason.LEADER_LOST)
SILENT = KernelError("the kernel did not answer within 2 s", 110)
ETH1 = replace(ETH0, index=3, name="eth1", mac=bytes.fromhex("020000000011"))


def found(stage: Stage) -> dict[str, tuple[object, object]]:
    """Of each address that was taken: what was found, and after how long."""
    return {
        record["address"]: (record["found"], record["waited"])
        for record in stage.audited("taken")
        if record["outcome"] == "success"
    }


# -- taking ------------------------------------------------------------------------------------------------------------


@virtual()
async def test_a_free_address_is_taken_with_a_lease_and_announced() -> None:
    async with Stage(a_config("10.0.0.100/24", "fd00::64/64", label="eth0:les")) as stage:
        await stage.keeper.take(LOST)
        assert stage.kernel.ips == [IP, "fd00::64"]
        for ip in stage.kernel.ips:
            assert stage.kernel.left(ip) == pytest.approx(2.0, abs=0.02)
            assert stage.segment.announced(ip)
            assert found(stage)[ip] == ("free", pytest.approx(0.1, abs=0.02))
        placement = stage.kernel.put_at[0][1]
        assert (placement.index, placement.length, placement.label, placement.route) == (2, 32, "eth0:les", False)
        assert [record["interface"] for record in stage.audited("taken")] == ["eth0", "eth0"]
        assert stage.keeper.busy


@pytest.mark.parametrize("reason", [Reason.LEADER_LEFT, Reason.LEADER_RESIGNED, Reason.TRANSFER])
@virtual()
async def test_what_was_let_go_is_taken_at_once_and_asked_for_afterwards(reason: Reason) -> None:
    async with Stage() as stage:
        await stage.keeper.take(an_event(reason=reason))
        assert found(stage)[IP] == ("released", pytest.approx(0.0, abs=0.01))
        assert len(stage.segment.questions(IP)) == 1


@pytest.mark.parametrize("before", [None, "10.0.0.1:4000"])
@virtual()
async def test_an_own_resignation_says_nothing_of_whoever_led_since(before: str | None) -> None:
    async with Stage() as stage:
        await stage.keeper.take(an_event(reason=Reason.LEADER_RESIGNED, previous_leader=before))
        assert found(stage)[IP][0] == "free"


@virtual()
async def test_without_probe_nobody_is_asked_before() -> None:
    async with Stage(a_config(probe=False)) as stage:
        stage.segment.host(1, IP)
        await stage.keeper.take(LOST)
        assert found(stage)[IP][0] == "not-asked"


@virtual()
async def test_in_a_tunnel_there_is_nobody_to_ask_or_tell() -> None:
    async with Stage(links=[replace(ETH0, speaks_arp=False)]) as stage:
        await stage.keeper.take(LOST)
        assert found(stage)[IP] == ("not-asked", pytest.approx(0.0, abs=0.01))
        assert not stage.segment.sent


@virtual()
async def test_a_route_is_put_beside_the_address_and_nobody_is_asked_or_told() -> None:
    async with Stage(a_config(mode=Mode.ROUTE)) as stage:
        stage.segment.host(1, IP)
        await stage.keeper.take(LOST)
        assert found(stage)[IP][0] == "not-asked"
        assert stage.kernel.put_at[0][1].route
        assert not stage.segment.sent


@virtual()
async def test_who_must_not_wait_takes_it_from_whoever_has_it_and_says_so() -> None:
    async with Stage(a_config(takeover=Takeover.IMMEDIATE)) as stage:
        host = stage.segment.host(1, IP)
        await stage.keeper.take(LOST)
        assert found(stage)[IP] == ("not-waited", pytest.approx(0.0, abs=0.01))
        await asyncio.sleep(0.05)
        (conflict,) = stage.audited("conflict")
        assert conflict["mac"] == host.mac.hex(":")


@virtual()
async def test_a_silence_that_was_watched_is_enough() -> None:
    async with Stage() as stage:
        await stage.watch()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await stage.keeper.prepare()
        await stage.keeper.take(LOST)
        assert found(stage)[IP] == ("silent", pytest.approx(0.0, abs=0.01))


@virtual()
async def test_a_holder_that_answered_and_stopped_while_it_was_watched_costs_no_time() -> None:
    async with Stage() as stage:
        host = stage.segment.host(1, IP)
        await stage.watch()
        asyncio.get_running_loop().call_later(0.1, host.ips.clear)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await stage.keeper.prepare()
        await stage.keeper.take(LOST)
        assert found(stage)[IP] == ("fell-silent", pytest.approx(0.0, abs=0.03))


@virtual()
async def test_without_probe_nothing_is_prepared() -> None:
    async with Stage(a_config(probe=False)) as stage:
        await stage.watch()
        await stage.keeper.prepare()
        assert not stage.segment.sent


@virtual()
async def test_a_dying_holder_is_waited_for() -> None:
    async with Stage() as stage:
        host = stage.segment.host(1, IP)
        asyncio.get_running_loop().call_later(1.7, host.ips.clear)
        await stage.keeper.take(LOST)
        assert found(stage)[IP] == ("fell-silent", pytest.approx(1.74, abs=0.03))
        assert not stage.audited("conflict")


@virtual()
async def test_a_holder_that_never_stops_is_waited_for_as_long_as_a_kernel_could_keep_it() -> None:
    async with Stage(a_config(lifetime=4)) as stage:
        host = stage.segment.host(1, IP)
        await stage.keeper.take(LOST)
        assert found(stage)[IP] == ("answered", pytest.approx(5.0, abs=0.05))
        await asyncio.sleep(5)
        (conflict,) = stage.audited("conflict")
        assert (conflict["mac"], conflict["address"], conflict["interface"]) == (host.mac.hex(":"), IP, "eth0")


@virtual()
async def test_each_address_is_taken_as_soon_as_it_is_free() -> None:
    async with Stage(a_config("10.0.0.100/24", "10.0.0.101/24")) as stage:
        stage.segment.host(1, "10.0.0.101")
        taking = asyncio.create_task(stage.keeper.take(LOST))
        await asyncio.sleep(0.2)
        assert stage.kernel.ips == [IP]
        await taking
        assert stage.kernel.ips == [IP, "10.0.0.101"]
        assert {ip: word for ip, (word, _) in found(stage).items()} == {IP: "free", "10.0.0.101": "answered"}


@virtual()
async def test_sixty_four_addresses_are_held_as_well_as_one() -> None:
    async with Stage(a_config(*(f"10.0.1.{n}/24" for n in range(1, 65)))) as stage:
        await stage.keeper.take(LOST)
        assert len(stage.kernel.ips) == 64
        for _ in range(20):
            await asyncio.sleep(0.5)
            assert len(stage.kernel.ips) == 64
        await stage.keeper.release()
        assert not stage.kernel.ips


@virtual()
async def test_who_is_told_twice_takes_once() -> None:
    async with Stage() as stage:
        await asyncio.gather(stage.keeper.take(LOST), stage.keeper.take(LOST))
        await stage.keeper.take(LOST)
        assert len(stage.audited("taken")) == 1
        before = len(stage.segment.announced(IP))
        await asyncio.sleep(200)
        # One herald, and no other that goes on unheard of.
        assert len(stage.segment.announced(IP)) - before <= 4 + 4


@virtual()
async def test_what_is_held_is_announced_again_when_it_is_reasserted() -> None:
    async with Stage() as stage:
        await stage.keeper.take(LOST)
        await asyncio.sleep(10)
        before = len(stage.segment.announced(IP))
        await stage.keeper.reassert(an_event(reason=Reason.CONFLICT))
        await asyncio.sleep(10)
        assert len(stage.segment.announced(IP)) - before == 5
        assert len(stage.audited("taken")) == 1


# -- what keeps it from being taken ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (lambda stage: stage.kernel.remove_link("eth0"), "cannot take 10.0.0.100: there is no interface eth0"),
        (lambda stage: stage.kernel.set_link("eth0", up=False), "eth0 is down; bring it up with: ip link set eth0 up"),
        (lambda stage: stage.kernel.set_link("eth0", carrier=False), "eth0 has no carrier"),
        (lambda stage: stage.kernel.fail("links", KernelError("no netlink")), "cannot take 10.0.0.100: no netlink"),
        (lambda stage: stage.kernel.fail("assigned", KernelError("no netlink")), "cannot take 10.0.0.100: no netlink"),
        (lambda stage: stage.kernel.fail("put", KernelError("no right")), "cannot take 10.0.0.100: no right"),
        (lambda stage: stage.kernel.configure(IP, 24), "10.0.0.100 is configured on eth0 already, and not by this"),
        (lambda stage: setattr(stage.segment, "works", False), "nobody can be asked who has it"),
        (lambda stage: setattr(stage.ctx, "hold_until", 0.0), "this node must not act as the leader"),
        (lambda stage: setattr(stage.ctx, "release_by", now() + 1.5), "set timing.lease to 3s or more"),
    ],
)
@virtual()
async def test_what_cannot_be_taken_is_told_with_the_reason(broken: Callable[[Stage], None], why: str) -> None:
    async with Stage() as stage:
        broken(stage)
        with pytest.raises(PluginError) as caught:
            await stage.keeper.take(LOST)
        assert why in str(caught.value)
        (record,) = stage.audited("taken")
        assert record["outcome"] == "failure"
        assert not stage.keeper.held


@virtual()
async def test_the_others_are_taken_all_the_same() -> None:
    async with Stage(a_config("10.0.0.100/24", "10.0.0.101/24 dev eth1", "10.0.0.102/24"), links=[ETH0]) as stage:
        with pytest.raises(PluginError, match=r"^plugin vip: cannot take 10.0.0.101: there is no interface eth1$"):
            await stage.keeper.take(LOST)
        assert stage.kernel.ips == [IP, "10.0.0.102"]


@virtual()
async def test_an_interface_that_goes_while_others_are_asked_is_no_place_for_an_address() -> None:
    async with Stage() as stage:
        stage.segment.host(1, IP)
        await stage.watch()
        asyncio.get_running_loop().call_later(1.0, stage.kernel.remove_link, "eth0")
        with pytest.raises(PluginError, match="there is no interface eth0"):
            await stage.keeper.take(LOST)
        assert not stage.kernel.put_at


@virtual()
async def test_who_loses_its_authority_while_waiting_takes_nothing() -> None:
    async with Stage() as stage:
        stage.segment.host(1, IP)
        stage.ctx.hold_until = now() + 1.0
        with pytest.raises(PluginError, match="must not act as the leader"):
            await stage.keeper.take(LOST)
        assert not stage.kernel.put_at


@virtual()
async def test_a_clock_that_jumped_meanwhile_is_no_reason_to_do_without() -> None:
    async with Stage() as stage:
        stage.ctx.confirming = asyncio.Event()
        stage.ctx.hold_until = 0.0

        def confirm() -> None:
            stage.ctx.hold_until = now() + 100.0
            assert stage.ctx.confirming is not None
            stage.ctx.confirming.set()

        asyncio.get_running_loop().call_later(0.5, confirm)
        await stage.keeper.take(LOST)
        assert stage.kernel.ips == [IP]


# -- letting go --------------------------------------------------------------------------------------------------------


@virtual()
async def test_what_is_let_go_is_gone_at_once_and_stays_away() -> None:
    async with Stage(a_config("10.0.0.100/24", "fd00::64/64")) as stage:
        await stage.watch()
        await stage.keeper.take(LOST)
        begun = now()
        await stage.keeper.release()
        assert now() - begun < 0.03
        assert not stage.kernel.ips
        assert [record["address"] for record in stage.audited("removed")] == [IP, "fd00::64"]
        announced = len(stage.segment.sent)
        puts = len(stage.kernel.put_at)
        await asyncio.sleep(100)
        assert (len(stage.segment.sent), len(stage.kernel.put_at)) == (announced, puts)
        assert not stage.keeper.held


@virtual()
async def test_twice_is_as_good_as_once() -> None:
    async with Stage() as stage:
        await stage.keeper.take(LOST)
        await asyncio.gather(stage.keeper.release(), stage.keeper.release())
        await stage.keeper.release()
        assert len(stage.audited("removed")) == 1
        assert not stage.keeper.busy


@virtual()
async def test_what_an_earlier_process_left_is_removed_and_what_is_there_for_good_is_not() -> None:
    async with Stage(a_config("10.0.0.100/24", "10.0.0.101/24", "10.0.0.102/24")) as stage:
        stage.kernel.configure(IP, 32, valid=100.0)
        stage.kernel.configure("10.0.0.101", 32)
        stage.kernel.configure("10.0.0.102", 24, valid=3600.0)  # by DHCP, say
        stage.kernel.configure("10.0.0.1", 24)
        await stage.keeper.release()
        assert stage.kernel.ips == ["10.0.0.1", "10.0.0.101", "10.0.0.102"]
        assert [(record["address"], record["why"]) for record in stage.audited("removed")] == [(IP, "left-over")]


@virtual()
async def test_who_lets_go_of_all_that_it_has_does_not_look_again_for_the_next_leader_waits() -> None:
    async with Stage() as stage:
        await stage.keeper.take(LOST)
        stage.kernel.calls.clear()
        await stage.keeper.release()
        assert stage.kernel.calls == {"remove": 1}


@virtual()
async def test_who_cannot_see_what_an_earlier_process_left_says_so() -> None:
    async with Stage() as stage:
        stage.kernel.configure(IP, 32, valid=100.0)
        stage.kernel.fail("assigned", KernelError("no"))
        with pytest.raises(PluginError, match="cannot see whether all is gone: no"):
            await stage.keeper.release()
        await stage.keeper.release()
        assert not stage.kernel.ips


@virtual()
async def test_what_cannot_be_let_go_is_told_and_tried_again() -> None:
    async with Stage() as stage:
        await stage.keeper.take(LOST)
        stage.kernel.fail("remove", KernelError("no"), times=2)
        with pytest.raises(PluginError, match="no"):
            await stage.keeper.release()
        stage.kernel.heal()
        await stage.keeper.release()
        assert not stage.kernel.ips


@virtual()
async def test_what_could_not_be_let_go_is_removed_as_soon_as_it_can_be() -> None:
    async with Stage() as stage:
        await stage.watch()
        await stage.keeper.take(LOST)
        stage.kernel.fail("remove", KernelError("no"), times=2)
        with pytest.raises(PluginError, match=r"cannot remove 10.0.0.100: no$"):
            await stage.keeper.release()
        await asyncio.sleep(2.1)
        assert not stage.kernel.ips  # nobody renewed it


@virtual()
async def test_a_kernel_that_does_not_answer_is_not_asked_for_each_address() -> None:
    async with Stage(a_config(*(f"10.0.1.{n}/24" for n in range(1, 65)))) as stage:
        await stage.keeper.take(LOST)
        stage.kernel.fail("remove", SILENT, times=1000)
        stage.kernel.fail("assigned", SILENT, times=1000)
        stage.kernel.calls.clear()
        with pytest.raises(PluginError, match="did not answer"):
            await stage.keeper.release()
        assert stage.kernel.calls["remove"] == stage.kernel.calls["assigned"] == 1


@pytest.mark.parametrize("cancelled", [True, False])
@pytest.mark.parametrize("moment", [0.0, 0.05, 0.0996, 0.1, 0.1005, 1.0])
@virtual()
async def test_whoever_still_waits_for_an_address_takes_nothing_after_the_end(moment: float, cancelled: bool) -> None:
    async with Stage(a_config("10.0.0.100/24", "10.0.0.101/24")) as stage:
        stage.kernel.slowness = 0.001
        stage.segment.host(1, "10.0.0.101")
        taking = asyncio.create_task(stage.keeper.take(LOST))
        await asyncio.sleep(moment)
        if cancelled:
            taking.cancel()
        await stage.keeper.release()
        assert not stage.kernel.ips
        await asyncio.wait({taking})
        assert cancelled or isinstance(taking.exception(), PluginError)
        await asyncio.sleep(5)
        assert not stage.kernel.ips
        assert not stage.keeper.busy
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("vip")]


@pytest.mark.parametrize("rounds", range(12))
@virtual()
async def test_a_call_that_is_interrupted_on_its_way_to_the_kernel_leaves_nothing(rounds: int) -> None:
    async with Stage(a_config(probe=False)) as stage:
        stage.kernel.slowness = 0.01
        taking = asyncio.create_task(stage.keeper.take(LOST))
        await asyncio.sleep(0.004 * rounds)
        taking.cancel()
        await asyncio.wait({taking})
        await stage.keeper.release()
        assert not stage.kernel.ips


@pytest.mark.parametrize("moment", [0.0, 0.005, 0.015, 0.025])
@virtual()
async def test_an_end_that_was_interrupted_is_completed_by_the_next_and_hinders_no_beginning(moment: float) -> None:
    async with Stage(a_config("10.0.0.100/24", "10.0.0.101/24")) as stage:
        await stage.keeper.take(LOST)
        stage.kernel.slowness = 0.01
        releasing = asyncio.create_task(stage.keeper.release())
        await asyncio.sleep(moment)
        releasing.cancel()
        await asyncio.wait({releasing})
        announced = len(stage.segment.announced(IP))
        await stage.keeper.take(LOST)
        assert stage.kernel.ips == [IP, "10.0.0.101"]
        assert len(stage.segment.announced(IP)) > announced
        await asyncio.sleep(5)
        assert stage.kernel.ips == [IP, "10.0.0.101"]
        await stage.keeper.release()
        assert not stage.kernel.ips


# -- rivals ------------------------------------------------------------------------------------------------------------


@virtual()
async def test_a_conflict_is_told_once_for_each_host_and_defended_against_once_a_second() -> None:
    async with Stage() as stage:
        await stage.keeper.take(an_event(reason=Reason.LEADER_LEFT))
        await asyncio.sleep(10)
        before = len(stage.segment.announced(IP))
        for _ in range(100):
            stage.segment.claim(IP, b"\x02\0\0\0\x09\x01")
            stage.segment.claim(IP, b"\x02\0\0\0\x09\x02")
            stage.segment.claim(IP, ETH0.mac)
            await asyncio.sleep(0.03)
        assert [record["mac"] for record in stage.audited("conflict")] == ["02:00:00:00:09:01", "02:00:00:00:09:02"]
        assert len(stage.logged("address-conflict")) == 2
        assert 3 <= len(stage.segment.announced(IP)) - before <= 4
        assert len(stage.keeper.claims(next(iter(stage.keeper.held)))) == 2


@virtual()
async def test_a_conflict_in_another_leadership_is_another_one() -> None:
    async with Stage() as stage:
        for _ in range(2):
            await stage.keeper.take(an_event(reason=Reason.LEADER_LEFT))
            stage.segment.claim(IP, b"\x02\0\0\0\x09\x01")
            await stage.keeper.release()
        assert len(stage.audited("conflict")) == 2


@virtual()
async def test_a_host_that_makes_addresses_up_does_not_fill_the_trail() -> None:
    async with Stage() as stage:
        await stage.keeper.take(LOST)
        for number in range(1000):
            stage.segment.claim(IP, number.to_bytes(6, "big"))
        assert len(stage.audited("conflict")) == 16


@virtual()
async def test_who_has_an_address_that_is_not_here_is_no_conflict() -> None:
    async with Stage() as stage:
        await stage.watch()
        stage.segment.claim(IP, b"\x02\0\0\0\x09\x01")
        assert not stage.audited("conflict")
        assert not stage.segment.sent
