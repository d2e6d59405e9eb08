"""`docs/cli.md` against the commands that there are, and its JSON against what they print."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

from les_hooks.cli import cli
from les_hooks.election.reporting import QuorumReport, VoterReport
from les_hooks.events import Event
from tests.cli.conftest import Les
from tests.cluster import Cluster, Daemon

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
SECTIONS = dict(re.findall(r"^### les ([a-z -]+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> dict[str, click.Command]:
    context = click.Context(group)
    found: dict[str, click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found |= _commands(command, (*path, name))
        else:
            found[" ".join((*path, name))] = command
    return found


MOVES_EXAMPLE = json.loads(
    re.findall(r"^## Moving leadership\n.*?```json\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)[0]
)
COMMANDS = _commands(cli)
# Asked of no node, or written elsewhere.
_WITHOUT_FILE = {"demo", "init", "config schema", "secret new", "ca init", "ca issue"}


def _example(command: str, number: int = 0) -> Any:
    return json.loads(re.findall(r"```json\n(.*?)```", SECTIONS[command], re.DOTALL)[number])


def _keys(value: Any) -> Any:
    """The names in a JSON value, all the way down; of lists the first element counts."""
    if isinstance(value, dict):
        return {key: _keys(item) for key, item in value.items()}
    return _keys(value[0]) if isinstance(value, list) and value else None


def test_the_page_has_each_command_and_no_other() -> None:
    assert set(SECTIONS) >= set(COMMANDS) - {"init"}
    assert set(SECTIONS) <= set(COMMANDS) | {"init"}


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - _WITHOUT_FILE))
def test_every_command_takes_the_file_and_explains_itself(command: str) -> None:
    assert any("--config" in option.opts for option in COMMANDS[command].params)
    assert COMMANDS[command].help


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_options_that_the_page_names_are_there(command: str) -> None:
    there = {name for option in COMMANDS[command].params for name in option.opts}
    shown = re.sub(r"`[a-z]* *[^`]*les [^`]*`", "", SECTIONS.get(command, ""))
    assert set(re.findall(r"`(--[a-z-]+)", shown)) <= there


@pytest.mark.parametrize("command", ["members", "leader", "plugins list", "config show", "history", "check"])
def test_the_keys_on_the_page_are_those_that_are_printed(command: str, leader: Daemon) -> None:
    printed = json.loads(Les(leader.config)(*command.split(), "--json").stdout)
    assert _keys(printed) == _keys(_example(command))


def test_the_keys_of_status_are_those_that_are_printed(leader: Daemon) -> None:
    printed, shown = Les(leader.config).json("status"), _example("status")
    assert printed.keys() == shown.keys()
    for part in ("node", "lanes", "audit", "config", "maintenance"):
        assert printed[part].keys() == shown[part].keys()
    assert printed["backend"].keys() >= shown["backend"].keys()
    loaded = next(plugin for plugin in printed["plugins"] if plugin["state"] == "loaded")
    assert loaded.keys() == shown["plugins"][0].keys()


def test_the_keys_of_votes_are_those_that_the_election_tells() -> None:
    shown = _example("status", 1)
    assert shown.keys() == {"mode", *(field.name for field in fields(QuorumReport))}
    assert shown["voters"][0].keys() == {field.name for field in fields(VoterReport)}


def test_the_keys_of_hooks_are_those_that_are_printed(leader: Daemon) -> None:
    les = Les(leader.config)
    listed = les.json("hooks", "list")
    ran = [entry for entry in listed["hooks"] if entry["last_runs"]]
    assert _keys(listed | {"hooks": ran}) == _keys(_example("hooks list"))
    run = ("hooks", "run", "elected", "--script", "10-hello")
    assert _keys(les.json(*run)) == _keys(_example("hooks run"))
    assert les.json(*run, "--dry-run")[0].keys() == _example("hooks run", 1)[0].keys()


def test_the_keys_of_an_event_are_those_on_the_page() -> None:
    assert tuple(_example("watch")) == Event.__struct_fields__


def test_the_keys_of_changes_are_those_that_are_printed(tmp_path: Path) -> None:
    with Cluster(tmp_path, 1) as cluster:
        daemon = cluster.daemons[0]
        daemon.wait_settled()
        les = Les(daemon.config)
        assert _keys(les.json("reload")) == {"changed": None} == _keys(_example("reload"))
        assert les.json("maintenance", "on", "--dry-run").keys() == MOVES_EXAMPLE.keys()
        assert les.json("step-down").keys() == _example("step-down").keys()
        assert les.json("maintenance").keys() == _example("maintenance").keys()
        assert les.json("maintenance", "on").keys() == _example("maintenance", 1).keys()
        assert les.json("maintenance", "off").keys() == {*_example("maintenance"), "changed"}
        assert les.json("leave").keys() == _example("leave").keys()
        daemon.ended()
        assert les.json("cleanup").keys() == _example("cleanup").keys()


def test_the_exit_codes_of_the_page_are_those_of_the_help() -> None:
    codes = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert cli.help is not None
    assert codes == re.findall(r"\b\d+\b", cli.help)
