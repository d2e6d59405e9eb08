"""The leases of an etcd, as its leader keeps them: when each runs out, by the clock of that etcd. Times are its own."""

import math
from dataclasses import dataclass, field

__all__ = ["LOOK_SECONDS", "Lease", "Leases"]

LOOK_SECONDS = 0.5
"""How often the leader looks for leases that have run out."""


@dataclass(slots=True)
class Lease:
    """It runs out at `expiry`, unless it is renewed for `ttl` seconds; its `keys` go with it."""

    ttl: int
    expiry: float
    keys: set[str] = field(default_factory=set)


class Leases:
    """`phase` is when, within LOOK_SECONDS, the leader looks for what has run out."""

    def __init__(self, phase: float = 0.0) -> None:
        self.phase = phase
        self.all: dict[int, Lease] = {}

    def grant(self, lease: int, ttl: int, now: float) -> None:
        """Begin a lease."""
        self.all[lease] = Lease(ttl, now + ttl)

    def is_expired(self, lease: int, now: float) -> bool:
        """Whether it has run out; its keys may still be there."""
        return lease in self.all and self.all[lease].expiry <= now

    def renew(self, lease: int, now: float) -> int:
        """Let it last for its time from now on; 0 where there is none."""
        known = self.all.get(lease)
        if known is None:
            return 0
        known.expiry = now + known.ttl
        return known.ttl

    def remaining(self, lease: int, now: float) -> tuple[int, int]:
        """Whole seconds until it runs out, and those for which it was granted; -1 and 0 where it is gone."""
        known = self.all.get(lease)
        return (math.trunc(known.expiry - now), known.ttl) if known is not None else (-1, 0)

    def extend(self, seconds: float, now: float) -> None:
        """Let all last for their full time from now on, and some more: what a new leader does."""
        for lease in self.all.values():
            lease.expiry = now + lease.ttl + seconds

    def expired(self, now: float) -> list[int]:
        """Those that have run out, the oldest first."""
        return sorted(
            (lease for lease in self.all if self.is_expired(lease, now)), key=lambda one: self.all[one].expiry
        )

    def next_look(self, after: float) -> float:
        """When the leader looks next, at `after` or later."""
        return math.ceil((after - self.phase) / LOOK_SECONDS) * LOOK_SECONDS + self.phase

    @property
    def first_expiry(self) -> float:
        """When the next one runs out; infinite without any."""
        return min((lease.expiry for lease in self.all.values()), default=math.inf)
