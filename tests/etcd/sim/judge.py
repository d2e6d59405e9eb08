"""What must hold whenever a backend reports something. All times here are true ones, each clock seen through."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from les_hooks.members import Mandate, View
from tests.election.sim.clocks import Clock
from tests.election.sim.violation import Violation

__all__ = ["Judge", "Office"]


@dataclass(slots=True, eq=False)
class Office:
    """What one process has of a leadership: whether it `leads`, by its last view, and may do something until `until`.

    `until` is the end of what it was given, unless it has given it back before: then it is -inf.
    """

    name: str
    clock: Clock
    leads: bool = False
    term: int = 0
    until: float = -math.inf


class Judge:
    """Looks at each report as it comes, and raises Violation."""

    def __init__(self) -> None:
        self.offices: list[Office] = []
        self.terms: dict[int, str] = {}

    def hear_mandate(self, office: Office, mandate: Mandate, now: float) -> None:
        """Somebody was told how long it may lead: nobody else may do so now, nor have anything left of it."""
        if mandate.act_until > mandate.release_by:
            raise Violation("a mandate ends before its time to release", f"{office.name}: {mandate}")
        release = office.clock.when(mandate.release_by)
        if office.clock.when(mandate.act_until) <= now:
            if math.isfinite(release) and office.until > now:
                office.until = release
            return
        for other in self._others(office):
            if other.until > now:
                raise Violation(
                    "never two at one time", f"{office.name} may act, and {other.name} for {other.until - now:.3f} s"
                )
        office.until = release

    def hear_view(self, office: Office, view: View, now: float) -> None:
        """Somebody saw the cluster: whoever begins to lead does so in a new term, above all before."""
        if view.leading and not office.leads:
            highest = max(self.terms, default=0)
            if view.term <= highest:
                raise Violation(
                    "terms rise", f"{office.name} leads in {view.term}, {self.terms[highest]} did in {highest}"
                )
            self.terms[view.term] = office.name
        if view.leading and office.leads and view.term != office.term:
            raise Violation("a leadership has one term", f"{office.name}: {office.term}, then {view.term}")
        office.leads, office.term = view.leading, view.term

    def hear_end(self, office: Office) -> None:
        """Nothing is left of what it did as a leader."""
        office.until = -math.inf

    def _others(self, office: Office) -> Iterable[Office]:
        return (other for other in self.offices if other is not office)
