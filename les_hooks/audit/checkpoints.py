"""Checkpoints of a trail, read back from an operational log, in whatever form that was kept. For `les audit verify`.

The log may be what the daemon wrote, as JSON or for a console, or what `journalctl -o json`, `-o cat` or a syslog made
of it: whatever stands around them, a checkpoint is its name and its four values.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from les_hooks.audit.actions import CHECKPOINT
from les_hooks.audit.findings import Place
from les_hooks.audit.verify import Checkpoint
from les_hooks.errors import ControlError

__all__ = ["Origin", "checkpoints_of"]

Origin = tuple[str, str]
"""A node and its cluster, by their names."""

_NAME: Final = CHECKPOINT.encode()
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_SAID: Final = re.compile(r"\b(seq|hash|node|cluster)=([A-Za-z0-9._-]+)")
# One each five minutes for ninety years.
_MOST: Final = 10_000_000


def checkpoints_of(lines: Iterable[bytes], log: str, origins: Collection[Origin]) -> Mapping[int, Checkpoint]:
    """The checkpoints of these nodes, by the number of the record. Raises ControlError for more than there can be."""
    found: dict[int, Checkpoint] = {}
    for number, line in enumerate(lines, 1):
        # A journal may hold the line as a list of bytes, and then the name is not to be seen in it.
        if _NAME not in line and b'"MESSAGE"' not in line:
            continue
        said = _said(line)
        if said is None or (said.node, said.cluster) not in origins:
            continue
        # Of two that differ the first was written before anybody could want to change it.
        found.setdefault(said.seq, Checkpoint(seq=said.seq, hash=said.hash, place=Place(log, number)))
        if len(found) > _MOST:
            raise ControlError(f"{log} has more than {_MOST} checkpoints; name the part of the log that matters")
    return found


class _Said(msgspec.Struct):
    event: str
    seq: int
    hash: str
    node: str
    cluster: str


class _Journal(msgspec.Struct):
    message: str | list[int] | None = msgspec.field(name="MESSAGE")


def _said(line: bytes) -> _Said | None:
    """The checkpoint in a line; None where there is none."""
    text = _message(line)
    if CHECKPOINT not in text:
        return None
    begin = text.find("{")
    if begin >= 0:
        try:
            said = msgspec.json.decode(text[begin:], type=_Said)
        except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
            return None
        return said if said.event == CHECKPOINT else None
    values = dict(_SAID.findall(text.partition(CHECKPOINT)[2]))
    try:
        return msgspec.convert({"event": CHECKPOINT, **values}, type=_Said, strict=False)
    except msgspec.ValidationError:
        return None


def _message(line: bytes) -> str:
    """The line as the daemon wrote it."""
    text: str | None = None
    if b'"MESSAGE"' in line:
        try:
            message = msgspec.json.decode(line, type=_Journal).message
            text = message if isinstance(message, str) else bytes(message or ()).decode("utf-8", "replace")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
            text = None
    return _COLOUR.sub("", line.decode("utf-8", "replace") if text is None else text).strip()
