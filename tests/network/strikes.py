"""What can happen to the host that holds an address, and what is seen of it: for tests and benchmark alike.

Nothing here knows which program moves the address: whatever runs on the host is struck.
"""

import contextlib
import enum
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.network.lan import Host, Lan, ip
from tests.network.watch import Watch, side_by_side

__all__ = ["MENDED", "Found", "Kind", "Phase", "calm", "observe", "signal_all", "take_away"]

_PACE_SECONDS = 0.05
# How long one holder and an answered client must last before it counts as the end of the trouble. Longer than the pace
# of whoever says every second that it is there.
_CALM_SECONDS = 1.5
# For so long two holders are looked at before they are taken for a state that lasts, as is a partition's.
_PATIENCE_SECONDS = 3.0
_LIMIT_SECONDS = 12.0


class Kind(enum.StrEnum):
    """What happens."""

    TERM = "SIGTERM"
    KILL = "SIGKILL"
    STOP = "SIGSTOP"
    POWER = "power loss"
    CABLE = "link cut"
    PARTITION = "partition"
    DRIFT = "drift"


MENDED = {Kind.STOP: "SIGCONT", Kind.CABLE: "link back", Kind.PARTITION: "heal"}
"""What is put right again in a second phase, and what that is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """From `begin` to `end`: after the fault, or after it was mended.

    `hole_seconds`: the longest time without an answer, of which the client itself caused up to `stalled_seconds`.
    `two_seconds`: with two holders whom the client could reach, in all. `one_seconds`: until there was one again for
    good, None if there was not. `holders`: at the end.
    """

    begin: float
    end: float
    hole_seconds: float
    stalled_seconds: float
    two_seconds: float
    one_seconds: float | None
    holders: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What became of one address when a host was struck.

    `next_seconds`: until the next host held it (after drift: any), None if none did. `gone_seconds`: until the struck
    host let it go, be it reachable or not, None if it did not before anything was mended.
    """

    kind: Kind
    address: str
    struck: int
    next_seconds: float | None
    gone_seconds: float | None
    fault: Phase
    mended: Phase | None


def observe(kind: Kind, lan: Lan, struck: Host, main: int, watch: Watch) -> list[Found]:
    """Strike the host that holds the addresses of the watch, mend what can be mended, and tell of each address.

    `main` is the process there that is asked to end.
    """
    held = [address for address in watch.addresses if struck.number in watch.holders(address)]
    other = None if kind is Kind.DRIFT else struck
    begin = time.monotonic()
    if kind is Kind.TERM:
        os.kill(main, signal.SIGTERM)
    else:
        _STRIKES[kind](lan, struck, watch)
    _wait(lambda address, now: _settled(watch, address, _taken(watch, address, other, begin), now), held, begin)
    middle = time.monotonic()
    if kind in _MENDS:
        _MENDS[kind](lan, struck, watch)
        _wait(
            lambda address, now: now > middle + _CALM_SECONDS and calm(watch, address, now, _CALM_SECONDS), held, middle
        )
    end = time.monotonic()
    found = []
    for address in held:
        taken, gone = _taken(watch, address, other, begin), _gone(watch, address, struck, begin, middle)
        found.append(
            Found(
                kind=kind,
                address=address,
                struck=struck.number,
                next_seconds=None if taken is None or taken > middle else taken - begin,
                gone_seconds=None if gone is None else gone - begin,
                fault=_phase(watch, address, begin, middle),
                mended=_phase(watch, address, middle, end) if kind in _MENDS else None,
            )
        )
    return found


def calm(watch: Watch, address: str, now: float, seconds: float) -> bool:
    """Whether one host has held the address for so long, and the client was answered all the while."""
    holding = watch.holdings(address)[-1]
    if len(holding.hosts) != 1 or now < holding.at + seconds:
        return False
    return watch.answers(address).hole(now - seconds, now) < seconds / 4


def signal_all(host: Host, number: signal.Signals) -> None:
    """Send the signal to whatever runs there.

    For SIGKILL all are stopped before: else a parent that dies first has its child told to clean up.
    """
    for each in (signal.SIGSTOP, number) if number is signal.SIGKILL else (number,):
        for pid in host.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, each)


def take_away(host: Host, address: str) -> None:
    """Delete the address there, by hand; nothing happens where it is not."""
    said = subprocess.run(
        ["ip", "-j", "-n", host.namespace, "addr", "show", "dev", "eth0"],
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    for each in json.loads(said.stdout)[0]["addr_info"]:
        if each.get("local") == address:
            # It may have ended by itself since.
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("-n", host.namespace, "addr", "del", f"{address}/{each['prefixlen']}", "dev", "eth0")


def _power(_lan: Lan, host: Host, watch: Watch) -> None:
    watch.away(host, time.monotonic())
    host.lose()


def _unplug(_lan: Lan, host: Host, watch: Watch) -> None:
    watch.away(host, time.monotonic())
    host.unplug()


def _plug(_lan: Lan, host: Host, watch: Watch) -> None:
    host.plug()
    watch.back(host)


def _part(lan: Lan, host: Host, watch: Watch) -> None:
    lan.part([host], [other for other in watch.hosts if other is not host])


def _drift(_lan: Lan, host: Host, watch: Watch) -> None:
    for address in watch.addresses:
        take_away(host, address)


_STRIKES: dict[Kind, Callable[[Lan, Host, Watch], None]] = {
    Kind.KILL: lambda _lan, host, _watch: signal_all(host, signal.SIGKILL),
    Kind.STOP: lambda _lan, host, _watch: signal_all(host, signal.SIGSTOP),
    Kind.POWER: _power,
    Kind.CABLE: _unplug,
    Kind.PARTITION: _part,
    Kind.DRIFT: _drift,
}
_MENDS: dict[Kind, Callable[[Lan, Host, Watch], None]] = {
    Kind.STOP: lambda _lan, host, _watch: signal_all(host, signal.SIGCONT),
    Kind.CABLE: _plug,
    Kind.PARTITION: lambda lan, _host, _watch: lan.mend(),
}


def _wait(over: Callable[[str, float], bool], addresses: Sequence[str], begin: float) -> None:
    while (now := time.monotonic()) < begin + _LIMIT_SECONDS and not all(over(each, now) for each in addresses):
        time.sleep(_PACE_SECONDS)


def _settled(watch: Watch, address: str, taken: float | None, now: float) -> bool:
    """Whether a host has taken the address, and either all is well or two have held it for long enough to see that."""
    if taken is None:
        return False
    return calm(watch, address, now, _CALM_SECONDS) or (
        len(watch.holders(address)) > 1 and now > taken + _PATIENCE_SECONDS
    )


def _taken(watch: Watch, address: str, struck: Host | None, begin: float) -> float | None:
    """When another host than the struck one held the address; without one, when any did that had not just before."""
    before: frozenset[int] = frozenset()
    for each in watch.holdings(address):
        if each.at >= begin and each.hosts - ({struck.number} if struck else before):
            return each.at
        before = each.hosts
    return None


def _gone(watch: Watch, address: str, struck: Host, begin: float, end: float) -> float | None:
    held = (each for each in watch.everywhere(address) if begin <= each.at <= end)
    return next((each.at for each in held if struck.number not in each.hosts), None)


def _phase(watch: Watch, address: str, begin: float, end: float) -> Phase:
    holdings = [each for each in watch.holdings(address) if each.at <= end]
    answers = watch.answers(address)
    *_, last = holdings
    return Phase(
        begin=begin,
        end=end,
        hole_seconds=answers.hole(begin, end),
        stalled_seconds=answers.stalled(begin, end),
        two_seconds=side_by_side(holdings, begin, end),
        one_seconds=max(0.0, last.at - begin) if len(last.hosts) == 1 else None,
        holders=last.hosts,
    )
