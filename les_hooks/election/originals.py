"""What nodes of the old protocol say of themselves, in our words. Start times tell their processes apart. Pure."""

import msgspec

from les_hooks.election.frames import State
from les_hooks.election.messages import OriginalAnswered
from les_hooks.election.roles import Role
from les_hooks.members import Boot

__all__ = ["state_of"]


def state_of(answer: OriginalAnswered, known: State | None) -> State:
    """What the original at this address would say of itself; `known` is what it was last taken to say."""
    state = State(
        address=answer.address,
        name=answer.address[:64],
        version="",
        boot=Boot(0, repr(answer.start_time)),
        serial=0,
        start_time=answer.start_time,
        newest=0.0,
        term=0,
        leader=answer.leader,
        leader_boot=None,
        role=Role.LEADER if answer.leader == answer.address else Role.FOLLOWER,
        led_term=0,
        sitting=(),
        fit=True,
        links=(),
        members=answer.members,
    )
    if known is None or known.boot != state.boot:
        return state
    if msgspec.structs.replace(known, serial=0) == state:
        return known
    return msgspec.structs.replace(state, serial=known.serial + 1)
