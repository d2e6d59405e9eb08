"""Nodes that have their leader from etcd: on hosts of a network, or on loopback beside one server."""

from collections.abc import Sequence
from pathlib import Path

from tests.cluster import Daemon
from tests.etcd.lan import HostServer, Servers
from tests.network.hosted import HostDaemon, Troupe
from tests.network.lan import Host, Lan
from tests.network.story import scripts

__all__ = ["ACTS_SECONDS", "CLUSTER", "PREFIX", "SLACK_SECONDS", "TTL_SECONDS", "Nodes", "lone", "table"]

TTL_SECONDS = 5
"""The default."""
ACTS_SECONDS = TTL_SECONDS * 0.75
"""A leader acts for no longer than this after its last renewal: the rest of the ttl is for its demotion."""
SLACK_SECONDS = 0.8
"""What a machine with two cores and other tests on them adds to any of these."""
CLUSTER = "web"
PREFIX = "/les-hooks"


def table(
    name: str,
    address: str,
    endpoints: Sequence[str],
    more: str = "",
    ttl_seconds: int = TTL_SECONDS,
    prefix: str = PREFIX,
) -> str:
    """The text of `les.toml`; `more` is more of `[plugins.etcd]`, and of what follows it."""
    listed = ", ".join(f'"{url}"' for url in endpoints)
    return (
        f'[node]\nname = "{name}"\nadvertise = "{address}"\nstate_dir = "state"\n'
        f'[cluster]\nname = "{CLUSTER}"\nbackend = "etcd"\n[timing]\nhold = "1s"\n'
        f'[plugins.etcd]\nendpoints = [{listed}]\nprefix = "{prefix}"\nttl = "{ttl_seconds}s"\n{more}'
    )


def lone(folder: Path, number: int, endpoints: Sequence[str], more: str = "", story: Path | None = None) -> Daemon:
    """A node without a host of its own; its address is a mere name. What its scripts do stands in the `story`."""
    daemon = Daemon(folder, 4000, ())
    for event, body in (scripts(story) if story is not None else {}).items():
        daemon.script(event, "story", body)
    daemon.address = f"127.0.0.{number}:4000"
    daemon.config.write_text(table(folder.name, daemon.address, endpoints, more), encoding="utf-8")
    return daemon


class Nodes(Troupe[HostDaemon]):
    """Nodes `a`, `b`, ... on these hosts of a network, beside an etcd on others."""

    def __init__(
        self, folder: Path, lan: Lan, hosts: Sequence[Host], servers: Servers, ttl_seconds: int = TTL_SECONDS
    ) -> None:
        story = folder / "story"
        self.servers = servers
        daemons = []
        for index, host in enumerate(hosts):
            name = chr(ord("a") + index)
            text = table(name, host.address, servers.urls, ttl_seconds=ttl_seconds)
            daemons.append(HostDaemon(folder / name, host, text, story))
        super().__init__(lan, daemons, story)

    def whole(self) -> HostDaemon:
        """Mend all that is broken, start all that do not run, etcd's servers first; return the leader at work."""
        self.lan.mend()
        self.servers.whole()
        self.restore()
        self.agreed(*self.daemons)
        self.mark()
        return self.working()

    def agreed(self, *daemons: HostDaemon, direct: bool = False) -> HostDaemon:
        """Wait until these know each other and nobody else, and accept one leader that acts; return it.

        They hear each other through etcd alone, so there is no `direct`.
        """
        return super().agreed(*daemons, direct=direct)

    def working(self) -> HostDaemon:
        """The leader, once its work has begun."""
        leader = self.agreed(*self.daemons)
        self.told(leader, "works")
        return leader

    def cut(self, daemon: HostDaemon, *servers: HostServer) -> None:
        """Let nothing through between a node and these servers of etcd, or all."""
        for server in servers or self.servers.all:
            self.lan.cut(daemon.host, server.host)

    def lease(self, daemon: HostDaemon) -> int:
        """On which lease of etcd the key of this leader is."""
        found = self.servers.first(f"{PREFIX}/{CLUSTER}/line/")
        assert int(found["create_revision"]) == daemon.status()["term"]
        return int(found["lease"])
