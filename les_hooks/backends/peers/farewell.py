"""Telling the voters that a process which died has been undone: all that `les cleanup` says to other nodes.

A WebSocket by hand and not aiohttp's: others wait for this, and aiohttp takes as long to import as all the rest of the
cleanup together. It says one frame and hears one.
"""

import asyncio
import base64
import contextlib
import secrets
import ssl
import struct
from collections.abc import Iterable, Sequence

from structlog.typing import FilteringBoundLogger

from les_hooks import wire
from les_hooks.backends.peers.settings import LINK_PATH
from les_hooks.election.frames import Farewell
from les_hooks.errors import PeerError
from les_hooks.members import Address, parse_address
from les_hooks.security import NONCE_BYTES, PROTOCOL, Credentials, Dialed, Secret, Unproven, handshake_words, mismatch

__all__ = ["say_farewell"]

_BINARY, _CLOSE = 0x82, 0x88
_MASKED = 0x80
_LONG = 126
_NORMAL = 1000

# The answer to the upgrade has a few headers; a close frame has 125 bytes, and nothing else is waited for.
_MOST_BYTES = 4096

# What is left to say once it was taken is worth no more.
_TLS_CLOSE_SECONDS = 0.1


async def say_farewell(
    voters: Iterable[Address],
    farewell: Farewell,
    credentials: Credentials,
    *,
    limit: float,
    log: FilteringBoundLogger,
) -> frozenset[Address]:
    """Tell the voters, all at once and each for at most `limit` seconds; returns who took it.

    Who cannot be told is logged, and grants nothing until its grant to the process that died has run out.
    """
    asked = sorted(voters)
    taken = await asyncio.gather(*(_tell(voter, farewell, credentials, limit, log) for voter in asked))
    return frozenset(voter for voter, took in zip(asked, taken, strict=True) if took)


async def _tell(
    voter: Address, farewell: Farewell, credentials: Credentials, limit: float, log: FilteringBoundLogger
) -> bool:
    try:
        async with asyncio.timeout(limit):
            await _talk(voter, farewell, credentials)
    except (OSError, EOFError, asyncio.LimitOverrunError, PeerError) as error:
        why = error.why if isinstance(error, PeerError) else wire.excerpt(str(error) or "did not answer in time")
        log.warning("farewell-failed", voter=voter, reason=why)
        return False
    return True


async def _talk(voter: Address, farewell: Farewell, credentials: Credentials) -> None:
    """Say it and wait until it was taken. Raises PeerError where it was not, and OSError or EOFError."""
    proven, tls = credentials.proven, credentials.tls
    try:
        reader, writer = await asyncio.open_connection(
            *parse_address(voter),
            limit=_MOST_BYTES,
            ssl=None if tls is None else tls.dialer,
            ssl_shutdown_timeout=None if tls is None else _TLS_CLOSE_SECONDS,
        )
    except ssl.SSLError as error:
        raise PeerError(voter, handshake_words(error)) from None
    try:
        if tls is not None:
            _must_be_certified(writer, voter)
        writer.write(_upgrade(voter, () if proven is None else (PROTOCOL,)))
        status = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]
        if b" 101 " not in status:
            raise PeerError(voter, f"takes no links: {wire.excerpt(status.decode('latin-1'))}")
        said = wire.encode(farewell)
        if proven is not None:
            said = await _prove(reader, voter, proven, said)
        writer.write(_frame(_BINARY, said))
        kind, length = await reader.readexactly(2)
        if kind != _CLOSE or length >= _LONG:
            raise PeerError(voter, "answered a farewell with something else than the end of the link")
        end = await reader.readexactly(length)
        code, reason = end[:2], wire.excerpt(end[2:].decode("utf-8", "replace"))
        if reason or code != struct.pack("!H", _NORMAL):
            raise PeerError(voter, reason or "ended the link with an error")
        writer.write(_frame(_CLOSE, code))
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _must_be_certified(writer: asyncio.StreamWriter, voter: Address) -> None:
    if wrong := mismatch(writer.get_extra_info("peercert") or {}, voter):
        raise PeerError(voter, wrong)


async def _prove(reader: asyncio.StreamReader, voter: Address, proven: Secret, said: bytes) -> bytes:
    """Hear the challenge, and return the message that says this."""
    kind, length = await reader.readexactly(2)
    if kind != _BINARY or length >= _LONG:
        raise PeerError(voter, "did not begin with a challenge")
    challenge = await reader.readexactly(length)
    try:
        return Dialed(proven, secrets.token_bytes(NONCE_BYTES)).answer(challenge, said)[0]
    except Unproven as error:
        raise PeerError(voter, str(error)) from None


def _upgrade(voter: Address, protocols: Sequence[str]) -> bytes:
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    return (
        f"GET {LINK_PATH} HTTP/1.1\r\nHost: {voter}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        + "".join(f"Sec-WebSocket-Protocol: {protocol}\r\n" for protocol in protocols)
        + "\r\n"
    ).encode()


def _frame(kind: int, data: bytes) -> bytes:
    """A whole frame, masked, as those of clients must be (RFC 6455, section 5)."""
    size = len(data)
    head = (
        struct.pack("!BB", kind, _MASKED | size) if size < _LONG else struct.pack("!BBH", kind, _MASKED | _LONG, size)
    )
    mask = secrets.token_bytes(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
