"""The example with haproxy: its files as they are, on loopback, with the real haproxy."""

import contextlib
import http.server
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from les_hooks.config import advice, load_config
from tests.cluster import TIMING, Cluster, free_ports, until
from tests.needs import need_program

EXAMPLE = Path(__file__).parents[2] / "examples" / "haproxy-leader"
NAMES = ("a", "b", "c")
NO_PLUGINS = "[plugins.dashboard]\nenabled = false\n[plugins.metrics]\nenabled = false\n"


def test_the_file_of_the_node_loads_and_there_is_nothing_to_advise() -> None:
    config = load_config(EXAMPLE / "les.toml")
    assert advice(config) == ()
    assert config.http.listen == "10.0.0.1:4080"


class _Program(http.server.BaseHTTPRequestHandler):
    """The program on port 8080: says which server it is on."""

    def do_GET(self) -> None:
        name = self.server.name.encode()  # type: ignore[attr-defined]  # see serving
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(name: str) -> Iterator[int]:
    """The program of this server, and its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Program) as server:
        server.name = name  # type: ignore[attr-defined]  # for the handler
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def balancing(folder: Path, programs: dict[str, int], pages: dict[str, int]) -> Iterator[str]:
    """haproxy with the file of the example, and its address."""
    (front,) = free_ports(1)
    text = (EXAMPLE / "haproxy.cfg").read_text()
    assert "bind :80\n" in text
    text = text.replace("bind :80\n", f"bind 127.0.0.1:{front}\n").replace("    log /dev/log local0\n", "")
    for number, name in enumerate(NAMES, 1):
        line = f"server {name} 10.0.0.{number}:8080"
        assert f"{line}\n" in text
        # On one host the nodes cannot all have 4080.
        text = text.replace(line, f"server {name} 127.0.0.1:{programs[name]} port {pages[name]}")
    config = folder / "haproxy.cfg"
    config.write_text(text)
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen(
            [need_program("haproxy"), "-db", "-f", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield f"http://127.0.0.1:{front}/"
    finally:
        process.terminate()
        process.wait(10)


def answer(url: str) -> str:
    """Which server answers, empty where none does."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return str(response.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


@pytest.mark.timeout(60)
def test_haproxy_follows_the_leader_when_it_is_killed_and_when_it_steps_down(tmp_path: Path) -> None:
    pages = dict(zip(NAMES, free_ports(3), strict=True))
    with contextlib.ExitStack() as stack:
        programs = {name: stack.enter_context(serving(name)) for name in NAMES}
        cluster = Cluster(tmp_path, 3)
        for daemon in cluster.daemons:
            text = daemon.config.read_text().replace(TIMING, "")  # the default
            daemon.config.write_text(f'{text}[http]\nlisten = "127.0.0.1:{pages[daemon.name]}"\n{NO_PLUGINS}')
        stack.enter_context(cluster)
        url = stack.enter_context(balancing(tmp_path, programs, pages))
        leader = cluster.wait_leader()
        assert until(lambda: answer(url), "haproxy finds a leader") == leader.name

        killed = time.monotonic()
        leader.kill()
        following = until(lambda: (name := answer(url)) != leader.name and name, "haproxy finds the next one")
        took = time.monotonic() - killed
        assert cluster.wait_leader().name == following

        second = next(daemon for daemon in cluster.daemons if daemon.name == following)
        moved = time.monotonic()
        second.les("step-down")
        third = until(lambda: (name := answer(url)) not in ("", following) and name, "haproxy finds the third")
        print(f"after the kill {took * 1000:.0f} ms, after the step-down {(time.monotonic() - moved) * 1000:.0f} ms")
        assert cluster.wait_leader().name == third
        assert took < 2.0
