"""Random faults on one seed, then calm, then agreement."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from les_plugins.etcd.entry import Keys, read_entry
from les_plugins.etcd.store import Delete, KeyValue, Put, Transaction
from tests.election.sim.violation import Violation
from tests.etcd.sim.loops import SeededLoop
from tests.etcd.sim.world import EngineFor, Host, Settings, World

__all__ = ["BEYOND", "FAULTS", "Found", "storm"]

# A key of a node that is gone stays for a ttl, and up to half a second longer; who is next may wait for one more.
_CALM_TTLS = 3.0

Fault = Callable[[World, Host], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a storm came to: how many leaderships there were, and requests; the violation, and the `story` up to it."""

    seed: int
    leaderships: int
    requests: int
    violation: Violation | None
    story: tuple[str, ...]


def storm(
    seed: int,
    engine_for: EngineFor,
    settings: Settings,
    *,
    names: str = "abc",
    seconds: float = 60.0,
    faults: tuple[str, ...] = (),
) -> Found:
    """Run one seed, with those of FAULTS, or all."""
    with asyncio.Runner(loop_factory=SeededLoop) as runner:
        return runner.run(_Storm(seed, engine_for, settings, names, seconds, faults or tuple(FAULTS)).run())


class _Storm:
    def __init__(
        self,
        seed: int,
        engine_for: EngineFor,
        settings: Settings,
        names: str,
        seconds: float,
        faults: tuple[str, ...],
    ) -> None:
        self._make: Callable[[], World] = lambda: World(seed, names, engine_for, settings)
        self._seed = seed
        self._seconds = seconds
        self._faults = sorted(faults)
        self._calm_seconds = settings.ttl * _CALM_TTLS + settings.hold

    async def run(self) -> Found:
        world = self._make()
        violation: Violation | None = None
        try:
            await self._rage(world)
            await self._calm(world)
        except Violation as found:
            violation = found
        story, leaderships = tuple(world.story), len(world.judge.terms)
        requests = sum(sum(host.client.requests.values()) for host in world.hosts)
        await world.close()
        return Found(seed=self._seed, leaderships=leaderships, requests=requests, violation=violation, story=story)

    async def _rage(self, world: World) -> None:
        draw = world.random
        for host in world.hosts:
            world.start(host)
            await asyncio.sleep(draw.choice((0.0, draw.uniform(0.0, 2.0))))
        end = world.now + self._seconds
        while world.now < end:
            await asyncio.sleep(draw.expovariate(0.7))
            # Leaders are where faults tell.
            leading = [host for host in world.hosts if host.process is not None and host.process.office.leads]
            host = leading[0] if leading and draw.random() < 0.5 else draw.choice(world.hosts)
            fault = draw.choice(self._faults)
            world.tell(f"* {fault} {host.name}")
            (FAULTS | BEYOND)[fault](world, host)
            world.look()

    async def _calm(self, world: World) -> None:
        """End all faults; soon exactly one leads, and all see that, and who is there."""
        world.tell("* calm")
        _regain_majority(world)
        for twin in world.twins:
            _end_twin(world, twin)
        while any(host.process is not None and host.process.leaving for host in world.hosts):
            _thaw(world)
            await asyncio.sleep(0.1)
        _thaw(world)
        for host in world.hosts:
            if host.process is None:
                world.start(host)
            world.set_fitness(host, "")
        await asyncio.sleep(self._calm_seconds)
        world.look()
        views = {host.name: host.process.view for host in world.hosts if host.process is not None}
        leaders = [host.address for host in world.hosts if host.process is not None and host.process.office.leads]
        if len(leaders) != 1 or any(view is None or view.leader != leaders[0] for view in views.values()):
            seen = {name: view and view.leader for name, view in views.items()}
            raise Violation("one leader in calm", f"{leaders}, seen as {seen}")
        there = sorted(read_entry(kv.value).address for kv in _keys(world))
        for name, view in views.items():
            members = sorted(member.address for member in view.members) if view is not None else []
            if members != there:
                raise Violation("members are the keys", f"{name} sees {members}, and there are {there}")


def _prefix(world: World) -> str:
    return Keys(world.settings.config.prefix, world.settings.cluster).prefix


def _keys(world: World) -> list[KeyValue]:
    return [kv for kv in world.etcd.keyspace.kvs.values() if kv.key.startswith(_prefix(world)) and kv.lease]


# -- faults ------------------------------------------------------------------------------------------------------------


def _thaw(world: World) -> None:
    for host in world.hosts:
        _heal(host)
        if host.process is not None:
            host.process.loop.paused = False


def _heal(host: Host) -> None:
    client = host.client
    client.cut = client.deaf = client.lost_answers = client.stale = False
    client.refuse("")


def _for_a_while(world: World, begin: Callable[[], None], end: Callable[[], None]) -> None:
    begin()
    longest = 2.5 * world.settings.ttl
    world.loop.call_later(world.random.choice((0.2, 1.0)) * world.random.uniform(0.0, longest), end)


def _setting(name: str) -> Fault:
    def fault(world: World, host: Host) -> None:
        _for_a_while(world, lambda: setattr(host.client, name, True), lambda: setattr(host.client, name, False))

    return fault


def _crash(world: World, host: Host) -> None:
    if host.process is None:
        return
    if world.random.random() < 0.3:
        world.crash(host, cleanup_after=None)
    else:
        world.crash(host, cleanup_after=world.random.uniform(0.0, 1.0))

    _start_later(world, host)


def _pause(world: World, host: Host) -> None:
    process = host.process
    if process is not None:
        _for_a_while(
            world, lambda: setattr(process.loop, "paused", True), lambda: setattr(process.loop, "paused", False)
        )


def _leave(world: World, host: Host) -> None:
    world.stop(host)
    _start_later(world, host)


def _start_later(world: World, host: Host) -> None:
    def start() -> None:
        if host.process is None:
            world.start(host)

    world.loop.call_later(world.random.uniform(1.0, 10.0), start)


def _twin(world: World, host: Host) -> None:
    twin = world.twin(host)
    world.loop.call_later(world.random.uniform(0.0, 4.0 * world.settings.ttl), _end_twin, world, twin)


def _end_twin(world: World, twin: Host) -> None:
    if twin.process is not None:
        world.crash(twin, cleanup_after=world.random.choice((None, 0.1)))


def _jump(world: World, host: Host) -> None:
    host.clock.wall_offset += world.random.choice((-3600.0, 5.0))


def _delete_all(world: World, host: Host) -> None:
    """An operator takes every key away, in one revision.

    But not the traces: who comes to an empty prefix at that moment could not know of a leader that may still act.
    """
    if not world.etcd.lame:
        world.etcd.transact(Transaction(then=tuple(Delete(key=kv.key) for kv in _keys(world))))


def _delete_everything(world: World, host: Host) -> None:
    """An operator takes every key away, and the traces, in one revision."""
    keys = [kv.key for kv in world.etcd.keyspace.kvs.values() if kv.key.startswith(_prefix(world))]
    if not world.etcd.lame:
        world.etcd.transact(Transaction(then=tuple(Delete(key=key) for key in keys)))


def _delete_key(world: World, host: Host) -> None:
    """An operator takes one key away, of whomever."""
    keys = _keys(world)
    if keys and not world.etcd.lame:
        world.etcd.transact(Transaction(then=(Delete(key=world.random.choice(keys).key),)))


def _restore(world: World, host: Host) -> None:
    """etcd comes back from a backup, as the handbook has it: all nodes end before, and its revision is raised."""
    keyspace = world.etcd.keyspace
    if world.etcd.lame or keyspace.revision == keyspace.compacted:
        return
    for each in (*world.hosts, *world.twins):
        if each.process is not None:
            world.crash(each, cleanup_after=None)
            if each in world.hosts:
                _start_later(world, each)
    highest = keyspace.revision
    world.etcd.restore(world.random.randint(max(keyspace.compacted, highest - 30, 1), highest))
    while keyspace.revision <= highest:
        world.etcd.transact(Transaction(then=(Put(key="/revision", value=b"", lease=0),)))


def _revoke_early(world: World, host: Host) -> None:
    """One of the leases that are there, of whomever."""
    leases = sorted(world.etcd.leases.all)
    if leases and not world.etcd.lame:
        world.etcd.new_leader()
        world.etcd.revoke_early(world.random.choice(leases))


def _lose_majority(world: World, host: Host) -> None:
    if not world.etcd.lame:
        _for_a_while(world, world.etcd.lose_majority, lambda: _regain_majority(world))


def _regain_majority(world: World) -> None:
    if world.etcd.lame:
        world.etcd.regain_majority()


def _slow_demotion(world: World, host: Host) -> None:
    if host.process is not None:
        host.process.demote_seconds = world.random.uniform(0.0, world.settings.ttl / 4)


def _unfit(world: World, host: Host) -> None:
    _for_a_while(world, lambda: world.set_fitness(host, "a check fails"), lambda: world.set_fitness(host, ""))


FAULTS: Final[dict[str, Fault]] = {
    "cut": _setting("cut"),
    "deaf": _setting("deaf"),
    "lost answers": _setting("lost_answers"),
    "stale": _setting("stale"),
    "refused": lambda world, host: _for_a_while(
        world, lambda: host.client.refuse("permission denied"), lambda: host.client.refuse("")
    ),
    "watches break": lambda world, host: host.client.break_watches(),
    "compaction": lambda world, host: None if world.etcd.lame else world.etcd.compact(),
    "new etcd leader": lambda world, host: None if world.etcd.lame else world.etcd.new_leader(),
    "early revocation": _revoke_early,
    "no majority": _lose_majority,
    "crash": _crash,
    "leave": _leave,
    "twin": _twin,
    "wall clock": _jump,
    "all keys deleted": _delete_all,
    "key deleted": _delete_key,
    "backup": _restore,
    "pause": _pause,
    "step down": lambda world, host: world.step_down(host),
    "transfer": lambda world, host: world.transfer(host, world.random.choice(world.hosts)),
    "unfit": _unfit,
    "slow demotion": _slow_demotion,
}
"""By name; each begins, and those that last end by themselves."""

BEYOND: Final[dict[str, Fault]] = {"everything deleted": _delete_everything}
"""Only those are safe from these who look on: a newcomer to an empty prefix cannot know of who may still act."""
