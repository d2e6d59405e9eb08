"""What a node is besides a member, and what it is told at its start: witnesses, observers, voters."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import structlog
from structlog.testing import LogCapture

from les_hooks import ConfigError, Event, Node, StartError, load_config
from les_hooks.config import NO_HOOKS
from les_hooks.plugins import PluginState, Registry
from tests.backends.peers.fakes import free_port
from tests.dispatch.stage import Offer, plugin


@dataclass
class Running:
    """A node, what its plugin was called with, and its log."""

    node: Node
    called: list[str]
    log: LogCapture = field(default_factory=LogCapture)

    async def until(self, kind: str) -> None:
        async with asyncio.timeout(10):
            while kind not in self.called:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(
    folder: Path, cluster: str, *, me: str = "", more: str = "", advertise: str = ""
) -> AsyncIterator[Running]:
    """A node with a plugin that notes what it is called with; `{me}` in `cluster` stands for its address."""
    called: list[str] = []

    async def note(event: Event) -> None:
        called.append(str(event.kind))

    hooks = ("on_started", "on_elected", "on_demoted", "on_leader_changed", "on_member_joined", "on_stopping")
    registry = Registry([Offer("watcher", plugin(**dict.fromkeys(hooks, note))), Offer("scripts", plugin())])
    me = me or f"127.0.0.1:{free_port()}"
    folder.mkdir(exist_ok=True)
    (folder / "les.toml").write_text(
        f'[node]\nname = "a"\nbind = "{me}"\nstate_dir = "state"\n[cluster]\n{cluster.replace("{me}", me)}\n'
        f'[timing]\nheartbeat = "50ms"\nfailure = "200ms"\nsettle = "0s"\nlease = "400ms"\n[plugins.watcher]\n{more}'
    )
    config = load_config(folder / "les.toml", registry=registry)
    log = LogCapture()
    async with Node(config, log=structlog.wrap_logger(None, [log]), registry=registry, cleanup=()) as node:
        yield Running(node, called, log)


async def start_time(node: Node) -> float:
    """The start time that an original reads."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{node.config.node.bind}/state") as reply:
        return float((await reply.json())["start_time"])


@pytest.mark.parametrize("quorum", ["members", "majority"])
async def test_a_witness_calls_nobody_and_never_leads_while_a_member_does(tmp_path: Path, quorum: str) -> None:
    nodes = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    cluster = f'quorum = "{quorum}"\n{"voters" if quorum == "majority" else "seeds"} = {json.dumps(nodes)}\n'
    async with AsyncExitStack() as stack:
        witness = await stack.enter_async_context(running(tmp_path / "w", f'{cluster}role = "witness"', me=nodes[0]))
        member = await stack.enter_async_context(running(tmp_path / "m", cluster, me=nodes[1]))
        await member.until("elected")
        await asyncio.wait_for(witness.node.wait_settled(), 10)
        assert await start_time(witness.node) == 4102444800.0
        assert await start_time(member.node) < 4102444800.0

        assert not witness.node.registry.loaded
        assert witness.node.guard.pid is None
        assert {info.name: (info.state, info.why) for info in witness.node.registry.infos()} == {
            "scripts": (PluginState.DISABLED, NO_HOOKS),
            "watcher": (PluginState.DISABLED, NO_HOOKS),
        }
        assert all(entry["log_level"] != "error" for entry in witness.log.entries)
    for folder in ("w", "m"):
        file = tmp_path / folder / "state/voters.json"
        remembered = json.loads(file.read_text())["voters"] if file.exists() else None
        assert remembered == (sorted(nodes) if quorum == "majority" else None)
    assert not witness.called
    trail = [json.loads(line)["action"] for line in (tmp_path / "w/state/audit.jsonl").read_text().splitlines()]
    assert "node.started" in trail
    assert "plugin.failed" not in trail
    assert trail[-1] == "node.stopped"


async def test_an_observer_never_leads_and_is_told_of_who_does(tmp_path: Path) -> None:
    nodes = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    cluster = f"seeds = {json.dumps(nodes)}\n"
    async with AsyncExitStack() as stack:
        observer = await stack.enter_async_context(running(tmp_path / "o", f'{cluster}role = "observer"', me=nodes[0]))
        member = await stack.enter_async_context(running(tmp_path / "m", cluster, me=nodes[1]))
        await member.until("elected")
        await observer.until("leader-changed")
        assert observer.node.leader == nodes[1]
        assert await start_time(observer.node) == 4102444800.0
    assert "elected" not in observer.called
    assert {"demoted", "started", "member-joined", "stopping"} <= set(observer.called)


async def test_a_witness_does_not_look_into_the_tables_of_plugins(tmp_path: Path) -> None:
    """Its plugins need not even be installed."""
    more = "nonsense = 1\n[plugins.nosuch]\nx = 1\n"
    with pytest.raises(ConfigError, match="nonsense"):
        async with running(tmp_path, 'seeds = ["{me}"]', more=more):
            pass
    async with running(tmp_path, 'role = "witness"\nseeds = ["{me}"]', more=more) as witness:
        assert all(entry["event"] != "plugin-failed" for entry in witness.log.entries)


async def test_what_is_advised_stands_in_the_log_at_the_start(tmp_path: Path) -> None:
    async with running(tmp_path, 'quorum = "majority"\nvoters = ["{me}", "127.0.0.1:1"]') as node:
        pass
    (doubt,) = [entry for entry in node.log.entries if entry["event"] == "config-doubtful"]
    assert (doubt["log_level"], doubt["key"]) == ("warning", "cluster.voters")
    assert "nobody leads when one of 2 voters is lost" in doubt["advice"]


async def test_a_node_with_two_voters_changed_since_the_last_election_does_not_start(tmp_path: Path) -> None:
    async with running(tmp_path, 'quorum = "majority"\nvoters = ["{me}", "127.0.0.1:1", "127.0.0.1:2"]') as before:
        voters = before.node.config.cluster.voters
        before.node.store.remember_voters([*voters[:2], "127.0.0.1:3"])
    file = tmp_path / "les.toml"
    with pytest.raises(StartError, match=r"by \+127\.0\.0\.1:2, -127\.0\.0\.1:3, and only one voter may change"):
        await Node(load_config(file), cleanup=()).__aenter__()
    file.write_text(file.read_text().replace(', "127.0.0.1:2"]', "]"))
    async with Node(load_config(file), cleanup=()) as node:
        assert node.config.cluster.voters == voters[:2]


async def test_of_two_nodes_with_one_address_the_second_cannot_have_the_port(tmp_path: Path) -> None:
    async with running(tmp_path / "a", 'seeds = ["{me}"]') as first:
        with pytest.raises(StartError, match="another process listens there"):
            async with running(tmp_path / "b", 'seeds = ["{me}"]', me=first.node.config.node.bind):
                pass
