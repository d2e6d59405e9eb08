"""What nodes are called, beside their addresses, as far as the daemon knows. For `watch` and `history`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from les_hooks.control.client import call
from les_hooks.errors import ControlError

__all__ = ["Names"]

_ASK_SECONDS = 2.0


class Names:
    """Names by address; `known` are those that need no asking."""

    def __init__(self, socket: Path, known: Mapping[str, str] | None = None) -> None:
        self._socket = socket
        self._known = dict(known or {})
        self._asked: set[str] = set()

    def of(self, address: str) -> str:
        """The name, empty where nobody knows it; the daemon is asked once for each unknown address."""
        if address not in self._known and address not in self._asked:
            self._asked.add(address)
            self._known |= self._members()
        return self._known.get(address, "")

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
            return {}
        return {member["address"]: member["name"] for member in found if member["name"]}
