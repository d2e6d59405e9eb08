"""Why a node may not lead: what checks and operators say, and what it finds in etcd itself. Pure; private to `etcd`."""

import math
from typing import Final

from les_hooks.backends import Role
from les_hooks.events import Reason

__all__ = ["Obstacles"]

# As in the built-in election: what made it give up is not over because the hooks have ended.
_HELD: Final = frozenset({Reason.OPERATOR, Reason.CRITICAL, Reason.UNFIT})


class Obstacles:
    """All of them. `hold` is for how many seconds a node is unfit after it stepped down; times are boottime seconds.

    `unfit` is what checks and operator say. `behind` is the term that etcd must get beyond, 0 for none. `twin` is the
    key of another process at this address.
    """

    def __init__(self, hold: float) -> None:
        self._hold = hold
        self.unfit = ""
        self.behind = 0
        self.twin = ""
        self.held_until = -math.inf
        self._held_why = ""

    def first(self, role: Role) -> str:
        """The one to tell of, in words; empty where there is none."""
        if self.behind:
            seen = f"a lower revision than the term {self.behind}, which this node has seen"
            return f"etcd is at {seen}; each write of anybody's raises it"
        if self.twin:
            return f"another process stands at this address, with the key {self.twin}"
        ending = "still ends what it did as the leader" if role in (Role.DEMOTING, Role.STOPPING) else ""
        return self.unfit or self._held_why or ending

    def resigned(self, reason: Reason, why: str, now: float) -> None:
        """It gives up leadership: for some reasons it must not have it back at once."""
        if reason in _HELD:
            self.held_until, self._held_why = now + self._hold, why

    def is_no_more_held(self, now: float) -> bool:
        """Whether that time is over, or there was none."""
        if now < self.held_until:
            return False
        self.held_until, self._held_why = -math.inf, ""
        return True
