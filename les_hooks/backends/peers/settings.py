"""What the peers backend is told by the configuration. Values only; for whoever makes a backend."""

from dataclasses import dataclass, field

from les_hooks.election.frames import Electorate, Hello
from les_hooks.election.identity import Identity, Timing
from les_hooks.wire import PROTOCOL

__all__ = ["LINK_PATH", "Settings"]

LINK_PATH = "/les/link"
"""Where our nodes accept links; an original answers 404 there."""

# A host that needs longer to answer would not be a useful member either.
_MOST_ATTEMPT = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Who this node is, where it listens and whom it looks for.

    `seeds` are `host:port`, names allowed; `retry` is the seconds between two attempts to reach one. `electorate` is
    whose votes it takes to lead, None in members mode. Who is no member learns of the cluster where it is `public`.
    """

    identity: Identity
    cluster: str
    host: str
    port: int
    seeds: tuple[str, ...]
    retry: float = 1.0
    timing: Timing = field(default_factory=Timing)
    electorate: Electorate | None = None
    public: bool = True

    @property
    def attempt(self) -> float:
        """The most seconds that one attempt to reach another node may take, its hello included."""
        return min(self.timing.failure, _MOST_ATTEMPT)

    @property
    def hello(self) -> Hello:
        """The first frame of every link of this node."""
        me = self.identity
        return Hello(
            protocol=PROTOCOL,
            cluster=self.cluster,
            address=me.address,
            name=me.name,
            version=me.version,
            boot=me.boot,
        )
