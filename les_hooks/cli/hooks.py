"""`les hooks`: what is in `hooks.d`, whether it would run, and trying it."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import click
import msgspec

from les_hooks.cli.flags import read_config
from les_hooks.cli.group import FAILED
from les_hooks.cli.output import Cell, ago, emit_json, note, say, table
from les_hooks.cli.sample import sample_event
from les_hooks.cli.target import Target, ask_options, config_option, json_option
from les_hooks.cli.trial import Called, show_call, try_scripts
from les_hooks.cli.workbench import workbench
from les_hooks.config import NO_HOOKS, Config
from les_hooks.control.client import UNREACHABLE, call
from les_hooks.errors import ControlError
from les_hooks.events import Event, EventKind
from les_hooks.members import Part
from les_hooks.plugins import Registry

__all__ = ["hooks"]

_SCRIPTS: Final = "scripts"
_NOT_RUN: Final = ("skipped", "refused")
_COLOURS: Final = {"runs": "green", "skipped": "yellow", "refused": "red", "inert": "dim"}


@click.group
def hooks() -> None:
    """Look at the scripts in hooks.d, and try them."""


@hooks.command("list")
@ask_options
@json_option
@click.pass_obj
def list_hooks(target: Target, as_json: bool) -> None:
    """List every file in hooks.d: on which event it runs, in which order, or why not.

    The daemon tells, with the last runs; where none answers, it is what one of this user would run.
    """
    found, from_daemon = _find(target)
    if as_json:
        emit_json({"daemon": from_daemon, "hooks": found})
        return
    if not from_daemon:
        note("les: no daemon answers; this is what one of this user would run")
    if found:
        _table(found)
    elif _is_witness(target):
        say(NO_HOOKS)
    else:
        say(f"there are no scripts in {target.config().hooks.dir}; `les init` writes some to begin with")


@hooks.command
@ask_options
@json_option
@click.pass_obj
def check(target: Target, as_json: bool) -> None:
    """Say which files in hooks.d would be skipped or refused; exit with 1 if there are any."""
    found = [entry for entry in _find(target)[0] if entry["verdict"] in _NOT_RUN]
    if as_json:
        emit_json(found)
    elif not found:
        say(NO_HOOKS if _is_witness(target) else "every script would run")
    for entry in found if not as_json else ():
        say(f"{entry['path']}: {entry['verdict']}: {entry['reason']}", _COLOURS[entry["verdict"]])
    if found:
        click.get_current_context().exit(FAILED)


@hooks.command
@click.argument("event", type=click.Choice([kind.value for kind in EventKind]))
@click.option("--script", metavar="NAME", help="Only the script of this name.")
@click.option("--dry-run", is_flag=True, help="Show arguments, environment and standard input, and run nothing.")
@config_option
@json_option
@click.pass_obj
def run(target: Target, event: str, script: str | None, dry_run: bool, as_json: bool) -> None:
    """Run the scripts of an event here and now, as the daemon would.

    They get a sample event, marked as a replay with the reason `operator`. Exits with 1 if one of them fails.
    """
    registry = Registry()
    config = read_config(target, {}, registry)
    sample = sample_event(config, EventKind(event))
    called = asyncio.run(_preview(config, registry, sample))
    chosen = [one for one in called if script is None or Path(one.argv[0]).name == script]
    if script is not None and not chosen:
        names = ", ".join(sorted(Path(one.argv[0]).name for one in called)) or "none"
        raise ControlError(f"no script {script} runs on {event}; those that do: {names}; `les hooks list` says why")
    if dry_run:
        _show(chosen, event, as_json)
        return
    results = asyncio.run(try_scripts(config, registry, sample, chosen, quiet=as_json))
    if as_json:
        emit_json(results)
    elif not results:
        say(f"no script runs on {event}; `les hooks list` says what there is")
    if any(result.outcome != "success" for result in results):
        click.get_current_context().exit(FAILED)


def _find(target: Target) -> tuple[list[Mapping[str, Any]], bool]:
    """All of hooks.d as the plugin `scripts` tells it, and whether the daemon's did."""
    try:
        return cast("list[Mapping[str, Any]]", call(target.socket, "hooks")), True
    except ControlError as error:
        if error.exit_code != UNREACHABLE:
            raise
    registry = Registry()
    config = read_config(target, {}, registry)
    if config.cluster.role is Part.WITNESS:
        return [], False
    return asyncio.run(_ask_here(config, registry, "list", {})), False


def _is_witness(target: Target) -> bool:
    """Whether the file says so; where the socket is named instead, no file is read."""
    return target.named_socket is None and target.config().cluster.role is Part.WITNESS


async def _preview(config: Config, registry: Registry, event: Event) -> list[Called]:
    arguments = {"event": msgspec.to_builtins(event)}
    return msgspec.convert(await _ask_here(config, registry, "preview", arguments), list[Called])


async def _ask_here(config: Config, registry: Registry, action: str, arguments: Mapping[str, object]) -> Any:
    """Ask the plugin in this process."""
    async with workbench(config, registry, dry_run=True) as bench:
        result = await bench.dispatcher.ask(_SCRIPTS, "control", 30.0, action=action, arguments=arguments)
    why = next((info.why for info in registry.infos() if info.name == _SCRIPTS), "it is not installed")
    if result is None:
        raise ControlError(f"the plugin {_SCRIPTS} does not run: {why}")
    if result.error:
        raise ControlError(result.error)
    return msgspec.to_builtins(result.value)


def _table(found: Sequence[Mapping[str, Any]]) -> None:
    table(("event", "#", "script", "verdict", "last run, or why not"), _rows(found))


def _rows(found: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str | Cell, ...]]:
    orders: Counter[str | None] = Counter()
    for entry in found:
        verdict = entry["verdict"]
        orders[entry["event"]] += verdict == "runs"
        yield (
            entry["event"] or "(every event)",
            str(orders[entry["event"]]) if verdict == "runs" else "-",
            Path(entry["path"]).name,
            Cell(verdict, _COLOURS.get(verdict, "")),
            entry["reason"] or _running(entry.get("running_since")) or _last(entry["last_runs"]),
        )


def _running(since: float | None) -> str | Cell:
    return "" if since is None else Cell(f"running, begun {ago(since)}", "green")


def _last(runs: Sequence[Mapping[str, Any]]) -> str | Cell:
    if not runs:
        return "-"
    latest = max(runs, key=lambda run: run["time"])
    failed = latest["outcome"] != "success"
    text = f"{latest['outcome']} in {latest['duration_ms']} ms, {ago(latest['time'])}"
    return Cell(text, "red" if failed else "")


def _show(chosen: Sequence[Called], event: str, as_json: bool) -> None:
    if as_json:
        emit_json(chosen)
    elif not chosen:
        say(f"no script runs on {event}; `les hooks list` says what there is")
    for one in chosen if not as_json else ():
        show_call(one)
