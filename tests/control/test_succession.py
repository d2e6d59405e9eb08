"""Who would lead after whom, and the words for who would not."""

from dataclasses import replace

import pytest

from les_hooks.config import Quorum
from les_hooks.control.succession import first, line, who, why_passed_over
from les_hooks.election.frames import State
from les_hooks.election.roles import Role
from les_hooks.election.seniority import is_eligible
from les_hooks.members import UNSTAMPED, Address, Boot, MemberKind, Part
from tests.control.people import a_member


def test_the_most_senior_who_is_not_passed_over_is_first() -> None:
    a, b, c = a_member("a"), a_member("b", fit=False, unfit="disk full"), a_member("c")
    places = line([a, b, c], Quorum.MEMBERS, without={a.address: "steps down"})
    assert [(place.member.name, place.why) for place in places] == [("a", "steps down"), ("b", "disk full"), ("c", "")]
    assert first(places) is c


def test_where_everybody_is_passed_over_nobody_is_first() -> None:
    assert first(line([a_member("a", fit=False)], Quorum.MEMBERS)) is None


@pytest.mark.parametrize(
    ("changed", "members", "majority"),
    [
        ({}, "", ""),
        ({"fit": False, "unfit": "maintenance: new disk"}, *["maintenance: new disk"] * 2),
        ({"fit": False}, "unfit", "unfit"),
        ({"part": Part.WITNESS}, *["a witness votes, and never leads"] * 2),
        ({"part": Part.OBSERVER}, *["an observer neither votes nor leads"] * 2),
        ({"start_time": UNSTAMPED}, *["has no stamp yet"] * 2),
        ({"role": "demoting", "fit": False}, *["its demote hooks still run"] * 2),
        ({"role": "demoting", "fit": False, "unfit": "disk full"}, *["disk full"] * 2),
        ({"role": "stopping"}, *["is about to leave"] * 2),
        ({"kind": MemberKind.ORIGINAL}, "", "an original takes no part in a majority"),
        ({"direct": False}, "", "no direct link to it"),
    ],
)
def test_each_reason_has_its_words(changed: dict[str, object], members: str, majority: str) -> None:
    member = a_member("a", **changed)
    assert why_passed_over(member, Quorum.MEMBERS) == members
    assert why_passed_over(member, Quorum.MAJORITY) == majority


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("fit", [True, False])
@pytest.mark.parametrize("stamp", [1000.0, UNSTAMPED])
def test_among_members_it_says_what_the_election_does(role: Role, fit: bool, stamp: float) -> None:
    member = a_member("a", role=role, fit=fit, start_time=stamp)
    state = State(
        address=Address("10.0.0.1:4000"),
        name="a",
        version="1",
        boot=Boot(1, "a"),
        serial=1,
        start_time=stamp,
        newest=stamp,
        term=1,
        leader=None,
        leader_boot=None,
        role=role,
        led_term=0,
        sitting=(),
        fit=fit,
        links=(),
        members=(),
    )
    assert (why_passed_over(member, Quorum.MEMBERS) == "") is is_eligible(state)


def test_a_member_without_a_name_is_its_address() -> None:
    assert who(a_member("a")) == "a (10.0.0.1:4000)"
    assert who(replace(a_member("a"), name="")) == "10.0.0.1:4000"
