"""From views to events: what is told, in which order, and what is never told."""

from collections import defaultdict
from itertools import count, pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from les_hooks.daemon.narrator import Narrator, Origin, Past
from les_hooks.events import Event, EventKind, Reason
from les_hooks.members import Address, Boot, Departure, Member, MemberKind, Part, View

A, B, C = Address("10.0.0.1:4000"), Address("10.0.0.2:4000"), Address("10.0.0.3:4000")


def member(address: Address) -> Member:
    return Member(
        address=address,
        name="n",
        kind=MemberKind.LES,
        boot=Boot(1, "x"),
        start_time=1.0,
        part=Part.MEMBER,
        role="follower",
        fit=True,
        unfit="",
        direct=True,
        version="0.1.0",
    )


def view(*members: Address, **changes: Any) -> View:
    """What node A sees."""
    values: dict[str, Any] = {
        "leading": changes.get("leader") == A,
        "leader": None,
        "leaderless": False,
        "term": 1,
        "members": tuple(member(address) for address in (A, *members)),
        "departed": (),
        "settled": True,
        "reason": Reason.FIRST,
    }
    return View(**values | changes)


def gone(address: Address, reason: Reason) -> tuple[Departure, ...]:
    return (Departure(address=address, name="n", reason=reason),)


def narrator(past: Past = Past(), first: int = 1) -> Narrator:  # noqa: B008  (it is frozen)
    seq = count(first)
    return Narrator(
        Origin(node=A, name="a", cluster="web", nonce="boot"), past=past, next_seq=lambda: next(seq), wall=lambda: 17.5
    )


def brief(events: list[Event]) -> list[str]:
    return [" ".join(filter(None, (event.kind, event.member, event.reason))) for event in events]


def test_an_event_has_all_that_is_known() -> None:
    teller = narrator(first=41)
    teller.tell(view(B, leader=B, term=3))
    (event,) = teller.tell(view(leader=B, term=3, departed=gone(B, Reason.GOODBYE)))
    assert event == Event(
        id="boot-44",
        seq=44,
        kind=EventKind.MEMBER_LEFT,
        time=17.5,
        node=A,
        name="a",
        cluster="web",
        role="follower",
        term=3,
        leader=B,
        previous_leader=None,
        members=(A,),
        member=B,
        reason=Reason.GOODBYE,
        replay=False,
    )


def test_nothing_is_told_of_a_view_that_is_not_settled() -> None:
    teller = narrator()
    assert teller.tell(view(B, settled=False)) == []
    assert brief(teller.tell(view(B)))[0] == "started startup"


def test_the_first_view_is_told_in_order() -> None:
    events = narrator().tell(view(B, C, leader=A, term=1))
    assert brief(events) == [
        "started startup",
        f"member-joined {B} joined",
        f"member-joined {C} joined",
        "elected first",
        "leader-changed first",
    ]
    assert [event.role for event in events] == ["follower"] * 3 + ["leader"] * 2
    assert not any(event.replay for event in events)


def test_a_demotion_comes_before_all_else_and_has_the_term_that_ended() -> None:
    teller = narrator()
    teller.tell(view(B, leader=A, term=4))
    events = teller.tell(view(C, leader=B, term=5, departed=gone(B, Reason.RESTARTED), reason=Reason.CONFLICT))
    assert brief(events) == [
        "demoted conflict",
        f"member-lost {B} restarted",
        f"member-joined {C} joined",
        "leader-changed conflict",
    ]
    assert [(event.term, event.role) for event in events] == [(4, "follower"), *[(5, "follower")] * 3]
    assert {(event.leader, event.previous_leader) for event in events} == {(B, A)}


def test_the_previous_leader_is_the_one_before_the_leader_in_every_event() -> None:
    teller = narrator()
    teller.tell(view(B, C, leader=B))
    (lost, elected, changed) = teller.tell(view(C, leader=A, departed=gone(B, Reason.REFUSED), term=2))
    (later,) = teller.tell(view(leader=A, departed=gone(C, Reason.GOODBYE), term=2))
    assert [e.kind for e in (lost, elected, changed)] == [
        EventKind.MEMBER_LOST,
        EventKind.ELECTED,
        EventKind.LEADER_CHANGED,
    ]
    assert {(event.leader, event.previous_leader) for event in (lost, elected, changed, later)} == {(A, B)}


def test_a_higher_term_while_leading_is_told_as_reasserted() -> None:
    teller = narrator()
    teller.tell(view(leader=A, term=1))
    assert brief(teller.tell(view(leader=A, term=3, reason=Reason.CONFLICT))) == ["reasserted conflict"]


def test_the_absence_of_a_leader_is_told_when_it_has_lasted() -> None:
    teller = narrator()
    teller.tell(view(B, leader=B))
    assert teller.tell(view(B)) == []
    (event,) = teller.tell(view(B, leaderless=True, reason=Reason.NO_LEADER))
    assert (event.kind, event.leader, event.previous_leader) == (EventKind.LEADER_CHANGED, None, B)
    assert teller.tell(view(B, leaderless=True)) == []


def test_a_leader_that_is_back_before_its_absence_was_told_is_no_news() -> None:
    teller = narrator()
    teller.tell(view(B, leader=B))
    teller.tell(view(B))
    assert teller.tell(view(B, leader=B)) == []


def test_a_node_that_leads_again_tells_so_though_nobody_led_in_between() -> None:
    teller = narrator()
    teller.tell(view(B, leader=B))
    teller.tell(view(B, leader=A, term=2))
    assert brief(teller.tell(view(B, term=2, reason=Reason.OPERATOR))) == ["demoted operator"]
    events = teller.tell(view(B, leader=A, term=3, reason=Reason.OPERATOR))
    assert brief(events) == ["elected operator", "leader-changed operator"]
    assert {(event.leader, event.previous_leader, event.replay) for event in events} == {(A, B, False)}
    assert teller.tell(view(B, leader=A, term=3)) == []


def test_what_the_process_before_has_told_is_a_replay() -> None:
    teller = narrator(Past(leader=B, term=3, members=frozenset({A, B, C})))
    events = teller.tell(view(B, leader=B, term=3))
    assert [(event.kind, event.replay) for event in events] == [
        (EventKind.STARTED, False),
        (EventKind.MEMBER_JOINED, True),
        (EventKind.LEADER_CHANGED, True),
    ]
    # C was told as well, and nobody has told since that it is gone.
    (late,) = teller.tell(view(B, C, leader=B, term=3))
    assert late.replay
    teller.tell(view(B, leader=B, term=3, departed=gone(C, Reason.TIMEOUT)))
    (again,) = teller.tell(view(B, C, leader=B, term=3))
    assert not again.replay


def test_a_leader_of_another_term_or_another_leader_is_no_replay() -> None:
    past = Past(leader=B, term=3)
    (*_, changed) = narrator(past).tell(view(B, leader=B, term=4))
    assert not changed.replay
    (*_, changed) = narrator(past).tell(view(B, C, leader=C, term=3))
    assert (changed.replay, changed.previous_leader) == (False, B)


def test_a_leader_that_went_while_this_node_was_down_is_told_to_be_gone() -> None:
    teller = narrator(Past(leader=B, term=3))
    assert brief(teller.tell(view())) == ["started startup"]
    (event,) = teller.tell(view(leaderless=True, reason=Reason.NO_LEADER))
    assert (event.kind, event.leader, event.previous_leader) == (EventKind.LEADER_CHANGED, None, B)


def test_a_reload_tells_what_stands_again() -> None:
    teller = narrator()
    teller.tell(view(B, leader=A))
    leading = teller.again(Reason.RELOAD)
    assert (leading.kind, leading.reason, leading.replay) == (EventKind.REASSERTED, Reason.RELOAD, True)
    teller.tell(view(B, leader=B, term=2))
    following = teller.again(Reason.RELOAD)
    assert (following.kind, following.leader, following.previous_leader) == (EventKind.LEADER_CHANGED, B, A)


def test_the_ends_of_a_life_are_told_before_anything_is_known() -> None:
    teller = narrator(Past(term=7))
    events = [teller.startup(), teller.crashed(), teller.stopping()]
    assert brief(events) == ["demoted startup", "demoted crashed", "stopping leaving"]
    assert {(event.term, event.leader, event.members) for event in events} == {(7, None, (A,))}


addresses = st.sampled_from([A, B, C, Address("10.0.0.4:4000")])


@st.composite
def views(draw: st.DrawFn) -> View:
    leader = draw(st.none() | addresses)
    departed = draw(st.lists(st.tuples(addresses, st.sampled_from([Reason.GOODBYE, Reason.TIMEOUT])), max_size=3))
    return view(
        *draw(st.lists(addresses.filter(lambda a: a != A), unique=True)),
        leader=leader,
        leaderless=leader is None and draw(st.booleans()),
        term=draw(st.integers(0, 5)),
        departed=tuple(departure for address, reason in departed for departure in gone(address, reason)),
        settled=draw(st.integers(0, 4)) > 0,
        reason=draw(st.sampled_from([Reason.FIRST, Reason.LEADER_LOST, Reason.CONFLICT])),
    )


pasts = st.builds(
    Past, leader=st.none() | addresses, term=st.integers(0, 5), members=st.frozensets(addresses, max_size=4)
)


@given(pasts, st.lists(views(), max_size=12))
def test_whatever_is_seen_what_is_told_makes_sense(past: Past, seen: list[View]) -> None:
    teller = narrator(past)
    events = [event for one in seen for event in teller.tell(one)]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert len({event.id for event in events}) == len(events)
    assert [event.term for event in events] == sorted(event.term for event in events)
    roles = [event.kind for event in events if event.kind in (EventKind.ELECTED, EventKind.DEMOTED)]
    assert roles == [EventKind.ELECTED, EventKind.DEMOTED] * (len(roles) // 2) + [EventKind.ELECTED] * (len(roles) % 2)
    # A demotion may overtake what was told of this node's own leadership: that alone is told twice.
    turns = [event for event in events if event.kind in (EventKind.LEADER_CHANGED, EventKind.DEMOTED)]
    for one, other in pairwise(turns):
        assert one.kind is EventKind.DEMOTED or other.kind is EventKind.DEMOTED or one.leader != other.leader
    leaders = [event.leader for event in turns if event.kind is EventKind.LEADER_CHANGED]
    assert all(one != other or one == A for one, other in pairwise(leaders))
    comings: dict[str | None, list[bool]] = defaultdict(list)
    for event in events:
        if event.member is not None:
            comings[event.member].append(event.kind is EventKind.MEMBER_JOINED)
            assert event.kind.value.startswith("member-")
    for address, came in comings.items():
        assert address != A
        assert came == [index % 2 == 0 for index in range(len(came))]
    for event in events:
        assert event.previous_leader is None or event.previous_leader != event.leader
