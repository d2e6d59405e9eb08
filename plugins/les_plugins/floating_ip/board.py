"""What is known of one address, as long as the plugin is configured so. Private to `floating_ip`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from les_hooks.events import Event
from les_hooks.hookspecs import Context
from les_plugins.floating_ip.allowance import Allowance
from les_plugins.floating_ip.ownid import OwnId
from les_plugins.floating_ip.providers import Entry, Holder, Provider, Standing, Tools
from les_plugins.floating_ip.settings import FloatingIpConfig
from les_plugins.floating_ip.trouble import Trouble
from les_plugins.floating_ip.world import World

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

    @property
    def shown(self) -> Mapping[str, object]:
        """All of it as plain JSON values."""
        return {
            "address": self.address,
            "provider": self.provider,
            "own_id": self.own_id.known or None,
            "holder": self.holder.standing.value,
            "holder_id": self.holder.id or None,
            "since": self.since,
            "looked_at": self.seen_at,
            "error": self.error or None,
            "error_at": self.error_at,
            "failures": self.failures,
            "calls_left": self.allowance.left,
            "calls_per_hour": self.entry.calls_per_hour,
        }

    def provider_for(self, ctx: Context, world: World, permit: Callable[[], None], event: Event | None) -> Provider:
        """What speaks to the provider, for one leadership or one look; it reads the token anew."""
        config: FloatingIpConfig = ctx.config
        return self.entry.provider(
            Tools(
                world=world,
                allowance=self.allowance,
                permit=permit,
                own_id=self.own_id,
                timeout=config.request_timeout,
                run=ctx.run,
                event=event,
            )
        )

    def ended(self) -> None:
        """Note that this node leads no more; who holds the address is soon another's business, and unknown here."""
        self.term, self.holder, self.since = None, UNKNOWN, None

    def saw(self, holder: Holder, now: float) -> None:
        """Note who holds it."""
        if (holder.standing, holder.id) != (self.holder.standing, self.holder.id):
            self.since = now
        self.holder, self.seen_at, self.error = holder, now, ""

    def failed(self, trouble: Trouble, now: float) -> None:
        """Note a trouble."""
        self.error, self.error_at = str(trouble), now
        self.failures += 1
