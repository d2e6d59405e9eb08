"""What has happened, and how hooks ended: from the last records of the audit trail. Private to `dashboard`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from les_plugins.dashboard.markup import Child, Markup, cell, heading, table, tag
from les_plugins.dashboard.snapshot import Snapshot
from les_plugins.dashboard.words import Tone, lasting, mark, moment

__all__ = ["events", "failures", "hooks"]

_MOST_EVENTS, _MOST_HOOKS = 14, 20
_HOOK: Final = "hook.finished"
_GOOD: Final = ("success", "superseded")

# Sentences for records; {member} and {leader} are names. What is not here is no event.
_SENTENCES: Final[Mapping[str, str]] = {
    "node.started": "this node has started",
    "node.settled": "this node sees the cluster",
    "node.stopping": "this node is about to stop",
    "node.unfit": "this node is unfit",
    "node.fit": "this node is fit",
    "maintenance.begun": "maintenance has begun",
    "maintenance.ended": "maintenance is over",
    "leader.elected": "this node begins to lead",
    "leader.demoted": "this node no longer leads",
    "leader.reasserted": "this node leads on, and applies everything again",
    "leader.changed": "{leader} leads",
    "leader.demoted startup": "what an earlier run left is cleared",
    "votes.kept": "this node keeps its votes for a while",
    "member.joined": "{member} has joined",
    "member.left": "{member} has left",
    "member.lost": "{member} is lost",
    "plugin.failed": "the plugin {plugin} cannot be used",
    "config.reloaded": "the configuration was read anew",
    "config.rejected": "a new configuration was refused",
    "operator.request": "an operator asked: {command}",
    "operator.answer failure": "what an operator asked for failed: {command}",
    "operator.refused": "somebody who may only ask was refused: {command}",
    "cleanup.run": "what a crash left was cleared",
    "audit.gap": "records of the audit trail were lost",
}


def events(snapshot: Snapshot) -> Markup:
    """The last events, the newest first."""
    found = [record for record in reversed(snapshot.records) if _sentence(record)][:_MOST_EVENTS]
    headers = {"time": "when", "what": "", "term": "number"}
    rows = table("Recent events, the newest first", headers, (_event(each, snapshot) for each in found))
    return tag(
        "section",
        heading("Recent events", "events"),
        rows if found else tag("p", "None yet.", class_="quiet"),
        aria_labelledby="events",
        class_="half",
    )


def _event(record: Mapping[str, Any], snapshot: Snapshot) -> Markup:
    names = {
        "member": snapshot.name(record.get("member")),
        "leader": snapshot.name(record["leader"]),
        "plugin": str(record.get("plugin", "")),
        "command": str(record.get("command", "")),
    }
    strong = record["action"].startswith("leader.") and record["reason"] != "startup"
    return tag(
        "tr",
        cell(moment(_unix(record), snapshot.now), class_="when"),
        tag(
            "th",
            tag("span", _sentence(record).format_map(names), class_="strong" if strong else None),
            record["reason"] and [" ", tag("span", record["reason"], class_="why")],
            scope="row",
            class_="plain",
        ),
        cell(record["term"], class_="number"),
        data_key=record["seq"],
    )


def _sentence(record: Mapping[str, Any]) -> str:
    action = record["action"]
    told = (_SENTENCES.get(key) for key in (f"{action} {record['reason']}", f"{action} {record['outcome']}", action))
    return next((sentence for sentence in told if sentence), "")


def hooks(snapshot: Snapshot) -> Markup:
    """How the last call of each hook of each plugin ended, failures first."""
    found = _last_calls(snapshot.records)
    failed = [each for each in found if each["outcome"] not in _GOOD]
    good = [each for each in found if each["outcome"] in _GOOD]
    headers = {"event": "", "outcome": "outcome", "time": "when"}
    rows = (_call(each, snapshot) for each in [*failed, *good][:_MOST_HOOKS])
    shown = table("How the last call of each hook ended, failures first", headers, rows)
    return tag(
        "section",
        heading("Hooks", "hooks"),
        shown if found else tag("p", "None were called yet.", class_="quiet"),
        aria_labelledby="hooks",
        class_="half",
    )


def failures(snapshot: Snapshot) -> Sequence[str]:
    """The hooks whose last call failed, as `plugin on event`."""
    return [
        f"{each.get('plugin')} on {each.get('event')}"
        for each in _last_calls(snapshot.records)
        if each["outcome"] not in _GOOD
    ]


def _last_calls(records: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The newest first."""
    found: dict[tuple[object, object], Mapping[str, Any]] = {}
    for record in reversed(records):
        if record["action"] == _HOOK:
            found.setdefault((record.get("plugin"), record.get("event")), record)
    return list(found.values())


def _call(record: Mapping[str, Any], snapshot: Snapshot) -> Markup:
    good, outcome = record["outcome"] in _GOOD, str(record["outcome"])
    said: list[Child] = [mark(Tone.WELL if good else Tone.FAILS), outcome]
    if not good and record["reason"]:
        said.append(tag("small", record["reason"]))
    took = record.get("duration_ms")
    return tag(
        "tr",
        tag("th", record.get("event"), tag("small", record.get("plugin")), scope="row"),
        cell(said, class_="outcome"),
        cell(
            moment(_unix(record), snapshot.now),
            took is not None and tag("small", f"took {lasting(took / 1000)}"),
            class_="when",
        ),
        data_key=f"{record.get('plugin')} {record.get('event')}",
        class_=None if good else "failed",
    )


def _unix(record: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(record["time"]).timestamp()
