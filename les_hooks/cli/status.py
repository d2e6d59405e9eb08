"""`les status` and `les members`: how the node, its cluster and its plugins are."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from les_hooks.cli.output import Cell, ago, clock_time, emit_json, fields, say, seconds, table, unaccepted, utc_time
from les_hooks.cli.target import Target, ask_options, json_option
from les_hooks.cli.votes import quorum_fields, voters_table
from les_hooks.control.client import call

__all__ = ["members", "members_table", "show", "status"]

_COLOURS: Final = {"leader": "green", "follower": ""}


@click.command
@ask_options
@json_option
@click.pass_obj
def status(target: Target, as_json: bool) -> None:
    """Show how the node is: its role, the members, plugins, and what waits."""
    answer: Any = call(target.socket, "status")
    if as_json:
        emit_json(answer)
    else:
        show(answer)


@click.command
@ask_options
@json_option
@click.pass_obj
def members(target: Target, as_json: bool) -> None:
    """List the members, the most senior first."""
    if as_json:
        emit_json(call(target.socket, "members"))
        return
    answer: Any = call(target.socket, "status")
    members_table(answer["members"], answer["leader"], linked=_linked(answer))


def show(answer: Mapping[str, Any]) -> None:
    """Print the answer of a daemon for people."""
    warned = [("warning", Cell(text, "yellow")) for text in answer.get("warnings") or ()]
    fields([*_summary(answer), *warned], wrap=True)
    places = answer.get("succession") or ()
    hopeless = answer["leader"] is None and bool(places) and all(place["why"] for place in places)
    if answer["members"]:
        say()
        members_table(answer["members"], answer["leader"], reasons=not hopeless, linked=_linked(answer))
    if hopeless:
        say()
        say("no leader: nobody is eligible", "yellow")
        fields(((_who(place), place["why"]) for place in places), indent="  ", wrap=True)
    voters_table(answer)
    say()
    _plugins_table(answer["plugins"])


def _summary(answer: Mapping[str, Any]) -> list[tuple[str, str | Cell]]:
    node, audit, waiting = answer["node"], answer["audit"], answer["lanes"]
    source = answer["config"]["source"] or "flags only"
    trail = f"{audit['path']}, record {audit['seq']}"
    lost = f"; {audit['dropped']} records lost" if audit["dropped"] else ""
    degraded = f"{trail}; degraded: {audit['degraded']}{lost}"
    engine = answer["backend"].get("summary", "")
    role = answer["role"] if answer["settled"] else f"{answer['role']}, waiting for {_awaited(answer, engine)}"
    return [
        ("node", f"{node['name']} ({node['address']}), cluster {answer['cluster']}"),
        ("role", Cell(f"{role}{', stopping' if node['stopping'] else ''}", _COLOURS.get(answer["role"], "yellow"))),
        ("leader", _leader_line(answer)),
        ("authority", f"{seconds(answer['authority'])} left" if answer["role"] == "leader" else ""),
        ("backend", Cell(engine, "yellow" if _fails(answer) else "")),
        *quorum_fields(answer),
        ("maintenance", _maintenance(answer.get("maintenance"))),
        ("up", f"{seconds(node['uptime'])}, pid {node['pid']}, version {node['version']}"),
        ("guard", _guard(answer)),
        ("waiting", ", ".join(f"{count} on the {lane} lane" for lane, count in waiting.items() if count)),
        ("security", answer["security"]["summary"]),
        ("page", _page(answer.get("http"))),
        ("configuration", f"{source}, read {ago(answer['config']['loaded'])}"),
        ("state", answer["state_dir"]),
        ("audit", Cell(degraded, "red") if audit["degraded"] else trail),
    ]


def _guard(answer: Mapping[str, Any]) -> str | Cell:
    if answer["guard"]:
        return f"pid {answer['guard']}"
    witness = answer["node"].get("part") == "witness"
    return "not needed: a witness runs nothing" if witness else Cell("not running", "yellow")


def _page(http: Mapping[str, Any] | None) -> str:
    return "" if not http else f"{http['url']}{' (asks for the token)' if http['token'] else ''}"


def _awaited(answer: Mapping[str, Any], engine: str) -> str:
    """What a node waits for that has not begun yet; an `engine` that sums itself up says more in its own line."""
    return "the backend" if engine else f"a first member or seed{_alone(answer)}"


def _fails(answer: Mapping[str, Any]) -> bool:
    """Whether the backend has no answer from what it asks, so that what it knows is old."""
    return answer.get("backend", {}).get("failing") is not None


def _linked(answer: Mapping[str, Any]) -> bool:
    """Whether the members have links with each other, and do not meet in a store."""
    return "links" in answer["backend"]


def _alone(answer: Mapping[str, Any]) -> str:
    left = answer.get("alone_in")
    return "" if left is None else f"; leads alone in {seconds(left)} unless somebody answers"


def _leader_line(answer: Mapping[str, Any]) -> str | Cell:
    if answer.get("unaccepted"):
        return Cell(unaccepted(answer["unaccepted"]), "yellow")
    if answer["leader"] is None and _fails(answer):
        return Cell("not known, as the backend has no answer", "yellow")
    if answer["leader"] is None:
        following = next((place for place in answer.get("succession") or () if not place["why"]), None)
        return Cell(f"none yet; {_who(following)} is next in line" if following else "none", "yellow")
    me = ", this node" if answer["leader"] == answer.get("node", {}).get("address") else ""
    return f"{answer['leader_name'] or '?'} ({answer['leader']}){me}, term {answer['term']}"


def _maintenance(standing: Mapping[str, Any] | None) -> str | Cell:
    if not standing or not standing.get("on"):
        return ""
    reason = f": {standing['note']}" if standing["note"] else ""
    return Cell(f"until {utc_time(standing['until'])}{reason}", "yellow")


def members_table(
    found: Sequence[Mapping[str, Any]], leading: str | None, *, reasons: bool = True, linked: bool = True
) -> None:
    """Print who is in the cluster, and with `reasons` why somebody is unfit, in the last column, if anybody is.

    `linked`: members have links with each other, and it is shown who is reached directly.
    """
    reasons = reasons and any(member.get("unfit") for member in found)
    link, why = ("link",) if linked else (), ("why unfit",) if reasons else ()
    table(
        ("", "name", "address", "role", "senior since", *link, "version", *why),
        (
            (
                Cell("*" if member["address"] == leading else " ", "green"),
                member["name"] or "-",
                member["address"],
                _role(member),
                clock_time(member["start_time"], exact=False),
                *(("direct" if member["direct"] else Cell("relayed", "yellow"),) if linked else ()),
                member["version"] or member["kind"],
                *((Cell(member.get("unfit") or "", "yellow"),) if reasons else ()),
            )
            for member in found
        ),
    )


def _role(member: Mapping[str, Any]) -> Cell:
    """What it does; who votes only, or only looks on, follows for ever, so that its part says more."""
    role, part = member["role"], member.get("part", "member")
    word = role if part == "member" else part if role == "follower" else f"{part}, {role}"
    if not member["fit"]:
        return Cell(f"{word}, unfit", "yellow")
    return Cell(word, _COLOURS.get(role, "yellow"))


def _who(place: Mapping[str, Any]) -> str:
    return f"{place['name']} ({place['address']})" if place["name"] else str(place["address"])


def _plugins_table(found: Sequence[Mapping[str, Any]]) -> None:
    shown = [plugin for plugin in found if plugin["state"] != "available"]
    table(
        ("plugin", "version", "state", ""),
        (
            (
                plugin["name"],
                plugin["version"] or "-",
                Cell(plugin["state"], "red" if plugin["state"] == "failed" else ""),
                plugin["why"] or plugin.get("status_error", "") or _brief(plugin.get("status")),
            )
            for plugin in shown
        ),
    )


def _brief(value: object) -> str:
    """A plugin's status in a few words: its own summary, or numbers and texts as they are, lists by their length."""
    if not isinstance(value, Mapping):
        return ""
    if isinstance(value.get("summary"), str):
        return str(value["summary"])
    words = (f"{key}: {len(item) if isinstance(item, list) else item}" for key, item in value.items())
    return ", ".join(words)
