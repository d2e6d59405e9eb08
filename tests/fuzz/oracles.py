"""What must hold of any bytes, a function for each kind of them, which raises where not. For tests and `by_hand`.

Where a parser may refuse, its own error is the only one that it may raise.
"""

import functools
import ipaddress
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec
import tomli

from les_hooks import wire
from les_hooks.audit.chain import link
from les_hooks.audit.checkpoints import checkpoints_of
from les_hooks.audit.files import lines, lines_backwards
from les_hooks.audit.findings import Place
from les_hooks.audit.leaderships import Leaderships
from les_hooks.audit.reader import Damage, parse
from les_hooks.audit.record import MOST_RECORD_BYTES, render
from les_hooks.audit.verify import Verifier
from les_hooks.config.load import load_config
from les_hooks.config.places import locate
from les_hooks.control.moves import Maintain, StepDown, Transfer, any_move, read
from les_hooks.control.protocol import Request
from les_hooks.daemon.stored import load_state, load_told, load_voters
from les_hooks.errors import ConfigError, ControlError, PeerError, Problem, StartError
from les_hooks.guard.process import Groups
from les_hooks.security.secret import parse_secrets
from les_hooks.text import encodable, plain, printable
from les_hooks.wire_original import decode_original
from les_plugins.vip.frames import read_claim
from les_plugins.web import retry_after
from les_plugins.webhook.contract import Verdict
from les_plugins.webhook.posting import _judge
from les_plugins.webhook.posting.redaction import HIDDEN, Redactor
from les_plugins.webhook.posting.transport import MOST_REPLY_BYTES
from les_plugins.webhook.posting.transport import Reply as Response
from tests.fuzz.clouds import ask_cloud
from tests.fuzz.script import play
from tests.fuzz.wiretap import intercept

__all__ = ["ORACLES", "Oracle"]

Oracle = Callable[[bytes], None]

_PEER: Final = "10.0.0.9:4000"
_SECRET: Final = "correct-horse-battery-staple"
_NOW: Final = 1_800_000_000.0


def frame(data: bytes) -> None:
    """A frame, a newer one, or the peer's fault in words that can be logged; what is taken reads the same again."""
    try:
        decoded = wire.decode(data, _PEER)
    except PeerError as error:
        _check_fault(error)
        return
    if decoded is not None:
        again = wire.encode(decoded)
        assert wire.decode(again) == decoded
        assert wire.encode(decoded) == again


def original(data: bytes) -> None:
    """A reply of an original, or its fault; all addresses that come of it have been checked."""
    try:
        reply = decode_original(data, _PEER)
    except PeerError as error:
        _check_fault(error)
        return
    named = [*reply.members, *([reply.leader] if reply.leader else []), *([reply.address] if reply.address else [])]
    assert all(map(wire.is_address, named))
    assert 0 <= reply.start_time <= 2**33


def _check_fault(error: PeerError) -> None:
    assert error.peer == _PEER
    assert error.why.isprintable()
    assert len(error.why) < 300


def settings(data: bytes) -> None:
    """A configuration, or problems that stand inside the file; the locator knows each key that the parser knows."""
    path = _scratch() / "les.toml"
    path.write_bytes(data)
    problems: tuple[Problem, ...] = ()
    try:
        load_config(path, environ=MappingProxyType({"HOME": "/home/u"}))
    except ConfigError as error:
        problems = error.problems or (Problem(where="", key="", message="\0"),)
    for problem in problems:
        assert printable(str(problem)) == str(problem)
        _check_place(problem.where, path, data.count(b"\n") + 1)
    _check_locator(data)


def _check_place(where: str, path: Path, last: int) -> None:
    name, *numbers = where.removeprefix(str(path.parent)).split(":")
    if name == "/les.toml" and numbers:
        line, column = (*map(int, numbers), 1)[:2]
        assert 1 <= line <= last
        assert column >= 1


def _check_locator(data: bytes) -> None:
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        table = tomli.loads(text)
    except (ValueError, RecursionError):
        return
    found = locate(text)
    rows = text.split("\n")
    assert all(1 <= line <= len(rows) and 1 <= column <= len(rows[line - 1]) + 1 for line, column in found.values())
    if _depth(data) < 30:
        assert set(_paths(table)) <= set(found), "each key has its place"


def _depth(data: bytes) -> int:
    """No less than how deep brackets and dots nest."""
    return data.count(b"[") + data.count(b"{") + data.count(b".")


def _paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _paths(item, (*path, key))


def request(data: bytes) -> None:
    """A request on the control socket, read as every move, and written to the audit as what it is."""
    try:
        asked = msgspec.json.decode(data, type=Request)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    readers: tuple[Callable[[Mapping[str, Any]], object], ...] = (
        any_move,
        lambda given: read(StepDown, given),
        lambda given: read(Maintain, given),
        lambda given: read(Transfer, given),
    )
    for reader in readers:
        try:
            reader(asked.arguments)
        except ControlError as error:
            encodable(str(error)).encode()
    fields = {"schema": "x", "time": "x", "seq": 1, "command": asked.action, "arguments": dict(asked.arguments)}
    text = render(fields)
    assert len(text) < MOST_RECORD_BYTES
    assert b"\n" not in text
    assert json.loads(text)["command"] == asked.action


def trail(data: bytes) -> None:
    """A file of the audit: each line is a record or damage, read upwards or downwards, and a verdict can be shown."""
    downwards = list(lines(BytesIO(data)))
    verifier, history = Verifier(), Leaderships(most=100)
    for number, line in enumerate(downwards, 1):
        link(line)
        item = parse(number, line)
        if isinstance(item, Damage):
            assert item.text.isprintable()
        else:
            history.take(item.record)
        verifier.take(Place("audit.jsonl", number), line)
    result = verifier.result()
    assert all(str(finding).isprintable() for finding in result.findings)
    assert result.whole == (not result.faults and result.records > 0)
    msgspec.json.encode([result.findings, history.rows])
    upwards = [line for _, line in lines_backwards(BytesIO(data))]
    assert len(upwards) == len(downwards)
    if len(data) < MOST_RECORD_BYTES:
        assert upwards[::-1] == downwards


def log(data: bytes) -> None:
    """An operational log, in which checkpoints may be: those that are found have their numbers."""
    found = checkpoints_of(lines(BytesIO(data)), "log", {("a", "web")})
    assert all(number == checkpoint.seq for number, checkpoint in found.items())
    msgspec.json.encode([[point.seq, point.hash] for point in found.values()])


def state(data: bytes) -> None:
    """The files of the state directory: read, or told to be damaged; what is taken can be written and read again."""
    path = _scratch() / "state.json"
    path.write_bytes(data)
    loaders: tuple[Callable[[Path], object], ...] = (load_state, load_voters, load_told)
    for loader in loaders:
        try:
            found = loader(path)
        except StartError as error:
            encodable(str(error)).encode()
            continue
        if isinstance(found, msgspec.Struct):
            msgspec.json.encode(found)
            load_told(path)
    try:
        _, kept = load_state(path)
    except StartError:
        return
    path.write_bytes(msgspec.json.encode(kept))
    assert load_state(path) == (False, kept)


def secret(data: bytes) -> None:
    """The file of the secret: one or two of them, or why not, without a word of what is in it."""
    try:
        found = parse_secrets(data)
    except ValueError as error:
        _check_hidden(data, str(error))
        return
    assert 1 <= len(found.accepted) <= 2
    assert all(held.reveal().isprintable() and held.reveal().encode() in data for held in found.accepted)
    assert parse_secrets("\n".join(held.reveal() for held in found.accepted).encode()) == found


def _check_hidden(data: bytes, why: str) -> None:
    assert not any(word.decode("latin-1") in why for word in data.split() if len(word) > 16)


def claim(data: bytes) -> None:
    """A frame of a link: nobody claims the address, or who does has six bytes of a hardware address."""
    for address in (ipaddress.ip_address("10.0.0.100"), ipaddress.ip_address("fd00::64")):
        found = read_claim(data, address)
        assert found is None or (len(found.mac) == 6 and found.mac in data)
    assert read_claim(data[:13], ipaddress.ip_address("10.0.0.100")) is None


def receiver(data: bytes) -> None:
    """What a webhook's receiver answers: a verdict, fit for a terminal, without the secret that it may repeat."""
    status, _, rest = data.partition(b"\n")
    wait, _, body = rest.partition(b"\n")
    reply = Response(
        status=100 + int.from_bytes(status[:2]) % 500,
        reason=status[2:].decode("utf-8", "surrogateescape"),
        retry_after=wait.decode("utf-8", "surrogateescape"),
        body=(body + _SECRET.encode() * (len(body) % 2))[: MOST_REPLY_BYTES + 1],
    )
    answer = _judge(reply, Redactor([_SECRET]), _NOW)
    assert (answer.verdict is Verdict.DELIVERED) == (200 <= reply.status < 300)
    assert answer.retry_after is None or 0 < answer.retry_after <= 3600
    assert 0 <= retry_after(reply.retry_after, _NOW) <= 3600
    for shown in (answer.why, *answer.reply.split("\n")):
        assert shown.isprintable()
        assert _SECRET not in shown.replace(HIDDEN, "")
    (answer.why + answer.reply).encode()


def guard(data: bytes) -> None:
    """Commands to the guard: what is malformed changes nothing, and no number is that of all processes or our own."""
    groups = Groups(5.0)
    for line in data.split(b"\n")[:64]:
        groups.obey(line)
    assert all(number > 1 for number in groups.known)
    assert len(groups.intents) <= 1024
    assert groups.until >= 0
    assert groups.release_by >= 0
    groups.wait_seconds()


def words(data: bytes) -> None:
    """Foreign text, as it is shown and told on."""
    text = data.decode("utf-8", "surrogateescape" if len(data) % 2 else "surrogatepass" if not data else "replace")
    assert printable(text).isprintable()
    shown = plain(text)
    assert "\n" not in shown
    assert "\x1b" not in shown
    encodable(text).encode()
    shown.encode()
    assert wire.phrase(text).isprintable()
    assert len(wire.phrase(text)) <= 256


@functools.cache
def _scratch() -> Path:
    """A folder in memory where there is one: a million files are written there, one at a time."""
    shared = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="les-fuzz-", dir=shared if shared.is_dir() else None))


ORACLES: Final[Mapping[str, Oracle]] = MappingProxyType(
    {
        "frame": frame,
        "handshake": intercept,
        "secret": secret,
        "machine": play,
        "original": original,
        "settings": settings,
        "request": request,
        "trail": trail,
        "log": log,
        "state": state,
        "claim": claim,
        "receiver": receiver,
        "cloud": ask_cloud,
        "guard": guard,
        "words": words,
    }
)
"""By name: each is a target of `by_hand`, and has a corpus."""
