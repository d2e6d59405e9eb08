"""What a frame's proof and a refused handshake cost: `python -m tests.hostile.cost [HANDSHAKES]`.

The proof: the median of nine runs, of one core. The handshakes come one after the other from a process of their own, so
that the CPU time of this one is the node's alone.
"""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from pathlib import Path

import aiohttp
import structlog

from les_hooks import wire
from les_hooks.election.frames import Beat
from les_hooks.security import PROTOCOL, Dialed, Listened, Seal, Secret
from tests.hostile.middle import a_source
from tests.hostile.stage import SECRET, noting

_RUNS, _FRAMES = 9, 2000


def ends() -> tuple[Seal, Seal]:
    """Both ends of a proven link."""
    secret = Secret(SECRET)
    listener = Listened((secret,), os.urandom(32))
    message, dialer = Dialed(secret, os.urandom(32)).answer(listener.challenge, b"hello")
    return dialer, listener.take(message)[1]


def proof_cost(frame: bytes) -> tuple[float, float]:
    """Microseconds to seal a frame, and to open it."""
    sealing, opening = [], []
    for _ in range(_RUNS):
        dialer, listener = ends()
        messages: list[bytes] = []
        sealing.append(timeit.timeit(lambda: messages.append(dialer.seal(frame)), number=_FRAMES))  # noqa: B023  (called at once)
        left = iter(messages)
        opening.append(timeit.timeit(lambda: listener.open(next(left)), number=_FRAMES))  # noqa: B023  (called at once)
    return statistics.median(sealing) / _FRAMES * 1e6, statistics.median(opening) / _FRAMES * 1e6


async def dial(address: str, count: int) -> None:
    """Prove nothing, so many times, from as many addresses: one alone is kept out by the door."""
    for _ in range(count):
        connector = aiohttp.TCPConnector(local_addr=a_source())
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.ws_connect(f"ws://{address}/les/link", protocols=(PROTOCOL,)) as ws,
        ):
            await ws.receive()
            await ws.send_bytes(bytes(200))
            await ws.receive()


async def handshake_cost(count: int) -> tuple[float, int, int]:
    """Microseconds of the node's CPU for one; and the memory in KiB before, after a tenth of them, and in the end."""
    with tempfile.TemporaryDirectory() as folder:
        async with noting(Path(folder)) as node:
            await _have_dialed(node.address, count // 10)
            before, memory = time.process_time(), _kib()
            await _have_dialed(node.address, count)
            return (time.process_time() - before) / count * 1e6, memory, _kib()


async def _have_dialed(address: str, count: int) -> None:
    argv = [sys.executable, "-m", "tests.hostile.cost", "--dial", address, str(count)]
    process = await asyncio.create_subprocess_exec(*argv, stderr=subprocess.PIPE)
    if await process.wait():
        raise SystemExit((await process.communicate())[1].decode())


def _kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Print the numbers."""
    if sys.argv[1:2] == ["--dial"]:
        asyncio.run(dial(sys.argv[2], int(sys.argv[3])))
        return
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    for name, frame in {
        "a beat": wire.encode(Beat(seq=1000, ack=1000)),
        "a tell of 600 bytes": bytes(600),
        "a tell of 20 KiB": bytes(20 * 1024),
    }.items():
        seal, opened = proof_cost(frame)
        print(f"{name} ({len(frame)} bytes): seal {seal:.2f} us, open {opened:.2f} us")
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    cost, before, after = asyncio.run(handshake_cost(count))
    print(f"a refused handshake: {cost:.0f} us of CPU; {before} KiB at most before {count} of them, {after} KiB after")


if __name__ == "__main__":
    main()
