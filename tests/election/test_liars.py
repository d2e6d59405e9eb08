"""What a member that lies leaves behind in one machine: nothing, once it is gone or the truth is told."""

import pytest

from les_hooks import wire
from les_hooks.election.contacts import Contacts
from les_hooks.election.effects import Dial, Drop, Send
from les_hooks.election.frames import Bye, Grant, Refusal, Relayed, Release, Request, Tell
from les_hooks.election.messages import LinkDown
from les_hooks.election.seniority import fresh_stamp
from les_hooks.members import Address, Boot
from tests.election.lone import FIRST, ME, WALL, Lone, state_of
from tests.election.test_voter import BOOT_A, LEASE, A, B, Seat, granted

LAST = 2**53


def lie(address: str, **changes: object) -> Relayed:
    """What is told of another, under the last number that there is."""
    return Relayed(state=state_of(address, **{"serial": LAST, "fit": False, "unfit": "lie"} | changes), age=0.0)


def fit(lone: Lone, address: str) -> bool:
    return next(member.fit for member in lone.machine.view.members if member.address == address)


def granted_to(lone: Lone, address: str) -> bool:
    """Whether it has sent its vote there."""
    return any(isinstance(e, Send) and e.address == address and isinstance(e.frame, Grant) for e in lone.history)


def test_a_members_own_word_counts_against_what_was_told_of_it_under_any_number() -> None:
    lone = Lone()
    lone.join("liar:1")
    lone.tell("liar:1", lie("v:1"))
    assert not fit(lone, "v:1")
    lone.join("v:1", serial=1)
    assert fit(lone, "v:1")
    lone.tell("liar:1", lie("v:1"))
    assert fit(lone, "v:1"), "who is heard needs nobody to speak for it"


def test_what_was_told_of_a_member_ends_with_whoever_told_it() -> None:
    """The member is known through others alone, and keeps its low numbers."""
    lone = Lone()
    lone.join("liar:1")
    lone.join("b:1")
    lone.tell("liar:1", lie("v:1"))
    truth = Relayed(state=state_of("v:1", serial=2), age=0.0)
    lone.tell("b:1", truth)
    assert not fit(lone, "v:1")
    lone.frame("liar:1", Bye(boot=FIRST))
    lone.tell("b:1", truth)
    assert fit(lone, "v:1")


def test_a_lie_in_a_members_own_name_ends_with_its_next_link() -> None:
    """Who has the secret and no certificate can go by its address, and its process."""
    lone = Lone()
    lone.join("v:1", serial=LAST, fit=False, unfit="lie")
    assert not fit(lone, "v:1")
    lone.join("v:1", serial=1)
    assert fit(lone, "v:1")


def test_behind_a_leader_of_the_last_moment_there_is_still_a_stamp() -> None:
    lone = Lone()
    lone.join("liar:1", start_time=2.0**33, role="leader", led_term=1)
    state = lone.machine.state
    assert state.start_time == fresh_stamp(WALL, 2.0**33) == 2.0**33
    assert wire.decode(wire.encode(Tell(seq=1, ack=1, state=state, relayed=()))) is not None


@pytest.mark.parametrize("met", [True, False])
def test_who_stood_only_in_the_words_of_another_is_not_looked_for(met: bool) -> None:
    lone = Lone()
    lone.join("liar:1")
    if met:
        lone.join("ghost:1")
        lone.give(LinkDown(address=Address("ghost:1")))
    else:
        lone.tell("liar:1", Relayed(state=state_of("ghost:1"), age=0.0))
    lone.history.clear()
    lone.live(5.0, "liar:1")
    assert lone.members() == ["liar:1"]
    dialed = sum(
        {Dial: 1, Drop: -1}.get(type(each), 0) for each in lone.history if getattr(each, "address", "") == "ghost:1"
    )
    assert dialed == (0 if met else -1), "one that was wanted before is dropped, or dialed on"


def test_links_without_end_leave_room_for_seeds() -> None:
    contacts = Contacts(me=ME)
    wanted = [contacts.want(Address(f"m{number}:1")) for number in range(1000)]
    assert sum(map(len, wanted)) == 384
    seed = Address("seed:1")
    assert contacts.set_seeds(frozenset({seed}), 0, configured=True) == [Dial(address=seed)]


def test_another_address_that_claims_a_boot_gets_and_frees_no_vote() -> None:
    """A certificate proves the address; any member may say that it is the process of another's boot."""
    seat = Seat()
    assert granted(seat.ask(A, 1))
    seat.voter.release(B, BOOT_A, LAST)
    seat.voter.undone(B, BOOT_A)
    seat.voter.asked(B, BOOT_A, Request(number=1, term=2, sitting=True))
    assert seat.voter.answer(B, BOOT_A, seat.now) is None
    assert seat.voter.vote is not None
    assert seat.voter.vote.holder == A
    seat.now += LEASE
    assert seat.voter.vote.until <= seat.now


def test_a_release_of_all_numbers_binds_no_longer_than_its_link() -> None:
    seat = Seat()
    seat.voter.release(A, BOOT_A, LAST)
    assert seat.ask(A, 1) is None
    seat.voter.forget(A)
    assert granted(seat.ask(A, 2))


def test_a_new_link_is_heard_whatever_was_released_over_the_old_one() -> None:
    lone = Lone(voters="m:1 a:1 b:1")
    electorate = lone.machine.state.electorate
    lone.now += 10.0
    lone.join("a:1", electorate=electorate, links=("m:1", "b:1"))
    lone.frame("a:1", Release(number=LAST, boot=FIRST))
    lone.frame("a:1", Request(number=5, term=1, sitting=False))
    assert not granted_to(lone, "a:1")
    lone.join("a:1", electorate=electorate, links=("m:1", "b:1"))
    lone.live(10.0, "a:1")
    lone.frame("a:1", Request(number=6, term=1, sitting=False))
    assert granted_to(lone, "a:1")


def test_only_a_voter_refuses_a_term() -> None:
    lone = Lone(voters="m:1 a:1 b:1")
    electorate = lone.machine.state.electorate
    lone.seeds("a:1")
    for address in ("a:1", "l:1"):
        lone.join(address, electorate=electorate, start_time=WALL + 50)
    lone.live(12.0, "a:1", "l:1")
    assert lone.machine.role == "candidate"
    for sender, term in (("l:1", 0), ("a:1", 77)):
        for number in range(1, 40):
            lone.frame(sender, Refusal(number=number, boot=Boot(1, "m"), term=77))
        assert lone.machine._standing.term == term
