"""A network of hosts that tests can break: a namespace for each host, and a bridge in one of its own.

A packet is lost by making its sender believe in a hardware address that nobody has, and refused by one that belongs to
an impostor: a host with the address of the right one, where nobody listens. So `ip` is all that is needed for that; a
part of all packets is lost by `nft`, where they arrive, so that the sender knows nothing of it. The switch itself drops
every frame between the sides of a partition, address resolution too, while all cables stay in.
"""

import contextlib
import itertools
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Host", "Lan", "ip"]

_NOWHERE = "02:00:00:00:ff:ff"
_LOSS = """table inet loss {{
    chain arriving {{
        type filter hook input priority 0;
        iif eth0 numgen random mod 100 < {percent} drop
    }}
}}
"""
_CUT = """table bridge cut {{
    chain passing {{
        type filter hook forward priority 0;
        {rules}
    }}
}}
"""
_numbers = itertools.count(1)


class Host:
    """A host with one interface; `boot` and `lose` are its mains switch."""

    def __init__(self, lan: "Lan", number: int, *, ipv6: bool = False, both: bool = False) -> None:
        self.lan = lan
        self.number = number
        four, six = f"10.77.0.{number}", f"fd77::{number}"
        self.ip = six if ipv6 else four
        self.ips = (four, six) if both else (self.ip,)
        self.address = f"[{self.ip}]:4000" if ipv6 else f"{self.ip}:4000"
        self.namespace = f"{lan.name}-{number}"
        self._mac = f"02:00:00:00:00:{number:02x}"
        self.port = f"port{number}"
        self.names = Path("/etc/netns", self.namespace, "hosts")

    @property
    def inside(self) -> tuple[str, ...]:
        """The words before a command that is to run on this host."""
        return ("ip", "netns", "exec", self.namespace)

    def boot(self) -> None:
        """Make the host, and connect it."""
        self.lan.attach(self.namespace, self.port, self._mac)
        for each in self.ips:
            words = (f"{each}/64", "dev", "eth0", "nodad") if ":" in each else (f"{each}/24", "dev", "eth0")
            _ip(self.namespace, "addr", "add", *words)

    def lose(self) -> None:
        """Cut its mains: whatever runs there ends at once, and its connections without a word."""
        if self.namespace not in self.lan.booted:
            return
        self.unplug()
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        self.lan.detach(self.namespace, self.port)

    def pids(self) -> list[int]:
        """What runs there."""
        found = _run("ip", "netns", "pids", self.namespace)
        return [int(pid) for pid in found.split()]

    def unplug(self) -> None:
        """Pull its cable."""
        self.lan.unplug(self)

    def plug(self) -> None:
        """Put it back."""
        self.lan.plug(self)

    def deafen(self, other: "Host") -> None:
        """Lose all that this host sends to the other one."""
        self._believe(other, _NOWHERE)

    def refuse(self, other: "Host") -> None:
        """Have the network answer for the other one: every connection to it is reset."""
        self._believe(other, self.lan.impostor(other, self))

    def mislay(self, percent: int) -> None:
        """Lose so many of a hundred packets that come to this host, by chance; 0 for none."""
        with contextlib.suppress(subprocess.CalledProcessError):
            _run(*self.inside, "nft", "delete", "table", "inet", "loss")
        if percent:
            _run(*self.inside, "nft", _LOSS.format(percent=percent))

    def hear(self, other: "Host") -> None:
        """Undo `deafen` and `refuse`."""
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip(self.namespace, "neigh", "del", other.ip, "dev", "eth0")

    def _believe(self, other: "Host", mac: str) -> None:
        _ip(self.namespace, "neigh", "replace", other.ip, "lladdr", mac, "dev", "eth0", "nud", "permanent")

    @property
    def mac(self) -> str:
        """Its hardware address."""
        return self._mac


class Lan:
    """So many hosts on a bridge. Use as a context manager: leaving removes all of it, and ends all that runs there.

    They speak IPv4, or IPv6 alone, or `both`. Clients are hosts that no test breaks.
    """

    def __init__(self, count: int, *, ipv6: bool = False, both: bool = False, clients: int = 0) -> None:
        self.name = f"les-test-{os.getpid()}-{next(_numbers)}"
        self.switch = f"{self.name}-switch"
        everybody = [Host(self, number, ipv6=ipv6, both=both) for number in range(1, count + clients + 1)]
        self.hosts, self.clients = everybody[:count], everybody[count:]
        self.booted: set[str] = set()
        self._impostors: dict[int, str] = {}
        self._loses = False
        self._parted = False

    def attach(self, namespace: str, port: str, mac: str) -> None:
        """Make a namespace whose `eth0` ends at a port of the bridge."""
        self._add(namespace)
        _ip(self.switch, "link", "add", port, "type", "veth", "peer", "eth0", "address", mac, "netns", namespace)
        _ip(self.switch, "link", "set", port, "master", "bridge", "up")
        _ip(namespace, "link", "set", "lo", "up")
        _ip(namespace, "link", "set", "eth0", "up")

    def detach(self, namespace: str, port: str) -> None:
        """Remove what `attach` made; what was under way is gone."""
        _ip(self.switch, "link", "del", port)
        self._remove(namespace)

    def plug(self, host: Host) -> None:
        """Put its cable back."""
        _ip(self.switch, "link", "set", host.port, "up")

    def unplug(self, host: Host) -> None:
        """Pull its cable."""
        _ip(self.switch, "link", "set", host.port, "down")

    def impostor(self, host: Host, asker: Host) -> str:
        """The hardware address of a host that has the address of this one and refuses whatever the asker wants."""
        namespace, mac = f"{self.name}-not-{host.number}", f"02:00:00:00:01:{host.number:02x}"
        if host.number not in self._impostors:
            self._impostors[host.number] = namespace
            self.attach(namespace, f"not{host.number}", mac)
            # It has the address and never says so: it is no answer to who asks the whole network.
            _ip(namespace, "link", "set", "eth0", "arp", "off")
            _ip(namespace, "addr", "add", f"{host.ip}/24", "dev", "eth0")
        _ip(namespace, "neigh", "replace", asker.ip, "lladdr", asker.mac, "dev", "eth0", "nud", "permanent")
        return mac

    def cut(self, one: Host, other: Host) -> None:
        """Let nothing through between the two."""
        one.deafen(other)
        other.deafen(one)

    def refuse(self, one: Host, other: Host) -> None:
        """Reset every connection between the two."""
        one.refuse(other)
        other.refuse(one)

    def isolate(self, host: Host) -> None:
        """Let nothing through between this host and the others."""
        for other in self.hosts:
            if other is not host:
                self.cut(host, other)

    def part(self, *sides: Sequence[Host]) -> None:
        """Drop every frame between hosts of different sides; who is on none, as a client, reaches all."""
        pairs = [(one, other) for here, there in itertools.permutations(sides, 2) for one in here for other in there]
        rules = "\n".join(f'iifname "{one.port}" oifname "{other.port}" drop' for one, other in pairs)
        self._parted = True
        _run("ip", "netns", "exec", self.switch, "nft", _CUT.format(rules=rules))

    def mislay(self, percent: int) -> None:
        """Lose so many of a hundred packets between the hosts, by chance, until it is mended."""
        self._loses = True
        for host in self.hosts:
            host.mislay(percent)

    def mend(self) -> None:
        """Let everything through again."""
        if self._parted:
            _run("ip", "netns", "exec", self.switch, "nft", "delete", "table", "bridge", "cut")
            self._parted = False
        if self._loses:
            self.mislay(0)
            self._loses = False
        for one, other in itertools.permutations(self.hosts, 2):
            one.hear(other)

    def __enter__(self) -> Self:
        try:
            self._add(self.switch)
            _ip(self.switch, "link", "add", "bridge", "type", "bridge")
            _ip(self.switch, "link", "set", "bridge", "up")
            for host in (*self.hosts, *self.clients):
                host.names.parent.mkdir(parents=True)
                host.names.write_text("127.0.0.1 localhost\n::1 localhost\n", encoding="utf-8")
                host.boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove everything; may be called at any time."""
        everybody = (*self.hosts, *self.clients)
        for host in everybody:
            host.lose()
        for namespace in sorted(self.booted):
            self._remove(namespace)
        for host in everybody:
            host.names.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                host.names.parent.rmdir()
        with contextlib.suppress(OSError):
            Path("/etc/netns").rmdir()

    def _add(self, namespace: str) -> None:
        _run("ip", "netns", "add", namespace)
        self.booted.add(namespace)

    def _remove(self, namespace: str) -> None:
        _run("ip", "netns", "del", namespace)
        self.booted.discard(namespace)


def ip(*words: str) -> None:
    """Run `ip`; raises CalledProcessError."""
    _run("ip", *words)


def _ip(namespace: str, *words: str) -> None:
    ip("-n", namespace, *words)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout
