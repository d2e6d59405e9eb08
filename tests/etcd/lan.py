"""Three etcd servers on hosts of a network, each in a namespace of its own, and what can go wrong with them.

Cables and cuts are the network's own, see `tests.network.lan`: each server has its `host`.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.cluster import until
from tests.etcd.server import CtlError, Server, leads
from tests.needs import need_netns, need_program
from tests.network.lan import Host

__all__ = ["HostServer", "Mute", "Servers"]

_MUTE = """
import socket, time
with socket.create_server((\"\", {port})) as listener:
    print("listening", flush=True)
    time.sleep(3600)
"""


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


class Mute:
    """A program on a host that accepts connections, up to its backlog, and never reads or answers."""

    def __init__(self, host: Host, port: int = 2399) -> None:
        self.url = f"http://{host.ip}:{port}"
        self._argv = [*host.inside, sys.executable, "-IS", "-c", _MUTE.format(port=port)]

    def __enter__(self) -> Self:
        setpriv = need_program("setpriv")
        self._process = subprocess.Popen([setpriv, "--pdeathsig", "KILL", *self._argv], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"listening\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            self._process.kill()
