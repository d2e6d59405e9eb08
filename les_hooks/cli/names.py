"""What nodes are called, beside their addresses, as far as is known. For `watch`, `history` and `audit`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from les_hooks.control.client import call
from les_hooks.errors import ControlError

__all__ = ["Names"]

_ASK_SECONDS = 2.0


class Names:
    """Names by address; `known` are those that need no asking.

    A daemon that did not answer is asked no more by who is not `patient`.
    """

    def __init__(self, socket: Path, known: Mapping[str, str] | None = None, *, patient: bool = True) -> None:
        self._socket = socket
        self._known = dict(known or {})
        self._patient = patient
        self._silent = False
        self._asked: set[str] = set()

    def of(self, address: str) -> str:
        """The name, empty where nobody knows it; the daemon is asked once for each unknown address."""
        if address not in self._known and address not in self._asked and not self._silent:
            self._asked.add(address)
            self._known |= self._members()
        return self._known.get(address, "")

    def learn(self, address: object, name: object) -> None:
        """Take what a record says."""
        if isinstance(address, str) and isinstance(name, str) and name:
            self._known[address] = name

    def alike(self, who: str) -> frozenset[str]:
        """All by which the one with this name or address goes."""
        self.of(who)
        found = {(address, name) for address, name in self._known.items() if who in (address, name)}
        return frozenset({who, *(each for pair in found for each in pair)})

    def forget(self, address: str) -> None:
        """Ask again at the next chance: another node may come back at this address."""
        self._known.pop(address, None)
        self._asked.discard(address)

    def both(self, address: str) -> str:
        """`name (address)`, or the address alone."""
        name = self.of(address)
        return f"{name} ({address})" if name else address

    def _members(self) -> dict[str, str]:
        try:
            found: Any = call(self._socket, "members", timeout=_ASK_SECONDS)
        except ControlError:
            self._silent = not self._patient
            return {}
        return {member["address"]: member["name"] for member in found if member["name"]}
