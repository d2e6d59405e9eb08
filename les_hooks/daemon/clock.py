"""The clocks of a running node. Everything below is given the time; here it is read. Imported by `daemon` only."""

import time

from les_hooks.election.messages import Instant

__all__ = ["boottime", "instant"]


def boottime() -> float:
    """Seconds since the host started, its sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def instant() -> Instant:
    """The present moment on both clocks."""
    return Instant(boottime=boottime(), wall=time.time())
