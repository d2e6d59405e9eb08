"""The commands that move leadership, or keep it away: step-down, transfer, maintenance."""

from collections.abc import Mapping
from typing import Any, Final

import click

from les_hooks.cli.group import FAILED, NO_LEADER
from les_hooks.cli.output import emit_json, note, say, seconds, utc_time
from les_hooks.cli.planned import show_plan, who
from les_hooks.cli.target import Target, ask_options, json_option
from les_hooks.config.durations import parse_interval
from les_hooks.control.client import call
from les_hooks.control.moves import check_note

__all__ = ["maintenance", "step_down", "transfer"]

# The daemon answers when its own limit is over, and a little later on a busy machine.
_MARGIN_SECONDS: Final = 10.0
_MAINTENANCE_SECONDS: Final = 3600.0


def _length(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    try:
        return parse_interval(text) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}") from None


def _reason(_ctx: click.Context, _parameter: click.Parameter, text: str) -> str:
    try:
        return check_note(text.strip())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


_reason_option = click.option(
    "--reason", "reason", default="", metavar="TEXT", callback=_reason, help="Why, for whoever looks at `les status`."
)
_dry_run_option = click.option("--dry-run", is_flag=True, help="Tell what would happen, and do nothing.")


def _plan(target: Target, as_json: bool, move: Mapping[str, object]) -> None:
    plan: Any = call(target.socket, "plan", move)
    if as_json:
        emit_json(plan)
    else:
        show_plan(plan)


@click.command("step-down")
@_reason_option
@_dry_run_option
@ask_options
@json_option
@click.pass_obj
def step_down(target: Target, reason: str, dry_run: bool, as_json: bool) -> None:
    """Have this node give up leadership, for the next in line."""
    if dry_run:
        _plan(target, as_json, {"move": "step-down", "note": reason})
        return
    answer: Any = call(target.socket, "step-down", {"note": reason})
    if as_json:
        emit_json(answer)
    elif answer["next"] is not None:
        say(f"stepping down; next in line is {who(answer['next_name'], answer['next'])}")
    else:
        hold = seconds(answer["hold"])
        say(f"stepping down; nobody else can lead now, so this node leads again after hold ({hold})", "yellow")


@click.command
@click.argument("node")
@click.option(
    "--timeout", default="10s", show_default=True, metavar="TIME", callback=_length, help="Wait so long for the answer."
)
@_dry_run_option
@ask_options
@json_option
@click.pass_obj
def transfer(target: Target, node: str, timeout: float, dry_run: bool, as_json: bool) -> None:
    """Hand leadership over to the member NODE.

    NODE is a name or an address; it is to be run where the leader is, and waits until somebody leads. Exits with 1 if
    another leads at the end, and with 4 if nobody does.
    """
    if dry_run:
        _plan(target, as_json, {"move": "transfer", "target": node, "timeout": timeout})
        return
    arguments = {"target": node, "timeout": timeout}
    answer: Any = call(target.socket, "transfer", arguments, timeout=timeout + _MARGIN_SECONDS)
    if as_json:
        emit_json(answer)
    elif answer["moved"]:
        took = seconds(answer["seconds"])
        say(f"{who(answer['leader_name'], answer['leader'])} leads; it took {took}", "green")
    else:
        note(f"les: the transfer to {who(answer['target_name'], answer['target'])} {_outcome(answer, timeout)}")
    if not answer["moved"]:
        click.get_current_context().exit(_lost(answer))


def _outcome(answer: Mapping[str, Any], timeout: float) -> str:
    if answer.get("pending"):
        return f"is still under way; not waiting any longer than {seconds(timeout)}: {answer['why']}"
    return f"is lost: {answer['why']}"


def _lost(answer: Mapping[str, Any]) -> int:
    return NO_LEADER if answer["leader"] is None else FAILED


@click.command
@click.argument("switch", metavar="[on|off]", required=False, type=click.Choice(["on", "off"]))
@click.option("--for", "length", metavar="TIME", callback=_length, help="End by itself after this time.  [default: 1h]")
@_reason_option
@_dry_run_option
@ask_options
@json_option
@click.pass_obj
def maintenance(
    target: Target, switch: str | None, length: float | None, reason: str, dry_run: bool, as_json: bool
) -> None:
    """Keep this node from leading for a while.

    Without `on` or `off` it shows whether the node is in maintenance. A leader gives up leadership first, in order.
    The node goes on voting and confirming, and runs its other hooks.
    """
    if switch != "on" and (length is not None or reason or dry_run):
        raise click.UsageError("--for, --reason and --dry-run go with `les maintenance on`")
    if switch == "on":
        _begin(target, length or _MAINTENANCE_SECONDS, reason, dry_run, as_json)
        return
    answer: Any = call(target.socket, "maintenance" if switch is None else "end-maintenance")
    if as_json:
        emit_json(answer)
    elif answer["on"]:
        say(f"{_standing(answer)}{_because(answer)}", "yellow")
    elif answer.get("changed"):
        say("maintenance is over; this node may lead again once its checks agree, as the most junior")
    else:
        say("this node is not in maintenance")


def _begin(target: Target, length: float, reason: str, dry_run: bool, as_json: bool) -> None:
    arguments = {"seconds": length, "note": reason}
    if dry_run:
        _plan(target, as_json, {"move": "maintenance", **arguments})
        return
    answer: Any = call(target.socket, "maintain", arguments)
    if as_json:
        emit_json(answer)
        return
    say(_standing(answer))
    following = who(answer["next_name"], answer["next"])
    if not answer["moves"]:
        say(f"{following} leads")
    elif answer["next"] is not None:
        say(f"stepping down; next in line is {following}")
    else:
        say("stepping down; nobody else can lead now", "yellow")


def _standing(answer: Mapping[str, Any]) -> str:
    return f"in maintenance until {utc_time(answer['until'])} ({seconds(round(answer['left']))})"


def _because(answer: Mapping[str, Any]) -> str:
    return f": {answer['note']}" if answer["note"] else ""
