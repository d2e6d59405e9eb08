"""A check: one rule of the contract, by its name. Private to the package."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from les_hooks.testing.backends.arena import Arena, Traits
from les_hooks.testing.backends.contest import Contest

__all__ = ["Body", "Check", "Need", "checks_of"]

Body = Callable[[Contest], Awaitable[None]]


class Need(StrEnum):
    """What a check asks of an arena: the field of `Traits` that says so."""

    LEADS_ALONE = "leads_alone"
    EXCLUSIVE = "exclusive"
    CAN_CUT = "can_cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What must hold, as `rule` says in words. It is not asked where `unmet` says why."""

    name: str
    rule: str
    body: Body
    needs: tuple[Need, ...] = ()

    def __str__(self) -> str:
        return self.name

    def unmet(self, traits: Traits) -> str:
        """Why this cannot be asked of an arena with these traits; empty where it can."""
        lacking = [need for need in self.needs if not getattr(traits, need)]
        return f"{self.name} needs {' and '.join(lacking)}" if lacking else ""

    async def __call__(self, arena: Arena) -> None:
        """See whether it holds in this arena, which is used up by that. Raises Nonconformance."""
        async with Contest(arena) as contest:
            await self.body(contest)

    def run(self, arena: Arena) -> None:
        """The same, in a loop of its own."""
        asyncio.run(self(arena))


def checks_of(*bodies: Body | tuple[Body, Need] | tuple[Body, Need, Need]) -> tuple[Check, ...]:
    """The checks that these functions are, each by its name and its docstring."""
    found = []
    for each in bodies:
        body, needs = (each[0], each[1:]) if isinstance(each, tuple) else (each, ())
        name, rule = body.__name__, " ".join((body.__doc__ or "").split())
        found.append(Check(name=name, rule=rule, body=body, needs=needs))
    return tuple(found)
