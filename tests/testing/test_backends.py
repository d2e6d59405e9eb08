"""The conformance test itself: a backend that conforms passes, and each check catches a fault that was made for it."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from les_hooks.backends import Disk, Instant, Reports, Seat
from les_hooks.events import Reason
from les_hooks.members import NO_MANDATE, Address, Boot, Departure, Mandate, Member, MemberKind, Part, View
from les_hooks.testing.backends import CONFORMANCE, Arena, Check, Need, Traits
from les_hooks.testing.backends.rules import broken_by_mandate, broken_by_view
from tests.backends.arenas import CuttablePeers, PeersArena
from tests.testing.faulty import FAULTS, Engine, FileArena
from tests.virtual import VirtualLoop

CHECKS = {check.name: check for check in CONFORMANCE}
CUTTING = {check.name for check in CONFORMANCE if Need.CAN_CUT in check.needs}


def run(check: Check, arena: Arena) -> None:
    """In a loop whose time passes at once: the nodes share nothing but files."""

    async def body() -> None:
        await check(arena)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(body())


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in CUTTING])
def test_a_backend_that_conforms_passes(name: str, tmp_path: Path) -> None:
    run(CHECKS[name], FileArena(tmp_path, Engine()))


@pytest.mark.parametrize(
    ("name", "engine", "said"),
    [pytest.param(name, engine, said, id=f"{fault}-{name}") for name, fault, engine, said in FAULTS],
)
def test_a_fault_is_caught_by_the_check_for_it(name: str, engine: Engine, said: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        run(CHECKS[name], FileArena(tmp_path, engine))
    assert said in str(caught.value)


def test_each_check_has_a_fault_that_it_catches() -> None:
    assert {name for name, *_ in FAULTS} | CUTTING == set(CHECKS)


def test_each_check_says_what_must_hold() -> None:
    assert len(CHECKS) == len(CONFORMANCE)
    assert all(check.rule.endswith(".") for check in CONFORMANCE)


def test_a_check_is_not_asked_of_an_arena_that_cannot_do_it() -> None:
    traits = Traits(replaced_within=1.0, lost_within=2.0)
    check = CHECKS["a_leader_that_is_cut_off_ends_first"]
    assert check.unmet(traits) == "a_leader_that_is_cut_off_ends_first needs can_cut"
    assert check.unmet(replace(traits, can_cut=True)) == ""


# -- where nodes are cut off -------------------------------------------------------------------------------------------


class Overdue:
    """An engine whose leaders believe that they have more time than they have."""

    def __init__(self, engine: Any) -> None:
        self.make_truly = engine.make
        self.release = engine.release
        self.made = engine.made

    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> CuttablePeers:
        def tell(mandate: Mandate) -> None:
            reports.on_authority(replace(mandate, release_by=mandate.release_by + 60.0))

        backend: CuttablePeers = self.make_truly(seat, replace(reports, on_authority=tell), clock, disk)
        return backend


class Stunned(Overdue):
    """One whose nodes stand still while they are cut off."""

    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> CuttablePeers:
        def beat() -> None:
            if not backend.is_cut:
                reports.on_beat()

        backend: CuttablePeers = self.make_truly(seat, replace(reports, on_beat=beat), clock, disk)
        return backend


@pytest.mark.parametrize(
    ("name", "fault", "said"),
    [
        ("a_leader_that_is_cut_off_ends_first", Overdue, "led and has not released it"),
        ("a_follower_that_is_cut_off_does_not_lead", Stunned, "on_beat of n"),
    ],
)
def test_a_fault_of_who_is_cut_off_is_caught(name: str, fault: type[Overdue], said: str) -> None:
    arena: Any = PeersArena(majority=True)
    arena.engine = fault(arena.engine)
    with pytest.raises(AssertionError) as caught:
        CHECKS[name].run(arena)
    assert said in str(caught.value)


# -- what is told ------------------------------------------------------------------------------------------------------

ME, OTHER, THIRD = (Address(f"10.0.0.{number}:4000") for number in (1, 2, 3))
NOW = 100.0
LEADING = Mandate(act_until=NOW + 1, release_by=NOW + 2, hold_until=NOW + 2)


def member(address: Address, **changes: Any) -> Member:
    values: dict[str, Any] = {
        "address": address,
        "name": "a",
        "kind": MemberKind.LES,
        "boot": Boot(1, address),
        "start_time": 1.0,
        "part": Part.MEMBER,
        "role": "follower",
        "fit": True,
        "unfit": "",
        "direct": True,
        "version": "1.0",
    }
    return Member(**values | changes)


GOOD = View(
    leading=False,
    leader=OTHER,
    leaderless=False,
    term=3,
    members=(member(OTHER), member(ME)),
    departed=(),
    settled=True,
    reason=Reason.FIRST,
)
LEADS = replace(GOOD, leading=True, leader=ME, term=4)


def left(address: Address) -> Departure:
    return Departure(address=address, name="a", reason=Reason.TIMEOUT)


def test_views_that_follow_the_rules_are_let_be() -> None:
    assert list(broken_by_view(GOOD, None, ME, NO_MANDATE, NOW)) == []
    assert list(broken_by_view(LEADS, GOOD, ME, LEADING, NOW)) == []
    alone = replace(GOOD, leader=None, members=(member(ME),), departed=(left(OTHER),))
    assert list(broken_by_view(alone, GOOD, ME, NO_MANDATE, NOW)) == []
    assert list(broken_by_mandate(LEADING)) == list(broken_by_mandate(NO_MANDATE)) == []


@pytest.mark.parametrize(
    ("view", "before", "mandate", "said"),
    [
        (replace(LEADS, leader=OTHER), GOOD, LEADING, "names 10.0.0.2:4000 as the leader"),
        (replace(GOOD, leader=ME), GOOD, NO_MANDATE, "and does not lead"),
        (replace(LEADS, settled=False), None, LEADING, "not settled"),
        (LEADS, GOOD, NO_MANDATE, "no authority was told before"),
        (LEADS, GOOD, replace(LEADING, act_until=NOW), "no authority was told before"),
        (replace(GOOD, leaderless=True), GOOD, NO_MANDATE, "it is leaderless, and names"),
        (replace(GOOD, vacant=-1.0), GOOD, NO_MANDATE, "vacant for -1.0 s"),
        (replace(GOOD, vacant=math.inf), GOOD, NO_MANDATE, "vacant for inf s"),
        (replace(GOOD, members=(member(OTHER),)), None, NO_MANDATE, "none of its own members"),
        (replace(GOOD, members=(*GOOD.members, member(ME))), GOOD, NO_MANDATE, "listed twice"),
        (replace(GOOD, leader=THIRD), GOOD, NO_MANDATE, "10.0.0.3:4000 is no member"),
        (replace(GOOD, departed=(left(ME),)), GOOD, NO_MANDATE, "departed from itself"),
        (replace(GOOD, members=(member(OTHER), member(ME, unfit="ill"))), GOOD, NO_MANDATE, "is fit, and yet: ill"),
        (replace(GOOD, departed=(left(OTHER),)), None, NO_MANDATE, "never told"),
        (GOOD, GOOD, NO_MANDATE, "told twice"),
        (replace(GOOD, settled=False), GOOD, NO_MANDATE, "not any more"),
        (replace(GOOD, term=2), GOOD, NO_MANDATE, "went back from 3 to 2"),
        (replace(GOOD, term=4), LEADS, LEADING, "not told before that its authority is over"),
        (replace(GOOD, departed=(left(THIRD),)), GOOD, NO_MANDATE, "is gone, and was no member"),
        (replace(GOOD, departed=(left(OTHER),)), GOOD, NO_MANDATE, "is gone, and a member"),
        (replace(GOOD, leader=None, members=(member(ME),)), GOOD, NO_MANDATE, "and nobody says why"),
    ],
)
def test_a_view_that_breaks_a_rule_is_told(view: View, before: View | None, mandate: Mandate, said: str) -> None:
    assert any(said in fault for fault in broken_by_view(view, before, ME, mandate, NOW))


def test_a_mandate_that_breaks_a_rule_is_told() -> None:
    assert any("before act_until" in fault for fault in broken_by_mandate(replace(LEADING, release_by=NOW)))
    assert any("after release_by" in fault for fault in broken_by_mandate(replace(LEADING, hold_until=NOW + 9)))
