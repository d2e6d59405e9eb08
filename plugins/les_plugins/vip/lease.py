"""How long the kernel may keep an address, and how often it is renewed. Pure; for `vip`."""

import math

__all__ = ["LATENESS_SECONDS", "most_seconds", "pace"]

LATENESS_SECONDS = 1.05
"""How much later than promised the kernel may remove an address.

Up to 0.46 s late where addresses were renewed together, and up to 1.01 s where any address of the host is added, or
another lease renewed, just before the end: the kernel then looks again a second later.
"""

# What a question may take to come to the kernel without being asked anew.
_WAY_SECONDS = 0.05

# A renewal that is missed, and another, leave the address where it is.
_RENEWALS_PER_LIFETIME = 4


def pace(seconds: int) -> float:
    """Seconds from one renewal to the next, of what the kernel keeps for so long."""
    return seconds / _RENEWALS_PER_LIFETIME


def most_seconds(lifetime: int, release_left: float) -> int:
    """Whole seconds that the kernel may be told to keep an address for, 0 where it must not be renewed at all.

    `release_left` is how many seconds are left until others may lead: the address is gone by then, late as it may be.
    """
    if release_left == math.inf:
        return lifetime
    return max(0, min(lifetime, math.floor(release_left - LATENESS_SECONDS - _WAY_SECONDS)))
