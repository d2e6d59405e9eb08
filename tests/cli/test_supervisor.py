"""What the service manager is told and when, and the end of a daemon one part of which has failed."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from les_hooks.cli.supervisor import Supervisor, Watchdog
from les_hooks.daemon import load_config
from les_hooks.daemon.systemd import ServiceManager
from tests.cluster import Cluster, until

BROKEN = """
import sys
from les_hooks.cli import main
from les_hooks.election.machine import Machine

tick, left = Machine.tick, [5]

def fails_soon(self, now):
    left[0] -= 1
    if left[0] < 0:
        raise KeyError("a bug")
    return tick(self, now)

Machine.tick = fails_soon
sys.argv[0] = "les"
main()
"""


def test_a_daemon_whose_election_fails_ends_with_its_reason_and_is_cleaned_up_after(tmp_path: Path) -> None:
    daemon = Cluster(tmp_path, 1).daemons[0]
    seen = daemon.folder / "seen"
    daemon.script("demoted", "10-note", f'echo "$LES_REASON" >> {seen}')
    argv = [sys.executable, "-c", BROKEN, "run", "-c", str(daemon.config)]
    result = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, cwd=daemon.folder)
    assert result.returncode == 1
    assert '"error":"KeyError(\'a bug\')","event":"daemon-failed"' in result.stderr
    assert "fails_soon" in result.stderr
    until(lambda: seen.read_text().split() == ["startup", "crashed"], "the guard has cleaned up")
    assert daemon.les("cleanup", "--wait", "10").returncode == 0


def _told(folder: Path, watchdog_microseconds: str = "") -> tuple[Watchdog, list[float], socket.socket]:
    """A watchdog whose clock the test sets, and the socket that hears of it."""
    hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    hears.bind(str(folder / "notify"))
    hears.setblocking(False)
    environ = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": watchdog_microseconds}
    now = [0.0]
    return Watchdog(ServiceManager(environ), clock=lambda: now[0]), now, hears


def _messages(hears: socket.socket) -> list[str]:
    found = []
    try:
        while True:
            found.append(hears.recv(4096).decode())
    except BlockingIOError:
        return found


def test_a_beat_feeds_the_watchdog_four_times_in_its_patience_and_no_more(tmp_path: Path) -> None:
    watchdog, now, hears = _told(tmp_path, "8000000")
    with hears:
        watchdog.ready("follower")
        _messages(hears)
        for tenths in range(81):
            now[0] = tenths / 10
            watchdog.beat()
        assert _messages(hears) == ["WATCHDOG=1"] * 5


def test_beats_extend_the_start_until_it_is_ready(tmp_path: Path) -> None:
    watchdog, now, hears = _told(tmp_path)
    with hears:
        watchdog.beat()
        assert _messages(hears) == ["EXTEND_TIMEOUT_USEC=30000000"]
        watchdog.ready("leader")
        now[0] = 100.0
        watchdog.beat()
        assert _messages(hears) == ["READY=1\nSTATUS=leader"]


async def test_the_service_manager_is_asked_for_time_as_long_as_a_start_or_an_end_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("les_hooks.cli.supervisor._EXTENSION_SECONDS", 0.03)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hears:
        hears.bind(str(tmp_path / "notify"))
        hears.setblocking(False)
        service = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        supervisor = Supervisor(
            load_config(Cluster(tmp_path, 1).daemons[0].config), read=None, cleanup=(), service=service
        )
        node = supervisor._node = SimpleNamespace(stopping=False)  # type: ignore[assignment]  # a part
        asking = asyncio.create_task(supervisor._ask_for_time())
        told = await _several(hears)
        assert set(told) == {"EXTEND_TIMEOUT_USEC=30000"}
        supervisor._entered = True
        await asyncio.sleep(0.05)
        _messages(hears)
        await asyncio.sleep(0.05)
        assert _messages(hears) == []
        node.stopping = True
        await _several(hears)
        asking.cancel()


async def _several(hears: socket.socket) -> list[str]:
    told: list[str] = []
    async with asyncio.timeout(10):
        while len(told) < 3:
            told += _messages(hears)
            await asyncio.sleep(0.005)
    return told
