"""Ten thousand events, a receiver that fails half of the time, and a daemon that is killed three times."""

import asyncio
import random
import re
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from tests.backends.peers.fakes import free_port

ROOT = Path(__file__).parents[3]
EVENTS = 10_000
# The first kill is in the middle of the writing, the others in the middle of the posting.
KILLS = (1_000, 4_000, 7_000)
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
IDENTITY = re.compile(rb"webhook-id: (\S+)", re.IGNORECASE)
SERVICE_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(slots=True)
class Half:
    """Takes every other post, by chance; of some that it takes the sender never hears."""

    chance: random.Random
    taken: list[tuple[int, str]] = field(default_factory=list)
    refused: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length, identity = LENGTH.search(head), IDENTITY.search(head)
                assert length
                assert identity
                body = msgspec.json.decode(await reader.readexactly(int(length[1])))
                lot = self.chance.random()
                if lot < 0.49:
                    self.refused += 1
                    writer.write(SERVICE_UNAVAILABLE)
                    continue
                self.taken.append((body["data"]["seq"], identity[1].decode()))
                self.news.set()
                if lot < 0.51:
                    return
                writer.write(NO_CONTENT)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the sender was killed
        finally:
            writer.close()


# It leads alone; of what it tells by itself nothing is posted.
CONFIG = """
[node]
bind = "127.0.0.1:{port}"
state_dir = "state"
[cluster]
seeds = ["127.0.0.1:{port}"]
[timing]
settle = "0s"
[plugins.webhook]
max_rows = 20000
[[plugins.webhook.endpoints]]
name = "half"
url = "{url}"
allow_http = true
retry = ["0s", "1ms"]
events = ["member-joined"]
send_from = "node"
"""


class Flooded:
    """The daemon, started again and again."""

    def __init__(self, folder: Path, url: str) -> None:
        self.written = 0
        self.memory = 0.0
        self._config = folder / "les.toml"
        self._config.write_text(CONFIG.format(port=free_port(), url=url), encoding="utf-8")

    async def start(self) -> None:
        """Start it; what is not known to be on the disk is told once more, as a daemon would after a crash."""
        numbers = str(self.written + 1), str(EVENTS)
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.plugins.webhook.flooded", str(self._config), *numbers),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._reading = asyncio.create_task(self._read(self._process.stdout))

    async def _read(self, lines: asyncio.StreamReader | None) -> None:
        assert lines is not None
        async for line in lines:
            match line.split():
                case [b"told", written, grown]:  # and not what the cleanup of a daemon that was killed says
                    self.written, self.memory = int(written), max(self.memory, float(grown))

    async def end(self, how: signal.Signals) -> None:
        """Have it end, and wait for that."""
        self._process.send_signal(how)
        await asyncio.wait_for(self._process.wait(), 30)
        await self._reading


@pytest.mark.timeout(120)
async def test_every_event_arrives_in_order_whatever_is_killed(tmp_path: Path) -> None:
    half = Half(random.Random(7))
    server = await asyncio.start_server(half.speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    flooded = Flooded(tmp_path, f"http://127.0.0.1:{port}/")
    for kill in (*KILLS, EVENTS):
        await flooded.start()
        while not half.taken or half.taken[-1][0] < kill:
            half.news.clear()
            await asyncio.wait_for(half.news.wait(), 30)
        await flooded.end(signal.SIGTERM if kill == EVENTS else signal.SIGKILL)
    server.close()

    firsts: dict[int, str] = {}
    for seq, identity in half.taken:
        assert firsts.setdefault(seq, identity) == identity, "a duplicate has another id"
    assert list(firsts) == list(range(1, EVENTS + 1)), "lost, or out of order"
    assert len(set(firsts.values())) == EVENTS
    assert half.refused > EVENTS // 3
    assert flooded.memory < 64, "MiB, for events that come as fast as the hooks take them"
