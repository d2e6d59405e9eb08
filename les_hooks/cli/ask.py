"""The commands that ask a running daemon one thing: leader, reload, leave."""

from collections.abc import Mapping
from typing import Any, cast

import click

from les_hooks.cli.group import NO_LEADER
from les_hooks.cli.output import emit_json, note, say, unaccepted
from les_hooks.cli.target import Target, ask_options, json_option
from les_hooks.control.client import call

__all__ = ["leader", "leave", "reload"]

_NOT_LEADER = 3
_RELOAD_SECONDS = 60.0
_ASK_SECONDS = 10.0
# Scripts and load balancers ask this way, and would rather have a no than wait.
_IS_ME_SECONDS = 2.0


def _ask(target: Target, action: str, *, timeout: float = _ASK_SECONDS) -> Any:
    return call(target.socket, action, timeout=timeout)


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
            other = answer.get("unaccepted")
            note(f"les: {unaccepted(other) if other else 'there is no leader; `les members` shows who could lead'}")
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
