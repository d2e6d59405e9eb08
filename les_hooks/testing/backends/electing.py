"""Checks of how a leader is found, and what nodes hear of each other. Private to the package."""

from les_hooks.members import Part
from les_hooks.testing.backends.check import Need, checks_of
from les_hooks.testing.backends.contest import Contest

__all__ = ["ELECTING"]

_MANY_TERMS = 1000
_BEATS = 4


async def one_node_alone_leads(contest: Contest) -> None:
    """A cluster of one node has a leader."""
    player = await contest.enter(0)
    await contest.until(lambda: contest.agree(player), "a node alone leads")


async def several_nodes_have_one_leader(contest: Contest) -> None:
    """Exactly one of several nodes leads; all name it, in the same term, and sort the members alike, the leader first.
    Without a reason this does not change.
    """
    first, second, third = await contest.trio()
    told = first.view
    await contest.always(lambda: contest.agree(first, second, third), "all name one leader")
    contest.expect(first.leads and told is not None, "the first in line leads")
    contest.expect(first.view == told, "nothing changes where nothing has happened")


async def a_newcomer_takes_nothing(contest: Contest) -> None:
    """Who joins later comes last in everybody's members, and leader and term stay."""
    first = await contest.enter(0)
    second = await contest.enter(1)
    await contest.until(lambda: contest.agree(first, second), "two nodes name one leader")
    before = first.view
    third = await contest.enter(2)
    await contest.until(lambda: contest.agree(first, second, third), "a third one is heard of")
    after = first.view
    assert before is not None and after is not None, "they agreed"  # noqa: PT018  (one condition for the type checker)
    contest.expect(third.order[-1] == third.address, "who comes last is the last in line")
    contest.expect((after.leader, after.term) == (before.leader, before.term), "leader and term stay")


async def who_has_only_started_is_not_seen(contest: Contest) -> None:
    """`start` takes what the node needs of its host; only `join` has others see it, and views begin."""
    first = await contest.enter(0)
    second = await contest.enter(1)
    await contest.until(lambda: contest.agree(first, second), "two nodes name one leader")
    third = await contest.make(2)
    await third.backend.start()
    await contest.always(lambda: first.member(third) is None and not third.views, "who has not joined is not seen")
    await third.backend.join()
    await contest.until(lambda: contest.agree(first, second, third), "it is seen once it has joined")


async def a_term_is_above_what_the_disk_remembers(contest: Contest) -> None:
    """Whoever leads does so in a higher term than the one in its Seat, or says why it may not: it is unfit."""
    players = [await contest.enter(number, term=_MANY_TERMS) for number in range(3)]

    def is_over() -> bool:
        own = [player.member(player) for player in players]
        return contest.agree(*players) or all(member is not None and member.unfit for member in own)

    await contest.until(is_over, "one leads in a term above what the disks remember, or all say why they do not")


async def a_term_is_written_down(contest: Contest) -> None:
    """The term in which a node leads gets to its disk, which the process after it is told of."""
    first, _, _ = await contest.trio()
    await contest.until(
        lambda: first.view is not None and first.disk.term >= first.view.term, "the leader's term is on its disk"
    )


async def authority_is_renewed(contest: Contest) -> None:
    """While a node leads, what `on_authority` tells moves on and is what `mandate` says; nobody else has any."""
    first, second, third = await contest.trio()
    began, begun = first.view, first.told.act_until
    await contest.until(lambda: first.told.act_until > begun, "authority is renewed", contest.traits.lost_within)
    contest.expect(first.view == began, "the leader leads on meanwhile")
    await contest.always(lambda: first.backend.mandate.act_until > contest.now(), "a leader has authority")
    for other in (second, third):
        contest.expect(other.backend.mandate.act_until < contest.now(), "who does not lead has none")


async def beats_go_on(contest: Contest) -> None:
    """`on_beat` is called at the latest after each `heartbeat` of the Seat, as long as the node takes part."""
    player = await contest.enter(0)
    for _ in range(_BEATS):
        await contest.beats_on(player)


async def an_observer_never_leads(contest: Contest) -> None:
    """A node of `role = "observer"` is a member that others see, and does not lead, not even alone."""
    observer = await contest.enter(3, part=Part.OBSERVER)
    await contest.always(lambda: not observer.leads, "an observer does not lead")
    first = await contest.enter(0)
    second = await contest.enter(1)
    await contest.until(lambda: contest.agree(first, second, observer), "the others elect one of them")
    own = first.member(observer)
    contest.expect(own is not None and own.part is Part.OBSERVER, "it is known as an observer")


ELECTING = checks_of(
    (one_node_alone_leads, Need.LEADS_ALONE),
    several_nodes_have_one_leader,
    a_newcomer_takes_nothing,
    who_has_only_started_is_not_seen,
    a_term_is_above_what_the_disk_remembers,
    a_term_is_written_down,
    authority_is_renewed,
    beats_go_on,
    an_observer_never_leads,
)
