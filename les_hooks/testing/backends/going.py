"""Checks of how nodes go: they leave, crash, come again, or are cut off. Private to the package."""

import asyncio

from les_hooks.events import Reason
from les_hooks.testing.backends.check import Need, checks_of
from les_hooks.testing.backends.contest import MOMENT_SECONDS, Contest
from les_hooks.testing.backends.player import Player

__all__ = ["GOING"]

_PATIENT_SECONDS = 5.0


async def who_leaves_says_goodbye(contest: Contest) -> None:
    """`leave` of a node that does not lead is told to the others as GOODBYE, and changes nothing else."""
    first, second, third = await contest.trio()
    view = first.view
    await contest.leave(second, _PATIENT_SECONDS)
    await contest.until(lambda: contest.agree(first, third), "the others go on without it")
    contest.expect(_farewells(first, second) == _farewells(third, second) == [Reason.GOODBYE], "it has said goodbye")
    contest.expect(view is not None and first.view is not None and first.view.term == view.term, "leadership stays")


async def a_leader_that_leaves_is_demoted_first(contest: Contest) -> None:
    """`leave` of a leader ends its leadership by a view, waits for `released`, says goodbye, and the next one leads."""
    first, second, third = await contest.trio()
    first.holds_back = True
    leaving = asyncio.ensure_future(contest.leave(first, _PATIENT_SECONDS))
    try:
        await contest.until(lambda: not first.leads, "its leadership ends")
        view = first.view
        contest.expect(view is not None and view.reason is Reason.LEAVING, "it says that it leaves")
        await contest.always(
            lambda: not (leaving.done() or second.leads or third.leads), "all wait for `released`, `leave` as well"
        )
    finally:
        first.holds_back = False
        first.release()
        await leaving
    await contest.until(lambda: contest.agree(second, third), "the next one leads")
    contest.expect(_farewells(second, first) == [Reason.GOODBYE], "it has said goodbye")


async def leave_ends_after_its_limit(contest: Contest) -> None:
    """`leave` waits for `released` no longer than its limit, and for that long."""
    first, _, _ = await contest.trio()
    first.holds_back = True
    began = contest.now()
    await contest.leave(first, MOMENT_SECONDS)
    contest.expect(contest.now() - began >= MOMENT_SECONDS, "leave waits for `released` until its limit")
    first.holds_back = False


async def leaving_is_possible_at_any_time(contest: Contest) -> None:
    """`leave` ends at once where nothing is to be waited for: before `start`, before `join`, and a second time. Who led
    is demoted by a view. Afterwards nothing is told any more, and there is no authority.
    """
    unmade, started = await contest.make(0), await contest.make(0, counter=2)
    await contest.leave(unmade, 0.0)
    await started.backend.start()
    await contest.leave(started, 0.0)
    await contest.leave(started, 0.0)
    joined = await contest.enter(0, counter=3)
    await contest.leave(joined, 0.0)
    first, second, third = await contest.trio(counter=4)
    await contest.leave(first, 0.0)
    await contest.leave(first, 0.0)
    contest.expect(not first.leads, "a leader that leaves is demoted by a view")
    contest.expect(first.backend.mandate.act_until < contest.now(), "who has left has no authority")
    await contest.until(lambda: contest.agree(second, third), "the next one leads", contest.traits.lost_within)


async def who_crashes_is_lost(contest: Contest) -> None:
    """A node whose process dies is told to the others as departed, for another reason than GOODBYE; no more changes."""
    first, second, third = await contest.trio()
    view = first.view
    await contest.crash(second)
    await contest.until(lambda: contest.agree(first, third), "the others lose it", contest.traits.lost_within)
    _expect_lost(contest, second, first, third)
    contest.expect(view is not None and first.view is not None and first.view.term == view.term, "leadership stays")


async def a_leader_that_crashes_is_replaced(contest: Contest) -> None:
    """When the leader's process dies, the next one leads in time, in a higher term, and not before the mandate of the
    dead one has ended.
    """
    first, second, third = await contest.trio()
    await contest.crash(first)
    await contest.until(
        lambda: contest.agree(second, third) and second.leads, "the next in line leads", contest.traits.lost_within
    )
    _expect_lost(contest, first, second, third)


async def a_dead_leader_is_released(contest: Contest) -> None:
    """`Engine.release` of the Seat of a leader whose process died lets the next one lead at once."""
    first, second, third = await contest.trio()
    await contest.crash(first)
    await contest.undo(first)
    await contest.until(lambda: contest.agree(second, third), "the next one leads at once")
    _expect_lost(contest, first, second, third)


async def release_touches_nobody_else(contest: Contest) -> None:
    """`Engine.release` of a process that holds nothing does nothing, though another process of its node leads."""
    first, second, third = await contest.trio()
    other = await contest.make(first.number, counter=9)
    other.lives = False
    await contest.arena.engine.release(other.seat)
    await contest.always(lambda: contest.agree(first, second, third) and first.leads, "nothing has changed")


async def who_starts_again_is_most_junior(contest: Contest) -> None:
    """A process after one that crashed is another member at its address, the last in line; it takes nothing back."""
    first, second, third = await contest.trio()
    await contest.crash(first)
    again = await contest.make(first.number, counter=2)
    await contest.undo(first)
    await again.backend.start()
    await again.backend.join()
    await contest.until(lambda: contest.agree(second, third, again), "it is a member again", contest.traits.lost_within)
    _expect_lost(contest, first, second)
    contest.expect(not again.leads and second.order[-1] == again.address, "it is the last in line")
    member = second.member(again)
    contest.expect(member is not None and member.boot == again.seat.identity.boot, "others know it as another process")


async def a_leader_that_is_cut_off_ends_first(contest: Contest) -> None:
    """A leader that nothing reaches knows by itself that its mandate is over, before another one leads. It beats on
    meanwhile, and comes back as the last in line.
    """
    first, second, third = await contest.trio()
    # Its hooks do not end, so that nothing but its mandate says when others may lead.
    first.holds_back = True
    await contest.cut(first)
    await contest.until(lambda: second.leads or third.leads, "another one leads", contest.traits.lost_within)
    contest.expect(not first.leads, "who was cut off does not lead any more")
    await contest.beats_on(first)
    first.release()
    await contest.heal(first)
    await contest.until(
        lambda: contest.agree(first, second, third), "all agree once it is back", contest.traits.lost_within
    )
    contest.expect(not first.leads and second.order[-1] == first.address, "it is the last in line")


async def a_follower_that_is_cut_off_does_not_lead(contest: Contest) -> None:
    """Who does not lead and is reached by nothing does not begin to; the others lose it, and find it again."""
    first, second, third = await contest.trio()
    await contest.cut(second)
    await contest.until(
        lambda: first.member(second) is None and third.member(second) is None, "it is lost", contest.traits.lost_within
    )
    _expect_lost(contest, second, first, third)
    contest.expect(first.leads and not second.leads, "leadership stays")
    await contest.beats_on(second)
    await contest.heal(second)
    await contest.until(
        lambda: contest.agree(first, second, third) and first.leads, "all is as it was", contest.traits.lost_within
    )


def _farewells(player: Player, gone: Player) -> list[Reason]:
    """For which reasons this one was told that the other is gone."""
    return [left.reason for view in player.views for left in view.departed if left.address == gone.address]


def _expect_lost(contest: Contest, gone: Player, *others: Player) -> None:
    for other in others:
        reasons = _farewells(other, gone)
        contest.expect(
            len(reasons) == 1 and Reason.GOODBYE not in reasons,
            f"n{other.number} was told once that n{gone.number} is lost, and not that it left (told: {reasons})",
        )


GOING = checks_of(
    who_leaves_says_goodbye,
    a_leader_that_leaves_is_demoted_first,
    leave_ends_after_its_limit,
    leaving_is_possible_at_any_time,
    who_crashes_is_lost,
    a_leader_that_crashes_is_replaced,
    a_dead_leader_is_released,
    release_touches_nobody_else,
    who_starts_again_is_most_junior,
    (a_leader_that_is_cut_off_ends_first, Need.CAN_CUT, Need.EXCLUSIVE),
    (a_follower_that_is_cut_off_does_not_lead, Need.CAN_CUT, Need.EXCLUSIVE),
)
