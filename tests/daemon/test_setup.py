"""From a configuration to plugins with contexts, and again after a reload."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import structlog
from structlog.testing import LogCapture

from les_hooks.audit import Audit
from les_hooks.config import Config
from les_hooks.daemon.hooks import Hooks
from les_hooks.daemon.setup import LAST_RESORT_SECONDS, Demotion, Plugins, load_config, recorder
from les_hooks.errors import ConfigError
from les_hooks.hookspecs import hookimpl
from les_hooks.plugins import Registry
from les_hooks.processes import Runner
from tests.dispatch.stage import Offer, plugin
from tests.telling import an_event
from tests.virtual import virtual

HEAD = """
[node]
name = "a"
bind = "127.0.0.1:4000"
state_dir = "state"
[cluster]
seeds = ["127.0.0.1:4000"]
"""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    greeting: str = "hello"


@hookimpl
def config_type() -> type[msgspec.Struct]:
    return Table


def registry() -> Registry:
    hello = SimpleNamespace(config_type=config_type)
    return Registry([Offer("hello", hello), Offer("plain", plugin()), Offer("scripts", plugin())])


def read(folder: Path, text: str, chosen: Registry) -> Config:
    file = folder / "les.toml"
    file.write_text(HEAD + text)
    return load_config(file, registry=chosen)


def plugins(chosen: Registry) -> Plugins:
    records: list[Any] = []
    return Plugins(
        registry=chosen,
        log=structlog.wrap_logger(structlog.PrintLogger(), [LogCapture()]),
        record=lambda action, outcome, /, **fields: records.append((action, outcome)),
        runner=Runner(None, time.monotonic),
    )


def test_plugins_are_loaded_in_their_order_with_their_own_tables(tmp_path: Path) -> None:
    chosen = registry()
    config = read(
        tmp_path,
        '[plugins.hello]\ngreeting = "hi"\ntimeout = "3s"\ncritical = true\n[plugins.plain]\norder = -1\n',
        chosen,
    )
    crew = plugins(chosen)
    crew.load(config)
    assert chosen.loaded == ("plain", "hello", "scripts")
    assert crew.contexts["hello"].config == Table(greeting="hi")
    assert crew.contexts["plain"].config is None
    assert (crew.settings["hello"].timeout, crew.settings["hello"].critical) == (3.0, True)
    assert crew.contexts["hello"].state_dir == config.node.state_dir / "plugins" / "hello"
    assert crew.contexts["hello"].state_dir.is_dir()
    assert crew.contexts["hello"].authority() == 0.0


def test_a_plugins_table_is_checked_like_all_others(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, '[plugins.hello]\ngreating = "hi"\n', registry())
    assert [problem.message for problem in caught.value.problems] == ["unknown key; did you mean 'greeting'?"]


def test_a_reload_keeps_the_contexts_of_those_that_did_not_change(tmp_path: Path) -> None:
    chosen = registry()
    crew = plugins(chosen)
    crew.load(read(tmp_path, "[plugins.hello]\n[plugins.plain]\n", chosen))
    before = dict(crew.contexts)
    crew.load(read(tmp_path, '[plugins.hello]\ngreeting = "hi"\n[plugins.plain]\ntimeout = "3s"', chosen))
    assert crew.contexts["plain"] is before["plain"]
    assert crew.settings["plain"].timeout == 3.0
    assert crew.contexts["hello"] is not before["hello"]
    crew.load(read(tmp_path, "[plugins.plain]\nenabled = false", chosen))
    assert list(crew.contexts) == ["scripts"]
    assert {info.name: str(info.state) for info in chosen.infos()} == {
        "hello": "available",
        "plain": "disabled",
        "scripts": "loaded",
    }


def test_what_is_loaded_anew_and_what_failed_is_written_down(tmp_path: Path) -> None:
    chosen = registry()
    log = LogCapture()
    bound = structlog.wrap_logger(structlog.PrintLogger(), [log])
    trail = Audit(tmp_path / "audit.jsonl", node="a", cluster="web", boot=1, wall=time.time, log=bound)
    hooks = Hooks(chosen, log=bound, record=recorder(trail))
    hooks.apply(read(tmp_path, "", chosen))
    hooks.apply(read(tmp_path, "[plugins.hello]\n[plugins.gone]\n", chosen), trail)
    trail.close()
    records = [msgspec.json.decode(line) for line in (tmp_path / "audit.jsonl").read_bytes().splitlines()]
    told = [(r["action"], r["outcome"], r["plugin"], r["reason"]) for r in records if "plugin" in r]
    assert told == [
        ("plugin.failed", "failure", "gone", "is not installed; try: pip install les-hooks-gone"),
        ("plugin.loaded", "success", "hello", None),
    ]
    assert [entry["event"] for entry in log.entries] == ["plugin-failed"]


@virtual()
async def test_the_end_waits_for_a_plugin_that_has_asked_for_more_time_than_its_timeout(tmp_path: Path) -> None:
    ended: list[bool] = []

    async def deadline() -> float:
        return 300.0

    async def on_demoted() -> None:
        await asyncio.sleep(200)
        ended.append(True)

    chosen = Registry([Offer("scripts", plugin(deadline=deadline, on_demoted=on_demoted))])
    log = structlog.wrap_logger(structlog.PrintLogger(), [LogCapture()])
    hooks = Hooks(chosen, log=log, record=lambda action, outcome, /, **fields: None)
    hooks.apply(read(tmp_path, "", chosen))
    hooks.dispatcher.start()
    hooks.dispatcher.submit(an_event("demoted"))
    assert await hooks.dispatcher.drained(LAST_RESORT_SECONDS)
    assert ended == [True]
    await hooks.dispatcher.close()


def test_records_of_plugins_and_of_the_engine_reach_the_trail(tmp_path: Path) -> None:
    bound = structlog.wrap_logger(structlog.PrintLogger(), [LogCapture()])
    trail = Audit(tmp_path / "audit.jsonl", node="a", cluster="web", boot=1, wall=time.time, log=bound)
    record = recorder(trail)
    record("hook.finished", "superseded", event_id="x-1", term=3)
    record("plugin.hello.greeted", "success", whom="you")
    with pytest.raises(ValueError, match=r"no\.such\.action"):
        record("no.such.action", "success")
    trail.close()
    lines = [msgspec.json.decode(line) for line in (tmp_path / "audit.jsonl").read_bytes().splitlines()]
    assert [(line["action"], line["outcome"]) for line in lines[-2:]] == [
        ("hook.finished", "superseded"),
        ("plugin.hello.greeted", "success"),
    ]
    assert lines[-1]["whom"] == "you"


def test_a_demotion_is_judged_by_its_own_hooks_and_not_by_those_of_the_one_before() -> None:
    passed: list[str] = []
    demotion = Demotion(lambda action, outcome, /, **fields: passed.append(f"{action} {outcome}"))

    def finished(outcome: str, event_id: str, event: str = "demoted", **fields: object) -> None:
        demotion.record("hook.finished", outcome, event=event, event_id=event_id, **fields)

    finished("failure", "x-1", plugin="hello")
    finished("timeout", "x-1", plugin="plain")
    finished("failure", "x-2", event="elected", plugin="other")
    assert demotion.failed == ("hello", "plain")
    finished("success", "x-3", plugin="hello")
    assert not demotion.failed
    assert not demotion.dropped
    finished("dropped", "x-4")
    assert demotion.dropped
    assert len(passed) == 5
