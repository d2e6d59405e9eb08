"""Both ends of the control socket, against each other and against clients and daemons that misbehave."""

import asyncio
import contextlib
import io
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from les_hooks.config import LogFormat, LogLevel
from les_hooks.control.client import call, stream
from les_hooks.control.protocol import MOST_REQUEST_BYTES
from les_hooks.control.server import Caller, ControlServer
from les_hooks.errors import ControlError, PluginError, StartError
from les_hooks.log import make_log
from tests.control.feed import Feed
from tests.needs import need_root


class Daemon:
    """A server with a few actions, and what it saw."""

    def __init__(self, path: Path, request_seconds: float = 0.5) -> None:
        self.path = path
        self.log = io.StringIO()
        self.callers: list[Caller] = []
        self.refused: list[tuple[str, Caller]] = []
        self.feed = Feed(capacity=4)
        self.ended = asyncio.Event()
        self.blocked = asyncio.Event()
        self.server = ControlServer(
            {"echo": self.echo, "fail": self.fail, "crash": self.crash, "large": self.large, "wait": self.wait},
            {"watch": self.watch, "count": self.count, "flood": self.flood},
            questions={"echo", "watch"},
            on_refused=lambda action, caller: self.refused.append((action, caller)),
            log=make_log(LogFormat.JSON, LogLevel.DEBUG, self.log),
            request_seconds=request_seconds,
            stall_seconds=0.5,
        )

    async def echo(self, arguments: Mapping[str, Any], caller: Caller) -> object:
        self.callers.append(caller)
        return dict(arguments)

    async def fail(self, arguments: Mapping[str, Any], caller: Caller) -> object:
        if "exit" in arguments:
            raise ControlError("nobody leads", arguments["exit"])
        raise PluginError("vip", "has no address\x1b[2J")

    async def crash(self, arguments: Mapping[str, Any], caller: Caller) -> object:
        raise KeyError("secret detail")

    async def large(self, arguments: Mapping[str, Any], caller: Caller) -> object:
        return "x" * (8 << 20)

    async def wait(self, arguments: Mapping[str, Any], caller: Caller) -> object:
        await self.blocked.wait()
        return "done"

    async def watch(self, arguments: Mapping[str, Any], caller: Caller) -> AsyncGenerator[object, None]:
        yield "here"
        try:
            async for item in self.feed.listen():
                yield item
        finally:
            self.ended.set()

    async def count(self, arguments: Mapping[str, Any], caller: Caller) -> AsyncGenerator[object, None]:
        for number in range(arguments["to"]):
            yield {"number": number}
        if arguments.get("fail"):
            raise ControlError("too slow", 75)

    async def flood(self, arguments: Mapping[str, Any], caller: Caller) -> AsyncGenerator[object, None]:
        try:
            while True:
                yield "x" * 10_000
        finally:
            self.ended.set()

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.log.getvalue().splitlines()]


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    daemon = Daemon(tmp_path / "c.sock")
    await daemon.server.start(daemon.path)
    yield daemon
    await daemon.server.close()


async def in_thread(work: Callable[[], Any]) -> Any:
    return await asyncio.wait_for(asyncio.to_thread(work), 20)


async def raw(daemon: Daemon, data: bytes, *, end: bool = False) -> dict[str, Any]:
    """Send bytes and return the reply, over a plain socket: asyncio's reader forgets it when a reset follows."""

    def talk() -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(daemon.path))
            with contextlib.suppress(BrokenPipeError):
                client.sendall(data)
            if end:
                client.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as answer:
                return answer.readline()

    line = await in_thread(talk)
    return json.loads(line) if line else {}


async def until(condition: Callable[[], object]) -> None:
    """Wait for what no event tells."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def is_well(daemon: Daemon) -> bool:
    return bool(await in_thread(lambda: call(daemon.path, "echo", {"a": 1})) == {"a": 1})


class TestAnswers:
    async def test_an_answer_comes_back(self, daemon: Daemon) -> None:
        assert await in_thread(lambda: call(daemon.path, "echo", {"a": [1, None, "ü"]})) == {"a": [1, None, "ü"]}

    async def test_the_handler_learns_who_asks(self, daemon: Daemon) -> None:
        await in_thread(lambda: call(daemon.path, "echo"))

        assert daemon.callers == [Caller(uid=os.getuid(), pid=os.getpid())]

    async def test_the_line_on_the_wire_is_as_documented(self, daemon: Daemon) -> None:
        assert await raw(daemon, b'{"action":"echo","arguments":{"a":1}}\n') == {"ok": True, "result": {"a": 1}}
        assert await raw(daemon, b'{"action":"fail","arguments":{"exit":4}}\n') == {
            "ok": False,
            "error": "nobody leads",
            "exit": 4,
        }

    async def test_a_refusal_keeps_its_words_and_its_exit_code(self, daemon: Daemon) -> None:
        with pytest.raises(ControlError, match="nobody leads") as caught:
            await in_thread(lambda: call(daemon.path, "fail", {"exit": 4}))
        assert caught.value.exit_code == 4

    async def test_an_error_of_another_kind_is_told_without_its_control_characters(self, daemon: Daemon) -> None:
        with pytest.raises(ControlError) as caught:
            await in_thread(lambda: call(daemon.path, "fail"))
        assert (caught.value.why, caught.value.exit_code) == ("plugin vip: has no address\\x1b[2J", 1)

    async def test_a_bug_is_logged_and_told_without_its_detail(self, daemon: Daemon) -> None:
        with pytest.raises(ControlError, match=r"failed to answer \(KeyError\); its log says more"):
            await in_thread(lambda: call(daemon.path, "crash"))
        assert "control-request-failed" in daemon.events()
        assert "secret detail" in daemon.log.getvalue()

    async def test_a_large_answer_arrives_whole(self, daemon: Daemon) -> None:
        answer = await in_thread(lambda: call(daemon.path, "large"))
        assert len(answer) == 8 << 20

    async def test_many_can_ask_while_one_waits(self, daemon: Daemon) -> None:
        waiting = asyncio.create_task(in_thread(lambda: call(daemon.path, "wait")))
        assert await is_well(daemon)
        daemon.blocked.set()
        assert await waiting == "done"


class TestStreams:
    async def test_items_come_in_order_until_the_end(self, daemon: Daemon) -> None:
        items = await in_thread(lambda: list(stream(daemon.path, "count", {"to": 1000})))
        assert items == [{"number": number} for number in range(1000)]

    async def test_an_error_ends_it_with_its_words(self, daemon: Daemon) -> None:
        seen = []

        def read() -> None:
            for item in stream(daemon.path, "count", {"to": 2, "fail": True}):
                seen.append(item)  # noqa: PERF402  (what came before the error counts)

        with pytest.raises(ControlError, match="too slow") as caught:
            await in_thread(read)
        assert (len(seen), caught.value.exit_code) == (2, 75)

    async def test_what_is_published_reaches_the_watcher(self, daemon: Daemon) -> None:
        watcher = stream(daemon.path, "watch")
        assert await in_thread(lambda: next(watcher)) == "here"
        await until(lambda: daemon.feed._queues)
        daemon.feed.publish({"kind": "elected"})
        assert await in_thread(lambda: next(watcher)) == {"kind": "elected"}

    async def test_it_ends_when_the_client_goes(self, daemon: Daemon) -> None:
        def read_one() -> None:
            with contextlib.closing(stream(daemon.path, "watch")) as watcher:  # type: ignore[type-var]  # a generator
                next(watcher)

        await in_thread(read_one)
        await asyncio.wait_for(daemon.ended.wait(), 5)

    async def test_a_client_that_never_reads_is_dropped(self, daemon: Daemon) -> None:
        _, writer = await asyncio.open_unix_connection(daemon.path)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport as well
        writer.write(b'{"action":"flood"}\n')

        await asyncio.wait_for(daemon.ended.wait(), 5)

        assert await is_well(daemon)
        assert "took nothing for 0.5 s" in daemon.log.getvalue()
        writer.close()

    async def test_watchers_cannot_take_every_place(self, daemon: Daemon) -> None:
        watchers = [stream(daemon.path, "watch") for _ in range(16)]
        assert await in_thread(lambda: [next(watcher) for watcher in watchers]) == ["here"] * 16

        with pytest.raises(ControlError, match="16 clients are watching already"):
            await in_thread(lambda: next(stream(daemon.path, "watch")))
        assert await is_well(daemon)

    async def test_closing_ends_them(self, daemon: Daemon) -> None:
        watcher = stream(daemon.path, "watch")
        await in_thread(lambda: next(watcher))

        await daemon.server.close()

        assert await in_thread(lambda: list(watcher)) == []
        assert daemon.ended.is_set()


class TestBadClients:
    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b"GET / HTTP/1.1\r\n\r\n", "the request is malformed"),
            (b"\xff\xfe\x00\n", "the request is malformed"),
            (b"\n", "the request is malformed"),
            (b"[]\n", "the request is malformed"),
            (b"[" * 60_000 + b"\n", "the request is malformed"),
            (b'{"action":1}\n', "the request is malformed"),
            (b'{"action":""}\n', "the request is malformed"),
            (b'{"action":"' + b"x" * 65 + b'"}\n', "the request is malformed"),
            (b'{"action":"echo","arguments":[]}\n', "the request is malformed"),
            (b'{"action":"echo","argument":{}}\n', "the request is malformed"),
            (b'{"action":"nonsense"}\n', "this daemon knows no action 'nonsense'"),
            (b"x" * (MOST_REQUEST_BYTES + 1), "the request is longer than 65536 bytes"),
            (b"x" * (1 << 20) + b"\n", "the request is longer than 65536 bytes"),
        ],
    )
    async def test_rubbish_gets_a_reason_and_does_no_harm(self, daemon: Daemon, data: bytes, why: str) -> None:
        reply = await raw(daemon, data)

        assert reply["ok"] is False
        assert reply["error"].startswith(why)
        assert await is_well(daemon)

    async def test_our_own_client_hears_the_reason_for_a_huge_request(self, daemon: Daemon) -> None:
        with pytest.raises(ControlError, match="the request is longer than 65536 bytes"):
            await in_thread(lambda: call(daemon.path, "echo", {"a": "x" * (8 << 20)}))

    async def test_half_a_line_gets_a_reason(self, daemon: Daemon) -> None:
        reply = await raw(daemon, b'{"action":"ec', end=True)
        assert reply["error"] == "the request ends in the middle of its line"

    async def test_a_line_that_is_never_finished_ends_in_time(self, daemon: Daemon) -> None:
        reply = await raw(daemon, b'{"action":"ec')
        assert reply["error"] == "no request came within 0.5 s"

    async def test_a_line_that_comes_byte_by_byte_ends_in_time_too(self, daemon: Daemon) -> None:
        def trickle() -> str:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(daemon.path))
                client.settimeout(0.05)
                for byte in b'{"action":"echo","arguments":{"a":"' + b"x" * 200:
                    with contextlib.suppress(TimeoutError):
                        client.send(bytes([byte]))
                        return client.recv(4096).decode()
            return ""

        assert "no request came within 0.5 s" in await in_thread(trickle)

    async def test_one_that_says_nothing_and_goes_is_no_trouble(self, daemon: Daemon) -> None:
        assert await raw(daemon, b"", end=True) == {}
        assert await is_well(daemon)

    async def test_one_that_goes_before_its_answer_is_no_trouble(self, daemon: Daemon) -> None:
        for _ in range(20):
            _, writer = await asyncio.open_unix_connection(daemon.path)
            writer.write(b'{"action":"large"}\n')
            await writer.drain()
            writer.transport.abort()

        assert await is_well(daemon)
        assert "control-request-failed" not in daemon.events()

    async def test_one_that_does_not_take_a_large_answer_is_dropped(self, daemon: Daemon) -> None:
        _, writer = await asyncio.open_unix_connection(daemon.path)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport as well
        writer.write(b'{"action":"large"}\n')

        await until(lambda: "took nothing" in daemon.log.getvalue())
        writer.close()

    async def test_of_200_at_once_each_gets_its_answer_or_a_reason(self, tmp_path: Path) -> None:
        """The first ones get all the time that they need: a busy machine must not send one of them away."""
        daemon = Daemon(tmp_path / "c.sock", request_seconds=60.0)
        await daemon.server.start(daemon.path)
        silent = [await asyncio.open_unix_connection(daemon.path) for _ in range(200)]
        try:
            refused = [json.loads(line) for reader, _ in silent[64:] if (line := await reader.readline())]

            assert len(refused) == 136
            assert {reply["error"] for reply in refused} == {"64 clients are connected already; try again"}
        finally:
            for _, writer in silent:
                writer.close()
        await until(lambda: not daemon.server._connections)
        assert await is_well(daemon)
        await daemon.server.close()


class TestEndpoint:
    async def test_only_its_owner_can_use_it_whatever_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0)
        daemon = Daemon(tmp_path / "c.sock")
        try:
            await daemon.server.start(daemon.path)
            assert stat.S_IMODE(daemon.path.stat().st_mode) == 0o600
        finally:
            os.umask(before)
            await daemon.server.close()

    async def test_what_a_crash_left_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "c.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        daemon = Daemon(path)
        await daemon.server.start(path)
        assert await is_well(daemon)
        await daemon.server.close()

    async def test_a_living_one_is_not(self, daemon: Daemon) -> None:
        with pytest.raises(StartError, match=r"c\.sock: another daemon answers there; stop that one, or name another"):
            await Daemon(daemon.path).server.start(daemon.path)
        assert await is_well(daemon)

    async def test_one_that_is_too_busy_to_answer_lives(self, tmp_path: Path) -> None:
        path = tmp_path / "c.sock"
        with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
            busy.bind(str(path))
            busy.listen(0)
            waiting.connect(str(path))
            with pytest.raises(StartError, match="another daemon answers there"):
                await Daemon(path).server.start(path)

    async def test_a_file_in_its_place_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "c.sock"
        path.write_text("precious")
        with pytest.raises(StartError, match="is something else than a socket; move it away"):
            await Daemon(path).server.start(path)
        assert path.read_text() == "precious"

    async def test_a_path_that_is_too_long_is_a_clear_error_at_both_ends(self, tmp_path: Path) -> None:
        path = tmp_path / ("x" * 120)
        with pytest.raises(StartError, match=r"cannot be made .*path too long.*; name another place as") as caught:
            await Daemon(path).server.start(path)
        assert str(path) in str(caught.value)
        with pytest.raises(ControlError, match="path too long") as refused:
            call(path, "echo")
        assert refused.value.exit_code == 69

    async def test_a_missing_folder_is_a_clear_error(self, tmp_path: Path) -> None:
        with pytest.raises(StartError, match="No such file or directory"):
            await Daemon(tmp_path).server.start(tmp_path / "none" / "c.sock")

    async def test_closing_removes_the_file_and_lets_answers_finish(self, daemon: Daemon) -> None:
        waiting = asyncio.create_task(in_thread(lambda: call(daemon.path, "wait")))
        await until(lambda: daemon.server._connections)
        asyncio.get_running_loop().call_later(0.1, daemon.blocked.set)

        await daemon.server.close()

        assert await waiting == "done"
        assert not daemon.path.exists()

    async def test_closing_does_not_wait_for_ever(self, daemon: Daemon) -> None:
        waiting = asyncio.create_task(in_thread(lambda: call(daemon.path, "wait")))
        await until(lambda: daemon.server._connections)

        await asyncio.wait_for(daemon.server.close(), 3)

        with pytest.raises(ControlError, match="hung up without an answer") as caught:
            await waiting
        assert caught.value.exit_code == 69

    async def test_the_file_of_a_successor_is_left_alone(self, daemon: Daemon) -> None:
        daemon.path.unlink()
        successor = Daemon(daemon.path)
        await successor.server.start(daemon.path)
        await daemon.server.close()
        assert await is_well(successor)
        await successor.server.close()


class TestBadDaemons:
    @pytest.mark.parametrize("leftover", [False, True])
    def test_none_at_all_says_where_it_was_looked_for_and_how_to_start_it(self, tmp_path: Path, leftover: bool) -> None:
        path = tmp_path / "c.sock"
        if leftover:
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(path))
        with pytest.raises(ControlError, match=r"no daemon answers at .*/c\.sock; start it with `les run`") as caught:
            call(path, "status")
        assert caught.value.exit_code == 69

    def test_one_that_hangs_is_left_in_time(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as hung:
            hung.bind(str(tmp_path / "c.sock"))
            hung.listen(5)
            with pytest.raises(ControlError, match="did not answer in time") as caught:
                call(tmp_path / "c.sock", "status", timeout=0.2)
        assert caught.value.exit_code == 69

    def test_one_that_takes_no_more_clients_is_left_in_time(self, tmp_path: Path) -> None:
        path = tmp_path / "c.sock"
        with socket.socket(socket.AF_UNIX) as hung, socket.socket(socket.AF_UNIX) as waiting:
            hung.bind(str(path))
            hung.listen(0)
            waiting.connect(str(path))
            with pytest.raises(ControlError, match="did not answer in time"):
                call(path, "status", timeout=0.2)

    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            (b"", "hung up without an answer"),
            (b'{"ok":tr', "stopped in the middle of its answer"),
            (b"rubbish\n", "cannot be understood"),
            (b"[" * 60_000 + b"\n", "cannot be understood"),
        ],
    )
    async def test_one_that_talks_rubbish_is_an_error(self, tmp_path: Path, answer: bytes, why: str) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(answer)
            writer.close()

        server = await asyncio.start_unix_server(serve, tmp_path / "c.sock")
        with pytest.raises(ControlError, match=why):
            await in_thread(lambda: call(tmp_path / "c.sock", "status"))
        server.close()

    async def test_one_of_another_user_says_whose_it_is(self) -> None:
        need_root()
        code = (
            "import os, sys; from pathlib import Path; from les_hooks.control.client import call\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "try: call(Path(sys.argv[1]), 'echo')\n"
            "except Exception as error: print(error, error.exit_code)"
        )
        # Not tmp_path: the folders above it are closed to others, and the socket's owner is to be seen.
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            daemon = Daemon(Path(folder) / "c.sock")
            await daemon.server.start(daemon.path)
            command = [sys.executable, "-c", code, str(daemon.path)]
            done = await in_thread(lambda: subprocess.run(command, capture_output=True, text=True, timeout=20))
            await daemon.server.close()
        assert done.stdout.strip() == f"{daemon.path} belongs to root; run this as that user or as root 77"


def test_the_client_starts_without_asyncio() -> None:
    code = "import sys, les_hooks.control.client; print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "False\n"
