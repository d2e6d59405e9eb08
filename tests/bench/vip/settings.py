"""Which systems are compared, in which settings, and what each needs to be there."""

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.vip.ours import Les
from tests.bench.vip.peers import Keepalived, Ucarp
from tests.bench.vip.systems import System
from tests.network.lan import Lan

__all__ = ["SETTINGS", "Setting"]

_FAST = 'heartbeat = "100ms"\nfailure = "300ms"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One system in one setting; `family` is what `--peer` calls it."""

    name: str
    family: str
    make: Callable[[Path, Lan], System]

    @property
    def lacking(self) -> str:
        """Why it cannot be measured here, with what helps; empty if it can."""
        if self.family == "les":
            found = importlib.util.find_spec("les_plugins.vip") is not None
            return "" if found else "the plugin vip is not installed: pip install les-hooks"
        found = shutil.which(self.family) is not None
        return "" if found else f"{self.family} is not installed: apt-get install {self.family}"


SETTINGS = (
    Setting(name="keepalived 1 s", family="keepalived", make=lambda at, lan: Keepalived(at, lan, advert_seconds=1.0)),
    Setting(name="keepalived 0.1 s", family="keepalived", make=lambda at, lan: Keepalived(at, lan, advert_seconds=0.1)),
    Setting(name="ucarp", family="ucarp", make=lambda at, lan: Ucarp(at, lan)),
    Setting(name="les", family="les", make=Les),
    Setting(name="les immediate", family="les", make=lambda at, lan: Les(at, lan, vip='takeover = "immediate"')),
    Setting(name="les 300 ms", family="les", make=lambda at, lan: Les(at, lan, timing=_FAST)),
    Setting(name="les majority", family="les", make=lambda at, lan: Les(at, lan, lease_seconds=4.0)),
)
"""In the order in which they are printed; "les" is members mode with all defaults."""
