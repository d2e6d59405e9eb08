"""Whatever is said to a machine, in whatever order: what must hold about it nevertheless."""

import itertools

import hypothesis.strategies as st
import msgspec
from hypothesis import HealthCheck, given, settings

from les_hooks.election.effects import Changed
from les_hooks.election.frames import (
    Answer,
    Ask,
    Beat,
    Bye,
    Grant,
    Hello,
    Offer,
    Refusal,
    Relayed,
    Release,
    Request,
    State,
    Tell,
)
from les_hooks.election.messages import (
    DialFailed,
    Fitness,
    Heard,
    Introduced,
    Leave,
    LinkDown,
    LinkUp,
    Message,
    OriginalAnswered,
    OriginalFailed,
    Pledged,
    PledgeFailed,
    Released,
    Saved,
    SaveFailed,
    SeedIsSelf,
    SeedsKnown,
    StepDown,
    Transfer,
    Undone,
)
from les_hooks.election.roles import Role
from les_hooks.election.seniority import leadership, most_senior, seniority, sitting_leaders
from les_hooks.events import Reason
from les_hooks.members import UNSTAMPED, Address, Boot, Part, View
from tests.election.lone import ME, WALL, Lone, electorate_of

LENIENT = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

addresses = st.sampled_from([Address("a:1"), Address("b:1"), Address("c:1"), ME])
boots = st.builds(Boot, st.integers(0, 3), st.sampled_from(["x", "m"]))
stamps = st.sampled_from([0.0, WALL - 50, WALL, WALL + 50, WALL + 90_000, UNSTAMPED, 2.0**33])
terms = st.integers(0, 9)
roles = st.sampled_from([*map(str, Role), "king"])
states = st.builds(
    State,
    address=addresses,
    name=st.just("n"),
    version=st.just("1"),
    boot=boots,
    serial=st.integers(0, 9),
    start_time=stamps,
    newest=stamps,
    term=terms,
    leader=st.none() | addresses,
    leader_boot=st.none() | boots | st.just(Boot(1, "m")),
    role=roles,
    led_term=terms,
    sitting=st.just(()),
    fit=st.booleans(),
    links=st.lists(addresses, max_size=3).map(tuple),
    members=st.lists(addresses, max_size=3).map(tuple),
    part=st.sampled_from(Part),
    electorate=st.sampled_from([None, electorate_of(ME, "a:1", "b:1"), electorate_of(ME, "c:1"), electorate_of("c:1")]),
)
relayed = st.builds(Relayed, state=states, age=st.sampled_from([0.0, 0.4, 99.0]), original=st.booleans())
numbers = st.integers(0, 30)
frames = st.one_of(
    st.builds(Tell, seq=numbers, ack=numbers, state=states, relayed=st.lists(relayed, max_size=2).map(tuple)),
    st.builds(Beat, seq=numbers, ack=numbers, prompt=st.booleans()),
    st.builds(Ask, address=addresses, boot=boots),
    st.builds(Answer, address=addresses, boot=boots, age=st.none() | st.floats(0, 9)),
    st.builds(Bye, boot=boots),
    st.builds(Request, number=numbers, term=terms, sitting=st.booleans()),
    st.builds(Grant, number=numbers, boot=boots),
    st.builds(Grant, number=st.integers(0, 3), boot=st.just(Boot(1, "m"))),
    st.builds(Refusal, number=numbers, boot=boots, term=terms),
    st.builds(Release, number=numbers, boot=boots),
    st.builds(Offer, start_time=stamps, boot=boots),
)
hellos = st.builds(
    Hello,
    protocol=st.just(1),
    cluster=st.just("c"),
    address=addresses,
    name=st.just("n"),
    version=st.just("1"),
    boot=boots,
)
# What comes from the network, and what an operator or a disk may add; Released is the shell's own word and is said in
# turn below.
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Heard, sender=addresses, frame=frames),
    st.builds(Heard, sender=addresses, frame=frames),
    st.builds(LinkUp, hello=hellos, dialed=st.none() | addresses),
    st.builds(LinkUp, hello=hellos, dialed=st.none() | addresses),
    st.builds(LinkDown, address=addresses),
    st.builds(DialFailed, address=addresses, refused=st.booleans()),
    st.builds(
        OriginalAnswered,
        address=addresses,
        start_time=stamps,
        leader=st.none() | addresses,
        members=st.lists(addresses, max_size=3).map(tuple),
    ),
    st.builds(OriginalFailed, address=addresses, refused=st.booleans()),
    st.builds(Introduced, address=addresses),
    st.builds(SeedIsSelf, address=addresses),
    st.builds(
        SeedsKnown,
        addresses=st.frozensets(addresses, max_size=2),
        unresolved=st.integers(0, 1),
        configured=st.booleans(),
    ),
    st.builds(SaveFailed, term=terms),
    st.builds(Saved, term=terms),
    st.builds(StepDown, reason=st.sampled_from([Reason.OPERATOR, Reason.CRITICAL])),
    st.builds(Pledged, term=terms, boot=boots),
    st.builds(PledgeFailed, term=terms, boot=boots),
    st.builds(Undone, address=addresses, boot=boots),
    st.builds(Fitness, unfit=st.sampled_from(["", "", "no disk"])),
    st.builds(Transfer, target=addresses),
    st.builds(Leave),
)
naps = st.sampled_from([0.0, 0.0, 0.001, 0.3, 0.6, 2.0])
jumps = st.sampled_from([0.0, 0.0, 0.0, -50.0, 50.0])
steps = st.tuples(messages, naps, jumps)


def changes(lone: Lone) -> list[View]:
    """The views of the last call."""
    return [effect.view for effect in lone.effects if isinstance(effect, Changed)]


@LENIENT
@given(st.lists(steps, max_size=60), st.booleans(), st.sampled_from(["", ME, f"{ME} a:1 b:1", "a:1 b:1 c:1"]))
def test_no_sequence_of_messages_breaks_the_machine(
    script: list[tuple[Message, float, float]], alone: bool, voters: str
) -> None:
    """Nothing raises; leading and not leading alternate in views, terms never go back, and authority never lapses."""
    lone = Lone(voters=voters)
    views = [lone.machine.view]
    if alone:
        lone.seeds()
        views += changes(lone)
    for message, seconds, jump in script:
        lone.wall += jump
        lone.tick(seconds)
        views += changes(lone)
        lone.give(message)
        views += changes(lone)
        assert views[-1] == lone.machine.view
        if lone.machine.role in {Role.DEMOTING, Role.STOPPING} and seconds:
            lone.give(Released())
            views += changes(lone)
        if lone.machine.role is Role.LEADER:
            assert lone.machine.mandate.act_until > lone.now
        assert lone.machine.view.leading == (lone.machine.role is Role.LEADER)
        assert lone.machine.role is Role.GONE or lone.machine.next_deadline() > lone.now
    led = [view.term for view in views if view.leading]
    assert led == sorted(led)
    turns = [view for view, before in itertools.pairwise(reversed(views)) if view.leading != before.leading]
    assert len({view.term for view in turns if view.leading}) == sum(view.leading for view in turns)
    assert all([member.address for member in view.members].count(ME) == 1 for view in views)


@given(states, states, states)
def test_seniority_is_a_total_order(one: State, two: State, three: State) -> None:
    """Two different nodes are never equal, and the order is transitive."""
    assert (seniority(one) == seniority(two)) == ((one.start_time, one.address) == (two.start_time, two.address))
    assert (seniority(one) < seniority(two)) != (seniority(one) >= seniority(two))
    if seniority(one) < seniority(two) < seniority(three):
        assert seniority(one) < seniority(three)


@given(st.lists(states, max_size=5, unique_by=lambda state: state.address), st.data())
def test_with_a_sitting_leader_there_is_always_somebody_to_accept(crowd: list[State], data: st.DataObject) -> None:
    """Whoever knows of which leaderships: the most junior leader has nobody to count against."""
    leaders = [leadership(state) for state in sitting_leaders(crowd)]
    informed = [
        msgspec.structs.replace(state, sitting=tuple(data.draw(st.lists(st.sampled_from(leaders), unique=True))))
        if leaders
        else state
        for state in crowd
    ]
    nominee = most_senior(informed, frozenset())
    if leaders:
        assert nominee is not None
        assert seniority(nominee) <= seniority(sitting_leaders(informed)[-1])
    assert most_senior([], frozenset()) is None
