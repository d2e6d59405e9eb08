"""The commands that ask a running daemon one thing: status, members, leader, reload, step-down, leave."""

from collections.abc import Mapping
from typing import Any, cast

import click

from les_hooks.cli.group import NO_LEADER
from les_hooks.cli.output import Cell, ago, clock_time, emit_json, fields, say, seconds, table
from les_hooks.cli.target import Target, ask_options, json_option
from les_hooks.control.client import call

__all__ = ["leader", "leave", "members", "reload", "status", "step_down"]

_NOT_LEADER = 3
_RELOAD_SECONDS = 60.0
_ASK_SECONDS = 10.0
# Scripts and load balancers ask this way, and would rather have a no than wait.
_IS_ME_SECONDS = 2.0


def _ask(target: Target, action: str, *, timeout: float = _ASK_SECONDS) -> Any:
    return call(target.socket, action, timeout=timeout)


def _coloured(role: str) -> Cell:
    return Cell(role, {"leader": "green", "follower": ""}.get(role, "yellow"))


@click.command
@ask_options
@json_option
@click.pass_obj
def status(target: Target, as_json: bool) -> None:
    """Show how the node is: its role, the members, plugins, and what waits."""
    answer = _ask(target, "status")
    if as_json:
        emit_json(answer)
        return
    fields(_summary(answer))
    say()
    _members_table(answer["members"], answer["leader"])
    say()
    _plugins_table(answer["plugins"])


def _summary(answer: Mapping[str, Any]) -> list[tuple[str, str | Cell]]:
    node, audit, waiting = answer["node"], answer["audit"], answer["lanes"]
    source = answer["config"]["source"] or "flags only"
    trail = f"{audit['path']}, record {audit['seq']}"
    degraded = f"{trail}; cannot be written: {audit['degraded']}; {audit['dropped']} records lost"
    role = answer["role"] if answer["settled"] else f"{answer['role']}, waiting for a first member or seed"
    return [
        ("node", f"{node['name']} ({node['address']}), cluster {answer['cluster']}"),
        ("role", Cell(f"{role}{', stopping' if node['stopping'] else ''}", _coloured(answer["role"]).colour)),
        ("leader", _leader_line(answer)),
        ("authority", f"{seconds(answer['authority'])} left" if answer["role"] == "leader" else ""),
        ("up", f"{seconds(node['uptime'])}, pid {node['pid']}, version {node['version']}"),
        ("guard", f"pid {answer['guard']}" if answer["guard"] else Cell("not running", "yellow")),
        ("waiting", ", ".join(f"{count} on the {lane} lane" for lane, count in waiting.items() if count)),
        ("security", answer["security"]),
        ("configuration", f"{source}, read {ago(answer['config']['loaded'])}"),
        ("state", answer["state_dir"]),
        ("audit", Cell(degraded, "red") if audit["degraded"] else trail),
    ]


def _leader_line(answer: Mapping[str, Any]) -> str | Cell:
    if answer["leader"] is None:
        return Cell("none", "yellow")
    me = ", this node" if answer["leader"] == answer.get("node", {}).get("address") else ""
    return f"{answer['leader_name'] or '?'} ({answer['leader']}){me}, term {answer['term']}"


def _members_table(found: list[Mapping[str, Any]], leading: str | None) -> None:
    table(
        ("", "name", "address", "role", "senior since", "link", "version"),
        (
            (
                Cell("*" if member["address"] == leading else " ", "green"),
                member["name"] or "-",
                member["address"],
                _coloured(member["role"]) if member["fit"] else Cell(f"{member['role']}, unfit", "yellow"),
                clock_time(member["start_time"], exact=False),
                "direct" if member["direct"] else Cell("through others", "yellow"),
                member["version"] or member["kind"],
            )
            for member in found
        ),
    )


def _plugins_table(found: list[Mapping[str, Any]]) -> None:
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
    """A plugin's status in a few words: numbers and texts as they are, lists by their length."""
    if not isinstance(value, Mapping):
        return ""
    words = (f"{key}: {len(item) if isinstance(item, list) else item}" for key, item in value.items())
    return ", ".join(words)


@click.command
@ask_options
@json_option
@click.pass_obj
def members(target: Target, as_json: bool) -> None:
    """List the members, the most senior first."""
    if as_json:
        emit_json(_ask(target, "members"))
        return
    answer = _ask(target, "status")
    _members_table(answer["members"], answer["leader"])


@click.command
@click.option("--is-me", is_flag=True, help="Print nothing; exit with 0 if this node leads and may act on it, else 3.")
@ask_options
@json_option
@click.pass_obj
def leader(target: Target, is_me: bool, as_json: bool) -> None:
    """Print the leader's address; exit with 4 if there is none."""
    answer = _ask(target, "leader", timeout=_IS_ME_SECONDS if is_me else _ASK_SECONDS)
    if as_json:
        emit_json(answer)
    elif not is_me and answer["leader"] is not None:
        say(answer["leader"])
    ctx = click.get_current_context()
    if answer["leader"] is None:
        if not as_json and not is_me:
            click.echo("les: there is no leader; `les members` shows who could lead", err=True)
        ctx.exit(NO_LEADER)
    if is_me and not answer["is_me"]:
        ctx.exit(_NOT_LEADER)


@click.command
@ask_options
@json_option
@click.pass_obj
def reload(target: Target, as_json: bool) -> None:
    """Have the daemon read its configuration again.

    A mistake, or a change that only a restart can make, refuses all of it, and the daemon keeps what it has.
    """
    answer = _ask(target, "reload", timeout=_RELOAD_SECONDS)
    if as_json:
        emit_json(answer)
    elif answer["changed"]:
        say(f"reloaded; changed: {', '.join(answer['changed'])}")
    else:
        say("reloaded; nothing has changed")


@click.command("step-down")
@ask_options
@json_option
@click.pass_obj
def step_down(target: Target, as_json: bool) -> None:
    """Have this node give up leadership, for the next in line."""
    answer = _ask(target, "step-down")
    if as_json:
        emit_json(answer)
    elif answer["next"] is not None:
        say(f"stepping down; next in line is {answer['next_name'] or '?'} ({answer['next']})")
    else:
        hold = seconds(answer["hold"])
        say(f"stepping down; nobody else can lead now, so this node leads again after hold ({hold})", "yellow")


@click.command
@ask_options
@json_option
@click.pass_obj
def leave(target: Target, as_json: bool) -> None:
    """Have the daemon leave the cluster and end; a leader runs its demote hooks first."""
    answer = cast("Mapping[str, Any]", _ask(target, "leave"))
    if as_json:
        emit_json(answer)
    else:
        say("leaving; the daemon is gone when its hooks have ended, each within its own limit")
