"""The one table of transitions, and the page that tells it to users."""

import pytest

from les_hooks.election.messages import Leave, Released
from les_hooks.election.roles import TRANSITIONS, Role, Trigger, next_role
from les_hooks.errors import IllegalTransition
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
