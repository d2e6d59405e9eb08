"""How long to wait before work that ended is begun again. A value; anybody may import it."""

from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(slots=True)
class Backoff:
    """Doubles from `least` to `most` seconds, and begins anew once the work ran for `healthy` seconds."""

    least: float = 1.0
    most: float = 30.0
    healthy: float = 60.0
    _next: float = 0.0

    def after(self, ran: float) -> float:
        """Seconds to wait after the work ran for `ran` seconds."""
        wait = self.least if self._next == 0.0 or ran >= self.healthy else self._next
        self._next = min(self.most, wait * 2)
        return wait
