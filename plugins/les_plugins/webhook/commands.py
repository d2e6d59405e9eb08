"""`les webhooks`: what waits, what was given up, again, and a sample. Runs in the operator's process; private to
`webhook`.
"""

import time
from collections.abc import Mapping
from typing import Any

import click

from les_hooks import plugin_call
from les_hooks.cli.output import ago, emit_json, say, seconds, table
from les_hooks.cli.target import ask_options, json_option
from les_hooks.cli.trail import moment

__all__ = ["add"]

_NAME = "webhook"


def add(cli: click.Group) -> None:
    """Add the group `webhooks`."""

    @cli.group("webhooks")
    def webhooks() -> None:
        """Show what is posted to other programs, and have it posted again."""

    for command in (_list, _failed, _replay, _test):
        webhooks.add_command(command)


@click.command("list")
@json_option
@ask_options
@click.pass_context
def _list(context: click.Context, as_json: bool) -> None:
    """Show every endpoint, and how it does."""
    rows = _rows(plugin_call(context, _NAME, "list"))
    if as_json:
        emit_json(rows)
        return
    headers = ("endpoint", "state", "queued", "oldest", "failed", "delivered", "next try", "last error")
    table(headers, [_endpoint(row) for row in rows])


def _endpoint(row: Mapping[str, Any]) -> tuple[str, ...]:
    oldest = row["oldest_seconds"]
    counts = tuple(str(row[key]) for key in ("queued", "failed", "delivered"))
    error = row["disabled"] or row["error"] or ""
    when = f" ({ago(row['error_at'])})" if error and row["error_at"] is not None else ""
    return (
        row["name"],
        row["state"],
        counts[0],
        "-" if oldest is None else seconds(oldest),
        *counts[1:],
        "-" if row["next_attempt"] is None else f"in {seconds(max(0.0, row['next_attempt'] - time.time()))}",
        f"{error}{when}",
    )


@click.command("failed")
@click.option("--endpoint", metavar="NAME", help="Only those of this endpoint.")
@json_option
@ask_options
@click.pass_context
def _failed(context: click.Context, endpoint: str | None, as_json: bool) -> None:
    """Show what was given up, the newest last."""
    rows = _rows(plugin_call(context, _NAME, "failed", endpoint=endpoint))
    if as_json:
        emit_json(rows)
        return
    headers = ("id", "endpoint", "event", "given up", "attempts", "last error")
    table(
        headers,
        [
            (
                row["id"],
                row["endpoint"],
                str(row["kind"] or "-"),
                ago(row["died"]),
                str(row["attempts"]),
                row["error"],
            )
            for row in rows
        ],
    )


@click.command("replay")
@click.argument("identity", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="All that was given up.")
@click.option("--endpoint", metavar="NAME", help="What was given up of this endpoint, which is enabled again.")
@click.option(
    "--since", type=moment, metavar="TIME", help="What was given up from this moment on: 2026-03-01T08:15, or 2h ago."
)
@json_option
@ask_options
@click.pass_context
def _replay(
    context: click.Context,
    identity: str | None,
    everything: bool,
    endpoint: str | None,
    since: float | None,
    as_json: bool,
) -> None:
    """Post again what was given up, behind what waits. Exits with 1 where there was nothing."""
    if everything == any(part is not None for part in (identity, endpoint, since)):
        raise click.UsageError("say what: an ID, --endpoint or --since, or --all and nothing else")
    found = plugin_call(context, _NAME, "replay", id=identity, endpoint=endpoint, since=since)
    counts: Mapping[str, int] = found if isinstance(found, dict) else {}
    if as_json:
        emit_json(counts)
    elif not counts:
        say("nothing was given up that this means")
    else:
        for name, count in counts.items():
            say(f"{name}: {count} queued again" if count else f"{name}: enabled again; nothing of it was given up")
    if not counts:
        context.exit(1)


@click.command("test")
@click.argument("name")
@json_option
@ask_options
@click.pass_context
def _test(context: click.Context, name: str, as_json: bool) -> None:
    """Post a sample to the endpoint NAME, marked as one, and show request and reply. Exits with 1 where it fails."""
    found = plugin_call(context, _NAME, "test", endpoint=name)
    answer: Mapping[str, Any] = found if isinstance(found, dict) else {}
    if as_json:
        emit_json(answer)
    else:
        for part, text in (("request", answer["request"]), ("reply", answer["reply"])):
            for line in str(text).splitlines():
                say(f"{'>' if part == 'request' else '<'} {line}".rstrip())
            say()
        what = answer["why"] or f"status {answer['status']}"
        say(f"{answer['verdict']} after {seconds(answer['seconds'])}: {what}")
    if answer["verdict"] != "delivered":
        context.exit(1)


def _rows(answer: object) -> list[Mapping[str, Any]]:
    return [row for row in answer if isinstance(row, dict)] if isinstance(answer, list) else []
