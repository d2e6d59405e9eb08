"""The top of the page: who leads, since when, in which term, and what this node does. Private to `dashboard`."""

from typing import Any, Final

from les_plugins.dashboard.markup import Child, Markup, tag
from les_plugins.dashboard.snapshot import Snapshot
from les_plugins.dashboard.words import Tone, lasting, mark, moment, who

__all__ = ["headline", "hero"]

# Longer headlines are set smaller; a name may have 64 characters.
_LONG: Final = 24


def headline(snapshot: Snapshot) -> str:
    """Who leads, in a few words."""
    status = snapshot.status
    if status["leader"] is not None:
        return f"{snapshot.name(status['leader'])} leads"
    if _engine_waits(status):
        return "No leader known"
    return "Nobody leads" if status["settled"] else "Looking for the others"


def hero(snapshot: Snapshot) -> Markup:
    """The first that one sees."""
    status = snapshot.status
    words = headline(snapshot)
    tone = Tone.LEADS if status["leader"] is not None else Tone.WARNS
    return tag(
        "section",
        tag(
            "div",
            # Only this is told to who listens, and only when it changes: the rest changes all the time.
            tag(
                "div",
                tag("h1", mark(tone), tag("bdi", words), class_=f"{tone} long" if len(words) > _LONG else tone),
                role="status",
            ),
            tag("p", _lede(snapshot), class_="lede"),
        ),
        tag("dl", [_figure(name, *value) for name, *value in _figures(snapshot)], class_="figures"),
        class_="hero",
        aria_label="who leads",
    )


def _lede(snapshot: Snapshot) -> Child:
    status = snapshot.status
    if status["leader"] is None:
        return _why_nobody(status)
    since = _since(snapshot)
    told: list[Child] = []
    if since is not None:
        told += ["since ", moment(since, snapshot.now), f", for {lasting(snapshot.now - since)}, "]
    told += [f"in term {status['term']}, at ", tag("bdi", status["leader"]), "."]
    return told


def _why_nobody(status: Any) -> str:
    sitting = status["unaccepted"]
    if sitting is not None:
        why = f": {sitting['why']}" if sitting["why"] else ""
        return f"{who(sitting['name'], sitting['address'])} leads, but this node does not accept it{why}."
    if _engine_waits(status):
        return f"{status['backend']['summary']}."
    if not status["settled"]:
        alone = status["alone_in"]
        more = "" if alone is None else f"; it leads alone in {lasting(alone)} unless somebody answers"
        return f"This node waits for a first member or seed{more}."
    following = next((place for place in status["succession"] if not place["why"]), None)
    if following is None:
        return "Nobody is eligible; the line of succession says why."
    return f"{who(following['name'], following['address'])} is next in line."


def _engine_waits(status: Any) -> bool:
    """Whether what the nodes meet in, where that is not each other, has told nothing yet, or nothing for some time."""
    engine = status["backend"]
    return bool(engine.get("summary")) and (engine.get("failing") is not None or not status["settled"])


def _since(snapshot: Snapshot) -> float | None:
    """Since when the leader leads, None where the trail does not say."""
    last = snapshot.history[-1] if snapshot.history else None
    if last is None or last["until"] is not None or last["leader"] != snapshot.status["leader"]:
        return None
    return float(last["since"])


def _figures(snapshot: Snapshot) -> list[tuple[str, str, str]]:
    """Names, values, and what there is to add to them."""
    status = snapshot.status
    members = status["members"]
    fit = sum(bool(each["fit"]) for each in members)
    authority = f"authority {lasting(status['authority'])}" if status["is_me"] else ""
    part = status["node"]["part"]
    return [
        ("this node", _does(status), authority or (part if part != "member" else "")),
        ("term", str(status["term"]), _quorum(status)),
        ("members", str(len(members)), "all fit" if fit == len(members) else f"{fit} fit"),
    ]


def _does(status: Any) -> str:
    if status["node"]["stopping"]:
        return "stopping"
    return {"leader": "leads", "follower": "follows"}.get(status["role"], str(status["role"]))


def _quorum(status: Any) -> str:
    """How the votes stand, where a majority decides."""
    quorum = status["backend"].get("quorum") or {}
    voters = quorum.get("voters") or ()
    if not voters:
        return ""
    heard = sum(bool(each.get("heard")) for each in voters)
    return f"{quorum.get('majority', len(voters) // 2 + 1)} of {len(voters)} votes, {heard} heard"


def _figure(name: str, value: str, more: str) -> Markup:
    return tag("div", tag("dt", name), tag("dd", value, more and tag("small", more)))
