import errno
import io
import json
import os
import pty
import socket
import tty
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from les_hooks.config import LogFormat, LogLevel
from les_hooks.log import Threshold, make_log


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_json_is_one_object_a_line_with_level_time_and_bound_keys() -> None:
    stream = io.StringIO()

    make_log(LogFormat.JSON, stream=stream).bind(node="a").info("link-up", peer="10.0.0.2:4000", path=Path("/x"))

    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert record.pop("time").endswith("Z")
    assert record == {
        "node": "a",
        "peer": "10.0.0.2:4000",
        "path": "PosixPath('/x')",
        "event": "link-up",
        "level": "info",
    }


def test_auto_is_console_on_a_terminal_and_json_elsewhere() -> None:
    terminal, pipe = Terminal(), io.StringIO()

    make_log(LogFormat.AUTO, stream=terminal).info("link-up")
    make_log(LogFormat.AUTO, stream=pipe).info("link-up")

    assert json.loads(pipe.getvalue())["event"] == "link-up"
    assert not terminal.getvalue().startswith("{")


def test_only_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, pipe = Terminal(), io.StringIO()

    make_log(LogFormat.CONSOLE, stream=terminal).info("link-up")
    make_log(LogFormat.CONSOLE, stream=pipe).info("link-up")

    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in pipe.getvalue()


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()

    make_log(LogFormat.CONSOLE, stream=terminal).info("link-up")

    assert "\x1b" not in terminal.getvalue()


def test_foreign_text_can_neither_forge_a_line_nor_reach_the_terminal() -> None:
    stream = io.StringIO()
    evil = 'b\n12:00 [info] elected \x1b[2J\x9b"\u202e'

    make_log(LogFormat.CONSOLE, stream=stream).warning("name-refused", name=evil, names=[evil], by={evil: evil})

    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()


@pytest.mark.parametrize("log_format", [LogFormat.CONSOLE, LogFormat.JSON])
def test_an_exception_comes_with_its_traceback_and_cannot_forge_a_line(log_format: LogFormat) -> None:
    stream = io.StringIO()
    log = make_log(log_format, stream=stream)

    try:
        raise ValueError("bad\n2026 [info] elected\x1b[2J")
    except ValueError:
        log.exception("hook-crashed")

    text = stream.getvalue()
    assert "ValueError" in text
    assert "\x1b" not in text
    assert not any(line.startswith("2026") for line in text.splitlines())


def test_the_level_of_loggers_that_exist_can_be_changed() -> None:
    stream = io.StringIO()
    threshold = Threshold(LogLevel.WARNING)
    log = make_log(LogFormat.JSON, threshold, stream).bind(node="a")

    log.info("one")
    threshold.level = LogLevel.DEBUG
    log.debug("two")
    threshold.level = LogLevel.ERROR
    log.warning("three")
    log.error("four")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["two", "four"]


def test_what_json_cannot_hold_is_written_as_text() -> None:
    stream = io.StringIO()
    loop: list[object] = []
    loop.append(loop)

    make_log(LogFormat.JSON, stream=stream).info("odd", name="f\udcff", loop=loop)

    record = json.loads(stream.getvalue())
    assert (record["name"], record["loop"]) == ("f\\udcff", "[[...]]")


def test_a_log_that_cannot_be_written_raises_nothing() -> None:
    closed = io.StringIO()
    log = make_log(LogFormat.JSON, stream=closed)
    closed.close()
    log.info("after-close")

    make_log(LogFormat.JSON, stream=Full()).info("disk-full")


def _terminal() -> tuple[int, int]:
    reader, writer = pty.openpty()
    tty.setraw(writer)
    return reader, writer


def _socket() -> tuple[int, int]:
    reader, writer = socket.socketpair()
    return reader.detach(), writer.detach()


@pytest.mark.parametrize(("make", "others"), [(os.pipe, False), (os.pipe, True), (_terminal, False), (_socket, False)])
def test_a_stream_that_nobody_reads_stops_nobody_and_what_is_lost_is_counted(
    make: Callable[[], tuple[int, int]], others: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = make()
    os.set_blocking(reader, False)
    with open(reader, "rb", 0) as reading, open(writer, "w") as stream:
        with monkeypatch.context() as patch:
            if others:  # they may write it, but not open it anew
                patch.setattr(os, "open", _refuse)
            log = make_log(LogFormat.JSON, stream=stream)
        for number in range(300):
            log.info("flood", number=number, text="x" * (10 if number % 2 else 6000))
        seen = _drain(reading)
        log.info("after")
        seen += _drain(reading)
    records = [json.loads(line) for line in seen.splitlines()]
    flood = [record["number"] for record in records if record["event"] == "flood"]
    assert flood == sorted(flood)
    assert [record["event"] for record in records[-2:]] == ["log-dropped", "after"]
    counts = [record["count"] for record in records if record["event"] == "log-dropped"]
    assert 0 < sum(counts) == 300 - len(flood)
    assert all(counts)


def _refuse(*_: object) -> int:
    raise PermissionError(errno.EACCES, "Permission denied")


def _drain(reading: io.FileIO) -> bytes:
    return b"".join(iter(reading.read, None))


def test_a_pipe_whose_reader_is_gone_raises_nothing() -> None:
    reader, writer = os.pipe()
    with open(writer, "w") as stream:
        log = make_log(LogFormat.JSON, stream=stream)
        os.close(reader)
        log.info("into-the-void")
        log.info("again")


def test_a_stream_of_another_encoding_gets_escapes() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")

    make_log(LogFormat.CONSOLE, stream=stream).info("link-up", name="Köln")
    stream.flush()

    assert b"K\\xf6ln" in raw.getvalue()


def test_the_users_own_structlog_is_neither_used_nor_changed() -> None:
    before = structlog.get_config()
    structlog.configure(processors=[lambda *_: pytest.fail("our log ran the user's processors")])
    try:
        stream = io.StringIO()
        make_log(LogFormat.JSON, stream=stream).info("ours")
        assert "ours" in stream.getvalue()
    finally:
        structlog.configure(**before)
