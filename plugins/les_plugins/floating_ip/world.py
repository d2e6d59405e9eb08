"""Clocks and chance, so that tests can set them. Private to `floating_ip`."""

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["World"]


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`clock` counts seconds, `wall` is Unix time, `chance` gives numbers from 0 to 1."""

    clock: Callable[[], float] = _boottime
    wall: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def jittered(self, seconds: float) -> float:
        """Up to a quarter more or less, so that what began together does not stay together."""
        return seconds * (0.75 + 0.5 * self.chance())
