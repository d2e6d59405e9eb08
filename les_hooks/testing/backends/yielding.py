"""Checks of how leadership is given up, and of who may not have it. Private to the package."""

from les_hooks.errors import ControlError
from les_hooks.events import Reason
from les_hooks.testing.backends.check import checks_of
from les_hooks.testing.backends.contest import HOLD_SECONDS, Contest
from les_hooks.testing.backends.player import Player

__all__ = ["YIELDING"]


async def the_next_leads_once_it_is_released(contest: Contest) -> None:
    """A leadership ends with a view that says why. Nobody else leads before `released` was called; then one does."""
    first, second, third = await contest.trio()
    await _resign(contest, first)
    await contest.always(lambda: not any(player.leads for player in (first, second, third)), "all wait for `released`")
    first.release()
    await contest.until(lambda: second.leads or third.leads, "another one leads once it is released")


async def who_stepped_down_comes_back_most_junior(contest: Contest) -> None:
    """Who was told to step down is unfit for `hold` seconds, and then the last in line; leadership does not go back."""
    first, second, third = await contest.trio()
    began = contest.now()
    first.backend.step_down(Reason.OPERATOR, "to see what happens")
    await contest.until(lambda: contest.agree(first, second, third) and not first.leads, "another one leads")
    contest.expect(not _is_fit(second, first), "who stepped down is unfit for a while")
    within = HOLD_SECONDS + contest.traits.replaced_within
    await contest.until(lambda: _is_fit(second, first) and _is_fit(first, first), "it is fit again in the end", within)
    contest.expect(contest.now() - began >= HOLD_SECONDS, "it is unfit for as long as its Seat says")
    await contest.until(lambda: contest.agree(first, second, third), "all agree afterwards")
    contest.expect(second.order[-1] == first.address, "it is the last in line")
    await contest.always(lambda: not first.leads, "leadership does not go back")


async def who_does_not_lead_gives_nothing_up(contest: Contest) -> None:
    """`step_down` and `transfer` do nothing on a node that does not lead."""
    first, second, third = await contest.trio()
    second.backend.step_down(Reason.OPERATOR, "for nothing")
    _transfer(second, third)
    await contest.always(
        lambda: contest.agree(first, second, third) and first.leads and _is_fit(first, second), "nothing has changed"
    )


async def a_transfer_reaches_its_target(contest: Contest) -> None:
    """`transfer` has that member lead, though another is more senior; or it raises ControlError and changes nothing."""
    first, second, third = await contest.trio()
    if _transfer(first, third):
        await contest.until(lambda: not first.leads, "the leader gives up")
        view = first.view
        contest.expect(view is not None and view.reason is Reason.TRANSFER, "it says that it was transferred")
        await contest.until(lambda: contest.agree(first, second, third), "all agree on the next leader")
        contest.expect(third.leads, "the one leads that was chosen")
    else:
        await contest.always(lambda: contest.agree(first, second, third) and first.leads, "nothing has changed")


async def a_transfer_to_nobody_changes_nothing(contest: Contest) -> None:
    """Where the target of a `transfer` may not lead, leadership stays, whether ControlError is raised or not."""
    first, second, third = await contest.trio()
    _judge(third, "not now", Reason.MAINTENANCE)
    await contest.until(lambda: not _is_fit(first, third), "the leader knows that the third is unfit")
    _transfer(first, third)
    await contest.always(lambda: first.leads and second.order[0] == first.address, "leadership stays")


async def who_is_unfit_from_the_start_does_not_lead(contest: Contest) -> None:
    """`set_fitness` before `join` holds from the first moment; others see why, and another one leads."""
    unfit = await contest.make(0)
    _judge(unfit, "in maintenance", Reason.MAINTENANCE)
    await unfit.backend.start()
    await unfit.backend.join()
    await contest.always(lambda: not unfit.leads, "an unfit node does not lead")
    first, second = await contest.enter(1), await contest.enter(2)
    await contest.until(lambda: contest.agree(unfit, first, second), "another one leads")
    member = first.member(unfit)
    contest.expect(member is not None and member.unfit == "in maintenance" and not member.fit, "others see why")


async def who_becomes_fit_takes_nothing(contest: Contest) -> None:
    """Who is fit again may lead, and is behind all others; leadership does not move."""
    first, second, third = await contest.trio()
    view = first.view
    _judge(second, "in maintenance", Reason.MAINTENANCE)
    await contest.until(lambda: not _is_fit(first, second), "others see that it is unfit")
    _judge(second, "", Reason.MAINTENANCE)
    await contest.until(lambda: _is_fit(first, second) and contest.agree(first, second, third), "it is fit again")
    after = first.view
    contest.expect(view is not None and after is not None and after.term == view.term, "leadership does not move")
    contest.expect(third.order[-1] == second.address, "it is the last in line")
    first.backend.step_down(Reason.OPERATOR)
    await contest.until(lambda: third.leads, "the one leads that was fit all the time")


async def an_unfit_leader_is_demoted(contest: Contest) -> None:
    """A leader that becomes unfit gives up for the reason that was given, and others see in what words it is unfit."""
    first, second, third = await contest.trio()
    first.holds_back = True
    _judge(first, "the disk is full", Reason.UNFIT)
    await contest.until(lambda: not first.leads, "an unfit leader is demoted")
    view = first.view
    contest.expect(view is not None and view.reason is Reason.UNFIT, "it says for which reason")
    await contest.always(lambda: not second.leads and not third.leads, "all wait for `released`")
    first.release()
    await contest.until(lambda: contest.agree(first, second, third), "another one leads")

    def words() -> str:
        member = second.member(first)
        return member.unfit if member is not None else ""

    await contest.until(lambda: words() == "the disk is full", "others see why it is unfit")


def _is_fit(player: Player, other: Player) -> bool:
    """Whether the other one may lead, as this one knows it."""
    member = player.member(other)
    return member is not None and member.fit


def _judge(player: Player, unfit: str, reason: Reason) -> None:
    """Say why it may not lead."""
    player.unfit = unfit
    player.backend.set_fitness(unfit, reason)


def _transfer(player: Player, target: Player) -> bool:
    """Whether the backend does such a thing."""
    try:
        player.backend.transfer(target.address)
    except ControlError:
        return False
    return True


async def _resign(contest: Contest, player: Player) -> None:
    """It steps down, and its hooks do not end."""
    player.holds_back = True
    player.backend.step_down(Reason.OPERATOR, "to see what happens")
    await contest.until(lambda: not player.leads, "a leader steps down")
    view = player.view
    contest.expect(view is not None and view.reason is Reason.OPERATOR, "it says for which reason")


YIELDING = checks_of(
    the_next_leads_once_it_is_released,
    who_stepped_down_comes_back_most_junior,
    who_does_not_lead_gives_nothing_up,
    a_transfer_reaches_its_target,
    a_transfer_to_nobody_changes_nothing,
    who_is_unfit_from_the_start_does_not_lead,
    who_becomes_fit_takes_nothing,
    an_unfit_leader_is_demoted,
)
