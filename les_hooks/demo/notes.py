"""What a daemon's log says, as values: one JSON object a line, of which few matter here. Pure; for this package."""

import json
from dataclasses import dataclass

from les_hooks.events import EventKind, Reason
from les_hooks.text import printable

__all__ = ["Happened", "Note", "Said", "Trouble", "read_note"]

_TROUBLE = frozenset({"error", "critical"})
_REFUSALS = frozenset({"script-skipped", "script-refused"})
"""Only warnings to a daemon that runs for months, but the demo's own scripts all have to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An event, as hooks are told it; `leader` and `member` are addresses."""

    kind: EventKind
    reason: Reason
    term: int
    leader: str | None
    member: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A line that a script printed."""

    script: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What went wrong: an error in the log, or a line that is none of the log's, such as a traceback."""

    text: str


Note = Happened | Said | Trouble


def read_note(line: str) -> Note | None:
    """Return what a log line says, None where it does not matter to who watches."""
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        return Trouble(text=printable(line)) if line.strip() else None
    match record:
        case {"event": "script-output", "script": str(script), "line": str(text)}:
            return Said(script=printable(script), line=printable(text))
        case {"event": event, "reason": reason, "term": int(term)} if event in list(EventKind):
            return Happened(
                kind=EventKind(event),
                reason=Reason(reason),
                term=term,
                leader=record.get("leader"),
                member=record.get("member"),
            )
        case {"level": level, "event": event} if level in _TROUBLE or event in _REFUSALS:
            rest = {key: value for key, value in record.items() if key not in ("level", "event", "time")}
            return Trouble(text=printable(" ".join([str(event), *(f"{key}={value}" for key, value in rest.items())])))
        case _:
            return None
