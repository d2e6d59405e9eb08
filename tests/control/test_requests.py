"""What a node in this process answers over its control socket, to commands and to plugins' own."""

import asyncio
import contextlib
import io
import os
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from les_hooks import Node, hookimpl, plugin_call, serve_control
from les_hooks.config import LogFormat, LogLevel
from les_hooks.control.client import call, stream
from les_hooks.control.requests import QUESTIONS, Requests
from les_hooks.control.server import Caller
from les_hooks.daemon import load_config
from les_hooks.errors import ControlError, LesHooksError, PluginError
from les_hooks.hookspecs import Context
from les_hooks.log import make_log
from les_hooks.plugins import Registry
from tests.cluster import TIMING, free_ports


class Echo:
    """A plugin that answers its own commands."""

    @hookimpl
    async def control(self, action: str, arguments: Mapping[str, object], ctx: Context) -> object:
        """Repeat what was asked, or fail as asked."""
        if action == "fail":
            raise PluginError(ctx.name, "cannot")
        if action == "odd":
            return object()
        return {"action": action, **arguments}

    @hookimpl
    async def status(self, ctx: Context) -> Mapping[str, object]:
        """Hang."""
        await asyncio.Event().wait()
        return {}


@dataclass(frozen=True)
class Point:
    """An entry point without a distribution."""

    name: str
    value: str
    target: object
    dist: None = None

    def load(self) -> object:
        """Return what it points to."""
        return self.target


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A cluster of one in this process, with the plugins echo and (empty) mute."""
    (port,) = free_ports(1)
    file = tmp_path / "les.toml"
    file.write_text(
        f'[node]\nname = "a"\nbind = "127.0.0.1:{port}"\nstate_dir = "s"\n'
        f'[cluster]\nseeds = ["127.0.0.1:{port}"]\n{TIMING}[plugins.echo]\n[plugins.mute]\n'
        "[plugins.scripts]\nenabled = false\n"
    )
    points = [Point("echo", "echo", Echo()), Point("mute", "mute", SimpleNamespace())]
    registry = Registry(points)
    log = make_log(LogFormat.JSON, LogLevel.DEBUG, io.StringIO())
    made = Node(load_config(file, registry=registry), registry=registry, log=log, cleanup=())
    async with made as started, serve_control(started):
        await asyncio.wait_for(started.wait_elected(), 10)
        yield started


async def _ask(node: Node, request: str, /, **arguments: object) -> Any:
    return await asyncio.to_thread(call, node.config.control.socket, request, arguments)


async def _requests(node: Node) -> list[dict[str, Any]]:
    """Each request, with how it ended."""
    lines = node.config.log.audit.read_text().splitlines()
    records = list(map(msgspec.json.decode, lines))
    answers = {record["request"]: record for record in records if record["action"] == "operator.answer"}
    asked = [record for record in records if record["action"] == "operator.request"]
    assert all(answers[record["seq"]]["command"] == record["command"] for record in asked)
    return [record | {key: answers[record["seq"]][key] for key in ("outcome", "reason")} for record in asked]


async def test_a_plugin_is_reached_through_plugin_call_and_that_is_audited(node: Node) -> None:
    socket = node.config.control.socket
    context = SimpleNamespace(obj=SimpleNamespace(socket=socket))
    context.find_root = lambda: context
    for where in (socket, context, context.obj):
        answer = await asyncio.to_thread(plugin_call, where, "echo", "greet", name="x")
        assert answer == {"action": "greet", "name": "x"}
    asked = (await _requests(node))[0]
    assert (asked["command"], asked["outcome"]) == ("plugin", "success")
    assert asked["arguments"] == {"plugin": "echo", "action": "greet", "arguments": {"name": "x"}}


def test_a_daemon_that_is_stopped_is_not_waited_for_as_long_as_a_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel takes connections for it."""
    monkeypatch.setattr(import_module("les_hooks.control.plugin_call"), "_AT_HOME", 0.1)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        with pytest.raises(ControlError, match="the daemon did not answer in time"):
            plugin_call(tmp_path / "s", "echo", "greet")


def test_plugin_call_says_what_it_needs() -> None:
    with pytest.raises(TypeError, match=r"needs the click\.Context"):
        plugin_call(SimpleNamespace(), "echo", "greet")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"plugin": "nosuch", "action": "a", "arguments": {}}, "the plugin nosuch is not loaded"),
        ({"plugin": "mute", "action": "a", "arguments": {}}, "the plugin mute takes no requests"),
        ({"plugin": "echo", "action": "fail", "arguments": {}}, "plugin echo: cannot"),
        ({"plugin": "echo", "action": "odd", "arguments": {}}, "cannot be told as JSON"),
        ({"plugin": "echo"}, "it takes plugin, action and arguments"),
        ({"plugin": ["echo"], "action": "a", "arguments": {}}, "it takes plugin, action and arguments"),
    ],
)
async def test_what_a_plugin_cannot_answer_is_said_and_audited(
    node: Node, arguments: dict[str, object], why: str
) -> None:
    with pytest.raises(ControlError, match=why):
        await _ask(node, "plugin", **arguments)
    (asked,) = await _requests(node)
    assert asked["outcome"] == "failure"
    assert why in asked["reason"]


async def test_status_does_not_wait_for_a_plugin_that_hangs(node: Node) -> None:
    status = await _ask(node, "status")
    echo = next(plugin for plugin in status["plugins"] if plugin["name"] == "echo")
    assert echo["status"] is None
    assert "did not end within 1 s" in echo["status_error"]


async def test_whatever_is_no_question_leaves_its_two_records_with_who_asked(node: Node) -> None:
    """Each handler that there is, whatever it does: with arguments that none of them takes, or none at all."""
    requests = Requests(node, _no_reload)
    assert requests.handlers.keys() | requests.streams.keys() > QUESTIONS
    assert requests.streams.keys() <= QUESTIONS
    changes = [*sorted(requests.handlers.keys() - QUESTIONS - {"leave"}), "leave"]
    for command in changes:
        with contextlib.suppress(LesHooksError):
            await requests.handlers[command]({}, Caller(uid=1001, pid=4242))
    by = {"uid": 1001, "pid": 4242}
    records = map(msgspec.json.decode, node.config.log.audit.read_text().splitlines())
    told = [record for record in records if record["action"].startswith("operator.")]
    assert [(each["action"], each["command"]) for each in told] == [
        (f"operator.{part}", command) for command in changes for part in ("request", "answer")
    ]
    assert all({key: each[key] for key in by} == by for each in told)


async def _no_reload() -> tuple[str, ...]:
    return ()


@pytest.mark.parametrize("depth", [50, 200, 400, 600, 800, 900, 950, 1000, 5000])
async def test_arguments_that_are_nested_deep_harm_nothing(node: Node, depth: int) -> None:
    line = b'{"action":"transfer","arguments":{"target":' + b"[" * depth + b"]" * depth + b"}}\n"

    def talk() -> Any:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(node.config.control.socket))
            client.sendall(line)
            with client.makefile("rb") as answer:
                return msgspec.json.decode(answer.readline())

    answer = await asyncio.to_thread(talk)
    assert (answer["ok"], answer["exit"]) == (False, 1)
    assert "the request is malformed" in answer["error"]
    assert node.is_leader
    assert len(await _requests(node)) == ("target" in answer["error"])


async def test_refusals_are_recorded_and_cannot_fill_the_disk(node: Node) -> None:
    requests = Requests(node, _no_reload)
    for _ in range(1000):
        requests.refused("step-down", Caller(uid=1001, pid=4242))
    records = map(msgspec.json.decode, node.config.log.audit.read_text().splitlines())
    refused = [record for record in records if record["action"] == "operator.refused"]
    assert len(refused) == 10
    assert {key: refused[0][key] for key in ("command", "uid", "pid", "outcome", "unrecorded")} == {
        "command": "step-down",
        "uid": 1001,
        "pid": 4242,
        "outcome": "failure",
        "unrecorded": 0,
    }


async def test_questions_are_not_audited(node: Node) -> None:
    for action in ("leader", "members", "plugins", "maintenance"):
        await _ask(node, action)
    await _ask(node, "plan", move="step-down")
    await _ask(node, "plan", move="maintenance", seconds=60.0)
    assert node.is_leader
    assert await _requests(node) == []


async def test_maintenance_is_audited_with_who_asked_and_why(node: Node) -> None:
    await _ask(node, "maintain", seconds=60.0, note="new disk")
    assert node.maintenance is not None
    assert node.maintenance.uid == os.getuid()
    await _ask(node, "end-maintenance")
    begun, ended = await _requests(node)
    assert (begun["command"], begun["uid"], begun["outcome"]) == ("maintain", os.getuid(), "success")
    assert begun["arguments"] == {"seconds": 60.0, "note": "new disk"}
    assert (ended["command"], ended["uid"]) == ("end-maintenance", os.getuid())


async def test_a_move_that_cannot_be_made_is_audited_as_a_failure(node: Node) -> None:
    for command, arguments in (("step-down", {"note": "a\nb"}), ("transfer", {"target": "b"}), ("maintain", {})):
        with pytest.raises(ControlError):
            await _ask(node, command, **arguments)
    assert [(asked["command"], asked["outcome"]) for asked in await _requests(node)] == [
        ("step-down", "failure"),
        ("transfer", "failure"),
        ("maintain", "failure"),
    ]
    assert node.is_leader


async def test_hooks_need_the_plugin_that_has_them(node: Node) -> None:
    with pytest.raises(ControlError, match="the plugin scripts is not loaded"):
        await _ask(node, "hooks")


async def test_a_reload_that_fails_loads_no_plugin_into_the_node(node: Node) -> None:
    source = node.config.source
    assert source is not None
    source.write_text(source.read_text() + "[plugins.scripts.x]\n[plugins.more]\n[nonsense]\n")
    with pytest.raises(ControlError):
        await _ask(node, "reload")
    assert node.registry.loaded == ("echo", "mute")


async def test_leave_stops_the_node_and_ends_the_watchers(node: Node) -> None:
    events = asyncio.to_thread(lambda: [*stream(node.config.control.socket, "watch", {"from_start": True})])
    watching = asyncio.create_task(events)
    answer = await _ask(node, "leave")
    assert answer["leaving"] is True
    await asyncio.wait_for(node.wait_stopped(), 10)
    told: list[Any] = await asyncio.wait_for(watching, 10)
    assert [event["kind"] for event in told[1:]][-2:] == ["stopping", "demoted"]
