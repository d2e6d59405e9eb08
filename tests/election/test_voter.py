"""The voter's vote: one at a time, promised on disk first, never while it may have forgotten a promise."""

from les_hooks.election.effects import Effect, Pledge
from les_hooks.election.frames import Electorate, Grant, Refusal, Request
from les_hooks.election.voter import Voter
from les_hooks.members import Address, Boot

A, B = Address("a:1"), Address("b:1")
BOOT_A, BOOT_B = Boot(1, "a"), Boot(1, "b")
LEASE = 4.0


class Seat:
    """A voter at the time `now`, whose disk is quick unless the test says otherwise."""

    def __init__(self, *, term: int = 0, boot: Boot | None = None, longest: float = 0.0, disk: bool = True) -> None:
        self.now = 100.0
        self.disk = disk
        self.effects: list[Effect] = []
        self.voter = Voter(
            electorate=Electorate((A, B), LEASE),
            effects=self.effects,
            term=term,
            boot=boot,
            longest=longest,
            quiet_until=0.0,
        )

    def ask(self, who: Address, number: int, *, term: int = 1, sitting: bool = False) -> Grant | Refusal | None:
        """Ask for the vote as who is to lead; what is written is written at once."""
        boot = BOOT_A if who == A else BOOT_B
        self.voter.asked(who, boot, Request(number=number, term=term, sitting=sitting))
        answer = self.voter.answer(who, boot, self.now)
        if answer is None and self.save():
            answer = self.voter.answer(who, boot, self.now)
        return answer

    def save(self) -> bool:
        """Write what is to be written; returns whether there was something."""
        written = [effect for effect in self.effects if isinstance(effect, Pledge)] if self.disk else []
        for pledge in written:
            self.effects.remove(pledge)
            self.voter.pledged(pledge.term, pledge.boot)
        return bool(written)


def granted(answer: object) -> bool:
    return isinstance(answer, Grant)


def test_a_vote_is_granted_for_one_lease_and_to_nobody_else_meanwhile() -> None:
    seat = Seat()
    assert seat.ask(A, 1) == Grant(number=1, boot=BOOT_A)
    seat.now += LEASE - 0.01
    assert seat.ask(B, 1, term=2) is None
    seat.now += 0.02
    assert granted(seat.voter.answer(B, BOOT_B, seat.now))


def test_a_renewal_lasts_from_when_it_is_answered() -> None:
    seat = Seat()
    seat.ask(A, 1)
    seat.now += 3.0
    assert granted(seat.ask(A, 2, sitting=True))
    seat.now += LEASE - 0.01
    assert seat.ask(B, 1, term=2) is None


def test_nothing_is_granted_before_the_term_is_on_disk() -> None:
    seat = Seat(disk=False)
    assert seat.ask(A, 1) is None
    assert seat.effects == [Pledge(term=1, boot=BOOT_A, lease=LEASE)]
    assert seat.ask(A, 2) is None
    assert len(seat.effects) == 1
    seat.voter.pledged(1, BOOT_A)
    assert seat.voter.answer(A, BOOT_A, seat.now) == Grant(number=2, boot=BOOT_A)


def test_a_disk_that_failed_is_tried_again_with_the_next_request() -> None:
    seat = Seat(disk=False)
    seat.ask(A, 1)
    seat.voter.unpledged()
    assert seat.voter.answer(A, BOOT_A, seat.now) is None
    assert len(seat.effects) == 1
    assert seat.ask(A, 2) is None
    assert len(seat.effects) == 2
    seat.voter.pledged(1, BOOT_A)
    assert granted(seat.voter.answer(A, BOOT_A, seat.now))


def test_a_pledge_that_another_overtook_frees_nothing() -> None:
    seat = Seat(disk=False)
    seat.ask(A, 1, term=1)
    seat.ask(B, 1, term=2)
    seat.voter.pledged(1, BOOT_A)
    assert seat.voter.answer(B, BOOT_B, seat.now) is None
    seat.voter.pledged(2, BOOT_B)
    assert granted(seat.voter.answer(B, BOOT_B, seat.now))


def test_a_term_that_is_not_above_the_written_one_is_refused_and_the_written_one_is_named() -> None:
    seat = Seat(term=7, boot=BOOT_A, longest=LEASE)
    assert seat.ask(B, 3, term=7) == Refusal(number=3, boot=BOOT_B, term=7)
    assert granted(seat.ask(B, 4, term=8))


def test_the_process_that_has_the_written_term_may_ask_for_it_again() -> None:
    seat = Seat(term=7, boot=BOOT_A, longest=LEASE)
    assert granted(seat.ask(A, 1, term=7))
    assert seat.effects == []


def test_a_sitting_leader_is_renewed_whatever_term_was_written_for_a_candidate() -> None:
    seat = Seat(term=7, boot=BOOT_B, longest=LEASE)
    assert granted(seat.ask(A, 1, term=5, sitting=True))
    assert (seat.voter.term, seat.voter.boot) == (7, BOOT_B)


def test_the_longest_lease_is_on_disk_before_even_a_sitting_leader_is_granted_one() -> None:
    seat = Seat(term=7, boot=BOOT_B, longest=1.0, disk=False)
    assert seat.ask(A, 1, term=5, sitting=True) is None
    assert seat.effects == [Pledge(term=7, boot=BOOT_B, lease=LEASE)]
    seat.voter.pledged(7, BOOT_B)
    assert granted(seat.voter.answer(A, BOOT_A, seat.now))


def test_a_sitting_leader_of_a_higher_term_is_written_by_who_never_wrote_so_long_a_lease() -> None:
    seat = Seat(disk=False)
    seat.ask(A, 1, term=5, sitting=True)
    assert seat.effects == [Pledge(term=5, boot=BOOT_A, lease=LEASE)]


def test_nothing_is_granted_while_a_promise_may_have_been_forgotten_but_it_is_written_meanwhile() -> None:
    seat = Seat()
    seat.voter.quiet_until = 104.0
    assert seat.ask(A, 1) is None
    assert seat.voter.is_saved
    assert seat.voter.next_chance() == (104.0,)
    seat.now = 104.0
    assert granted(seat.voter.answer(A, BOOT_A, seat.now))


def test_a_vote_that_comes_free_goes_to_the_wish_that_waits_and_the_wish_says_when() -> None:
    seat = Seat()
    assert seat.voter.next_chance() == ()
    seat.ask(A, 1)
    assert seat.ask(B, 1, term=2) is None
    assert seat.voter.next_chance() == (0.0, 104.0)
    seat.voter.release(A, BOOT_A, 1)
    assert seat.voter.answer(B, BOOT_B, seat.now) == Grant(number=1, boot=BOOT_B)


def test_a_release_covers_the_requests_up_to_its_own_number() -> None:
    seat = Seat()
    seat.voter.asked(A, BOOT_A, Request(number=2, term=1, sitting=False))
    seat.voter.release(A, BOOT_A, 2)
    assert seat.voter.answer(A, BOOT_A, seat.now) is None
    assert seat.ask(A, 1) is None
    assert granted(seat.ask(A, 3))
    seat.voter.release(A, BOOT_A, 2)
    assert seat.voter.vote is not None
    assert seat.ask(A, 2) is None


def test_a_late_release_does_not_make_an_earlier_one_forgotten() -> None:
    seat = Seat()
    seat.voter.release(A, BOOT_A, 5)
    seat.voter.release(A, BOOT_A, 3)
    assert seat.ask(A, 4) is None


def test_another_process_at_the_address_begins_to_count_anew() -> None:
    seat = Seat()
    seat.voter.release(A, BOOT_A, 5)
    later = Boot(2, "a")
    seat.voter.asked(A, later, Request(number=1, term=1, sitting=False))
    assert seat.voter.answer(A, later, seat.now) is None
    assert seat.save()
    assert granted(seat.voter.answer(A, later, seat.now))
    seat.voter.release(A, BOOT_A, 9)
    assert seat.voter.vote is not None


def test_a_late_request_does_not_replace_a_newer_wish() -> None:
    seat = Seat(disk=False)
    seat.ask(A, 2)
    seat.ask(A, 1)
    assert seat.voter.wishes[A].number == 2


def test_a_wish_of_a_process_that_was_replaced_is_not_granted_to_the_next() -> None:
    seat = Seat()
    seat.voter.asked(A, BOOT_A, Request(number=1, term=1, sitting=False))
    assert seat.voter.answer(A, Boot(2, "a"), seat.now) is None


def test_the_vote_of_a_process_that_is_undone_is_free() -> None:
    seat = Seat()
    seat.ask(A, 1)
    seat.voter.undone(B, BOOT_B)
    assert seat.voter.vote is not None
    seat.voter.undone(A, BOOT_A)
    assert granted(seat.ask(B, 1, term=2))


def test_the_wish_of_a_process_that_is_undone_is_forgotten_and_no_other() -> None:
    seat = Seat()
    seat.ask(A, 1)
    seat.ask(B, 1, term=2)
    seat.voter.undone(A, BOOT_B)
    assert B in seat.voter.wishes
    seat.voter.undone(B, BOOT_B)
    assert seat.voter.wishes == {}


def test_what_was_released_is_remembered_of_the_latest_only() -> None:
    seat = Seat()
    for number in range(300):
        seat.voter.release(Address(f"m{number}:1"), BOOT_A, 1)
    assert len(seat.voter.released) == 256
    assert Address("m299:1") in seat.voter.released
