"""What the records of a trail mean, in sentences for people. For `les audit show`; `les watch` has the same words.

Values come from a file that anybody may have written to: they are put into text as they are, whatever they are, and
`output` makes that printable.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from les_hooks.audit.actions import CORE_FIELDS
from les_hooks.audit.leaderships import unix
from les_hooks.cli.names import Names
from les_hooks.cli.output import clock_time, length

__all__ = ["COLOURS", "Sentence", "sentence"]

Record = Mapping[str, Any]

COLOURS: Final[Mapping[str, str]] = {
    "elected": "green",
    "reasserted": "green",
    "demoted": "yellow",
    "leader-changed": "cyan",
    "member-lost": "red",
    "member-left": "yellow",
}
"""The colours of the kinds of events."""

_OUTCOMES: Final = {"failure": "red", "timeout": "red", "unstarted": "red", "superseded": "yellow", "dropped": "yellow"}
_CALL: Final = "  "
# In the sentence already, or of no use to people.
_LEFT_OUT: Final = frozenset(
    {*CORE_FIELDS, "event_seq", "prev", "hash", "leader_name", "member_name", "role", "replay"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """`what` happened in a word, with its colour, and all about it; `outcome` colours that."""

    what: str
    colour: str = ""
    text: str
    outcome: str = ""


def sentence(record: Record, names: Names) -> Sentence:
    """Tell a record; the names that it tells are learned."""
    names.learn(record["leader"], record.get("leader_name"))
    names.learn(record.get("member"), record.get("member_name"))
    action, outcome = str(record["action"]), str(record["outcome"])
    what = _WORDS.get(action) or _word(record, action)
    text = _TELLERS.get(action, _anything)(record, names)
    if record.get("replay") is True:
        text += " (told before)"
    return Sentence(what=what, colour=COLOURS.get(what, ""), text=text, outcome=_OUTCOMES.get(outcome, ""))


_WORDS: Final[Mapping[str, str]] = {
    "node.started": "daemon",
    "node.settled": "started",
    "node.stopping": "stopping",
    "node.stopped": "daemon",
    "node.unfit": "unfit",
    "node.fit": "fit",
    "leader.elected": "elected",
    "leader.demoted": "demoted",
    "leader.reasserted": "reasserted",
    "leader.changed": "leader-changed",
    "member.joined": "member-joined",
    "member.left": "member-left",
    "member.lost": "member-lost",
}


def _word(record: Record, action: str) -> str:
    """Calls of hooks go by their plugin, and stand below what they are about; all else goes by its subject."""
    subject, _, rest = action.partition(".")
    if subject == "hook":
        return f"{_CALL}{record.get('plugin') or 'hooks'}"
    if subject == "plugin" and "." in rest:
        return f"{_CALL if record['event_id'] else ''}{rest.partition('.')[0]}"
    return subject


def _started(record: Record, _names: Names) -> str:
    died = "; the one before died" if record.get("crashed_before") else ""
    return f"begins to run, version {record.get('version')}{died}"


def _settled(record: Record, _names: Names) -> str:
    members = record.get("members")
    count = len(members) if isinstance(members, list) else "?"
    return f"sees the cluster for the first time: {count} {'member' if count == 1 else 'members'}"


def _demoted(record: Record, _names: Names) -> str:
    if record["reason"] == "startup":
        return "clears what a process before may have left behind (startup)"
    return f"leads no more, term {record['term']}{_why(record)}"


def _changed(record: Record, names: Names) -> str:
    if record["leader"] is None:
        return f"nobody leads{_why(record)}"
    vacant = record.get("vacant_ms")
    gap = f"; saw no leader for {length(vacant)}" if isinstance(vacant, int | float) else ""
    return f"{names.both(str(record['leader']))} leads term {record['term']}{_why(record)}{gap}"


def _member(record: Record, names: Names) -> str:
    return f"{names.both(str(record.get('member')))}{_why(record) if record['reason'] != 'joined' else ''}"


def _call(record: Record, _names: Names) -> str:
    """How a call ended, how long it took, and what went wrong."""
    attempt = record.get("attempt")
    again = f" (attempt {attempt})" if attempt not in (None, 1) else ""
    return f"{record.get('event') or 'a call'}: {_ended(record)}{again}{_because(record)}"


def _maintenance(record: Record, _names: Names) -> str:
    until = record.get("until")
    end = clock_time(until, exact=False) if isinstance(until, int | float) else _value(until)
    return f"begun by uid {record.get('uid')}, until {end}{_why(record)}"


def _cleanup(record: Record, _names: Names) -> str:
    failed = record.get("failed")
    return f"could not undo all: {_value(failed)}" if failed else "undid what a daemon that died left behind"


def _request(record: Record, _names: Names) -> str:
    arguments = record.get("arguments")
    given = (
        "".join(f" {key}={_value(value)}" for key, value in arguments.items() if _says_something(value))
        if isinstance(arguments, dict)
        else ""
    )
    failed = f": {record['outcome']}: {record['reason']}" if record["outcome"] != "success" else ""
    return f"uid {record.get('uid')} asked for {record.get('command')}{given}{failed}"


def _answer(record: Record, _names: Names) -> str:
    ended = "was done" if record["outcome"] == "success" else f"{record['outcome']}: {record['reason']}"
    return f"{record.get('command')}, asked for by uid {record.get('uid')} (#{record.get('request')}): {ended}"


def _reloaded(record: Record, _names: Names) -> str:
    changed = record.get("changed")
    keys = ", ".join(map(str, changed)) if isinstance(changed, list) else _value(changed)
    return f"read again, with changes in {keys}" if changed else "read again, nothing has changed"


def _gap(record: Record, _names: Names) -> str:
    since = clock_time(unix({"time": record.get("since")}))
    return f"{record.get('dropped')} records were lost since {since}{_why(record)}"


def _script(record: Record, _names: Names) -> str:
    """In one line of 80 columns where all went well: there are more of these than of all others."""
    name = "/".join(str(record.get("path")).split("/")[-2:])
    cut = f", {record['cut']} bytes of its output were dropped" if record.get("cut") else ""
    return f"{name} {record.get('event')}: {_ended(record)}{cut}{_because(record)}"


def _opened(record: Record, _names: Names) -> str:
    torn, kept = record.get("torn_bytes"), record.get("torn_kept")
    where = f"set aside in {kept}" if kept else "left"
    return f"begins to write{f'; the last line was torn, {torn} bytes of it are {where}' if torn else ''}"


def _anything(record: Record, _names: Names) -> str:
    """A record of a plugin, or of a newer version: its action, how that ended, and all of its fields."""
    action, outcome, reason = str(record["action"]), record["outcome"], record["reason"]
    subject, _, rest = action.partition(".")
    ended = "" if outcome == "success" else str(outcome)
    head = ": ".join(
        str(part) for part in (rest.partition(".")[2] if subject == "plugin" else rest, ended, reason) if part
    )
    free = (
        f"{key}={_value(value)}" for key, value in record.items() if key not in _LEFT_OUT and _says_something(value)
    )
    return "  ".join([head, *free])


_TELLERS: Final[Mapping[str, Callable[[Record, Names], str]]] = {
    "node.started": _started,
    "node.settled": _settled,
    "node.stopping": lambda record, _: f"is about to leave{_why(record)}",
    "node.stopped": lambda record, _: "has ended" if record["outcome"] == "success" else "has ended, not in order",
    "node.unfit": lambda record, _: f"may not lead: {record['reason']}",
    "node.fit": lambda _record, _: "may lead again",
    "maintenance.begun": _maintenance,
    "leader.elected": lambda record, _: f"leads term {record['term']}{_why(record)}",
    "leader.demoted": _demoted,
    "leader.reasserted": lambda record, _: f"still leads, term {record['term']}{_why(record)}",
    "leader.changed": _changed,
    "member.joined": _member,
    "member.left": _member,
    "member.lost": _member,
    "hook.finished": _call,
    "plugin.loaded": lambda record, _: f"{record.get('plugin')} {record.get('version')} is loaded",
    "plugin.failed": lambda record, _: f"{record.get('plugin')} cannot be loaded: {record['reason']}",
    "config.loaded": lambda record, _: f"read from {record.get('source') or 'the flags'}",
    "config.reloaded": _reloaded,
    "config.rejected": lambda record, _: f"refused, the old one stays: {record['reason']}",
    "cleanup.run": _cleanup,
    "operator.request": _request,
    "operator.answer": _answer,
    "operator.refused": lambda record, _: f"uid {record.get('uid')} may not {record.get('command')}: it may only ask",
    "audit.opened": _opened,
    "audit.gap": _gap,
    "plugin.scripts.script": _script,
}


def _ended(record: Record) -> str:
    outcome, took = str(record["outcome"]), record.get("duration_ms")
    lasted = length(took) if isinstance(took, int | float) else ""
    return " after ".join(filter(None, ("" if outcome == "success" else outcome, lasted))) or "success"


def _because(record: Record) -> str:
    return f": {record['reason']}" if record["reason"] else ""


def _why(record: Record) -> str:
    return f" ({record['reason']})" if record["reason"] else ""


def _says_something(value: object) -> bool:
    # 0 is worth a word, unlike what says that there is nothing.
    return value is not None and value is not False and value not in ("", [], {})


def _value(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
