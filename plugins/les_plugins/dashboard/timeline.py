"""Who led over the last day: a picture with a lane for each leader, and the same as a table. Private to `dashboard`."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from les_hooks.events import Reason
from les_plugins.dashboard.markup import Markup, cell, heading, table, tag
from les_plugins.dashboard.snapshot import DAY_SECONDS, Snapshot
from les_plugins.dashboard.words import clock, lasting, moment, short

__all__ = ["timeline"]

# What is drawn and listed at most: who changes the leader each second has other worries than this picture.
_MOST_BARS, _MOST_LANES, _MOST_ROWS = 200, 12, 25
_LANE, _BAR, _AXIS = 34, 10, 22
_TICK_HOURS, _LEAST_PERCENT = 4, 0.05
# Without an end of these kinds the node was there to see that nobody led.
_UNWATCHED: Final = frozenset({"this node stopped watching", "this node died", Reason.LEAVING})
_NOBODY, _UNKNOWN = "nobody", "not watched"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """A piece of a lane, in Unix seconds, with what is to say about it."""

    lane: str
    since: float
    until: float
    words: str
    kind: str


def timeline(snapshot: Snapshot) -> Markup:
    """The last 24 hours as this node saw them."""
    rows = [row for row in snapshot.history if _end(row, snapshot.now) > snapshot.now - DAY_SECONDS]
    spans = [*_leaderships(rows, snapshot), *_gaps(rows, snapshot)]
    picture = _picture(spans, snapshot.now) if rows else tag("p", "Nobody has led in this time.", class_="quiet")
    return tag(
        "section",
        heading("Leadership over the last day", "timeline"),
        picture,
        bool(rows) and _details(rows, snapshot),
        aria_labelledby="timeline",
    )


def _end(row: Mapping[str, Any], now: float) -> float:
    return now if row["until"] is None else float(row["until"])


def _leader(row: Mapping[str, Any], snapshot: Snapshot) -> str:
    return str(row.get("name") or snapshot.name(row["leader"]))


def _leaderships(rows: Sequence[Mapping[str, Any]], snapshot: Snapshot) -> Iterator[_Span]:
    now = snapshot.now
    for row in rows[-_MOST_BARS:]:
        name, until = _leader(row, snapshot), _end(row, now)
        end = "leads now" if row["until"] is None else f"until {clock(until)}, {row['ended']}"
        words = f"{name}, term {row['term']}: from {clock(row['since'])}, {end}, for {lasting(until - row['since'])}"
        kind = "now" if row["until"] is None else "past"
        yield _Span(lane=name, since=row["since"], until=until, words=words, kind=kind)


def _gaps(rows: Sequence[Mapping[str, Any]], snapshot: Snapshot) -> Iterator[_Span]:
    """The times between, and the one that lasts."""
    drawn = rows[-_MOST_BARS:]
    for row, following in zip_longest(drawn, drawn[1:]):
        since, until = _end(row, snapshot.now), snapshot.now if following is None else float(following["since"])
        if until <= since:
            continue
        lane = _UNKNOWN if row["ended"] in _UNWATCHED else _NOBODY
        words = f"{lane}: from {clock(since)} until {clock(until)}, for {lasting(until - since)}"
        yield _Span(lane=lane, since=since, until=until, words=words, kind="gap" if lane == _NOBODY else "unknown")


def _picture(spans: Sequence[_Span], now: float) -> Markup:
    lanes = _lanes(spans)
    height = len(lanes) * _LANE + _AXIS
    led = sum(span.kind in ("now", "past") for span in spans)
    label = f"{led} leaderships in 24 hours; the table below says the same"
    return tag(
        "svg",
        _pattern(),
        list(_ticks(now, height)),
        [tag("text", short(lane, 40), x=0, y=index * _LANE + 14, class_="lane") for index, lane in enumerate(lanes)],
        [_bar(span, lanes.index(span.lane), now) for span in spans if span.lane in lanes],
        class_="timeline",
        height=height,
        role="img",
        aria_label=label,
    )


def _lanes(spans: Sequence[_Span]) -> Sequence[str]:
    """Those who led last first, and below them the times when nobody did."""
    leaders = dict.fromkeys(span.lane for span in reversed(spans) if span.kind in ("now", "past"))
    others = dict.fromkeys(span.lane for span in spans if span.kind not in ("now", "past"))
    return [*list(leaders)[:_MOST_LANES], *sorted(others)]


def _pattern() -> Markup:
    """Hatched is what nobody filled: it can be told from a leadership without colours."""
    line = tag("path", d="M0 6 6 0", class_="hatch")
    return tag("defs", tag("pattern", line, id="hatched", width=6, height=6, patternUnits="userSpaceOnUse"))


def _percent(unix: float, now: float) -> float:
    return round(100 * min(max(0.0, 1 - (now - unix) / DAY_SECONDS), 1.0), 2)


def _bar(span: _Span, lane: int, now: float) -> Markup:
    left, right = _percent(span.since, now), _percent(span.until, now)
    left = min(left, right - _LEAST_PERCENT)  # one without a width is not drawn at all
    return tag(
        "rect",
        tag("title", span.words),
        x=f"{left}%",
        y=lane * _LANE + 20,
        width=f"{round(right - left, 2)}%",
        height=_BAR,
        class_=f"bar {span.kind}",
    )


def _ticks(now: float, height: int) -> Iterator[Markup]:
    # From full hours of the node's clock, so that the marks stand where people look for them.
    local = time.localtime(now)
    last = now - (local.tm_hour % _TICK_HOURS) * 3600 - local.tm_min * 60 - local.tm_sec
    for back in range(24 // _TICK_HOURS):
        unix = last - back * _TICK_HOURS * 3600
        at = _percent(unix, now)
        yield tag("line", x1=f"{at}%", x2=f"{at}%", y1=0, y2=height - _AXIS + 4, class_="tick")
        if 4 < at < 92:
            yield tag("text", clock(unix)[:5], x=f"{at}%", y=height - 4, class_="hour")
    yield tag("text", "now", x="100%", y=height - 4, class_="hour end")


def _details(rows: Sequence[Mapping[str, Any]], snapshot: Snapshot) -> Markup:
    newest = rows[: -_MOST_ROWS - 1 : -1]
    words = f"{len(rows)} as a table" if len(rows) <= _MOST_ROWS else f"the last {_MOST_ROWS} of {len(rows)} as a table"
    headers = {"leader": "", "term": "number", "from": "when", "for": "when", "ended": "waits"}
    body = table("Leadership over the last day, the newest first", headers, (_row(row, snapshot) for row in newest))
    return tag("details", tag("summary", words), body)


def _row(row: Mapping[str, Any], snapshot: Snapshot) -> Markup:
    return tag(
        "tr",
        tag("th", tag("bdi", _leader(row, snapshot)), scope="row"),
        cell(row["term"], class_="number"),
        cell(moment(row["since"], snapshot.now), class_="when"),
        cell(lasting(_end(row, snapshot.now) - row["since"]), class_="when"),
        cell("leads now" if row["until"] is None else row["ended"], class_="waits"),
        data_key=f"{row['leader']} {row['since']}",
    )
