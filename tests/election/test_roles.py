"""The one table of transitions, and the page that tells it to users."""

import pytest

from les_hooks.election.effects import Left
from les_hooks.election.messages import Leave, Released, StepDown
from les_hooks.election.roles import TRANSITIONS, Role, Trigger, next_role
from les_hooks.errors import IllegalTransition
from les_hooks.events import Reason
from tests.election.lone import Lone


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("trigger", Trigger)
def test_every_role_and_trigger_is_in_the_table_or_an_error(role: Role, trigger: Trigger) -> None:
    if (role, trigger) in TRANSITIONS:
        assert next_role(role, trigger) is TRANSITIONS[role, trigger]
    else:
        with pytest.raises(IllegalTransition, match=f"no transition from {role} on {trigger}"):
            next_role(role, trigger)


def test_a_demotion_that_never_began_cannot_end() -> None:
    """Released is the shell's own word, so that a stray one is a bug of ours and must be loud."""
    with pytest.raises(IllegalTransition):
        Lone().give(Released())


def test_a_node_that_is_gone_listens_to_nobody() -> None:
    lone = Lone()
    lone.give(Leave())
    assert lone.machine.role is Role.GONE
    assert lone.machine.next_deadline() == float("inf")
    lone.tick(99)
    assert lone.effects == []
    lone.seeds("a:1")
    assert lone.effects == []


def test_who_is_told_to_stop_twice_stops_once_its_hooks_have_ended() -> None:
    lone = Lone()
    lone.seeds()
    lone.give(Leave())
    lone.give(Leave())
    assert lone.machine.role is Role.STOPPING
    lone.give(Released())
    assert lone.effects == [Left()]


def test_who_is_told_to_stop_while_it_demotes_goes_when_that_has_ended() -> None:
    lone = Lone()
    lone.seeds()
    lone.give(StepDown(reason=Reason.OPERATOR))
    lone.give(Leave())
    lone.give(Released())
    assert lone.effects == [Left()]
