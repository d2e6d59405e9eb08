"""What is known of one address, as long as the plugin is configured so. Private to `floating_ip`."""

from dataclasses import dataclass, field

from les_plugins.floating_ip.allowance import Allowance
from les_plugins.floating_ip.ownid import OwnId
from les_plugins.floating_ip.providers import Entry, Holder, Standing
from les_plugins.floating_ip.trouble import Trouble

__all__ = ["Board"]

UNKNOWN = Holder(standing=Standing.UNKNOWN)


@dataclass(slots=True, kw_only=True)
class Board:
    """One address. Times are Unix seconds; `holder` is what the last look that succeeded has seen, at `seen_at`.

    `term` is that of the leadership which may change it, None where this node does not lead. `error` is what the last
    step came to, empty where that was no trouble.
    """

    provider: str
    entry: Entry
    allowance: Allowance
    own_id: OwnId = field(default_factory=OwnId)
    holder: Holder = UNKNOWN
    since: float | None = None
    seen_at: float | None = None
    error: str = ""
    error_at: float | None = None
    failures: int = 0
    term: int | None = None

    @property
    def address(self) -> str:
        """The address."""
        return self.entry.address

    def saw(self, holder: Holder, now: float) -> None:
        """Note who holds it."""
        if (holder.standing, holder.id) != (self.holder.standing, self.holder.id):
            self.since = now
        self.holder, self.seen_at, self.error = holder, now, ""

    def failed(self, trouble: Trouble, now: float) -> bool:
        """Note a trouble; returns whether it is another one than before."""
        words = str(trouble)
        is_news = words != self.error
        self.error, self.error_at = words, now
        self.failures += 1
        return is_news
