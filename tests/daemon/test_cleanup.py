"""`les cleanup` in this process: what counts as done, and what voters hear of it."""

import asyncio
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from les_hooks import load_config
from les_hooks.daemon.cleanup import Cleaned, clean_up
from les_hooks.daemon.clock import boottime
from les_hooks.daemon.state import StateStore
from les_hooks.dispatch import Dispatcher
from les_hooks.election.messages import Undone
from les_hooks.errors import StartError
from les_hooks.events import Event
from les_hooks.members import Address, Boot
from les_hooks.plugins import Registry
from tests.backends.peers.fakes import free_port, make_node, running
from tests.dispatch.stage import Offer, plugin

OWN = "127.0.0.1:4000"


def crash(folder: Path) -> Boot:
    """Leave what a daemon leaves that died."""
    with StateStore.open(folder / "state", 0.0) as store:
        boot = store.next_boot()
        store.mark_running(boot)
        return boot


def still_due(folder: Path) -> bool:
    with StateStore.open(folder / "state", 0.0) as store:
        return store.crashed


async def clean(
    folder: Path,
    hooks: object,
    more: str = "",
    *,
    force: bool = False,
    scripts: object | None = None,
    voters: Sequence[str] = (),
    release_by: float = math.inf,
) -> Cleaned:
    registry = Registry([Offer("hello", hooks), Offer("scripts", plugin() if scripts is None else scripts)])
    (folder / "les.toml").write_text(
        f'[node]\nname = "a"\nbind = "{OWN}"\nstate_dir = "state"\n[plugins.hello]\n{more}\n[cluster]\nname = "web"\n'
        + (f'quorum = "majority"\nvoters = {json.dumps([OWN, *voters])}\n' if voters else "")
    )
    config = load_config(folder / "les.toml", registry=registry)
    log = structlog.wrap_logger(structlog.PrintLogger(), [LogCapture()])
    return await clean_up(config, log=log, registry=registry, lock_seconds=0.0, force=force, release_by=release_by)


async def fails() -> None:
    raise ValueError("no")


async def hangs() -> None:
    await asyncio.Event().wait()


async def works() -> None:
    pass


async def test_all_that_is_done_takes_the_mark_away(tmp_path: Path) -> None:
    crash(tmp_path)
    assert await clean(tmp_path, plugin(on_demoted=works, cleanup=works)) == Cleaned(needed=True)
    assert not still_due(tmp_path)
    assert await clean(tmp_path, plugin(on_demoted=works)) == Cleaned(needed=False)


async def test_plugins_undo_in_the_reverse_order(tmp_path: Path) -> None:
    """The one that is first to act, with an address say, is the last to let go."""
    crash(tmp_path)
    called: list[str] = []

    def noting(name: str) -> object:
        return plugin(on_demoted=lambda: called.append(f"{name} demoted"), cleanup=lambda: called.append(name))

    await clean(tmp_path, noting("hello"), "order = -1\n", scripts=noting("scripts"))
    assert called == ["scripts demoted", "hello demoted", "scripts", "hello"]


@pytest.mark.parametrize("hooks", [{"on_demoted": fails}, {"cleanup": fails}, {"on_demoted": hangs}])
async def test_what_fails_or_takes_too_long_is_named_and_stays_due(tmp_path: Path, hooks: dict[str, object]) -> None:
    crash(tmp_path)
    done = await clean(tmp_path, plugin(**hooks), 'timeout = "100ms"\n')
    assert done == Cleaned(needed=True, failed=("hello",))
    assert still_due(tmp_path)


async def test_a_demotion_that_breaks_stays_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(_self: Dispatcher, _event: Event, _plugin: str, _result: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(Dispatcher, "_finish", bug)
    crash(tmp_path)
    done = await clean(tmp_path, plugin(on_demoted=works))
    assert done.failed == ("the demotion",)
    assert still_due(tmp_path)


async def test_a_cleanup_that_is_cancelled_stays_due(tmp_path: Path) -> None:
    crash(tmp_path)
    cleaning = asyncio.create_task(clean(tmp_path, plugin(on_demoted=hangs)))
    await asyncio.sleep(0.2)
    cleaning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cleaning
    assert still_due(tmp_path)


async def test_nothing_is_done_while_another_has_the_state_directory_unless_it_is_forced(tmp_path: Path) -> None:
    crash(tmp_path)
    with StateStore.open(tmp_path / "state", 0.0):
        done = await clean(tmp_path, plugin(on_demoted=fails))
        assert not done.needed
        assert done.held_by.startswith("process ")
        with pytest.raises(StartError, match="is held by"):
            await clean(tmp_path, plugin(on_demoted=fails), force=True)
    assert still_due(tmp_path)


async def test_once_all_is_undone_the_voters_hear_that_the_dead_daemon_keeps_no_grant(tmp_path: Path) -> None:
    """Each of them: one that is gone holds up nobody and spoils nothing."""
    dead = crash(tmp_path)
    voter, gone = make_node(noting=True), f"127.0.0.1:{free_port()}"
    heard: list[bool] = []

    async def on_demoted() -> None:
        heard.append(bool(voter.machine.all(Undone)))

    async with running(voter):
        done = await clean(tmp_path, plugin(on_demoted=on_demoted, cleanup=on_demoted), voters=[voter.address, gone])
        assert done == Cleaned(needed=True)
        assert voter.machine.all(Undone) == [Undone(address=Address(OWN), boot=dead)]
    assert heard == [False, False]
    assert not still_due(tmp_path)


@pytest.mark.parametrize("hooks", [{"on_demoted": fails}, {"cleanup": fails}])
async def test_what_is_not_undone_keeps_its_grants(tmp_path: Path, hooks: dict[str, object]) -> None:
    crash(tmp_path)
    voter = make_node(noting=True)
    async with running(voter):
        assert (await clean(tmp_path, plugin(**hooks), voters=[voter.address])).failed
        assert voter.machine.all(Undone) == []


async def test_a_forced_cleanup_after_an_orderly_end_releases_nothing(tmp_path: Path) -> None:
    voter = make_node(noting=True)
    async with running(voter):
        await clean(tmp_path, plugin(on_demoted=works), voters=[voter.address], force=True)
        assert voter.machine.all(Undone) == []


@pytest.mark.parametrize("hook", ["on_demoted", "cleanup"])
async def test_what_undoes_has_ended_when_others_may_lead(tmp_path: Path, hook: str) -> None:
    crash(tmp_path)
    release_by = boottime() + 0.8
    done = await clean(tmp_path, plugin(**{hook: hangs}), release_by=release_by)
    assert done.failed == ("hello",)
    assert boottime() - release_by < 0.5  # the guard of this cleanup has ended as well
    assert still_due(tmp_path)


async def test_a_cleanup_that_comes_too_late_takes_its_time(tmp_path: Path) -> None:
    crash(tmp_path)

    async def slow() -> None:
        await asyncio.sleep(0.3)

    assert await clean(tmp_path, plugin(on_demoted=slow), release_by=boottime() - 1) == Cleaned(needed=True)


def test_a_cleanup_waits_for_no_import_that_only_an_election_needs() -> None:
    """Others wait for it, and those would take half of its time."""
    code = (
        "import sys, les_hooks.cli.cleanup, les_plugins.scripts;"
        "print(*sys.modules.keys() & {'aiohttp', 'les_hooks.election.machine', 'les_hooks.backends.peers.backend'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "\n"
