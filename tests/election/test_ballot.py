"""The leader's count of grants: from when it asked, less the drift of clocks, and never what it gave back."""

import math

import pytest

from les_hooks.election.ballot import Ballot
from les_hooks.election.frames import Electorate
from les_hooks.members import Address

A, B, C, D = (Address(name) for name in ("a:1", "b:1", "c:1", "d:1"))
COUNTED = 4.0 * 0.99 / 1.01


def ballot(*voters: Address) -> Ballot:
    return Ballot(Electorate(voters or (A, B, C), 4.0))


def test_authority_begins_with_the_grant_that_makes_the_majority() -> None:
    votes = ballot()
    request = votes.ask(1, 10.0, sitting=False)
    votes.granted(A, request.number)
    assert votes.end == -math.inf
    votes.granted(B, request.number)
    assert votes.end == pytest.approx(10.0 + COUNTED)


def test_it_counts_from_when_it_asked_however_late_the_answer_comes() -> None:
    votes = ballot()
    first = votes.ask(1, 10.0, sitting=False)
    votes.ask(1, 12.0, sitting=False)
    votes.granted(A, first.number)
    votes.granted(B, first.number)
    assert votes.end == pytest.approx(10.0 + COUNTED)


def test_it_ends_with_the_oldest_grant_that_a_majority_needs() -> None:
    votes = ballot()
    first, second, third = (votes.ask(1, moment, sitting=False) for moment in (10.0, 11.0, 12.0))
    for voter, request in ((A, third), (B, second), (C, first)):
        votes.granted(voter, request.number)
    assert votes.end == pytest.approx(11.0 + COUNTED)


def test_an_older_answer_takes_nothing_away() -> None:
    votes = ballot(A)
    first, second = votes.ask(1, 10.0, sitting=False), votes.ask(1, 11.0, sitting=False)
    votes.granted(A, second.number)
    votes.granted(A, first.number)
    assert votes.end == pytest.approx(11.0 + COUNTED)


@pytest.mark.parametrize(("voters", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_a_majority_is_of_the_configured_voters(voters: int, needed: int) -> None:
    everybody = tuple(Address(f"{name}:1") for name in "abcde"[:voters])
    votes = ballot(*everybody)
    request = votes.ask(1, 10.0, sitting=False)
    for count, voter in enumerate(everybody, 1):
        votes.granted(voter, request.number)
        assert (votes.end > 0) == (count >= needed)


def test_who_is_no_voter_grants_nothing() -> None:
    votes = ballot(A)
    votes.granted(D, votes.ask(1, 10.0, sitting=False).number)
    assert votes.end == -math.inf


def test_what_was_given_back_counts_no_more_and_later_answers_to_it_neither() -> None:
    votes = ballot(A)
    request = votes.ask(1, 10.0, sitting=False)
    votes.granted(A, request.number)
    votes.void()
    assert votes.end == -math.inf
    votes.granted(A, request.number)
    assert votes.end == -math.inf


def test_another_term_is_collected_anew() -> None:
    votes = ballot(A)
    votes.granted(A, votes.ask(1, 10.0, sitting=False).number)
    second = votes.ask(2, 10.5, sitting=False)
    assert votes.end == -math.inf
    votes.granted(A, second.number)
    assert votes.end == pytest.approx(10.5 + COUNTED)


def test_a_number_that_was_never_asked_is_no_grant() -> None:
    votes = ballot(A)
    votes.ask(1, 10.0, sitting=False)
    votes.granted(A, 99)
    assert votes.end == -math.inf


def test_an_answer_that_is_older_than_a_lease_is_forgotten() -> None:
    votes = ballot(A)
    first = votes.ask(1, 10.0, sitting=False)
    votes.ask(1, 14.5, sitting=False)
    votes.granted(A, first.number)
    assert votes.end == -math.inf
    assert len(votes.sent) == 1


def test_a_leader_acts_until_a_third_of_a_lease_is_left() -> None:
    votes = ballot(A)
    votes.granted(A, votes.ask(1, 10.0, sitting=False).number)
    assert votes.act_until == pytest.approx(10.0 + COUNTED - 4.0 / 3)


def test_doubt_ends_when_a_majority_has_granted_what_was_asked_since() -> None:
    votes = ballot()
    for voter in (A, B):
        votes.granted(voter, votes.ask(1, 10.0, sitting=True).number)
    assert not votes.in_doubt
    votes.doubt(11.0)
    request = votes.ask(1, 11.0, sitting=True)
    votes.granted(A, request.number)
    assert votes.in_doubt
    votes.granted(C, request.number)
    assert not votes.in_doubt


def test_it_knows_whose_grants_still_count() -> None:
    votes = ballot()
    votes.granted(B, votes.ask(1, 10.0, sitting=False).number)
    assert [votes.holds(voter, 11.0) for voter in (A, B)] == [False, True]
    assert not votes.holds(B, 10.0 + COUNTED)
