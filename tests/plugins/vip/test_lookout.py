"""Who answers for an address, and since when nobody does: on a segment that loses, delays and stops."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from les_plugins.vip.kernel import KernelError
from les_plugins.vip.lookout import ANSWER_SECONDS, LOOK_SECONDS, Lookout
from les_plugins.vip.settings import VirtualAddress, parse_virtual_address
from tests.plugins.vip.fakes import ETH0, FakeSegment, now
from tests.virtual import virtual

FOUR = "10.0.0.100"
SIX = "fd00::64"


class Post:
    """A lookout on a segment, and what it was told."""

    def __init__(self, ip: str = FOUR) -> None:
        self.segment = FakeSegment()
        self.claimed: list[tuple[VirtualAddress, bytes]] = []
        self.lookout = Lookout(
            parse_virtual_address(f"{ip}/24"),
            clock=now,
            open_ether=self.segment.open,
            on_claim=lambda address, mac: self.claimed.append((address, mac)),
        )
        self.lookout.move(ETH0, frozenset({ETH0.mac}))


async def timed(work: Coroutine[Any, Any, bool]) -> tuple[bool, float]:
    """Return what came of it, and how long it took."""
    begun = now()
    return await work, now() - begun


async def watched(lookout: Lookout, seconds: float) -> None:
    """Have it watch for so long."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await lookout.watch()


# -- is it free? -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ip", [FOUR, SIX])
@virtual()
async def test_an_address_that_nobody_answers_for_is_free_after_three_questions(ip: str) -> None:
    post = Post(ip)
    post.segment.host(1, "10.0.0.1", "fd00::1")
    free, took = await timed(post.lookout.is_free())
    assert free
    assert took == pytest.approx(LOOK_SECONDS, abs=0.005)
    assert len(post.segment.questions(ip)) == 3


@pytest.mark.parametrize("ip", [FOUR, SIX])
@virtual()
async def test_an_address_that_somebody_answers_for_is_known_at_once(ip: str) -> None:
    post = Post(ip)
    host = post.segment.host(1, ip)
    free, took = await timed(post.lookout.is_free())
    assert not free
    assert took < 0.005
    assert [*post.lookout.claims] == [host.mac]
    assert [mac for _, mac in post.claimed] == [host.mac]


@virtual()
async def test_two_lost_frames_do_not_make_an_address_free() -> None:
    post = Post()
    post.segment.host(1, FOUR, loses=lambda number: number <= 2)
    free, took = await timed(post.lookout.is_free())
    assert not free
    assert took < LOOK_SECONDS


@virtual()
async def test_an_answer_may_come_late() -> None:
    post = Post()
    post.segment.host(1, FOUR, delay=LOOK_SECONDS - 0.001)
    assert not await post.lookout.is_free()


@pytest.mark.parametrize("moment", [0.0, 0.015, 0.031, 0.045, 0.061, 0.095])
@pytest.mark.parametrize("seconds", [0.05, 1.0])
@virtual()
async def test_who_was_stopped_while_asking_hears_the_answer_first(moment: float, seconds: float) -> None:
    """The answer to the last question is under way when this process stops; it is there when it goes on."""
    post = Post()
    expected = 1 + sum(moment > asked for asked in (0.03, 0.06))
    post.segment.host(1, FOUR, delay=0.02, loses=lambda number: len(post.segment.sent) < expected)
    asyncio.get_running_loop().call_later(moment, post.segment.freeze, seconds)
    assert not await post.lookout.is_free()


@virtual()
async def test_own_interfaces_are_nobody() -> None:
    post = Post()
    post.segment.hosts.append(replace(post.segment.host(1), mac=ETH0.mac, ips={FOUR}))
    assert await post.lookout.is_free()
    assert not post.lookout.claims
    assert not post.claimed


@virtual()
async def test_a_link_that_takes_no_packets_does_not_make_an_address_free() -> None:
    post = Post()
    post.segment.works = False
    with pytest.raises(KernelError, match="nobody can be asked"):
        await post.lookout.is_free()


@virtual()
async def test_a_link_that_goes_away_while_asking_lets_one_question_count() -> None:
    post = Post()
    post.segment.host(1, FOUR, delay=0.02)

    def cut() -> None:
        post.segment.works = False

    asyncio.get_running_loop().call_later(0.001, cut)
    assert await post.lookout.is_free()  # the keeper looks at the link again before it takes anything


# -- does it fall silent? ----------------------------------------------------------------------------------------------


async def answered(post: Post) -> None:
    """Somebody has answered just now."""
    assert not await post.lookout.is_free()


@pytest.mark.parametrize("ip", [FOUR, SIX])
@virtual()
async def test_a_holder_that_stops_is_noticed_within_50_ms(ip: str) -> None:
    post = Post(ip)
    host = post.segment.host(1, ip)
    await answered(post)
    asyncio.get_running_loop().call_later(1.0, host.ips.clear)
    silent, took = await timed(post.lookout.falls_silent(now() + 3.0))
    assert silent
    assert 1.0 < took < 1.05


@virtual()
async def test_a_holder_that_goes_on_is_waited_for_until_told_and_asked_alone() -> None:
    post = Post()
    host = post.segment.host(1, FOUR)
    await answered(post)
    before = len(post.segment.sent)
    silent, took = await timed(post.lookout.falls_silent(now() + 3.0))
    assert not silent
    assert took == pytest.approx(3.0, abs=0.02)
    assert all(frame[:6] == host.mac for _, frame in post.segment.sent[before:])
    assert len(post.segment.sent) - before <= 301


@virtual()
async def test_two_lost_frames_in_a_row_are_no_silence() -> None:
    post = Post()
    post.segment.host(1, FOUR, loses=lambda number: number % 3 != 1)
    await answered(post)
    assert not await post.lookout.falls_silent(now() + 3.0)


@virtual()
async def test_one_in_a_hundred_frames_lost_is_no_silence() -> None:
    post = Post()
    dice = random.Random(7)
    post.segment.host(1, FOUR, loses=lambda number: dice.random() < 0.01)
    await answered(post)
    assert not await post.lookout.falls_silent(now() + 3.0)


@virtual()
async def test_late_answers_are_answers() -> None:
    post = Post()
    host = post.segment.host(1, FOUR, delay=0.025)
    await answered(post)
    asyncio.get_running_loop().call_later(1.0, host.ips.clear)
    silent, took = await timed(post.lookout.falls_silent(now() + 3.0))
    assert silent
    assert 1.0 < took < 1.1


@virtual()
async def test_all_who_claim_it_have_to_fall_silent() -> None:
    post = Post()
    first, second = post.segment.host(1, FOUR), post.segment.host(2, FOUR)
    await answered(post)
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_later(0.5, first.ips.clear)
    asyncio.get_running_loop().call_later(1.5, second.ips.clear)
    silent, took = await timed(post.lookout.falls_silent(now() + 3.0))
    assert silent
    assert 1.5 < took < 1.55


@pytest.mark.parametrize("moment", [0.0, 0.0052, 0.0108, 0.5, 0.5055])
@virtual()
async def test_a_process_that_did_not_run_for_a_second_takes_no_silence_from_that(moment: float) -> None:
    post = Post()
    post.segment.host(1, FOUR)
    await answered(post)
    asyncio.get_running_loop().call_later(moment, post.segment.freeze, 1.0)
    assert not await post.lookout.falls_silent(now() + 3.0)


@virtual()
async def test_a_holder_that_stopped_while_this_process_did_is_noticed_all_the_same() -> None:
    post = Post()
    host = post.segment.host(1, FOUR)
    await answered(post)

    def stop() -> None:
        host.ips.clear()
        post.segment.freeze(1.0)

    asyncio.get_running_loop().call_later(0.1, stop)
    silent, took = await timed(post.lookout.falls_silent(now() + 3.0))
    assert silent
    assert took < 1.2


@virtual()
async def test_where_nothing_can_be_sent_nobody_has_fallen_silent() -> None:
    post = Post()
    post.segment.host(1, FOUR)
    await answered(post)
    post.segment.works = False
    assert not await post.lookout.falls_silent(now() + 3.0)


# -- watching while a leader is silent ---------------------------------------------------------------------------------


@virtual()
async def test_a_silence_counts_once_enough_was_asked() -> None:
    post = Post()
    await watched(post.lookout, 0.045)
    assert not post.lookout.is_silent
    await watched(post.lookout, 0.15)
    assert post.lookout.is_silent
    assert not post.lookout.is_answered


@virtual()
async def test_a_host_that_answers_is_not_silent() -> None:
    post = Post()
    post.segment.host(1, FOUR)
    await watched(post.lookout, 0.15)
    assert post.lookout.is_answered
    assert not post.lookout.is_silent


@virtual()
async def test_who_watches_for_long_asks_ten_times_a_second() -> None:
    post = Post()
    await watched(post.lookout, 10.0)
    assert 100 <= len(post.segment.sent) <= 106


@virtual()
async def test_an_answer_from_before_the_watch_is_none() -> None:
    post = Post()
    host = post.segment.host(1, FOUR)
    await answered(post)
    host.ips.clear()
    await asyncio.sleep(0.001)
    await watched(post.lookout, 0.15)
    assert post.lookout.is_silent


@virtual()
async def test_what_was_watched_long_ago_says_nothing() -> None:
    post = Post()
    await watched(post.lookout, 0.15)
    await asyncio.sleep(1.1)
    assert not post.lookout.is_silent
    post.segment.host(1, FOUR)
    post.lookout.ask()
    await asyncio.sleep(0.01)
    assert not post.lookout.is_answered
    assert not post.lookout.is_silent


@virtual()
async def test_a_watch_that_could_send_nothing_heard_no_silence() -> None:
    post = Post()
    post.segment.works = False
    await watched(post.lookout, 0.5)
    assert not post.lookout.is_silent
    assert not post.lookout.is_answered


@pytest.mark.parametrize("alive", [0.03, 0.085, 0.19, 0.21])
@virtual()
async def test_a_holder_that_fell_silent_during_the_watch_is_not_waited_for_in_vain(alive: float) -> None:
    """Whatever was asked after its last answer, and however long ago that was."""
    post = Post()
    host = post.segment.host(1, FOUR)
    asyncio.get_running_loop().call_later(alive, host.ips.clear)
    await watched(post.lookout, 0.31)
    assert post.lookout.is_answered
    silent, took = await timed(post.lookout.falls_silent(now() + 3.0))
    assert silent
    assert took < 0.05


# -- links and claims --------------------------------------------------------------------------------------------------


@virtual()
async def test_a_tunnel_has_nobody_to_ask() -> None:
    post = Post()
    post.lookout.move(replace(ETH0, index=3, name="tun0", speaks_arp=False), frozenset())
    assert not post.lookout.can_ask
    assert not post.segment.ethers
    assert not post.lookout.ask()


@virtual()
async def test_another_link_is_listened_to_and_the_same_one_is_not_opened_again() -> None:
    post = Post()
    (first,) = post.segment.ethers
    post.lookout.move(replace(ETH0, carrier=False, mac=bytes(6)), frozenset())
    assert post.segment.ethers == [first]
    post.lookout.move(replace(ETH0, index=7), frozenset())
    assert len(post.segment.ethers) == 1
    assert post.segment.ethers != [first]
    post.lookout.move(None, frozenset())
    assert not post.segment.ethers


@virtual()
async def test_a_link_that_could_not_be_opened_is_tried_again() -> None:
    post = Post()
    post.lookout.close()
    post.segment.refuses[FOUR] = KernelError("no")
    for _ in range(2):
        with pytest.raises(KernelError):
            post.lookout.move(ETH0, frozenset())
    post.segment.refuses.clear()
    post.lookout.move(ETH0, frozenset())
    assert post.lookout.can_ask


@virtual()
async def test_a_host_that_makes_hardware_addresses_up_fills_no_memory() -> None:
    post = Post()
    for number in range(1000):
        post.segment.claim(FOUR, number.to_bytes(6, "big"))
    assert len(post.lookout.claims) == 8
    assert (999).to_bytes(6, "big") in post.lookout.claims


def test_the_three_questions_fit_into_the_time() -> None:
    assert 3 * ANSWER_SECONDS < LOOK_SECONDS
