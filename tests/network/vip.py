"""A cluster whose leader has addresses that move, a client that asks them, and a look at who has them."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cluster import until
from tests.network.cluster import Cluster, NetDaemon
from tests.network.lan import Lan
from tests.network.strikes import Found, Kind, calm, observe
from tests.network.watch import Watch

__all__ = ["ADDRESSES", "ADDRESS_4", "ADDRESS_6", "VipCluster", "table"]

ADDRESS_4 = "10.77.0.100"
ADDRESS_6 = "fd77::100"
ADDRESSES = (ADDRESS_4, ADDRESS_6)

_CALM_SECONDS = 0.5


def table(addresses: Sequence[str] = ADDRESSES, more: str = "") -> str:
    """The table of the plugin that gives the leader these addresses; `more` is further lines of it."""
    listed = ", ".join(f'"{each}/{64 if ":" in each else 24}"' for each in addresses)
    return f'[plugins.vip]\naddresses = [{listed}]\ninterface = "eth0"\n{more}\n'


class VipCluster:
    """Three nodes and a client; the network has one, and hosts with both families of addresses."""

    def __init__(self, folder: Path, lan: Lan, *, timing: str, lease_seconds: float = 0.0, vip: str = "") -> None:
        self._folder = folder
        self._watches = 0
        self.lan = lan
        self.nodes = Cluster(
            folder / "nodes", lan, timing=f"{timing}\n{table(more=vip)}", lease_seconds=lease_seconds, silent=True
        )

    @contextlib.contextmanager
    def watched(self) -> Iterator[tuple[NetDaemon, Watch]]:
        """All is mended, the leader alone has the addresses, and the client is answered: the leader, and the watch."""
        leader = self.nodes.whole()
        self._watches += 1
        folder = self._folder / f"watch{self._watches}"
        with Watch(folder, self.lan.hosts, self.lan.clients[0], ADDRESSES) as watch:
            self.rest(watch, leader)
            yield leader, watch
        assert watch.errors == ""

    def rest(self, watch: Watch, leader: NetDaemon) -> None:
        """Wait until this node alone has had the addresses for a while, and the client is answered."""

        def look() -> bool:
            now = time.monotonic()
            own = all(watch.holders(each) == {leader.host.number} for each in ADDRESSES)
            return own and all(calm(watch, each, now, _CALM_SECONDS) for each in ADDRESSES)

        until(look, f"{leader.name} alone has the addresses, and answers")

    def strike(self, kind: Kind) -> tuple[NetDaemon, list[Found]]:
        """Let it happen to the leader: who that was, and what became of each address."""
        with self.watched() as (leader, watch):
            assert leader.process is not None
            found = observe(kind, self.lan, leader.host, leader.process.pid, watch)
            assert [each.address for each in found] == list(ADDRESSES)
            return leader, found

    def node(self, number: int) -> NetDaemon:
        """The node on that host."""
        return self.nodes.daemons[number - 1]

    def close(self) -> None:
        """End all daemons."""
        self.nodes.close()
