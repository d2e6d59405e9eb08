"""How the machine is fed: one message at a time, authority before views, one timer, terms on disk."""

import asyncio
import math

from les_hooks.backends.peers.driver import Driver
from les_hooks.election.effects import Dial, Effect, Left, Save
from les_hooks.election.identity import Memory, Timing
from les_hooks.election.messages import (
    Instant,
    Message,
    Released,
    Saved,
    SaveFailed,
    StepDown,
)
from les_hooks.events import Reason
from les_hooks.members import NO_MANDATE, Address, Mandate
from tests.backends.peers.fakes import NotingMachine, identity, make_node, running, until

LEADING = Mandate(act_until=101.5, release_by=math.inf)


class Clock:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.boottime = 100.0

    def __call__(self) -> Instant:
        return Instant(self.boottime, 1.6e9)


def _machine(clock: Clock) -> NotingMachine:
    return NotingMachine(identity=identity("127.0.0.1:4000"), timing=Timing(), memory=Memory(), now=clock())


def _fail(error: BaseException) -> None:
    raise error


def _driver(machine: NotingMachine, clock: Clock, done: list[object]) -> Driver:
    return Driver(machine, clock=clock, carry_out=done.append, on_authority=done.append, on_broken=_fail)


async def test_what_is_told_while_effects_are_carried_out_waits_until_they_are() -> None:
    clock = Clock()
    order: list[object] = []
    machine = _machine(clock)
    first, second = Dial(address=Address("127.0.0.8:1")), Dial(address=Address("127.0.0.9:1"))

    def script(message: Message) -> list[Effect]:
        order.append(message)
        return [first, second] if isinstance(message, Released) else []

    def carry_out(effect: Effect) -> None:
        order.append(effect)
        if effect is first:
            driver.tell(Saved(term=1))

    machine.script = script
    driver = Driver(machine, clock=clock, carry_out=carry_out, on_authority=lambda _mandate: None, on_broken=_fail)
    driver.tell(Released())
    assert order == [Released(), first, second, Saved(term=1)]


async def test_authority_is_told_before_the_effects_that_go_with_it_and_only_when_it_changes() -> None:
    clock = Clock()
    done: list[object] = []
    machine = _machine(clock)

    def script(message: Message) -> list[Effect]:
        machine.mandate = LEADING if isinstance(message, Saved) else NO_MANDATE
        return [Left()]

    machine.script = script
    driver = _driver(machine, clock, done)
    for message in (Saved(term=1), Saved(term=1), Released()):
        driver.tell(message)
    assert done == [LEADING, Left(), Left(), NO_MANDATE, Left()]


async def test_authority_is_told_again_when_the_others_are_asked_and_when_they_have_answered() -> None:
    clock = Clock()
    done: list[object] = []
    machine = _machine(clock)
    machine.mandate = LEADING
    driver = _driver(machine, clock, done)
    for confirming in (True, True, False):
        machine.confirming = confirming
        driver.tell(Released())
    assert done == [LEADING, LEADING]


async def test_the_timer_rings_at_the_deadline_with_the_real_time_however_late_it_is() -> None:
    clock = Clock()
    machine = _machine(clock)
    machine.deadline = 100.01
    _driver(machine, clock, [])
    clock.boottime = 5000.0  # the host slept
    await until(lambda: machine.ticks)
    assert machine.ticks == [Instant(5000.0, 1.6e9)]


async def test_a_nearer_deadline_moves_the_timer_and_a_farther_one_costs_nothing() -> None:
    clock = Clock()
    machine = _machine(clock)
    machine.deadline = 160.0
    driver = _driver(machine, clock, [])
    armed = driver._timer
    machine.deadline = 200.0
    driver.tell(Released())
    assert driver._timer is armed
    machine.deadline = 100.0
    driver.tell(Released())
    await until(lambda: machine.ticks)
    driver.stop()


async def test_a_stopped_driver_neither_tells_nor_ticks() -> None:
    clock = Clock()
    machine = _machine(clock)
    machine.deadline = 100.01
    driver = _driver(machine, clock, [])
    driver.stop()
    driver.tell(Released())
    await asyncio.sleep(0.05)
    assert (machine.told, machine.ticks) == ([], [])


async def test_a_term_is_saved_before_the_machine_hears_that_it_is() -> None:
    node = make_node(noting=True)
    async with running(node):
        node.backend._carry_out(Save(term=7, newest=1.6e9))
        await until(lambda: node.machine.all(Saved) == [Saved(term=7)])
        assert node.saved == [7]


async def test_a_disk_that_fails_is_told_as_such() -> None:
    node = make_node(noting=True, save_fails=True)
    async with running(node):
        node.backend._carry_out(Save(term=7, newest=1.6e9))
        await until(lambda: node.machine.all(SaveFailed) == [SaveFailed(term=7)])


async def test_what_the_daemon_asks_for_reaches_the_machine() -> None:
    node = make_node(noting=True)
    async with running(node):
        node.backend.step_down(Reason.OPERATOR)
        node.backend.released()
        assert node.machine.told[-2:] == [StepDown(reason=Reason.OPERATOR), Released()]
        node.machine.mandate = LEADING
        node.machine.confirming = True
        assert (node.backend.mandate, node.backend.confirming) == (LEADING, True)


async def test_before_it_joins_a_node_has_no_authority() -> None:
    node = make_node(noting=True)
    assert (node.backend.mandate, node.backend.confirming) == (NO_MANDATE, False)
    await node.backend.leave(1.0)


async def test_a_node_that_may_not_leave_in_time_leaves_all_the_same() -> None:
    node = make_node(noting=True)
    await node.backend.start()
    await node.backend.join()
    node.machine.stays = True
    async with asyncio.timeout(2):
        await node.backend.leave(0.05)


async def test_leaving_twice_is_leaving_once() -> None:
    node = make_node(noting=True)
    async with running(node):
        await node.backend.leave(1.0)


async def test_a_machine_that_fails_is_left_alone_and_reported() -> None:
    """Its state is unknown then: nothing more is told to it, and whoever told it is not hit by the error."""
    clock = Clock()
    machine = _machine(clock)
    told: list[Message] = []
    reported: list[BaseException] = []

    def script(message: Message) -> list[Effect]:
        told.append(message)
        raise ZeroDivisionError

    machine.script = script
    driver = Driver(
        machine,
        clock=clock,
        carry_out=lambda _effect: None,
        on_authority=lambda _mandate: None,
        on_broken=reported.append,
    )
    driver.tell(Released())
    driver.tell(Released())
    assert told == [Released()]
    assert [type(error) for error in reported] == [ZeroDivisionError]
