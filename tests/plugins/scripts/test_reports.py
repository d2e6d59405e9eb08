"""What the plugin tells an operator: complaints, status, lists and previews."""

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

import les_plugins.scripts as plugin
from les_hooks.config import load_plugin_table
from les_hooks.errors import ConfigError, PluginError
from les_hooks.events import EventKind
from les_hooks.processes import Ending, Finished
from les_plugins.scripts import ScriptsConfig
from les_plugins.scripts.record import Record
from tests.fake_context import FakeContext, an_event

from .conftest import HooksDir


def test_check_complains_about_what_would_not_run(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("fine")
    hooks.add("README.md", mode=0o644)
    hooks.add("plain", mode=0o644)
    hooks.add("a\x1b[31mb")
    (hooks.path / "electd.d").mkdir()
    assert plugin.validate(ctx) == [
        f"{hooks.path}/a\\x1b[31mb: skipped: has a name with other characters than letters, digits, '_', '.' and '-', "
        "or begins with '-'",
        f"{hooks.path}/electd.d: skipped: is a folder of no known event; did you mean 'elected.d'?",
        f"{hooks.path}/plain: skipped: is not executable; chmod +x {hooks.path}/plain",
    ]


def test_check_complains_about_an_interpreter_that_is_not_there(hooks: HooksDir, ctx: FakeContext) -> None:
    path = hooks.add("elected.d/x")
    assert plugin.validate(ctx) == []
    path.write_text("#!/no/such/python3 -u\n", encoding="utf-8")
    why = "the interpreter /no/such/python3 in its first line does not exist"
    assert plugin.validate(ctx) == [f"{path}: cannot start: {why}"]


def test_a_plan_names_what_runs_and_for_work_that_lasts_what_is_ended(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("all\x1b")
    hooks.add("all")
    hooks.add("demoted.d/10-ip")
    hooks.add("demoted.d/20-off", mode=0o644)
    hooks.add("elected.d/10-ip")
    hooks.add("while-leader.d/work")
    assert plugin.plan(EventKind.DEMOTED, ctx) == [f"run {hooks.path}/all", f"run {hooks.path}/demoted.d/10-ip"]
    assert plugin.plan(EventKind.WHILE_LEADER, ctx) == [f"end {hooks.path}/while-leader.d/work"]


def test_a_name_with_an_escape_code_is_listed_escaped(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("a\x1b[31mb")
    listed: Any = plugin.control("list", {}, ctx)
    assert listed[0]["path"] == f"{hooks.path}/a\\x1b[31mb"


def test_check_complains_about_a_folder_that_is_not_there(hooks: HooksDir) -> None:
    ctx = FakeContext(config=ScriptsConfig(dir=str(hooks.path / "gone"), timeout=30.0))
    (complaint,) = plugin.validate(ctx)
    assert "there is no such folder" in complaint


def test_the_grace_is_five_seconds_at_most(tmp_path: Path) -> None:
    """The guard and a cancelled hook give no more: what is above would not be honoured."""
    table = load_plugin_table("scripts", {"grace": "5s"}, ScriptsConfig, base=tmp_path)
    assert isinstance(table.config, ScriptsConfig)
    assert table.config.grace == 5.0
    with pytest.raises(ConfigError, match=r'plugins\.scripts\.grace: "6s" is too long; "5s" is the most'):
        load_plugin_table("scripts", {"grace": "6s"}, ScriptsConfig, base=tmp_path)


async def test_status_tells_the_last_run_of_each_script_of_this_node_alone(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("x", '[ "$1" = elected ]')
    await plugin.on_elected(an_event(), ctx)
    for _ in range(2):
        with pytest.raises(PluginError):
            await plugin.on_demoted(an_event(EventKind.DEMOTED, id="n1-1-8"), ctx)
    runs: Any = plugin.status(ctx)["scripts"]
    assert [(run["event"], run["outcome"], run["exit_code"], run["runs"], run["failures"]) for run in runs] == [
        ("elected", "success", 0, 1, 0),
        ("demoted", "failure", 1, 2, 2),
    ]
    assert runs[1]["event_id"] == "n1-1-8"
    assert plugin.status(ctx)["summary"] == "1 ran, 1 failed last"
    json.dumps(runs)
    assert plugin.status(FakeContext(config=ctx.config)) == {"summary": "", "scripts": []}


async def test_the_time_of_a_run_is_not_that_of_its_event(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("x")
    before = time.time()
    await plugin.on_elected(an_event(), ctx)
    runs: Any = plugin.status(ctx)["scripts"]
    assert before <= runs[0]["time"] <= time.time()


def test_what_is_remembered_is_bounded() -> None:
    record = Record()
    for number in range(1000):
        record.add(f"/h/{number}", an_event(), Finished(ending=Ending.SUCCESS, seconds=0.0))
        for _ in range(5):
            record.is_news(f"/h/{number}", "is empty")
    assert len(record.runs) == 256
    assert ("elected", "/h/999") in record.runs
    assert not record.is_news("/h/999", "is empty")


async def test_the_list_shows_every_file_with_its_verdict_and_runs(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("elected.d/x")
    hooks.add("plain", mode=0o644)
    await plugin.on_elected(an_event(), ctx)
    listed: Any = plugin.control("list", {}, ctx)
    assert [(entry["event"], entry["verdict"], len(entry["last_runs"])) for entry in listed] == [
        (None, "skipped", 0),
        ("elected", "runs", 1),
    ]
    json.dumps(listed)


def test_a_preview_shows_arguments_variables_and_input(hooks: HooksDir, ctx: FakeContext) -> None:
    path = hooks.add("elected.d/x")
    previewed: Any = plugin.control("preview", {"event": msgspec.to_builtins(an_event())}, ctx)
    (shown,) = previewed
    assert shown["argv"] == (str(path), "elected")
    assert shown["env"]["LES_TERM"] == "3"
    assert json.loads(shown["stdin"])["term"] == 3


@pytest.mark.parametrize(("action", "arguments"), [("dance", {}), ("preview", {}), ("preview", {"event": {"id": 1}})])
def test_a_request_that_makes_no_sense_is_refused(ctx: FakeContext, action: str, arguments: dict[str, object]) -> None:
    with pytest.raises(PluginError):
        plugin.control(action, arguments, ctx)
