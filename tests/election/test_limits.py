"""What a liar who knows the secret may claim, and what this node says all the same is what others can take."""

import msgspec
import pytest

from les_hooks import wire
from les_hooks.daemon import stored
from les_hooks.election.effects import Save, Send
from les_hooks.election.frames import LAST_STAMP, LAST_TERM, MOST_SITTING, Offer, Refusal, Relayed, State, Tell
from les_hooks.election.messages import Released, Transfer
from les_hooks.election.roles import Role
from les_hooks.members import UNSTAMPED, Address, Boot, Part
from tests.election.lone import ME, WALL, Lone, state_of

# As long as an address may be, and as many as a frame may list.
CROWD = tuple(f"{number:03}{'x' * 60}.{'y' * 63}.{'z' * 63}.{'w' * 55}:1" for number in range(255))


def check(lone: Lone) -> None:
    """All that it ever sent is what others take, and all that it ever saved can be read again."""
    for effect in lone.history:
        if isinstance(effect, Send):
            assert wire.decode(wire.encode(effect.frame)) == effect.frame
        elif isinstance(effect, Save):
            kept = stored.State(term=effect.term, newest=effect.newest)
            assert msgspec.json.decode(msgspec.json.encode(kept), type=stored.State) == kept


@pytest.mark.parametrize("key", ["term", "led_term"])
def test_who_claims_the_last_term_costs_the_count_of_terms_and_no_leader(key: str) -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1", fit=False, **{key: LAST_TERM})
    lone.tell("a:1", fit=False, leader=ME, leader_boot=Boot(1, "m"), **{key: LAST_TERM})
    lone.live(2, "a:1")
    assert lone.machine.role is Role.LEADER
    assert lone.machine.view.term == LAST_TERM
    check(lone)


def test_a_term_that_has_become_the_last_one_is_led_again_in_members_mode() -> None:
    lone = Lone(term=LAST_TERM - 1)
    lone.seeds()
    for _ in range(3):
        assert lone.machine.role is Role.LEADER
        assert lone.machine.view.term == LAST_TERM
        lone.tick(5)
        lone.give(Released())
        lone.tick(0.5)
    check(lone)


def test_of_voters_that_have_granted_the_last_term_nobody_gets_another() -> None:
    """Rather no leader than two; the candidate asks at each heartbeat, and no more than that."""
    lone = Lone(voters=f"{ME} a:1 b:1", term=LAST_TERM)
    lone.seeds("a:1")
    voter = {"links": (ME, "b:1"), "electorate": lone.machine.state.electorate}
    lone.join("a:1", start_time=UNSTAMPED, **voter)
    lone.tell("a:1", start_time=WALL + 9, **voter)
    lone.tell("b:1", start_time=WALL + 9, **voter)
    lone.join("b:1", start_time=WALL + 9, **voter)
    for _ in range(20):
        lone.live(0.5, "a:1", "b:1")
        number = lone.machine._quorum.ballot.number  # type: ignore[attr-defined]  # of a majority, as it is here
        lone.frame("a:1", Refusal(number=number, boot=Boot(1, "m"), term=LAST_TERM))
    assert lone.machine.role is Role.CANDIDATE
    assert len([effect for effect in lone.history if isinstance(effect, Save)]) < 5
    check(lone)


def test_who_leads_with_the_last_stamp_is_followed_in_frames_that_others_take() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1", start_time=LAST_STAMP, role=Role.LEADER, led_term=1, term=1)
    lone.live(1, "a:1")
    assert lone.machine.state.start_time == LAST_STAMP
    check(lone)


def test_a_stamp_that_somebody_shares_is_left_to_an_heir_however_old_it_is() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join_juniors("a:1", "b:1")
    demoting = {"role": Role.DEMOTING, "start_time": 0.0, "leader": None}
    lone.tell("b:1", **demoting)
    lone.live(1, "a:1", "b:1")
    lone.frame("b:1", Offer(start_time=0.0, boot=Boot(1, "m")))
    assert lone.machine.state.start_time == 0.0
    for address, stamp in (("a:1", WALL + 9), ("b:1", 0.0)):
        lone.tell(address, start_time=stamp, fit=address == "a:1", leader=ME, leader_boot=Boot(1, "m"))
    assert lone.machine.role is Role.LEADER
    lone.give(Transfer(target=Address("a:1")))
    lone.give(Released())
    assert Offer(start_time=0.0, boot=Boot(1, "x")) in lone.frames("a:1")
    check(lone)


def test_more_leaders_than_a_frame_can_name_are_not_all_told_of() -> None:
    lone = Lone()
    lone.seeds("a:1")
    leaders = [state_of(f"l{number}:1", role=Role.LEADER, led_term=1) for number in range(MOST_SITTING + 1)]
    lone.link("a:1")
    lone.tell("a:1", *(Relayed(state=state, age=0.0) for state in leaders))
    assert len(lone.members()) == MOST_SITTING + 2
    assert len(lone.machine.state.sitting) == MOST_SITTING
    check(lone)


# -- what finds no room in a frame -------------------------------------------------------------------------------------


def long_state(address: str) -> State:
    return state_of(address, links=CROWD[:200], members=CROWD, part=Part.OBSERVER, fit=False)


def told(lone: Lone, address: str) -> list[str]:
    """Of whom the last call told this member, in one frame."""
    frames = [frame for frame in lone.frames(address) if isinstance(frame, Tell)]
    return [relayed.state.address for frame in frames for relayed in frame.relayed]


def test_nobodys_long_state_keeps_this_nodes_own_from_being_told() -> None:
    lone = Lone()
    lone.seeds("a:1")
    for liar in ("x:1", "y:1", "z:1"):
        lone.link(liar)
        lone.frame(liar, Tell(seq=1, ack=0, state=long_state(liar), relayed=()))
    lone.join("a:1", links=(ME,))
    lone.join("b:1", links=(ME,))
    lone.live(1.2, "a:1", "b:1", "x:1", "y:1", "z:1")
    check(lone)
    heard = [
        [relayed.state.address for relayed in effect.frame.relayed]
        for effect in lone.history
        if isinstance(effect, Send) and effect.address == "b:1" and isinstance(effect.frame, Tell)
    ]
    assert any("a:1" in each for each in heard)


def test_what_found_no_room_goes_with_the_next_tells_the_shortest_first() -> None:
    lone = Lone()
    lone.seeds("a:1")
    members = {f"m{number}:1": tuple(CROWD[: 20 * number]) for number in range(1, 12)}
    for address, links in members.items():
        lone.link(address)
        state = state_of(address, links=links, members=links, part=Part.OBSERVER)
        lone.frame(address, Tell(seq=1, ack=0, state=state, relayed=()))
    lone.link("a:1")
    first = told(lone, "a:1")
    assert first == [f"m{number}:1" for number in range(1, 1 + len(first))]
    assert 1 < len(first) < len(members)
    lone.tell("a:1", members=("a:1", *members))
    rest = told(lone, "a:1")
    while len(first) + len(rest) < len(members):
        lone.tick(0.5)
        assert told(lone, "a:1"), "each heartbeat brings more of them"
        rest += told(lone, "a:1")
    assert sorted(first + rest) == sorted(members)
    check(lone)


def test_members_with_lists_of_their_own_are_told_of_bit_by_bit() -> None:
    lone = Lone()
    lone.seeds("a:1")
    liars = [f"l{number}:1" for number in range(9)]
    for liar in liars:
        lone.link(liar)
        made_up = tuple(f"{liar[:2]}-{number}:1" for number in range(200))
        state = state_of(liar, links=made_up, fit=False, part=Part.OBSERVER)
        lone.frame(liar, Tell(seq=1, ack=0, state=state, relayed=()))
    lone.link("a:1")
    lone.tick(0.5)
    tells = [effect.frame for effect in lone.history if isinstance(effect, Send) and effect.address == "a:1"]
    bits = [[relayed.state.address for relayed in tell.relayed] for tell in tells if isinstance(tell, Tell)]
    assert [bit for bit in bits if bit] == [liars[:5], liars[5:]]
    check(lone)


def test_a_cluster_of_eighty_is_told_of_at_one_go() -> None:
    lone = Lone()
    lone.seeds("a:1")
    everybody = tuple(f"10.100.0.{number}:4000" for number in range(100, 180))
    for address in everybody:
        lone.join(address, links=everybody[:40], members=everybody)
    lone.link("a:1")
    assert told(lone, "a:1") == list(everybody)
    check(lone)
