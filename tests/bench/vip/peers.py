"""keepalived and UCARP as they are run: their defaults, three hosts of falling priority, everything in the foreground.

Debian has both: `apt-get install keepalived ucarp`.
"""

from collections.abc import Sequence
from pathlib import Path

from tests.bench.vip.systems import Program
from tests.network.lan import Host, Lan
from tests.network.vip import ADDRESS_4, ADDRESS_6

__all__ = ["Keepalived", "Ucarp"]

_KEEPALIVED = """global_defs {{
    router_id host{number}
}}
vrrp_instance address {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    version {version}
    advert_int {advert}
    virtual_ipaddress {{
        {four}/24 dev eth0
    }}
    virtual_ipaddress_excluded {{
        {six}/64 dev eth0
    }}
}}
"""
# A backup waits three adverts and (256 - priority) / 256 of one more.
_PRIORITIES = {1: 200, 2: 190, 3: 180}
# Falls out of nowhere sooner than its neighbour: 1/256 s each.
_SKEWS = {1: 0, 2: 50, 3: 100}


class Keepalived(Program):
    """VRRP by multicast: version 2 with the default of 1 s, version 3 where adverts come faster, which wants it."""

    def __init__(self, folder: Path, lan: Lan, *, advert_seconds: float) -> None:
        self._advert = advert_seconds
        # One that comes back preempts, after the time in which it would have missed the others.
        self.calm_seconds = 4.5 * advert_seconds + 0.5
        super().__init__(folder, lan)

    def write(self, host: Host, home: Path) -> None:
        """Its configuration."""
        text = _KEEPALIVED.format(
            number=host.number,
            priority=_PRIORITIES[host.number],
            version=2 if self._advert >= 1.0 else 3,
            advert=f"{self._advert:g}",
            four=ADDRESS_4,
            six=ADDRESS_6,
        )
        (home / "keepalived.conf").write_text(text, encoding="ascii")

    def command(self, host: Host, home: Path) -> Sequence[str]:
        """In the foreground, with files for its numbers of processes that are its own."""
        files = ["-p", str(home / "pid"), "-r", str(home / "vrrp.pid"), "-c", str(home / "checkers.pid")]
        return ["keepalived", "-n", "-l", "-P", "-f", str(home / "keepalived.conf"), *files]


class Ucarp(Program):
    """CARP with scripts that call `ip`; it has no IPv6."""

    addresses = (ADDRESS_4,)
    calm_seconds = 5.0

    def write(self, host: Host, home: Path) -> None:
        """The scripts."""
        for name, word in (("up", "add"), ("down", "del")):
            script = home / name
            script.write_text(f'#!/bin/sh\nexec ip addr {word} "$2/24" dev "$1"\n', encoding="ascii")
            script.chmod(0o755)

    def command(self, host: Host, home: Path) -> Sequence[str]:
        """Its defaults, and the down script at its end, too."""
        place = ["--interface=eth0", f"--srcip={host.ip}", f"--addr={ADDRESS_4}", "--vhid=1", "--pass=bench"]
        scripts = [f"--upscript={home / 'up'}", f"--downscript={home / 'down'}", "--shutdown"]
        return ["ucarp", *place, *scripts, f"--advskew={_SKEWS[host.number]}"]
