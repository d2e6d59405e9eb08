"""`les run` with the plugin `vip`, in the settings that are compared."""

from collections.abc import Sequence
from pathlib import Path

from tests.bench.vip.systems import ADDRESS_4, ADDRESS_6
from tests.network.cluster import Cluster
from tests.network.lan import Host, Lan

__all__ = ["Les", "plugin"]


def plugin(addresses: Sequence[str], more: str = "") -> str:
    """The table of the plugin that holds these addresses."""
    listed = ", ".join(f'"{each}/{64 if ":" in each else 24}"' for each in addresses)
    return f'[plugins.vip]\naddresses = [{listed}]\ninterface = "eth0"\n{more}\n'


class Les:
    """Our daemon; `timing` and `vip` are lines for the tables of these names, empty for the defaults."""

    addresses: Sequence[str] = (ADDRESS_4, ADDRESS_6)
    calm_seconds = 1.5

    def __init__(self, folder: Path, lan: Lan, *, timing: str = "", vip: str = "", lease_seconds: float = 0.0) -> None:
        more = f"[timing]\n{timing}\n{plugin(self.addresses, vip)}"
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
