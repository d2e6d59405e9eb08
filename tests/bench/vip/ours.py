"""`les run` with the plugin `vip`, in the settings that are compared."""

from collections.abc import Sequence
from pathlib import Path

from tests.network.cluster import Cluster
from tests.network.lan import Host, Lan
from tests.network.vip import ADDRESSES, table

__all__ = ["Les"]


class Les:
    """Our daemon; `timing` and `vip` are lines for the tables of these names, empty for the defaults."""

    addresses: Sequence[str] = ADDRESSES
    calm_seconds = 1.5

    def __init__(self, folder: Path, lan: Lan, *, timing: str = "", vip: str = "", lease_seconds: float = 0.0) -> None:
        more = f"[timing]\n{timing}\n{table(more=vip)}"
        self.cluster = Cluster(folder, lan, timing=more, lease_seconds=lease_seconds, silent=True)
        self._lease = lease_seconds

    def main(self, host: Host) -> int:
        """The daemon."""
        process = self.cluster.daemons[host.number - 1].process
        assert process is not None
        return process.pid

    def start(self) -> None:
        """Start those that do not run."""
        self.cluster.start()

    def ready(self) -> bool:
        """Whether all know each other, and in a majority may grant."""
        statuses = [daemon.status() for daemon in self.cluster.daemons]
        return all(
            len(status.get("members", ())) == len(statuses)
            and all(member["direct"] and member["fit"] for member in status["members"])
            and status["node"]["uptime"] > self._lease + 0.5
            for status in statuses
        )

    def close(self) -> None:
        """End them politely."""
        self.cluster.close()
