"""The hooks of the plugin: what it says to `les check`, `les status` and its commands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pluggy
import pytest

import les_plugins.checks as plugin
from les_hooks.errors import PluginError
from les_hooks.hookspecs import PROJECT, HookSpecs, Note
from les_plugins.checks.kinds import unit
from les_plugins.checks.settings import Check, Pace
from tests.cluster import free_ports
from tests.fake_context import FakeContext
from tests.plugins.checks.conftest import ChecksDir, Configured

QUICK = Pace(interval=0.1, timeout=5.0, rise=1, fall=1)


@asynccontextmanager
async def checking(ctx: FakeContext) -> AsyncIterator[list[str]]:
    """The hook `check` until the end of the block, and what it reports."""
    reported: list[str] = []
    task = asyncio.create_task(plugin.check(ctx, reported.append))
    try:
        async with asyncio.timeout(10):
            while not reported:
                await asyncio.sleep(0.01)
        yield reported
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=10)


def rows(ctx: FakeContext) -> Any:
    """The checks of its status."""
    return plugin.status(ctx)["checks"]


async def control(ctx: FakeContext, action: str, **arguments: object) -> Any:
    """What it answers."""
    return await plugin.control(action, arguments, ctx)


def test_pluggy_takes_the_plugin_with_all_its_hooks() -> None:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HookSpecs)
    manager.register(plugin, "checks")
    manager.check_pending()
    hooked = {caller.name for caller in manager.get_hookcallers(plugin) or ()}
    assert hooked == {"config_type", "check", "validate", "status", "commands", "control"}


async def test_status_shows_each_check_with_its_course(configured: Configured, folder: ChecksDir) -> None:
    (port,) = free_ports(1)
    folder.add("disk", "exit 0")
    ctx = configured(scripts=QUICK, check=(Check(name="db", tcp=f"127.0.0.1:{port}"),))  # type: ignore[arg-type]  # an address
    assert plugin.status(ctx) == {"summary": "checks nothing yet", "checks": [], "refused": {}}
    async with checking(ctx) as reported:
        assert reported[0] == "db: connection refused"
        async with asyncio.timeout(10):
            while len(rows(ctx)) < 2 or not rows(ctx)[1]["runs"]:
                await asyncio.sleep(0.01)
        assert plugin.status(ctx)["summary"] == "2 checks, 1 unfit"
        shown = {row["name"]: row for row in rows(ctx)}
        assert shown["db"]["state"] == "unfit"
        assert shown["db"]["reason"] == shown["db"]["last"] == "connection refused"
        assert (shown["db"]["kind"], shown["db"]["target"]) == ("tcp", f"127.0.0.1:{port}")
        assert shown["db"]["failures"] == shown["db"]["runs"] == 1
        assert shown["db"]["since"] == shown["db"]["last_at"]
        disk = shown["script disk"]
        assert (disk["state"], disk["reason"], disk["last"], disk["failures"]) == ("fit", "", "ok", 0)
        assert 0 < disk["last_seconds"] < 5
    assert plugin.status(ctx) == {"summary": "checks nothing yet", "checks": [], "refused": {}}


async def test_control_lists_and_runs_and_refuses_the_rest(configured: Configured, folder: ChecksDir) -> None:
    folder.add("disk", "echo run >>$OUT; exit 1")
    ctx = configured(scripts=Pace(interval=60.0, timeout=5.0))
    with pytest.raises(PluginError, match="does not check anything yet"):
        await control(ctx, "list")
    async with checking(ctx):
        (row,) = await control(ctx, "list")
        assert (row["name"], row["state"]) == ("script disk", "unfit")
        (result,) = await control(ctx, "run", name="script disk")
        assert (result["state"], result["reason"]) == ("unfit", "exited with 1")
        assert folder.noted() == ["run", "run"]
        assert rows(ctx)[0]["runs"] == 1
        with pytest.raises(PluginError, match="has no check 'x'; it has script disk"):
            await control(ctx, "run", name="x")
        with pytest.raises(PluginError, match="has no check ''"):
            await control(ctx, "run")
        with pytest.raises(PluginError, match="knows the actions list and run, not 'drop'"):
            await control(ctx, "drop")


def test_validate_names_what_cannot_be_checked_here(configured: Configured, folder: ChecksDir, tmp_path: Path) -> None:
    assert [complaint.partition(";")[0] for complaint in plugin.validate(configured())] == ["nothing is checked"]
    folder.add("plain", mode=0o644)
    folder.add("bad").write_text("#!/no/such/interpreter\n")
    ctx = configured(path=str(tmp_path), check=(Check(script="gone"), Check(unit="nginx"), Check(interface="lo")))
    assert [complaint.replace(str(folder.path), "checks.d") for complaint in plugin.validate(ctx)] == [
        "checks.d/plain: skipped: is not executable; chmod +x checks.d/plain",
        "checks.d/bad: cannot start: the interpreter /no/such/interpreter in its first line does not exist",
        "script gone: there is no script checks.d/gone that would run",
        "unit nginx: there is no systemctl here, so no unit can be looked at",
    ]


def test_validate_notes_an_interface_that_is_not_here_yet_and_takes_it_for_no_problem(configured: Configured) -> None:
    ctx = configured(check=(Check(interface="lo"), Check(interface="nosuch0")))
    assert plugin.validate(ctx) == [Note("interface nosuch0: there is no such interface at present")]
    assert all(isinstance(line, Note) for line in plugin.validate(ctx))


def test_validate_notes_a_unit_where_systemd_does_not_run(
    configured: Configured, folder: ChecksDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "systemctl").symlink_to("/bin/true")
    monkeypatch.setattr(plugin, "no_bus", lambda: unit.no_bus([tmp_path / "bus"]))
    ctx = configured(path=str(tmp_path), check=(Check(unit="nginx"),))
    (note,) = plugin.validate(ctx)
    assert isinstance(note, Note)
    assert note.startswith("unit nginx: systemd does not run here")
    (tmp_path / "bus").touch()
    assert plugin.validate(ctx) == []


def test_validate_names_what_others_could_write(configured: Configured, folder: ChecksDir) -> None:
    folder.add("open", mode=0o777)
    assert "refused: " in plugin.validate(configured(check=(Check(interface="lo"),)))[0]
