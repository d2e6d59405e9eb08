"""What one rendering of the page shows. A value; private to `dashboard`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["DAY_SECONDS", "Snapshot"]

DAY_SECONDS = 86_400.0
"""How far back the page tells who led."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`status`, `history` and `records` are those of `les_hooks.NodeReport`, at the moment `now` in Unix seconds.

    `names` are those of members, by address, with some who are gone.
    """

    now: float
    status: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    records: Sequence[Mapping[str, Any]]
    names: Mapping[str, str]

    @property
    def own(self) -> str:
        """The address of this node."""
        return str(self.status["node"]["address"])

    def name(self, address: str | None) -> str:
        """What a member is called: its name where that is known, and else its address."""
        return "nobody" if address is None else self.names.get(address) or address

    def plugin(self, name: str) -> Mapping[str, Any]:
        """What a loaded plugin says of itself; empty where it is not loaded, or says nothing."""
        said = next((each.get("status") for each in self.status["plugins"] if each["name"] == name), None)
        return said if isinstance(said, Mapping) else {}
