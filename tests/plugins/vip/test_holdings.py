"""What is held is renewed for as long as it may be held, and not a moment longer; it is gone before others may lead."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from les_hooks.errors import PluginError
from les_hooks.events import Reason
from les_plugins.vip.kernel import KernelError
from les_plugins.vip.lease import LATENESS_SECONDS
from tests.fake_context import an_event
from tests.plugins.vip.fakes import Stage, a_config, now
from tests.virtual import virtual

IP = "10.0.0.100"
AFTER_ORDERLY = an_event(reason=Reason.LEADER_LEFT)
SILENT = KernelError("the kernel did not answer within 2 s", 110)


async def leading(stage: Stage) -> None:
    """It watches, and leads."""
    await stage.watch()
    await stage.keeper.take(AFTER_ORDERLY)


# -- renewing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lifetime", [2, 5, 60])
@virtual()
async def test_a_lease_is_renewed_four_times_in_its_life(lifetime: int) -> None:
    async with Stage(a_config(lifetime=lifetime)) as stage:
        await leading(stage)
        await asyncio.sleep(10 * lifetime)
        times = [when for when, _ in stage.kernel.put_at]
        assert all(after - before <= lifetime / 4 + 0.05 for before, after in pairwise(times))
        assert len(times) <= 42
        assert all(placement.seconds == lifetime for _, placement in stage.kernel.put_at)
        (held,) = stage.keeper.held.values()
        assert lifetime * 0.7 < stage.keeper.lifetime_left(held) <= lifetime


@virtual()
async def test_all_are_renewed_together_from_the_first_moment() -> None:
    """What is taken later joins those that are held: the kernel is late where leases end at different moments."""
    async with Stage(a_config("10.0.0.100/24", "10.0.0.101/24")) as stage:
        host = stage.segment.host(1, "10.0.0.101")
        asyncio.get_running_loop().call_later(0.8, host.ips.clear)
        await stage.keeper.take(an_event(reason=Reason.LEADER_LOST))
        await asyncio.sleep(0.01)
        left = [stage.kernel.left(ip) for ip in stage.kernel.ips]
        assert left == [pytest.approx(2.0, abs=0.02)] * 2


@virtual()
async def test_without_authority_nothing_is_renewed_and_the_kernel_removes_it() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.lateness = 0.46
        stage.ctx.act_until = stage.ctx.hold_until = lost = now() + 1.0
        await asyncio.sleep(10)
        assert stage.kernel.gone_at[0][0] <= lost + 2.0 + LATENESS_SECONDS
        assert stage.kernel.put_at[-1][0] <= lost
        assert not stage.kernel.ips
        assert stage.unfit == ""


@virtual()
async def test_an_orderly_demotion_renews_until_it_is_let_go() -> None:
    """Authority to act is over; others end their work first, and the address stays as long as they do."""
    async with Stage() as stage:
        await leading(stage)
        stage.ctx.act_until = now()
        for _ in range(40):
            await asyncio.sleep(0.5)
            assert stage.kernel.ips == [IP]
        await stage.keeper.release()
        assert not stage.kernel.ips


@virtual()
async def test_what_somebody_removes_during_a_demotion_is_not_put_back_by_the_watch() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.ctx.act_until = now()
        stage.kernel.delete(IP)
        await asyncio.sleep(0.1)
        assert not stage.kernel.ips
        assert not stage.audited("restored")


@pytest.mark.parametrize("seconds", [1.0, 3.0, 30.0])
@virtual()
async def test_a_process_that_was_stopped_past_its_authority_adds_nothing(seconds: float) -> None:
    async with Stage() as stage:
        await leading(stage)
        await asyncio.sleep(0.2)
        stage.ctx.act_until = stage.ctx.hold_until = now() + seconds / 2
        puts = len(stage.kernel.put_at)
        stage.segment.freeze(seconds)
        await asyncio.sleep(5)
        assert len(stage.kernel.put_at) == puts
        assert not stage.kernel.ips


@virtual()
async def test_a_process_that_was_stopped_on_its_way_to_the_kernel_takes_back_what_it_put() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.ctx.act_until = stage.ctx.hold_until = now() + 1.0
        stage.kernel.before = lambda step: stage.segment.freeze(5.0) if step == "put" else None
        await asyncio.sleep(6.0)
        assert len(stage.kernel.put_at) == 2
        assert stage.kernel.removals
        assert [record["why"] for record in stage.audited("removed")] == ["too-late"]
        assert not stage.kernel.ips


@virtual()
async def test_who_is_stopped_while_taking_takes_it_back_too() -> None:
    async with Stage() as stage:
        stage.ctx.hold_until = now() + 1.0
        stage.kernel.before = lambda step: stage.segment.freeze(5.0) if step == "put" else None
        with pytest.raises(PluginError, match="must not act as the leader"):
            await stage.keeper.take(AFTER_ORDERLY)
        assert not stage.kernel.ips
        assert not stage.keeper.held


# -- when others may lead ----------------------------------------------------------------------------------------------

LEASES = st.floats(min_value=1.5, max_value=8.0)
# From one renewal of the grants to the next, and how long the process is stopped right after it.
SCHEDULES = st.lists(
    st.tuples(st.floats(min_value=0.05, max_value=4.0), st.just(0.0) | st.floats(min_value=0.0, max_value=10.0)),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(LEASES, SCHEDULES, st.sampled_from([2, 3, 5]), st.floats(min_value=0.0, max_value=1.01))
def test_nothing_is_left_when_others_may_lead(
    lease: float, schedule: list[tuple[float, float]], lifetime: int, lateness: float
) -> None:
    """However grants are renewed, the process stopped, and the kernel late."""

    @virtual()
    async def run() -> None:
        async with Stage(a_config(lifetime=lifetime, probe=False)) as stage:
            stage.kernel.lateness = lateness

            def renew() -> None:
                stage.ctx.release_by = now() + lease
                stage.ctx.act_until = stage.ctx.hold_until = stage.ctx.release_by - lease / 3

            renew()
            await stage.watch()
            taking = asyncio.create_task(stage.keeper.take(AFTER_ORDERLY))
            for pause, stopped in schedule:
                await asyncio.sleep(pause)
                stage.segment.freeze(stopped)
                await asyncio.sleep(0)
                if now() >= stage.ctx.act_until:
                    break
                renew()
            await asyncio.sleep(lease + 20.0)
            await asyncio.wait({taking})
            taking.exception()
            assert not stage.kernel.ips
            assert all(when <= stage.ctx.release_by for when, _ in stage.kernel.gone_at)
            for when, placement in stage.kernel.put_at:
                assert when + placement.seconds + LATENESS_SECONDS <= stage.ctx.release_by + 0.05

    run()


@virtual()
async def test_a_lease_that_leaves_room_for_whole_seconds_is_held_all_the_time() -> None:
    async with Stage() as stage:
        stage.ctx.release_by = now() + 3.0
        await leading(stage)
        for _ in range(100):
            await asyncio.sleep(0.5)
            stage.ctx.release_by = now() + 3.0
            assert stage.kernel.ips == [IP]


@virtual()
async def test_what_lapsed_while_others_might_have_led_comes_back_with_an_announcement() -> None:
    async with Stage() as stage:
        stage.ctx.release_by = now() + 2.5
        await leading(stage)
        await asyncio.sleep(2.4)
        assert not stage.kernel.ips
        assert stage.unfit == ""
        await asyncio.sleep(2.0)
        announced = len(stage.segment.announced(IP))
        stage.ctx.release_by = now() + 100.0
        await asyncio.sleep(0.6)
        assert stage.kernel.ips == [IP]
        assert len(stage.segment.announced(IP)) > announced
        assert len(stage.audited("restored")) == 1


@pytest.mark.parametrize("lifetime", [10, 60])
@virtual()
async def test_a_long_lifetime_is_renewed_as_often_as_what_is_left_of_it_where_others_may_lead_soon(
    lifetime: int,
) -> None:
    """The kernel keeps it for two seconds then, however long it might without a majority."""
    async with Stage(a_config(lifetime=lifetime)) as stage:
        stage.ctx.release_by = now() + 3.9
        await leading(stage)
        for _ in range(100):
            await asyncio.sleep(0.5)
            stage.ctx.release_by = now() + 3.9
        assert not stage.kernel.gone_at
        assert not stage.audited("restored")


@virtual()
async def test_what_came_late_to_the_kernel_is_cut_to_what_is_left() -> None:
    """The process was stopped on its way, for less than what is left; the kernel counts from then on."""
    async with Stage() as stage:
        stage.ctx.release_by = now() + 3.2
        await leading(stage)
        await asyncio.sleep(0.1)
        stage.kernel.lateness = 0.46
        stage.ctx.release_by = release_by = now() + 3.6
        stops = [0.9]
        stage.kernel.before = lambda step: stage.segment.freeze(stops.pop()) if step == "put" and stops else None
        await asyncio.sleep(0.45)
        assert not stops
        assert stage.kernel.ips == [IP]
        await asyncio.sleep(4.0)
        assert all(when <= release_by for when, _ in stage.kernel.gone_at)
        last, placement = stage.kernel.put_at[-1]
        assert last + placement.seconds + LATENESS_SECONDS <= release_by


@virtual()
async def test_a_jump_of_the_wall_clock_on_the_way_to_the_kernel_costs_no_leadership() -> None:
    """Until the others have answered, the address is gone: one of them may have it by now."""
    async with Stage() as stage:
        await leading(stage)
        await asyncio.sleep(0.1)
        confirmed = stage.ctx.confirming = asyncio.Event()
        confirmed.set()

        def jump(step: str) -> None:
            stage.kernel.before = lambda step: None
            confirmed.clear()
            stage.ctx.hold_until = now()

        def answer() -> None:
            stage.ctx.hold_until = now() + 1e6
            confirmed.set()

        stage.kernel.before = jump
        asyncio.get_running_loop().call_later(0.9, answer)
        await asyncio.sleep(0.8)
        assert not stage.kernel.ips
        await asyncio.sleep(0.5)
        assert stage.kernel.ips == [IP]
        assert stage.reports == [""]


@virtual()
async def test_a_shorter_lifetime_holds_from_the_reload_on() -> None:
    async with Stage(a_config(lifetime=3600)) as stage:
        await leading(stage)
        stage.reload(a_config(lifetime=2))
        await asyncio.sleep(0.01)
        left = stage.kernel.left(IP)
        assert left is not None
        assert left <= 2.0


# -- when the kernel refuses -------------------------------------------------------------------------------------------


@virtual()
async def test_a_renewal_that_fails_is_told_once_and_at_once_and_is_over_with_the_next() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.fail("put", KernelError("no right"), times=3)
        await asyncio.sleep(0.6)
        assert stage.reports == ["", "cannot keep 10.0.0.100: no right"]
        await asyncio.sleep(1.6)
        assert stage.reports == ["", "cannot keep 10.0.0.100: no right", ""]
        assert len(stage.logged("vip-problem")) == len(stage.logged("vip-problem-over")) == 1


@virtual()
async def test_what_failed_while_it_led_does_not_keep_it_from_leading_again() -> None:
    async with Stage() as stage:
        await leading(stage)
        stage.kernel.fail("put", KernelError("no right"), times=1000)
        await asyncio.sleep(5.0)
        assert stage.unfit == "cannot keep 10.0.0.100: no right"
        await stage.keeper.release()
        assert stage.unfit == ""
        stage.kernel.heal()
        await stage.keeper.take(AFTER_ORDERLY)
        assert stage.kernel.ips == [IP]


@virtual()
async def test_two_renewals_may_fail_in_a_row() -> None:
    async with Stage() as stage:
        await leading(stage)
        for _ in range(10):
            stage.kernel.fail("put", KernelError("busy"), times=2)
            await asyncio.sleep(2.0)
            assert stage.kernel.ips == [IP]
        assert not stage.audited("restored")


@virtual()
async def test_one_that_fails_leaves_the_others_alone() -> None:
    async with Stage(a_config("10.0.0.100/24", "10.0.0.101/24")) as stage:
        await leading(stage)
        await asyncio.sleep(0.2)

        def refuse(step: str) -> None:
            if step == "put" and stage.kernel.calls["put"] % 2 == odd:
                raise KernelError("busy")

        odd = (stage.kernel.calls["put"] + 1) % 2
        stage.kernel.before = refuse
        await asyncio.sleep(1.7)
        assert "10.0.0.101" in stage.kernel.ips
        assert stage.unfit == "cannot keep 10.0.0.100: busy"


@virtual()
async def test_a_kernel_that_does_not_answer_is_not_asked_for_each_address() -> None:
    async with Stage(a_config(*(f"10.0.1.{n}/24" for n in range(1, 65)))) as stage:
        await leading(stage)
        await asyncio.sleep(0.1)
        stage.kernel.fail("put", SILENT, times=1)
        before = stage.kernel.calls["put"]
        await asyncio.sleep(0.52)
        assert stage.kernel.calls["put"] == before + 1
        await asyncio.sleep(5)
        assert len(stage.kernel.ips) == 64
