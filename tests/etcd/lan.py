"""Three etcd servers on hosts of a network, each in a namespace of its own, and what can go wrong with them.

Cables and cuts are the network's own, see `tests.network.lan`: each server has its `host`.
"""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.cluster import until
from tests.etcd.server import CtlError, Server, leads
from tests.needs import need_netns
from tests.network.lan import Host

__all__ = ["HostServer", "Servers"]


class HostServer(Server):
    """An etcd on a host of the network."""

    def __init__(self, folder: Path, host: Host, peers: dict[str, str], flags: Sequence[str]) -> None:
        super().__init__(
            folder, flags=flags, ip=host.ip, ports=(2379, 2380), inside=host.inside, name=folder.name, peers=peers
        )
        self.host = host


class Servers:
    """An etcd of so many servers as there are hosts. Entering starts all, leaving kills all."""

    def __init__(self, folder: Path, hosts: Sequence[Host], flags: Sequence[str] = ()) -> None:
        need_netns()
        peers = {f"etcd{host.number}": f"http://{host.ip}:2380" for host in hosts}
        self.all = [HostServer(folder / name, host, peers, flags) for name, host in zip(peers, hosts, strict=True)]

    @property
    def urls(self) -> list[str]:
        """Where clients find them."""
        return [server.url for server in self.all]

    def whole(self) -> None:
        """Start all that do not run, wake all that are frozen, and wait until each serves and has a leader."""
        for server in self.all:
            if not server.running:
                server.start()
            server.thaw()
        for server in self.all:
            server.wait()

    def leader(self) -> HostServer:
        """Wait until one leads, and return it. One that is cut off may believe that it does, in an older Raft term."""

        def look() -> HostServer | None:
            leading: list[tuple[int, HostServer]] = []
            for server in self.all:
                with contextlib.suppress(CtlError):
                    if server.running and not server.frozen and leads(status := server.status()):
                        leading.append((status["raftTerm"], server))
            return max(leading, key=lambda each: each[0])[1] if leading else None

        return until(look, "etcd has a leader")

    def others(self, server: HostServer) -> list[HostServer]:
        """All but this one."""
        return [each for each in self.all if each is not server]

    def compact(self) -> int:
        """Have etcd forget all but its latest revision; returns that."""
        server = self.leader()
        revision = int(server.status()["header"]["revision"])
        server.ctl("compact", str(revision))
        return revision

    def first(self, prefix: str) -> dict[str, Any]:
        """The oldest key there as etcdctl tells it, with `create_revision` and `lease`; empty where there is none."""
        told = self.leader().ctl("get", "--prefix", prefix, "--sort-by=CREATE", "--limit=1", "-w", "json")
        found: list[dict[str, Any]] = json.loads(told).get("kvs", [])
        return found[0] if found else {}

    def revoke(self, lease: int) -> None:
        """End a lease, and with it its keys."""
        self.leader().ctl("lease", "revoke", f"{lease:x}")

    def close(self) -> None:
        """Kill all that run."""
        for server in self.all:
            server.close()

    def __enter__(self) -> Self:
        try:
            for server in self.all:
                server.start()
            for server in self.all:
                server.wait()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
