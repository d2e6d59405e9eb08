"""Where the listener is: sockets that are replaced safely, and errors that say what to do."""

import contextlib
import os
import signal
import socket
import stat
from pathlib import Path

import aiohttp
import pytest
import structlog

from les_hooks import Node, serve_http
from les_hooks.errors import ConfigError, StartError
from les_hooks.http import check_files, check_port
from tests.cluster import Daemon, free_ports, until
from tests.http.lone import TOKEN, config_of, lone, token_file


async def _get(path: Path, page: str, **headers: str) -> tuple[int, str]:
    connector = aiohttp.UnixConnector(path=str(path))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"http://any.name{page}", headers=headers) as answer,
    ):
        return answer.status, await answer.text()


async def test_a_unix_socket_answers_whoever_may_open_it_by_any_name(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    before = os.umask(0o077)
    async with lone(tmp_path, listen=f"unix:{path}") as at:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert await _get(path, "/leader") == (200, "leader\n")
        assert (await _get(path, "/api/v1/status"))[0] == 200
        assert at.node.pages is not None
        assert at.node.pages.url == f"unix:{path}"
    os.umask(before)
    assert not path.exists()


async def test_a_token_is_asked_for_on_a_unix_socket_too(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    async with lone(tmp_path, listen=f"unix:{path}", token_file=str(token_file(tmp_path))):
        assert (await _get(path, "/api/v1"))[0] == 401
        assert (await _get(path, "/api/v1", Authorization=f"Bearer {TOKEN}"))[0] == 200


async def test_what_a_crash_left_is_replaced_and_what_is_alive_is_not(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with lone(tmp_path, listen=f"unix:{path}"):
        assert await _get(path, "/leader") == (200, "leader\n")
        (tmp_path / "two").mkdir()
        with pytest.raises(StartError, match="another daemon answers there") as caught:
            async with lone(tmp_path / "two", listen=f"unix:{path}"):
                raise AssertionError
        assert "[http] listen" in caught.value.advice
        assert await _get(path, "/leader") == (200, "leader\n")


async def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    config = config_of(tmp_path, listen=f"unix:{path}")
    with pytest.raises(StartError, match="is something else than a socket"):
        check_files(config)
    with pytest.raises(StartError, match="does not exist"):
        check_files(config_of(tmp_path, listen=f"unix:{tmp_path}/none/http.sock"))
    assert path.read_text() == "data"


def test_a_socket_whose_path_is_too_long_is_refused_in_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a Unix socket's has at most 107"):
        config_of(tmp_path, listen=f"unix:/{'x' * 120}")


async def test_a_port_that_is_taken_says_so_and_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = config_of(tmp_path, listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(StartError) as early:
            check_port(config.http.listen)
        node = Node(config, log=structlog.get_logger())
        async with node:
            with pytest.raises(StartError) as late:
                async with serve_http(node):
                    raise AssertionError
    for caught in (early, late):
        assert "already in use" in caught.value.why
        assert "ss -ltnp" in caught.value.advice
        assert "[http] listen" in caught.value.advice


async def test_any_free_port_is_named_in_the_status(tmp_path: Path) -> None:
    async with lone(tmp_path, listen="[::1]:0") as at:
        assert at.node.pages is not None
        url = at.node.pages.url
        assert url.startswith("http://[::1]:")
        async with aiohttp.ClientSession() as session, session.get(f"{url}leader") as answer:
            assert await answer.text() == "leader\n"


def test_a_start_waits_for_the_daemon_before_it_and_then_has_its_page(tmp_path: Path) -> None:
    port, page = free_ports(2)
    daemon = Daemon(tmp_path / "a", port, [port], f'[http]\nlisten = "127.0.0.1:{page}"\n')
    daemon.script("demoted", "slow", "sleep 0.7")
    daemon.start()
    try:
        daemon.wait(lambda status: status["is_me"], "leads")
        before = daemon.process
        assert before is not None
        daemon.signal(signal.SIGTERM)
        until(lambda: daemon.status().get("node", {}).get("stopping"), "the first stops")
        daemon.start()
        assert before.wait(15) == 0
        answer = daemon.wait(lambda status: status["is_me"] and status["http"], "leads again")
        assert answer["http"]["url"] == f"http://127.0.0.1:{page}/"
    finally:
        daemon.signal(signal.SIGTERM)
        daemon.ended()


@pytest.mark.parametrize("fault", ["port", "token"])
def test_a_daemon_that_cannot_have_its_page_ends_before_it_joins(tmp_path: Path, fault: str) -> None:
    """Otherwise it would come and go in the cluster with each attempt of the service manager."""
    (port,) = free_ports(1)
    with contextlib.ExitStack() as stack:
        token = token_file(tmp_path, mode=0o644 if fault == "token" else 0o600)
        page = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] if fault == "port" else 0
        daemon = Daemon(tmp_path / "a", port, [port], f'[http]\nlisten = "127.0.0.1:{page}"\ntoken_file = "{token}"\n')
        daemon.start()
        assert daemon.ended() == (1 if fault == "port" else 78)
    said = daemon.said()
    assert "joining" not in said
    assert ("ss -ltnp" if fault == "port" else "chmod o-rwx,g-w") in said
    checked = daemon.les("check")
    assert ("chmod o-rwx,g-w" in checked.stdout + checked.stderr) == (fault == "token")
