"""What the daemon is told: who leads and why, who is a member, who is gone and how."""

import math
from typing import Any

import pytest

from les_hooks.backends import Role
from les_hooks.events import Reason
from les_hooks.members import UNSTAMPED, Departure, Part, View
from les_plugins.etcd.entry import Parting, Place
from les_plugins.etcd.hold import wait_of
from les_plugins.etcd.store import Batch, Put
from les_plugins.etcd.viewing import Viewer
from tests.plugins.etcd.stage import KEYS, Stage, address, led_by_other, life, tell

GRACE = 0.5


class Watched:
    """A stage, and who looks at it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.viewer = Viewer(stage.candidate, address("a"), grace=GRACE)

    def look(self, *, in_touch: bool = True) -> View:
        """The view that there is to tell."""
        view = self.viewer.look(self.stage.boottime, in_touch=in_touch)
        assert view is not None
        assert self.viewer.view == view
        return view

    def has_no_news(self) -> bool:
        return self.viewer.look(self.stage.boottime, in_touch=True) is None

    def go(self, seconds: float, **how: Any) -> None:
        self.stage.go(seconds, **how)


def follower(**fields: Any) -> Watched:
    """`b` leads, `a` is the next, and that was told."""
    watched = Watched(led_by_other(**fields))
    watched.look()
    return watched


def leader() -> Watched:
    """`a` leads, `b` is the next, and that was told."""
    watched = Watched(Stage().join())
    watched.stage.place()
    watched.stage.enter("b")
    watched.look()
    return watched


def names(view: View) -> list[str]:
    return [member.name for member in view.members]


# -- who leads ---------------------------------------------------------------------------------------------------------


def test_who_has_not_joined_has_nothing_to_tell() -> None:
    watched = Watched(Stage())
    assert watched.has_no_news()
    assert (watched.viewer.view.settled, watched.viewer.view.reason) == (False, Reason.STARTUP)


def test_the_first_leader_is_told_with_its_term() -> None:
    view = Watched(Stage().join()).look()
    assert (view.leading, view.leader, view.settled, view.reason) == (True, address("a"), True, Reason.FIRST)
    assert (view.term, view.vacant, view.leaderless) == (1, None, False)


def test_another_leader_is_told_with_its_term() -> None:
    view = Watched(led_by_other()).look()
    assert (view.leading, view.leader, view.term) == (False, address("b"), 1)


def test_the_same_view_is_not_told_twice() -> None:
    assert follower().has_no_news()


def test_who_is_first_and_does_not_say_that_it_leads_is_no_leader() -> None:
    stage = Stage()
    stage.enter("b")
    assert Watched(stage.join()).look().leader is None


def test_what_another_process_at_this_address_says_makes_this_node_no_leader() -> None:
    stage = Stage(counter=2)
    stage.enter("a", role=Role.LEADER)
    assert Watched(stage.join()).look().leader is None


def test_of_whom_nothing_was_heard_for_too_long_nobody_knows_whether_it_leads() -> None:
    watched = follower()
    view = watched.look(in_touch=False)
    assert (view.leader, view.leaderless, view.term) == (None, False, 1)
    watched.go(GRACE)
    assert watched.look(in_touch=False).reason is Reason.NO_LEADER
    view = watched.look()
    assert (view.leader, view.vacant) == (address("b"), None), "it may have led all the while"


@pytest.mark.parametrize(
    ("parting", "reason"),
    [
        (Parting.NONE, Reason.LEADER_RESIGNED),
        (Parting.GOODBYE, Reason.LEADER_LEFT),
        (Parting.CRASHED, Reason.LEADER_LOST),
    ],
)
def test_why_there_is_a_new_leader_is_told(parting: Parting, reason: Reason) -> None:
    watched = follower()
    watched.stage.move("b", parting=parting)
    view = watched.look()
    assert (view.leading, view.leader, view.reason) == (True, address("a"), reason)


def test_one_that_was_lost_is_told_as_such_and_nobody_knows_since_when() -> None:
    watched = follower()
    watched.stage.vanish("b")
    assert watched.look().leader is None
    watched.go(wait_of(5))
    watched.stage.renew()
    view = watched.look()
    assert (view.leading, view.reason, view.vacant) == (True, Reason.LEADER_LOST, None)


def test_how_long_nobody_led_counts_from_when_the_last_one_gave_up() -> None:
    watched = follower()
    watched.stage.say("b", role=Role.DEMOTING)
    assert watched.look().leader is None
    watched.go(2.0)
    watched.stage.move("b")
    assert watched.look().vacant == 2.0


def test_it_counts_so_whatever_became_of_the_leader_before_that_one() -> None:
    stage = Stage()
    stage.enter("c", role=Role.LEADER)
    stage.enter("b")
    watched = Watched(stage.join())
    watched.look()
    stage.vanish("c")
    watched.look()
    stage.say("b", role=Role.LEADER)
    assert watched.look().reason is Reason.LEADER_LOST
    stage.say("b", role=Role.DEMOTING)
    watched.look()
    stage.sweep("c")
    watched.go(2.0)
    stage.renew()
    stage.move("b")
    view = watched.look()
    assert (view.leading, view.vacant) == (True, 2.0)


def test_its_absence_is_news_after_the_grace_and_once() -> None:
    watched = follower()
    watched.stage.vanish("b")
    assert not watched.look().leaderless
    assert watched.viewer.leaderless_at == watched.stage.boottime + GRACE
    watched.go(GRACE - 0.01)
    assert watched.has_no_news()
    watched.go(0.01)
    view = watched.look()
    assert (view.leaderless, view.reason) == (True, Reason.NO_LEADER)
    assert watched.has_no_news()


def test_with_a_new_leader_it_is_no_news() -> None:
    watched = follower()
    watched.stage.move("b")
    assert not watched.look().leaderless
    assert watched.viewer.leaderless_at == math.inf


def test_who_leaves_before_it_has_joined_has_nothing_to_tell() -> None:
    watched = Watched(Stage())
    watched.stage.candidate.leave()
    assert watched.has_no_news()


# -- this node leads no more -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [Reason.OPERATOR, Reason.MAINTENANCE, Reason.CRITICAL])
def test_why_this_node_leads_no_more_is_told(reason: Reason) -> None:
    watched = leader()
    watched.stage.candidate.resign(reason, "why", watched.stage.now)
    view = watched.look()
    assert (view.leading, view.leader, view.reason, view.term) == (False, None, reason, 1)


def test_after_it_gave_up_the_next_one_is_told_and_how_long_nobody_led() -> None:
    watched = leader()
    watched.stage.candidate.resign(Reason.OPERATOR, "why", watched.stage.now)
    watched.look()
    watched.go(1.5)
    watched.stage.demote()
    watched.stage.say("b", role=Role.LEADER)
    view = watched.look()
    assert (view.leader, view.reason, view.vacant) == (address("b"), Reason.LEADER_RESIGNED, 1.5)


def test_after_its_lease_was_lost_that_is_told() -> None:
    watched = leader()
    watched.stage.lose_lease()
    assert watched.look().reason is Reason.LEASE_LOST


def test_who_slept_does_not_know_since_when_nobody_led() -> None:
    watched = leader()
    watched.go(60.0, slept=True)
    assert watched.look().reason is Reason.SLEPT
    watched.stage.demote()
    watched.stage.say("b", role=Role.LEADER)
    assert watched.look().vacant is None


# -- members -----------------------------------------------------------------------------------------------------------


def test_members_are_sorted_by_seniority_and_show_what_each_says() -> None:
    watched = follower(version="2", since=7.0)
    watched.stage.enter("c", Place.ASIDE, unfit="a disk is full", since=8.0)
    watched.stage.enter("d", Place.ASIDE, part=Part.OBSERVER)
    watched.stage.enter("e", Place.ASIDE)
    view = watched.look()
    assert names(view) == ["b", "a", "c", "d", "e"]
    b, _, c, d, e = view.members
    assert (b.fit, b.start_time, b.version, b.role, b.direct) == (True, 7.0, "2", Role.LEADER, True)
    assert (c.fit, c.unfit, c.start_time) == (False, "a disk is full", UNSTAMPED)
    assert (d.fit, d.part) == (True, Part.OBSERVER)
    assert not e.fit


def test_of_this_node_it_is_told_what_it_does_and_not_what_stands_in_etcd_yet() -> None:
    watched = Watched(Stage().join())
    assert [member.role for member in watched.look().members] == [Role.LEADER]


def test_one_whose_key_cannot_be_read_is_no_member() -> None:
    watched = follower()
    watched.stage.hear(watched.stage.store.do(Put(key=KEYS.name(Place.LINE, 0x77, 1), value=b"?", lease=0x77)))
    assert watched.has_no_news()


def test_this_node_is_a_member_while_it_has_no_key() -> None:
    watched = follower()
    watched.stage.lose_lease()
    view = watched.look()
    assert names(view) == ["b", "a"]
    assert (view.members[-1].fit, view.members[-1].start_time) == (False, UNSTAMPED)
    assert "no key" in view.members[-1].unfit
    assert view.departed == ()
    watched.stage.lease += 0x10
    watched.stage.place()
    view = watched.look()
    assert (names(view), view.members[-1].fit) == (["b", "a"], True)


def test_members_are_members_until_there_is_another_list() -> None:
    """etcd went back to an older state, and what it holds is not known yet."""
    watched = follower()
    watched.stage.candidate.rewound(0, watched.stage.now)
    view = watched.look()
    assert (names(view), view.departed, view.leader) == (["b", "a"], (), None)
    watched.stage.vanish("b")
    watched.stage.read()
    view = watched.look()
    assert (names(view), view.departed) == (["a"], departed("b", Reason.TIMEOUT))


# -- who is gone -------------------------------------------------------------------------------------------------------


def departed(name: str, reason: Reason) -> tuple[Departure, ...]:
    return (Departure(address=address(name), name=name, reason=reason),)


def test_one_whose_lease_ran_out_is_lost() -> None:
    watched = follower()
    watched.stage.enter("c")
    watched.look()
    watched.stage.vanish("c")
    view = watched.look()
    assert (names(view), view.departed) == (["b", "a"], departed("c", Reason.TIMEOUT))
    assert watched.has_no_news()


@pytest.mark.parametrize(("parting", "reason"), [(Parting.GOODBYE, Reason.GOODBYE), (Parting.CRASHED, Reason.CRASHED)])
@pytest.mark.parametrize("at_once", [False, True])
def test_one_that_said_why_it_goes_is_gone_for_that(parting: Parting, reason: Reason, *, at_once: bool) -> None:
    """Though both its steps are told at once, as to a watch that goes on after a break."""
    watched = follower()
    stage = watched.stage
    stage.enter("c")
    watched.look()
    stage.deaf = True
    stage.move("c", parting=parting)
    stage.vanish("c")
    stage.deaf = False
    one, other = stage.missed
    told = [Batch(header=other.header, changes=(*one.changes, *other.changes))] if at_once else stage.missed
    for batch in told:
        stage.hear(batch)
        view = watched.look()
    assert view.departed == departed("c", reason)
    assert stage.candidate.partings == {}


def test_one_at_whose_address_another_process_stands_was_restarted() -> None:
    watched = follower()
    watched.stage.enter("c")
    watched.look()
    watched.stage.enter("c", counter=2)
    view = watched.look()
    assert (names(view), view.departed) == (["b", "a", "c"], departed("c", Reason.RESTARTED))


def test_one_that_moves_its_key_is_not_gone() -> None:
    watched = follower()
    watched.stage.enter("c")
    watched.look()
    watched.stage.move("c", unfit="a disk is full")
    assert watched.look().departed == ()


# -- silence -----------------------------------------------------------------------------------------------------------


def test_the_next_one_is_told_that_the_leader_is_silent_and_that_it_is_not() -> None:
    watched = follower()
    for left, silent in ((1, True), (4, False)):
        tell(watched.stage.candidate.inquest, watched.stage.candidate.asks[0], life(left), watched.stage.boottime)
        assert watched.look().leader_silent is silent


def test_who_knows_nothing_of_etcd_any_more_tells_of_the_members_that_it_knew() -> None:
    watched = follower()
    before = watched.viewer.view.members
    watched.stage.line.forget()
    watched.stage.candidate.role = Role.FOLLOWER
    assert watched.look().members == before


def test_out_of_touch_nobody_is_known_to_lead() -> None:
    watched = follower()
    view = watched.look(in_touch=False)
    assert view.leader is None
    assert {member.role for member in view.members} == {Role.FOLLOWER}
