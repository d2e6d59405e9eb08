"""The page for users says what the code does."""

import re
import subprocess
from pathlib import Path

import pluggy

import les_plugins.scripts as plugin
from les_hooks.events import EventKind
from les_hooks.guard.process import RUN_VARIABLE
from les_hooks.hookspecs import PROJECT, HookSpecs
from les_hooks.processes import Ending
from les_hooks.processes.output import KEPT_BYTES, LINE_BYTES, WINDOW_SECONDS
from les_plugins.programs.calling import call
from les_plugins.scripts import ScriptsConfig
from tests.fake_context import an_event

PAGE = (Path(__file__).parents[3] / "docs" / "scripts.md").read_text(encoding="utf-8")


def test_the_table_of_variables_is_that_of_the_code() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE)
    assert sorted(documented) == sorted([*call(Path("/x"), an_event(), "/bin", 30.0).env, RUN_VARIABLE])
    assert ScriptsConfig(timeout=30.0).path in PAGE


def test_every_folder_and_outcome_is_named() -> None:
    assert all(f"`{kind}.d`" in PAGE for kind in EventKind)
    assert all(f"`{ending}`" in PAGE for ending in Ending)


def test_the_bounds_of_output_are_those_of_the_code() -> None:
    assert (LINE_BYTES, KEPT_BYTES, WINDOW_SECONDS) == (4 * 1024, 64 * 1024, 60.0)
    assert "4 KiB of a line and 64 KiB of a stream are kept in a\n  minute" in PAGE


def test_the_scripts_on_the_page_are_shell(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        subprocess.run(["sh", "-n"], input=block, text=True, check=True, timeout=10)


def test_the_worked_example_starts_and_stops_the_job(tmp_path: Path) -> None:
    script, systemctl = tmp_path / "job", tmp_path / "systemctl"
    script.write_text(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)[0], encoding="utf-8")
    systemctl.write_text('#!/bin/sh\necho "systemctl $*"\n', encoding="utf-8")
    printed = []
    for path in (script, systemctl):
        path.chmod(0o755)
    for kind in (EventKind.ELECTED, EventKind.DEMOTED, EventKind.MEMBER_LOST):
        called = call(script, an_event(kind), f"{tmp_path}:/usr/bin:/bin", 30.0)
        result = subprocess.run(
            called.argv, env=called.env, input=called.stdin, capture_output=True, text=True, check=True, timeout=10
        )
        printed.append(result.stdout)
    assert printed == [
        "term 3: starting the job\nsystemctl start job.service\n",
        "stopping the job (leader-lost)\nsystemctl stop job.service\n",
        "",
    ]


def test_pluggy_takes_the_plugin_with_all_its_hooks() -> None:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HookSpecs)
    manager.register(plugin, "scripts")
    manager.check_pending()
    hooked = {caller.name for caller in manager.get_hookcallers(plugin) or ()}
    assert hooked == {kind.hook for kind in EventKind} | {
        "config_type",
        "deadline",
        "validate",
        "plan",
        "status",
        "control",
    }
