"""Which records of a trail are wanted. For `les audit show`."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import click

from les_hooks.audit.leaderships import unix
from les_hooks.audit.window import Maybe, within

__all__ = ["Selection", "term_range"]

# These are no members that a record is about, though one of them may be called so.
_CONTEXT = frozenset({"schema", "time", "node", "cluster", "action", "outcome", "members", "prev", "hash"})
# In most records they only say who led at the time.
_OF_LEADERS = frozenset({"leader", "leader_name", "previous_leader"})

# What JSON writes as it is.
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")


def term_range(text: str) -> tuple[int, int]:
    """A term, `7`, or the first and the last of some, `5-7`."""
    first, dash, end = text.partition("-")
    if not (first.isdecimal() and (end.isdecimal() if dash else True)):
        raise click.BadParameter(f"{text!r} is neither a term such as 7 nor a range such as 5-7")
    return int(first), int(end or first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was asked for; what was not is None or empty. `members` are all names and addresses of the one meant."""

    since: float | None = None
    until: float | None = None
    actions: Collection[str] = ()
    event: str | None = None
    terms: tuple[int, int] | None = None
    members: Collection[str] = ()
    outcomes: Collection[str] = ()
    plugin: str | None = None

    @property
    def maybe(self) -> Maybe:
        """What rules lines out as they stand."""
        in_time = within(self.since, self.until)
        if self.event is None or _PLAIN.fullmatch(self.event) is None:
            return in_time
        event = self.event.encode()
        return lambda line: event in line and in_time(line)

    def wants(self, record: Mapping[str, Any]) -> bool:
        """Whether the record is wanted."""
        return (
            self._in_time(unix(record))
            and (not self.actions or any(fnmatchcase(str(record["action"]), pattern) for pattern in self.actions))
            and (self.event is None or record["event_id"] == self.event)
            and (self.terms is None or _in_range(record["term"], self.terms))
            and (not self.outcomes or record["outcome"] in self.outcomes)
            and (self.plugin is None or _is_of_plugin(record, self.plugin))
            and (not self.members or any(name in self.members for name in _named(record)))
        )

    def _in_time(self, written: float) -> bool:
        return (self.since is None or written >= self.since) and (self.until is None or written <= self.until)


def _in_range(term: object, terms: tuple[int, int]) -> bool:
    return isinstance(term, int) and terms[0] <= term <= terms[1]


def _is_of_plugin(record: Mapping[str, Any], plugin: str) -> bool:
    return record.get("plugin") == plugin or str(record["action"]).startswith(f"plugin.{plugin}.")


def _named(record: Mapping[str, Any]) -> Iterator[str]:
    """Every text in the record that may be the name or the address of a member that it is about."""
    about = record if str(record["action"]).startswith("leader.") else record.keys() - _OF_LEADERS
    waiting: list[Any] = [record[key] for key in about if key not in _CONTEXT]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
