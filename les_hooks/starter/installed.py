"""What a unit that is there grants: the unit and its drop-ins, as systemd reads them. Imported through the package."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from les_hooks.processes.rights import PROC_SYS, is_capability, is_family

__all__ = ["InstalledUnit"]

_ROOT: Final = frozenset({"", "0", "root"})
_YES: Final = frozenset({"1", "yes", "y", "true", "t", "on"})


class InstalledUnit:
    """A unit; one that cannot be read has no lines."""

    def __init__(self, path: Path) -> None:
        """Read the unit and its drop-ins."""
        self.path = path
        self._lines: list[tuple[str, str]] = []
        for file in (path, *sorted(path.with_name(f"{path.name}.d").glob("*.conf"))):
            try:
                text = file.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            for line in text.replace("\\\n", " ").splitlines():
                key, is_setting, value = line.partition("=")
                if is_setting and not line.startswith(("#", ";")):
                    self._lines.append((key.strip(), value.strip()))

    def runs(self, file: Path | None) -> bool:
        """Whether it is of the node with this configuration."""
        return file is not None and any(
            key.startswith("Exec") and str(file.absolute()) in value for key, value in self._lines
        )

    @property
    def dynamic(self) -> bool:
        """Whether its user exists only while it runs."""
        return self.last("DynamicUser").lower() in _YES

    @property
    def root(self) -> bool:
        """Whether it runs as root."""
        return not self.dynamic and self.last("User") in _ROOT

    @property
    def apart(self) -> bool:
        """Whether it has a user namespace of its own."""
        return self.last("PrivateUsers").lower() in _YES

    def last(self, key: str) -> str:
        """The value of a key that has one; empty where it is not set."""
        return dict(self._lines).get(key, "")

    def all(self, key: str) -> Sequence[str]:
        """The values of a key of which each line adds one; an empty one begins anew."""
        found: list[str] = []
        for name, value in self._lines:
            if name == key:
                found = [*found, value] if value else []
        return found

    def withheld(self, needs: Sequence[str]) -> list[str]:
        """Which of the needs it does not grant."""
        return [need for need in needs if not self._grants(need)]

    def _grants(self, need: str) -> bool:
        if is_capability(need):
            kept = self.lists("CapabilityBoundingSet", need, unset=True, empty=False)
            given = self.root or self.lists("AmbientCapabilities", need, unset=False, empty=False)
            return kept and given and not self.apart
        if is_family(need):
            return self.lists("RestrictAddressFamilies", need, unset=True, empty=True)
        return need != PROC_SYS or self.last("ProcSubset") != "pid"

    def lists(self, key: str, word: str, *, unset: bool, empty: bool) -> bool:
        """Whether the lists of this key hold the word: lines add up, `~` takes away, and an empty one begins anew.

        `unset` is what holds without a line, `empty` says whether that holds behind an empty one, too.
        """
        held: bool | None = None
        for value in (value for name, value in self._lines if name == key):
            listed = word in value.removeprefix("~").split()
            if not value:
                held = None if empty else False
            elif value.startswith("~"):
                held = (True if held is None else held) and not listed
            else:
                held = bool(held) or listed
        return unset if held is None else held
