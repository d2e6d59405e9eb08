"""The line of succession: who would lead after whom, and what each waits for. Private to `dashboard`."""

from collections.abc import Iterator, Mapping
from typing import Any

from les_plugins.dashboard.markup import Child, Markup, cell, heading, table, tag
from les_plugins.dashboard.snapshot import Snapshot
from les_plugins.dashboard.words import Tone, lasting, mark, moment

__all__ = ["succession"]


def succession(snapshot: Snapshot) -> Markup:
    """Everybody, the most senior first."""
    headers = {"#": "rank", "member": "", "senior since": "when", "waits for": "waits"}
    rows = table("Line of succession, the most senior first", headers, _rows(snapshot))
    empty = tag("p", "Nobody is known yet.", class_="quiet")
    return tag(
        "section",
        heading("Line of succession", "succession"),
        rows if snapshot.status["members"] else empty,
        aria_labelledby="succession",
        # Beside it are the links, if there are any.
        class_="wide line" if "links" in snapshot.status["backend"] else "line",
    )


def _rows(snapshot: Snapshot) -> Iterator[Markup]:
    status = snapshot.status
    whys = {place["address"]: place["why"] for place in status["succession"]}
    before = status["leader"]
    next_in_line = True
    for rank, member in enumerate(status["members"], 1):
        why = whys.get(member["address"], "")
        leads = member["address"] == status["leader"]
        if leads:
            waits: Child = "nothing: it leads"
        elif why:
            waits = why
        elif before is None:
            waits = _nobody_before(status)
        else:
            waits = [tag("bdi", snapshot.name(before)), " to go", "; next in line" if next_in_line else ""]
        if not why and not leads:
            before, next_in_line = member["address"], False
        yield _row(snapshot, member, rank, waits, Tone.LEADS if leads else Tone.WARNS if why else Tone.WELL)


def _nobody_before(status: Any) -> str:
    """What the first in line waits for, who does not lead."""
    if status["backend"].get("failing") is not None:
        return "an answer of the backend"
    return "to be confirmed as the leader" if status["settled"] else "somebody to answer"


def _row(snapshot: Snapshot, member: Mapping[str, Any], rank: int, waits: Child, tone: Tone) -> Markup:
    mine = member["address"] == snapshot.own
    stamp = member["start_time"]
    return tag(
        "tr",
        cell(rank, class_="rank"),
        tag(
            "th",
            mark(tone),
            tag("bdi", member["name"] or "no name", class_="name"),
            mine and [" ", tag("small", "this node", class_="here")],
            tag("small", ", ".join([member["address"], *_state(member), *_link(snapshot, member)])),
            scope="row",
        ),
        cell("no stamp" if stamp is None else moment(stamp, snapshot.now), class_="when"),
        cell(waits, class_="waits"),
        data_key=member["address"],
        class_=tone,
    )


def _state(member: Mapping[str, Any]) -> Iterator[str]:
    """What it does, in words."""
    yield member["role"]
    if member["part"] != "member":
        yield member["part"]
    if member["kind"] != "les":
        yield member["kind"]
    if not member["fit"]:
        yield "unfit"


def _link(snapshot: Snapshot, member: Mapping[str, Any]) -> Iterator[str]:
    """How this node is connected with it, where members have links."""
    links = snapshot.status["backend"].get("links")
    if member["address"] == snapshot.own or links is None:
        return
    yield "direct link" if member["direct"] else "relayed by others"
    rtt = next((each.get("rtt") for each in links if each["address"] == member["address"]), None)
    if rtt is not None and member["direct"]:
        yield lasting(rtt)
