"""Whether a node may act at this moment: asked right before each side effect."""

import asyncio
import math
from dataclasses import dataclass
from typing import cast

from les_hooks.backends import Backend
from les_hooks.daemon.authority import BackendAuthority
from les_hooks.daemon.setup import NoAuthority
from les_hooks.members import NO_MANDATE, Mandate
from tests.virtual import virtual


@dataclass
class Engine:
    """As much of a backend as authority needs."""

    mandate: Mandate = NO_MANDATE
    confirming: bool = False
    looks: int = 0

    def look(self) -> None:
        """Count how often the clocks were looked at."""
        self.looks += 1


def until(moment: float) -> Mandate:
    """What a leader has until then."""
    return Mandate(act_until=moment, release_by=math.inf)


def authority(engine: Engine, patience: float = 3.0) -> BackendAuthority:
    return BackendAuthority(cast(Backend, engine), lambda: 100.0, patience)


def test_authority_counts_down_to_nothing() -> None:
    assert authority(Engine(mandate=until(101.5))).left() == 1.5
    assert authority(Engine(mandate=until(99.0))).left() == 0.0
    assert authority(Engine()).left() == 0.0
    assert authority(Engine(mandate=until(101.5), confirming=True)).left() == 0.0


def test_what_a_leader_took_stays_as_long_as_the_mandate_says_and_not_while_others_are_asked() -> None:
    def left(hold_until: float, *, confirming: bool = False) -> float:
        mandate = Mandate(act_until=-math.inf, release_by=math.inf, hold_until=hold_until)
        return authority(Engine(mandate=mandate, confirming=confirming)).hold_left()

    assert left(100.5) == 0.5
    assert left(99.0) == left(-math.inf) == 0.0
    assert left(100.5, confirming=True) == 0.0
    assert authority(Engine()).hold_left() == 0.0


def test_others_may_lead_when_the_mandate_says_so_and_not_before() -> None:
    def left(mandate: Mandate) -> float:
        return authority(Engine(mandate=mandate)).release_left()

    assert left(Mandate(act_until=100.5, release_by=101.5)) == 1.5
    assert left(Mandate(act_until=-math.inf, release_by=99.0)) == 0.0
    assert left(until(101.0)) == left(NO_MANDATE) == math.inf


@virtual()
async def test_who_leads_and_is_confirmed_gets_the_answer_at_once() -> None:
    assert await authority(Engine(mandate=until(101.0))).confirmed()
    assert not await authority(Engine()).confirmed()


@virtual()
async def test_confirmation_is_waited_for() -> None:
    engine = Engine(mandate=until(101.0), confirming=True)
    leading = authority(engine)
    waiting = [asyncio.create_task(leading.confirmed()) for _ in range(2)]
    await asyncio.sleep(1)
    leading.changed()  # something else
    await asyncio.sleep(1)
    assert not any(task.done() for task in waiting)
    engine.confirming = False
    leading.changed()
    assert await asyncio.gather(*waiting) == [True, True]


@virtual()
async def test_a_node_that_is_demoted_while_it_waits_may_not_act() -> None:
    engine = Engine(mandate=until(101.0), confirming=True)
    leading = authority(engine)
    waiting = asyncio.create_task(leading.confirmed())
    await asyncio.sleep(1)
    engine.confirming, engine.mandate = False, NO_MANDATE
    leading.changed()
    assert not await waiting


@virtual()
async def test_who_is_not_confirmed_in_time_may_not_act() -> None:
    leading = authority(Engine(mandate=until(101.0), confirming=True), patience=3.0)
    begun = asyncio.get_running_loop().time()
    assert not await leading.confirmed()
    assert 3.0 <= asyncio.get_running_loop().time() - begun < 3.1


@virtual()
async def test_a_process_that_is_no_daemon_never_leads() -> None:
    assert NoAuthority().left() == NoAuthority().hold_left() == 0.0
    assert not await NoAuthority().confirmed()


async def test_the_clocks_are_looked_at_before_each_answer() -> None:
    """A jump of the wall clock counts for the very next side effect, not from the next heartbeat on."""
    engine = Engine(mandate=until(101.0))
    leading = authority(engine)
    leading.left()
    leading.hold_left()
    assert engine.looks == 2
    await leading.confirmed()
    looks = engine.looks
    assert looks > 2
    await asyncio.to_thread(leading.left)
    assert engine.looks == looks
