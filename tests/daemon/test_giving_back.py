"""A node that led keeps its votes while anything of its leadership may still act, and no longer than they run."""

import asyncio
import json
import math
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from structlog.testing import LogCapture

from les_hooks import Event, Node, load_config
from les_hooks.audit import Audit
from les_hooks.backends import Backend
from les_hooks.daemon.clock import boottime
from les_hooks.daemon.giving_back import GivingBack
from les_hooks.members import Mandate
from les_hooks.plugins import Registry
from tests.backends.peers.fakes import free_port
from tests.dispatch.stage import Offer, plugin
from tests.telling import an_event
from tests.virtual import virtual


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Stage:
    """As much of a backend and an audit trail as is needed, and what they are told."""

    mandate: Mandate
    running: list[str] = field(default_factory=list)
    released_at: list[float] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    log: LogCapture = field(default_factory=LogCapture)

    def released(self) -> None:
        """Note when."""
        self.released_at.append(now())

    def record(self, action: str, outcome: str, **fields: Any) -> None:
        """Keep it."""
        self.records.append({"action": str(action), "outcome": str(outcome), **fields})

    def giving_back(self) -> GivingBack:
        """What is tested."""
        return GivingBack(
            cast(Backend, self),
            remains=lambda: self.running,
            clock=now,
            audit=cast(Audit, self),
            log=structlog.wrap_logger(None, [self.log]),
        )


def staged(left: float, *running: str) -> Stage:
    """A node that is being demoted, `left` seconds before others may lead."""
    return Stage(Mandate(act_until=-math.inf, release_by=now() + left), list(running))


@virtual()
async def test_votes_go_back_at_once_where_all_is_undone() -> None:
    stage = staged(4.0)
    begun = now()
    stage.giving_back().demoted(an_event("demoted"), [])
    assert stage.released_at == [pytest.approx(begun, abs=0.1)]
    assert not stage.records
    assert not stage.log.entries


@virtual()
async def test_votes_are_kept_until_they_run_out_where_a_plugin_failed_to_undo() -> None:
    stage = staged(4.0)
    event = an_event("demoted", term=7)
    stage.giving_back().demoted(event, ["vip"])
    await asyncio.sleep(10)
    assert stage.mandate.release_by <= stage.released_at[0] < stage.mandate.release_by + 0.2
    assert len(stage.released_at) == 1
    assert [entry["event"] for entry in stage.log.entries] == ["votes-kept"]
    (record,) = stage.records
    assert (record["action"], record["outcome"], record["reason"]) == ("votes.kept", "failure", "not undone: vip")
    assert (record["term"], record["event_id"]) == (7, event.id)


@virtual()
async def test_votes_go_back_as_soon_as_what_still_ran_has_ended() -> None:
    stage = staged(4.0, "vip", "process group 17")
    stage.giving_back().demoted(an_event("demoted"), [])
    await asyncio.sleep(1)
    stage.running.remove("vip")
    await asyncio.sleep(1)
    assert stage.released_at == []
    stage.running.clear()
    begun = now()
    await asyncio.sleep(10)
    assert stage.released_at == [pytest.approx(begun, abs=0.2)]
    assert stage.records[0]["reason"] == "still running: vip, process group 17"


@virtual()
async def test_what_still_runs_is_not_waited_for_once_others_may_lead() -> None:
    stage = staged(4.0, "vip")
    stage.giving_back().demoted(an_event("demoted"), ["vip"])
    await asyncio.sleep(10)
    assert len(stage.released_at) == 1
    assert stage.records[0]["reason"] == "not undone: vip; still running: vip"


@pytest.mark.parametrize("left", [math.inf, 0.0, -5.0, -math.inf])
def test_where_nobody_or_everybody_may_lead_there_is_nothing_to_wait_for(left: float) -> None:
    """With `quorum = "members"`, where no votes run out, and when they have run out already."""

    @virtual()
    async def check() -> None:
        stage = staged(left, "vip")
        stage.giving_back().demoted(an_event("demoted"), ["vip"])
        assert len(stage.released_at) == 1
        assert not stage.records

    check()


@virtual()
async def test_a_node_that_has_ended_tells_nothing_any_more() -> None:
    stage = staged(4.0, "vip")
    giving_back = stage.giving_back()
    giving_back.demoted(an_event("demoted"), [])
    giving_back.close()
    await asyncio.sleep(10)
    assert stage.released_at == []


# -- real nodes --------------------------------------------------------------------------------------------------------


class Acting:
    """A plugin that acts in a thread when it is elected, until the test ends it."""

    def __init__(self) -> None:
        self.elected = threading.Event()
        self.over = threading.Event()
        self.demoted = 0

    def on_elected(self, event: Event) -> None:
        self.elected.set()
        self.over.wait(30)

    async def on_demoted(self, event: Event) -> None:
        self.demoted += 1

    async def begins(self) -> None:
        async with asyncio.timeout(15):
            while not self.elected.is_set():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(folder: Path, me: str, voters: list[str], acting: Acting) -> AsyncIterator[Node]:
    registry = Registry([Offer("acting", plugin(on_elected=acting.on_elected, on_demoted=acting.on_demoted))])
    folder.mkdir()
    (folder / "les.toml").write_text(
        f'[node]\nname = "a"\nbind = "{me}"\nstate_dir = "state"\n'
        f'[cluster]\nquorum = "majority"\nvoters = {json.dumps(voters)}\n'
        f'[timing]\nheartbeat = "50ms"\nfailure = "200ms"\nsettle = "0s"\nlease = "1500ms"\n'
        "[plugins.acting]\n[plugins.scripts]\nenabled = false\n"
    )
    config = load_config(folder / "les.toml", registry=registry)
    async with Node(config, log=structlog.wrap_logger(None, [LogCapture()]), registry=registry, cleanup=()) as node:
        yield node


def reasons(folder: Path) -> list[str]:
    lines = map(json.loads, (folder / "audit.jsonl").read_text().splitlines())
    return [line["reason"] for line in lines if line["action"] == "votes.kept"]


async def test_nobody_else_leads_while_a_leader_that_stepped_down_still_acts_and_has_votes(tmp_path: Path) -> None:
    voters = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    acting = {voter: Acting() for voter in voters}
    async with (
        running(tmp_path / "0", voters[0], voters, acting[voters[0]]) as one,
        running(tmp_path / "1", voters[1], voters, acting[voters[1]]) as two,
    ):
        async with asyncio.timeout(15):
            while not (one.is_leader or two.is_leader):
                await asyncio.sleep(0.005)
        leads, follows = (one, two) if one.is_leader else (two, one)
        leaves, comes = acting[leads.config.node.advertise], acting[follows.config.node.advertise]
        await leaves.begins()
        leads.step_down()
        release_by = leads.backend.mandate.release_by
        await comes.begins()
        assert boottime() >= release_by
        assert not leaves.over.is_set()
        for each in acting.values():
            each.over.set()
    assert leaves.demoted == 2  # at the start, and then
    assert reasons(leads.config.node.state_dir) == ["still running: acting"]


async def test_a_node_that_is_to_stop_does_not_wait_for_longer_than_its_votes_run(tmp_path: Path) -> None:
    acting, me = Acting(), f"127.0.0.1:{free_port()}"
    async with running(tmp_path / "a", me, [me], acting) as node:
        await acting.begins()
        stopping = boottime()
        await node.stop()
        assert boottime() - stopping < 2.0
    assert reasons(tmp_path / "a/state") == ["still running: acting"]
    acting.over.set()
