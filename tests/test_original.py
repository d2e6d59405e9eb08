"""The stand-in of an original node does what the original does; what ours are tested against is tested itself."""

import contextlib
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from tests.original import Original

LOOP = 0.1

Start = Callable[..., Original]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not become true in time"
        time.sleep(0.01)


def get(address: str, path: str) -> Any:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
        text = answer.read().decode()
    return text if path.startswith("/ping") else json.loads(text)


@pytest.fixture
def start() -> Iterator[Start]:
    with contextlib.ExitStack() as nodes:

        def start_one(*seeds: str, start_time: float | None = None) -> Original:
            port = free_port()
            own = f"127.0.0.1:{port}"
            node = Original(
                port=port,
                advertise=own,
                seeds=list(seeds) or [own],
                loop_rate=LOOP,
                interface="127.0.0.1",
                start_time=start_time,
            )
            node.start()
            nodes.callback(lambda: None if node._stopped.is_set() else node.stop())
            return node

        yield start_one


def test_a_single_node_never_elects(start: Start) -> None:
    node = start()
    time.sleep(5 * LOOP)
    assert get(node.advertise, "/state")["leader"] is False


def test_three_nodes_agree_on_the_one_that_started_first(start: Start) -> None:
    first = start()
    others = [start(first.advertise), start(first.advertise)]
    wait_until(lambda: {node.leader for node in (first, *others)} == {first.advertise})


def test_equal_start_times_elect_nobody(start: Start) -> None:
    one = start(start_time=5.0)
    two = start(one.advertise, start_time=5.0)
    wait_until(lambda: len(one.states) == len(two.states) == 2)
    time.sleep(5 * LOOP)
    assert (one.leader, two.leader) == (False, False)


def test_a_node_that_has_become_alone_leads_itself(start: Start) -> None:
    first = start()
    second = start(first.advertise)
    wait_until(lambda: second.leader == first.advertise)
    first.stop()
    wait_until(lambda: second.leader == second.advertise)
    assert second.members == [second.advertise]


def test_whoever_is_named_in_the_path_is_pinged_and_added_before_the_answer(start: Start) -> None:
    node, stranger = start(), start()
    assert stranger.advertise in get(node.advertise, f"/state/{stranger.advertise}/")["members"]
    assert "127.0.0.1:1" not in get(node.advertise, "/state/127.0.0.1:1")["members"]


def test_the_endpoints_answer_as_the_originals_do(start: Start) -> None:
    node = start()
    assert get(node.advertise, "/ping/") == "OK"
    assert get(node.advertise, "/state").keys() == {"members", "leader", "start_time"}
    assert get(node.advertise, "/diag").keys() == {"state", "member_states"}
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(node.advertise, "/les/link")
    assert caught.value.code == HTTPStatus.NOT_FOUND
    caught.value.close()


def test_it_runs_as_a_program_with_the_flags_of_the_original() -> None:
    address = f"127.0.0.1:{free_port()}"
    command = [
        *(sys.executable, "-P", "-W", "error", str(Path(__file__).with_name("original.py"))),
        *("--bind-interface", "127.0.0.1", "--bind-port", address.rpartition(":")[2]),
        *("--advertise-addr", address, "--seeds", address, "--loop-rate", "0.1"),
    ]
    with subprocess.Popen(command) as process:
        try:

            def answers() -> bool:
                with contextlib.suppress(OSError):
                    return bool(get(address, "/ping") == "OK")
                return False

            wait_until(answers)
            assert get(address, "/state")["members"] == [address]
        finally:
            process.kill()


class _Stub(http.server.BaseHTTPRequestHandler):
    """Answers every request with the status of the moment, and a state that names a stranger."""

    status = HTTPStatus.OK
    body = b"{}"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name that http.server gives it)
        """Say nothing."""


def test_any_status_on_ping_makes_a_member_and_any_but_200_on_state_removes_it_at_once(start: Start) -> None:
    class Broken(_Stub):
        status = HTTPStatus.INTERNAL_SERVER_ERROR

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken) as stub:
        threading.Thread(target=stub.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{stub.server_address[1]}"
        node = start()
        assert address in get(node.advertise, f"/state/{address}")["members"]
        wait_until(lambda: address not in node.members)
        stub.shutdown()


def test_a_malformed_answer_leaves_the_member_and_its_old_state_in_place(start: Start) -> None:
    class Stub(_Stub):
        pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub) as stub:
        threading.Thread(target=stub.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{stub.server_address[1]}"
        Stub.body = json.dumps({"members": [address], "leader": None, "start_time": 1}).encode()
        node = start(address)
        get(node.advertise, "/state")  # it must be asked itself, or it never elects
        wait_until(lambda: node.leader == address)
        Stub.body = b"nonsense"
        time.sleep(5 * LOOP)
        assert (node.leader, node.members) == (address, [node.advertise, address])
        stub.shutdown()
