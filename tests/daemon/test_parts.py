"""What a node is besides a member: a witness runs nothing, and its daemon is otherwise whole."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from les_hooks import ConfigError, Event, Node, StartError, load_config
from les_hooks.config import NO_HOOKS
from les_hooks.plugins import PluginState, Registry
from tests.backends.peers.fakes import free_port
from tests.dispatch.stage import Offer, plugin


@asynccontextmanager
async def node_with(
    folder: Path, cluster: str, called: list[str], more: str = ""
) -> AsyncIterator[tuple[Node, LogCapture]]:
    """A node with a plugin that notes what it is called with; `{me}` in `cluster` stands for its address."""

    async def note(event: Event) -> None:
        called.append(str(event.kind))

    watcher = plugin(on_started=note, on_elected=note, on_demoted=note, on_stopping=note)
    registry = Registry([Offer("watcher", watcher), Offer("scripts", plugin())])
    me = f"127.0.0.1:{free_port()}"
    (folder / "les.toml").write_text(
        f'[node]\nname = "a"\nbind = "{me}"\nstate_dir = "state"\n[cluster]\n{cluster.replace("{me}", me)}\n'
        f'[timing]\nheartbeat = "50ms"\nfailure = "200ms"\nsettle = "0s"\nlease = "400ms"\n[plugins.watcher]\n{more}'
    )
    config = load_config(folder / "les.toml", registry=registry)
    log = LogCapture()
    async with Node(config, log=structlog.wrap_logger(None, [log]), registry=registry, cleanup=()) as node:
        yield node, log


async def test_a_witness_loads_no_plugin_and_calls_none_not_even_at_its_start(tmp_path: Path) -> None:
    called: list[str] = []
    async with node_with(tmp_path, 'role = "witness"\nseeds = ["{me}"]', called) as (node, log):
        assert node.registry.loaded == ()
        assert {info.name: (info.state, info.why) for info in node.registry.infos()} == {
            "scripts": (PluginState.DISABLED, NO_HOOKS),
            "watcher": (PluginState.DISABLED, NO_HOOKS),
        }
        assert all(entry["log_level"] != "error" for entry in log.entries)
    assert called == []
    trail = [json.loads(line)["action"] for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert "node.started" in trail
    assert trail[-1] == "node.stopped"
    assert "plugin.failed" not in trail


async def test_an_observer_is_told_of_what_happens(tmp_path: Path) -> None:
    called: list[str] = []
    async with node_with(tmp_path, 'role = "observer"\nseeds = ["{me}"]', called):
        assert called == ["demoted"]
    assert "stopping" in called


async def test_a_witness_does_not_look_into_the_tables_of_plugins(tmp_path: Path) -> None:
    """Its plugins need not even be installed."""
    more = "nonsense = 1\n[plugins.nosuch]\nx = 1\n"
    with pytest.raises(ConfigError, match="nonsense"):
        async with node_with(tmp_path, 'seeds = ["{me}"]', [], more):
            pass
    async with node_with(tmp_path, 'role = "witness"\nseeds = ["{me}"]', [], more) as (_, log):
        assert all(entry["event"] != "plugin-failed" for entry in log.entries)


async def test_what_is_advised_stands_in_the_log_at_the_start(tmp_path: Path) -> None:
    majority = 'quorum = "majority"\nvoters = ["{me}", "127.0.0.1:1"]'
    async with node_with(tmp_path, majority, []) as (_, log):
        pass
    (doubt,) = [entry for entry in log.entries if entry["event"] == "config-doubtful"]
    assert doubt["log_level"] == "warning"
    assert doubt["key"] == "cluster.voters"
    assert "nobody leads when one of 2 voters is lost" in doubt["advice"]


async def test_a_node_with_two_voters_changed_since_the_last_election_does_not_start(tmp_path: Path) -> None:
    majority = 'quorum = "majority"\nvoters = ["{me}", "127.0.0.1:1", "127.0.0.1:2"]'
    async with node_with(tmp_path, majority, []) as (node, _):
        await node.store.remember_voters([*node.config.cluster.voters[:2], "127.0.0.1:3"])
        me = node.config.node.advertise
    file = tmp_path / "les.toml"
    with pytest.raises(StartError, match=r"by \+127\.0\.0\.1:2, -127\.0\.0\.1:3, and only one voter may change"):
        await Node(load_config(file), cleanup=()).__aenter__()
    file.write_text(file.read_text().replace(', "127.0.0.1:2"]', "]"))
    async with Node(load_config(file), cleanup=()) as node:
        assert node.config.cluster.voters == (me, "127.0.0.1:1")
