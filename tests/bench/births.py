"""Nodes of many clusters on one host, born again each round, without daemons: `python -m tests.bench.births IP COUNT`.

Each line of input, `SEED UNTIL`, is a round: every backend starts at a moment of its own in the first second. Each line
of output has one JSON list a cluster: when this host's node began to lead in it and when it ceased. Times are boottime.
"""

import asyncio
import json
import logging
import random
import sys
import time

import structlog

from les_hooks.backends.peers import PeersBackend, Settings
from les_hooks.election.identity import Identity, Memory
from les_hooks.election.messages import Instant
from les_hooks.members import Address, Boot, View
from les_hooks.security import Credentials

_FIRST_PORT = 4000
_SPREAD_SECONDS = 1.0
_GRACE_SECONDS = 0.2


class _NoDisk:
    """Remembers nothing: everybody here lives once."""

    async def save(self, term: int, newest: float) -> None:
        """It is as good as written."""

    async def pledge(self, term: int, boot: Boot, lease: float) -> None:
        """It is as good as written."""


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def _live(ip: str, port: int, seeds: tuple[str, ...], dice: random.Random, until: float) -> list[list[float]]:
    """One node's life; returns the stretches in which it led."""
    led: list[list[float]] = []

    def note(view: View) -> None:
        leading = bool(led) and len(led[-1]) == 1
        if view.leading and not leading:
            led.append([_now()])
        elif leading and not view.leading:
            led[-1].append(_now())

    address = Address(f"{ip}:{port}")
    identity = Identity(address=address, name=ip, version="0", boot=Boot(int(until * 1000), f"{dice.random()}"[2:]))
    backend = PeersBackend(
        Settings(identity=identity, cluster="births", host=ip, port=port, seeds=seeds),
        memory=Memory(),
        clock=lambda: Instant(_now(), time.time()),
        credentials=Credentials(),
        on_view=note,
        on_authority=lambda _: None,
        disk=_NoDisk(),
    )
    await asyncio.sleep(dice.uniform(0.0, _SPREAD_SECONDS))
    await backend.start()
    await backend.join()
    await asyncio.sleep(until - _now())
    found = [[*stretch, until][:2] for stretch in led]
    # Some of the others may still count.
    await asyncio.sleep(_GRACE_SECONDS)
    await backend.leave(0.0)
    return found


async def main(ip: str, count: int) -> None:
    """Serve rounds until the input ends."""
    loop = asyncio.get_running_loop()
    network = ip.rpartition(".")[0]
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        seed, until = line.split()
        lives = []
        for port in range(_FIRST_PORT, _FIRST_PORT + count):
            seeds = tuple(f"{network}.{number}:{port}" for number in (1, 2, 3))
            lives.append(_live(ip, port, seeds, random.Random(f"{seed} {ip} {port}"), float(until)))
        print(json.dumps(await asyncio.gather(*lives)), flush=True)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
