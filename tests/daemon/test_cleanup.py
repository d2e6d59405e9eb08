"""`les cleanup` in this process: what counts as done."""

import asyncio
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from les_hooks import load_config
from les_hooks.daemon.cleanup import Cleaned, clean_up
from les_hooks.daemon.state import StateStore
from les_hooks.dispatch import Dispatcher
from les_hooks.errors import StartError
from les_hooks.events import Event
from les_hooks.plugins import Registry
from tests.dispatch.stage import Offer, plugin


def crash(folder: Path) -> None:
    """Leave what a daemon leaves that died."""
    with StateStore.open(folder / "state", 0.0) as store:
        store.mark_running(store.next_boot())


def still_due(folder: Path) -> bool:
    with StateStore.open(folder / "state", 0.0) as store:
        return store.crashed


async def clean(folder: Path, hooks: object, more: str = "", *, force: bool = False) -> Cleaned:
    registry = Registry([Offer("hello", hooks), Offer("scripts", plugin())])
    (folder / "les.toml").write_text(
        f'[node]\nname = "a"\nbind = "127.0.0.1:4000"\nstate_dir = "state"\n[plugins.hello]\n{more}'
    )
    config = load_config(folder / "les.toml", registry=registry)
    log = structlog.wrap_logger(structlog.PrintLogger(), [LogCapture()])
    return await clean_up(config, log=log, registry=registry, lock_seconds=0.0, force=force)


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
