"""The engine that `[cluster] backend` names: found, or said why not; and told of a process that died."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from structlog.testing import LogCapture

from les_hooks import Config, load_config
from les_hooks.backends import Engine, Seat
from les_hooks.daemon import Node
from les_hooks.daemon.credentials import credentials_of
from les_hooks.daemon.engines import find_engine
from les_hooks.daemon.release import release
from les_hooks.errors import StartError
from les_hooks.members import Boot
from les_hooks.plugins import Registry
from tests.dispatch.stage import Offer, plugin

DEAD = Boot(7, "abcdef")


class Raft:
    """An engine that notes what it is told, and fails as it is told to."""

    def __init__(self, error: Exception | None = None, seconds: float = 0.0) -> None:
        self.released: list[Seat] = []
        self._error = error
        self._seconds = seconds

    def make(self, *_: object) -> Any:
        raise NotImplementedError

    async def release(self, seat: Seat) -> None:
        await asyncio.sleep(self._seconds)
        if self._error is not None:
            raise self._error
        self.released.append(seat)


def giving(give: Callable[[], Mapping[str, Engine]]) -> object:
    """A plugin whose hook `backends` is this."""
    return plugin(backends=give)


def load(folder: Path, offer: object | None) -> tuple[Config, Registry]:
    registry = Registry([Offer("scripts", plugin()), *([Offer("raft", offer)] if offer is not None else [])])
    (folder / "les.toml").write_text(
        '[node]\nname = "a"\nadvertise = "10.0.0.1:4000"\nstate_dir = "state"\n[cluster]\nbackend = "raft"\n'
    )
    return load_config(folder / "les.toml", registry=registry), registry


def give_none() -> Mapping[str, Engine]:
    return {}


def refuse() -> Mapping[str, Engine]:
    raise RuntimeError("no store")


@pytest.mark.parametrize(
    ("offer", "why"),
    [
        (None, "the plugin raft is not installed"),
        (plugin(), "the plugin raft gives no backend"),
        (giving(give_none), "the plugin raft gives no backend of that name"),
        (giving(refuse), "the plugin raft failed to give it: RuntimeError: no store"),
    ],
)
async def test_a_node_without_its_engine_does_not_start_and_says_why(
    tmp_path: Path, offer: object | None, why: str
) -> None:
    config, registry = load(tmp_path, offer)
    with pytest.raises(StartError) as caught:
        async with Node(config, registry=registry):
            pass
    assert caught.value.why.startswith(f"cannot be used: {why}")
    assert "les plugins list" in caught.value.advice
    assert caught.value.exit_code == 78


def test_the_engine_of_the_plugin_is_found_by_its_name(tmp_path: Path) -> None:
    engine = Raft()
    config, registry = load(tmp_path, giving(lambda: {"raft": engine}))
    assert find_engine(config, registry) is engine


async def released(folder: Path, engine: Raft) -> list[Any]:
    """Tell it that a process died; returns what was logged."""
    config, registry = load(folder, giving(lambda: {"raft": engine}))
    capture = LogCapture()
    log = structlog.wrap_logger(structlog.PrintLogger(), [capture])
    await release(config, DEAD, registry, log)
    return capture.entries


async def test_it_is_told_which_process_died(tmp_path: Path) -> None:
    engine = Raft()
    (line,) = await released(tmp_path, engine)
    assert [seat.identity.boot for seat in engine.released] == [DEAD]
    assert (line["event"], line["boot"], line["plugin"]) == ("released", 7, "raft")


async def test_one_that_fails_keeps_nobody(tmp_path: Path) -> None:
    (line,) = await released(tmp_path, Raft(OSError("unreachable")))
    assert (line["event"], line["reason"]) == ("release-failed", "OSError: unreachable")


async def test_one_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("les_hooks.daemon.release._RELEASE_SECONDS", 0.01)
    (line,) = await released(tmp_path, Raft(seconds=60.0))
    assert (line["event"], line["reason"]) == ("release-failed", "TimeoutError")


async def test_without_the_plugin_the_cleanup_goes_on(tmp_path: Path) -> None:
    config, registry = load(tmp_path, None)
    capture = LogCapture()
    await release(config, DEAD, registry, structlog.wrap_logger(structlog.PrintLogger(), [capture]))
    assert capture.entries[0]["event"] == "release-failed"


def test_files_for_other_nodes_are_not_read_where_none_connects(tmp_path: Path) -> None:
    config, _ = load(tmp_path, giving(lambda: {"raft": Raft()}))
    security = msgspec.structs.replace(config.security, secret_file=tmp_path / "none")
    credentials = credentials_of(msgspec.structs.replace(config, security=security), structlog.get_logger())
    assert credentials.secrets is None
