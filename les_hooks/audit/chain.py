"""The chain that the records of a trail form: each names the hash of the one before it. Pure.

Imported by `audit` and by who keeps or compares its head. The hash of a record is the SHA-256 of its line without the
line end and without the field `hash` itself. As that field is the last one, nobody has to parse or to write JSON
exactly as we do to check it.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from les_hooks.audit.actions import SCHEMA

__all__ = ["BEGINNING", "CHAIN_BYTES", "Head", "Link", "is_hash", "link", "seal"]

BEGINNING: Final = "0" * 64
"""What the first record of a chain names as the hash of the one before it."""

_HASH: Final = re.compile("[0-9a-f]{64}")
_FRONT: Final = re.compile(rb'\{"schema":"%b","time":"([^"]{1,40})","seq":([0-9]{1,16}),' % re.escape(SCHEMA.encode()))
_BACK: Final = re.compile(rb',"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\n')

_HASH_FIELD_BYTES: Final = len(',"hash":""') + len(BEGINNING)
CHAIN_BYTES: Final = len(',"prev":""') + len(BEGINNING) + _HASH_FIELD_BYTES
"""What the two fields add to a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last record of a trail: its number, and its hash, which the next one names."""

    seq: int = 0
    hash: str = BEGINNING


@dataclass(slots=True, kw_only=True)
class Link:
    """What a line says of its place in the chain; `fits` is whether its hash is that of its text."""

    # Not frozen: one is made for each line of a million, and a frozen one costs as much as the hash.
    seq: int
    time: str
    prev: str
    hash: str
    fits: bool


def seal(text: bytes, prev: str) -> tuple[bytes, str]:
    """The line of a record, made of its JSON object, and its hash."""
    unhashed = b'%b,"prev":"%b"}' % (text[:-1], prev.encode())
    digest = sha256(unhashed).hexdigest()
    return b'%b,"hash":"%b"}\n' % (unhashed[:-1], digest.encode()), digest


def link(line: bytes) -> Link | None:
    """What the line says of the chain; None where it is no record that belongs to one."""
    front = _FRONT.match(line)
    back = _BACK.match(line, len(line) - CHAIN_BYTES - len("}\n"))
    if front is None or back is None:
        return None
    time, seq = front.groups()
    prev, digest = (text.decode() for text in back.groups())
    unhashed = sha256(line[: -len("}\n") - _HASH_FIELD_BYTES])
    unhashed.update(b"}")
    fits = unhashed.hexdigest() == digest
    return Link(seq=int(seq), time=time.decode("ascii", "replace"), prev=prev, hash=digest, fits=fits)


def is_hash(text: str) -> bool:
    """Whether the text could be the hash of a record."""
    return _HASH.fullmatch(text) is not None
