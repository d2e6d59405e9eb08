"""The links of this node as a picture: it in the middle, the others round it by seniority. Private to `dashboard`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from les_plugins.dashboard.markup import Markup, heading, tag
from les_plugins.dashboard.snapshot import Snapshot
from les_plugins.dashboard.words import Tone, lasting, short

__all__ = ["links"]

_WIDTH, _DOT = 320, 13
# Beyond these the names would run into each other, and later the times.
_MOST_NAMES, _MOST_TIMES = 8, 24
# So many stand beside this node, in one line: below it there is room for its name.
_BESIDE = 2
_MOST_NAME_LENGTH = 14


def links(snapshot: Snapshot) -> Markup:
    """Who is reached directly, and how long it takes there and back. The line of succession says the same in words."""
    members = snapshot.status["members"]
    others = [(rank, each) for rank, each in enumerate(members, 1) if each["address"] != snapshot.own]
    picture = tag("p", "No other member yet.", class_="quiet")
    if others:
        direct = sum(bool(each["direct"]) for _, each in others)
        picture = tag(
            "svg",
            list(_spokes(snapshot, others)),
            list(_dots(snapshot, others)),
            viewBox=f"0 0 {_WIDTH} {_height(len(others))}",
            class_="links",
            role="img",
            aria_label=f"{direct} of {len(others)} other members have a direct link to this node",
        )
    note = tag("p", "Numbers are places in the line; times, in ms, are there and back.", class_="note")
    return tag(
        "section",
        heading("Links of this node", "links"),
        picture,
        bool(others) and note,
        aria_labelledby="links",
        class_="narrow",
    )


def _height(count: int) -> int:
    """One or two others stand beside this node, more of them round it."""
    return 120 if count <= _BESIDE else 272 if count <= _MOST_NAMES else _WIDTH


def _radius(count: int) -> int:
    """How far from this node the others stand."""
    return 92 if count <= _MOST_NAMES else 140


def _middle(count: int) -> tuple[float, float]:
    """Where this node stands."""
    return _WIDTH / 2 + (_radius(count) / 2 if count == 1 else 0), _height(count) / 2


def _place(index: int, count: int, share: float = 1.0) -> tuple[float, float]:
    """Where another one stands, or what is at this share of the way to it."""
    # Two stand left and right, where their names have the most room; else the first is at the top.
    turn = math.tau * index / count - (math.pi if count <= _BESIDE else math.pi / 2)
    (x, y), length = _middle(count), _radius(count) * share
    return round(x + length * math.cos(turn), 1), round(y + length * math.sin(turn), 1)


def _spokes(snapshot: Snapshot, others: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Markup]:
    times = {each["address"]: each.get("rtt") for each in snapshot.status["backend"].get("links") or ()}
    many = len(others) > _MOST_NAMES
    x1, y1 = _middle(len(others))
    for index, (_, member) in enumerate(others):
        x, y = _place(index, len(others))
        rtt, direct = times.get(member["address"]), member["direct"]
        said = "no direct link" if not direct else "direct" if rtt is None else lasting(rtt)
        yield tag(
            "line",
            tag("title", f"{member['name'] or member['address']}: {said}"),
            x1=x1,
            y1=y1,
            x2=x,
            y2=y,
            class_="spoke" if direct else "spoke relayed",
        )
        label = "" if rtt is None or not direct else f"{rtt * 1000:.2g}" if many else lasting(rtt)
        if label and len(others) <= _MOST_TIMES:
            at_x, at_y = _place(index, len(others), 0.65 if many else 0.5)
            yield tag("text", label, x=at_x, y=round(at_y + 4, 1), class_="time small" if many else "time")


def _dots(snapshot: Snapshot, others: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Markup]:
    members, (middle_x, middle_y) = snapshot.status["members"], _middle(len(others))
    own = next(((rank, each) for rank, each in enumerate(members, 1) if each["address"] == snapshot.own), None)
    if own is not None:
        yield _dot(snapshot, middle_x, middle_y, *own)
        if len(others) <= _BESIDE:
            yield _name(own[1], middle_x, middle_y + _DOT + 14)
    for index, (rank, member) in enumerate(others):
        x, y = _place(index, len(others))
        yield _dot(snapshot, x, y, rank, member)
        if len(others) <= _MOST_NAMES:
            yield _name(member, x, round(y + (_DOT + 14 if y >= middle_y else -_DOT - 6), 1))


def _name(member: Mapping[str, Any], x: float, y: float) -> Markup:
    return tag("text", short(member["name"] or member["address"], _MOST_NAME_LENGTH), x=x, y=y, class_="who")


def _dot(snapshot: Snapshot, x: float, y: float, rank: int, member: Mapping[str, Any]) -> Markup:
    leads, fit = member["address"] == snapshot.status["leader"], member["fit"]
    words = "leads" if leads else "fit" if fit else f"unfit: {member['unfit']}"
    return tag(
        "g",
        tag("title", f"{member['name'] or member['address']}: {words}"),
        tag("circle", cx=x, cy=y, r=_DOT),
        tag("text", rank, x=x, y=y + 4, class_="rank"),
        class_=f"dot {Tone.LEADS if leads else Tone.WELL if fit else Tone.WARNS}",
    )
