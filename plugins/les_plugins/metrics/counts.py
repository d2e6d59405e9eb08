"""What is counted from the audit trail, and the loop's lateness. For `metrics` only.

Every label is a word of a closed list, or a plugin's name: what a record says else is counted as `other`.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, ProcessCollector

from les_hooks.audit import Action, Outcome
from les_hooks.events import EventKind, Reason

__all__ = ["FAILOVER_BUCKETS", "OTHER", "Counts"]

OTHER = "other"
"""Stands for a word that is not in the list."""

FAILOVER_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""From a process that died, which is known at once, to a host that was lost under long timings; in seconds."""

# Few, as they are there for each plugin and event: a quick one, one that waits for somebody, the usual limit.
_HOOK_BUCKETS = (0.01, 0.1, 1.0, 10.0, 30.0)
_LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

_EVENTS = frozenset(EventKind)
_EVENT_OF_HOOK = {kind.hook: kind for kind in EventKind}
_REASONS = frozenset(Reason)
_OUTCOMES = frozenset(Outcome)
_GROUPS = frozenset({action.partition(".")[0] for action in Action})

# How calls usually end. There from the start, at 0: Prometheus sees no increase in what begins with 1.
_USUAL = (Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT, Outcome.SUPERSEDED)

_CHANGES = {Action.MEMBER_JOINED: "joined", Action.MEMBER_LEFT: "left", Action.MEMBER_LOST: "lost"}
_SCRIPT = "plugin.scripts.script"

_MS = 1000.0


class _Process(ProcessCollector):
    """What the process takes: where /proc/stat is hidden, too, as by the tight unit (`ProcSubset=pid`)."""

    def _boot_time(self) -> float:
        # The library reads it in /proc/stat, and tells nothing at all without it.
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class Counts:
    """The counters of one node. Implements `prometheus_client.registry.Collector`; `collect` may run in a thread."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def seconds(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(name, text, labels, registry=registry, buckets=tuple(buckets))

        self._elections = counter("les_elections", "Leaderships that this node began.", "reason")
        self._demotions = counter("les_demotions", "Leaderships of this node that ended.", "reason")
        self._changes = counter("les_leader_changes", "Changes of the leader that this node accepts.", "reason")
        self._failovers = seconds(
            "les_failover_duration_seconds", "How long there was no leader, as this node saw it.", FAILOVER_BUCKETS
        )
        self._members = counter("les_member_changes", "Members that came and went.", "change")
        self._calls = counter("les_hook_calls", "Hook calls that ended.", "plugin", "event", "outcome")
        self._durations = seconds(
            "les_hook_duration_seconds",
            "How long hook calls took; without while-leader, which lasts.",
            _HOOK_BUCKETS,
            "plugin",
            "event",
        )
        self._unhandled = counter("les_unhandled_events", "Events of which no hook was told.", "event", "outcome")
        self._scripts = counter("les_script_runs", "Runs of scripts of hooks.d.", "event", "outcome")
        self._records = counter("les_audit_records", "Records of the audit trail.", "group", "outcome")
        self._gaps = counter("les_audit_gap_records", "Lost records that the audit trail accounts for.")
        self._lag = seconds("les_event_loop_lag_seconds", "By how much a wait of 0.5 s took longer.", _LAG_BUCKETS)
        _Process(registry=registry)
        for change in _CHANGES.values():
            self._members.labels(change)

    def collect(self) -> Iterator[Metric]:
        """All numbers; without the moments of their beginnings, which would be half of all lines."""
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family

    def expect(self, plugin: str, hooks: Iterable[str]) -> None:
        """Have the usual outcomes of these hooks of a plugin at 0, if they are not there."""
        for hook in hooks:
            if hook in _EVENT_OF_HOOK:
                for outcome in _USUAL:
                    self._calls.labels(plugin, _EVENT_OF_HOOK[hook], outcome)

    def late(self, seconds: float) -> None:
        """The loop was late by so much."""
        self._lag.observe(seconds)

    def take(self, record: Mapping[str, Any]) -> None:
        """Count a record of the trail."""
        action, outcome = record["action"], _known(record["outcome"], _OUTCOMES)
        self._records.labels(_known(action.partition(".")[0], _GROUPS), outcome).inc()
        match action:
            case Action.HOOK_FINISHED:
                self._take_call(record, outcome)
            case Action.LEADER_ELECTED:
                self._elections.labels(_known(record["reason"], _REASONS)).inc()
            case Action.LEADER_DEMOTED:
                self._take_demotion(record)
            case Action.LEADER_CHANGED:
                self._take_change(record)
            case Action.MEMBER_JOINED | Action.MEMBER_LEFT | Action.MEMBER_LOST:
                self._members.labels(_CHANGES[action]).inc()
            case Action.AUDIT_GAP:
                self._gaps.inc(record.get("dropped", 0))
            case _ if action == _SCRIPT:
                self._scripts.labels(_known(record.get("event"), _EVENTS), outcome).inc()

    def _take_demotion(self, record: Mapping[str, Any]) -> None:
        # That of every start ends nothing.
        if record["reason"] != Reason.STARTUP:
            self._demotions.labels(_known(record["reason"], _REASONS)).inc()

    def _take_change(self, record: Mapping[str, Any]) -> None:
        if not record.get("replay"):
            self._changes.labels(_known(record["reason"], _REASONS)).inc()
        vacant = record.get("vacant_ms")
        if isinstance(vacant, int | float):
            self._failovers.observe(vacant / _MS)

    def _take_call(self, record: Mapping[str, Any], outcome: str) -> None:
        event, plugin = _known(record.get("event"), _EVENTS), record.get("plugin")
        if plugin is None:
            self._unhandled.labels(event, outcome).inc()
            return
        self._calls.labels(plugin, event, outcome).inc()
        if event != EventKind.WHILE_LEADER:
            self._durations.labels(plugin, event).observe(record.get("duration_ms", 0.0) / _MS)


def _known(word: object, words: frozenset[str]) -> str:
    return str(word) if word in words else OTHER
