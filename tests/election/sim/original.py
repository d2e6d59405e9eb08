"""A node of the old protocol, as the reference implementation behaves; its loop is driven by the world.

It reads what our nodes answer with nothing but the standard library, and complains of what it could not have read.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from les_hooks.members import Address
from tests.election.sim.violation import Violation

__all__ = ["Original"]


@dataclass(slots=True)
class Original:
    """`members` begins with its own address. `leader` is None as long as it says `false`."""

    address: Address
    start_time: float
    seeds: tuple[str, ...]
    running: bool = True
    leader: Address | None = None
    members: list[Address] = field(default_factory=list)
    states: dict[Address, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.members = [self.address]

    def encoded(self) -> bytes:
        """What it answers."""
        return json.dumps(
            {"members": self.members, "leader": self.leader or False, "start_time": self.start_time}
        ).encode()

    def restart(self, start_time: float) -> None:
        """Begin anew, knowing nothing."""
        self.start_time, self.leader, self.running = start_time, None, True
        self.members, self.states = [self.address], {}

    def asked(self) -> list[Address]:
        """Whom it asks in this round."""
        return [
            address for address in dict.fromkeys([*map(Address, self.seeds), *self.members]) if address != self.address
        ]

    def introduce(self, address: Address) -> None:
        """Somebody has asked for its state, and named himself; that he answers was just seen."""
        if self.running and address not in self.members:
            self.members.append(address)

    def remove(self, address: Address) -> None:
        """Forget a node that did not answer."""
        self.states.pop(address, None)
        if address in self.members:
            self.members.remove(address)

    def hear(self, address: Address, body: bytes | None, answers: Callable[[Address], bool]) -> None:
        """Take in an answer, None for none; `answers` says whether anything at all answers at an address."""
        if body is None:
            self.remove(address)
            return
        state = _read(address, body)
        self.states[address] = state
        for member in [address, *state["members"]]:
            if member not in self.members and answers(Address(member)):
                self.members.append(Address(member))

    def elect(self) -> None:
        """Accept the most senior node, itself once all the others have."""
        self.states[self.address] = json.loads(self.encoded())
        if self.leader is None and len(self.states) <= 1:
            return
        nominee, oldest = self.address, self.start_time
        for address, state in self.states.items():
            if state["start_time"] < oldest:
                nominee, oldest = address, state["start_time"]
        others = [state for address, state in self.states.items() if address != self.address]
        if nominee == self.address and len(self.members) > 1 and any(s["leader"] != nominee for s in others):
            return
        self.leader = nominee


def _read(address: Address, body: bytes) -> dict[str, Any]:
    """What an original makes of the body; Violation where it would have died of it."""
    try:
        state = json.loads(body, parse_constant=_no_constant)
    except ValueError as error:
        raise Violation("an original never sees invalid JSON", f"{address} answered {body!r}: {error}") from None
    members, leader, start = state.get("members"), state.get("leader"), state.get("start_time")
    sound = (
        isinstance(members, list)
        and all(isinstance(member, str) for member in members)
        and (leader is False or isinstance(leader, str))
        and isinstance(start, int | float)
    )
    if not sound:
        raise Violation("an original never sees invalid JSON", f"{address} answered {body!r}")
    return dict(state)


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
