"""`docs/hooks.md` against the code: signatures, fields, kinds and reasons, and every hook fires in a real run."""

import ast
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from les_hooks import hookspecs
from les_hooks.events import Event, EventKind, Reason
from tests.backends.peers.fakes import free_port

PAGE = (Path(__file__).parents[1] / "docs" / "hooks.md").read_text()


def specs() -> dict[str, str]:
    """Name and signature of every hookspec, as they are written."""
    (kind,) = (
        node
        for node in ast.parse(inspect.getsource(hookspecs)).body
        if isinstance(node, ast.ClassDef) and node.name == "HookSpecs"
    )
    found = {}
    for function in kind.body:
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            function.args.args.pop(0)  # self
            word = "async def" if isinstance(function, ast.AsyncFunctionDef) else "def"
            assert function.returns is not None
            returns = ast.unparse(function.returns)
            signature = f"{word} {function.name}({ast.unparse(function.args)}) -> {returns}"
            found[function.name] = signature.replace("'", "")
    return found


def sections() -> dict[str, str]:
    """The signature in each heading, and the text below it."""
    parts = re.split(r"^### `(.+)`$", PAGE, flags=re.MULTILINE)[1:]
    return {
        heading: re.split(r"^## ", text, flags=re.MULTILINE)[0]
        for heading, text in zip(*[iter(parts)] * 2, strict=True)
    }


def table(section: str) -> list[list[str]]:
    """The rows of the table of a section."""
    text = PAGE.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (`.*) \|$", text, re.MULTILINE)
    return [[cell.strip().strip("`").replace("\\|", "|") for cell in re.split(r" (?<!\\)\| ", row)] for row in rows]


def test_the_page_has_every_hook_with_its_exact_signature_in_order() -> None:
    assert list(sections()) == list(specs().values())


def test_every_hook_has_a_text_and_an_example_that_implements_it() -> None:
    for name, signature in specs().items():
        text, _, code = sections()[signature].partition("```python\n")
        assert len(text.split()) > 15, name
        assert re.search(rf"^@hookimpl\n(async )?def {name}\(", code, re.MULTILINE), name


def test_the_page_has_every_field_with_its_type_in_order() -> None:
    hints = get_type_hints(Event)
    written = [[name, _written(hints[name])] for name in Event.__struct_fields__]
    assert [row[:2] for row in table("The event")] == written


def _written(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not hasattr(hint, "__args__") else str(hint)


def test_the_page_has_every_kind_with_its_hook_and_lane_in_order() -> None:
    assert table("Kinds") == [[kind.value, kind.hook, kind.lane.value] for kind in EventKind]


def test_the_page_has_every_reason_in_order() -> None:
    assert [row[0] for row in table("Reasons")] == [reason.value for reason in Reason]
    assert all(len(row[1].split()) > 2 for row in table("Reasons"))


# -- every hook fires --------------------------------------------------------------------------------------------------

OBSERVER = """
import os
import click
import msgspec
from les_hooks import hookimpl, plugin_call

class Table(msgspec.Struct):
    pass

def note(hook, kind=""):
    with open(os.environ["OBSERVED"], "a") as file:
        print(os.getpid(), hook, kind, file=file)

def event_hook(name):
    @hookimpl
    async def hook(event, ctx):
        note(name, event.kind + " " + event.reason)
    return hook

for name in ("started", "stopping", "elected", "demoted", "reasserted", "leader_changed",
             "member_joined", "member_left", "member_lost"):
    globals()["on_" + name] = event_hook("on_" + name)

@hookimpl
async def while_leader(event, ctx):
    note("while_leader")
    import asyncio
    await asyncio.Event().wait()

@hookimpl
async def while_running(ctx):
    note("while_running")
    import asyncio
    await asyncio.Event().wait()

@hookimpl
def recorded(record, ctx):
    if record["action"] == "leader.changed":
        note("recorded")

@hookimpl
def http_routes(node, ctx):
    note("http_routes")
    ctx.offers("nothing")
    return []

@hookimpl
def offers(kind, ctx):
    note("offers")
    return {}

@hookimpl
async def check(ctx, report):
    note("check")
    import asyncio
    report("")
    await asyncio.Event().wait()

@hookimpl
async def prepare(ctx):
    note("prepare")

@hookimpl
def deadline(event, ctx):
    note("deadline")
    return 5.0

@hookimpl
def config_type():
    note("config_type")
    return Table

@hookimpl
def validate(ctx):
    note("validate")
    return []

@hookimpl
def plan(kind, ctx):
    note("plan")
    return ["do " + kind]

@hookimpl
def status(ctx):
    note("status")
    return {}

@hookimpl
def commands(cli):
    note("commands")
    @cli.command("observe")
    @click.pass_context
    def observe(context):
        click.echo(plugin_call(context, "observer", "ping"))

@hookimpl
def control(action, arguments, ctx):
    note("control")
    return "pong"

@hookimpl
def cleanup(ctx):
    note("cleanup")
"""

CONFIG = """
[node]
name = "{name}"
bind = "127.0.0.1:{port}"
state_dir = "{name}"
[cluster]
seeds = [{seeds}]
[timing]
heartbeat = "100ms"
failure = "1s"
settle = "100ms"
retry = "200ms"
hold = "1s"
[http]
listen = "127.0.0.1:0"
[plugins.observer]
[plugins.dashboard]
enabled = false
[plugins.metrics]
enabled = false
"""


class Fleet:
    """Daemons a, b and c, each a process, with the observer installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        site = folder / "site"
        info = site / "les_hooks_observer-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "les_hooks_observer.py").write_text(OBSERVER)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: les-hooks-observer\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[les_hooks]\nobserver = les_hooks_observer\n")
        (folder / "hooks.d").mkdir()
        self.observed = folder / "observed"
        self.environment = os.environ | {"PYTHONPATH": str(site), "OBSERVED": str(self.observed)}
        ports = {name: free_port() for name in "abc"}
        seeds = ", ".join(f'"127.0.0.1:{port}"' for port in ports.values())
        for name, port in ports.items():
            (folder / f"{name}.toml").write_text(CONFIG.format(name=name, port=port, seeds=seeds))
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        command = [sys.executable, "-m", "les_hooks", "run", "-c", f"{name}.toml"]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.daemons[name] = subprocess.Popen(command, cwd=self.folder, env=self.environment, stderr=log)

    def les(self, name: str, *words: str) -> str:
        command = [sys.executable, "-m", "les_hooks", "-c", f"{name}.toml", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def lines(self) -> list[list[str]]:
        """Process, hook, kind and reason of each call."""
        return [line.split() for line in self.observed.read_text().splitlines()] if self.observed.exists() else []

    def who(self, hook: str, *words: str) -> list[str]:
        """The daemons that called the hook, in order."""
        names = {str(process.pid): name for name, process in self.daemons.items()}
        return [names[line[0]] for line in self.lines() if line[0] in names and line[1:] == [hook, *words]]

    def has_called(self, name: str, hook: str) -> bool:
        """Whether the daemon of that name that runs now has called the hook."""
        pid = str(self.daemons[name].pid)
        return any(line[:2] == [pid, hook] for line in self.lines())

    def until(self, holds: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 15
        while not holds():
            if time.monotonic() > deadline:
                logs = [(self.folder / f"{name}.log").read_text()[-3000:] for name in self.daemons]
                pytest.fail("\n".join([f"not seen: {what}", self.observed.read_text(), *logs]))
            time.sleep(0.02)


@contextmanager
def fleet(folder: Path) -> Iterator[Fleet]:
    """The fleet, of which nothing is left after the block."""
    ours = Fleet(folder)
    try:
        yield ours
    finally:
        for process in ours.daemons.values():
            process.terminate()
        for process in ours.daemons.values():
            try:
                process.wait(10)
            finally:
                process.kill()
                process.wait()


def test_every_hook_fires_in_a_run_of_three_nodes(tmp_path: Path) -> None:
    with fleet(tmp_path) as ours:
        for name in "abc":
            ours.start(name)
        ours.until(lambda: len(ours.who("on_started", "started", "startup")) == 3, "three starts")
        ours.until(lambda: ours.who("while_leader"), "an election")
        ours.until(lambda: len(ours.who("on_leader_changed", "leader-changed", "first")) == 3, "three acceptances")
        (leader,) = ours.who("on_elected", "elected", "first")
        first, second = sorted(set("abc") - {leader})
        ours.les(leader, "reload")
        ours.until(lambda: ours.who("on_reasserted", "reasserted", "reload") == [leader], "a reload")
        assert json.loads(ours.les(leader, "status", "--json"))
        ours.les(leader, "check")
        assert ours.les(leader, "observe") == "pong\n"
        assert "demoted: do demoted (plugin observer)" in ours.les(leader, "step-down", "--dry-run")
        ours.daemons[first].send_signal(signal.SIGKILL)
        ours.until(lambda: len(ours.who("on_member_lost", "member-lost", "refused")) >= 2, "a loss")
        ours.until(lambda: [line for line in ours.lines() if line[1] == "cleanup"], "a cleanup")
        ours.les(leader, "step-down")
        ours.until(lambda: ours.who("on_demoted", "demoted", "operator") == [leader], "a demotion")
        ours.until(lambda: ours.who("on_elected", "elected", "leader-resigned") == [second], "a successor")
        ours.les(leader, "leave")
        ours.until(lambda: ours.who("on_member_left", "member-left", "goodbye") == [second], "a farewell")
        assert ours.who("on_stopping", "stopping", "leaving") == [leader]
        ours.daemons[first].wait(10)
        ours.start(first)
        ours.until(lambda: ours.has_called(first, "on_leader_changed"), "a new follower")
        ours.until(lambda: "node-fit" in (tmp_path / f"{first}.log").read_text(), "one that may lead")
        ours.daemons[second].send_signal(signal.SIGKILL)
        ours.until(lambda: ours.who("prepare")[-1:] == [first], "a silence")
        # The one that was killed owes a demotion, and the cleanup that its guard ran paid it.
        assert ["on_demoted", "demoted", "crashed"] in [line[1:] for line in ours.lines()]
        # A node has one backend; what gives another is tried in tests/etcd.
        assert {line[1] for line in ours.lines()} == set(specs()) - {"backends"}
