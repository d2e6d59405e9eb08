"""After a random storm of faults the cluster agrees on one leader and stays with it; a seed makes each repeatable."""

import random

import pytest

from les_hooks.election.messages import StepDown
from les_hooks.events import Reason
from tests.election.world import World

FAULTS = ("kill", "start", "cut", "refuse", "mend", "pause", "resume", "leave", "wall", "step-down", "disk")


def storm(seed: int, nodes: int) -> World:
    """Start the nodes, let 3 to 25 faults happen to them, then put everything right and wait."""
    draw = random.Random(seed)
    names = "abcde"[:nodes]
    world = World(*names, delay=draw.choice([0.001, 0.02, 0.05]))
    for host in world.hosts.values():
        host.wall_offset = draw.choice([0.0, -1000.0, 5000.0, draw.uniform(-1, 1)])
        host.demote_seconds = draw.choice([0.0, 0.01, 0.3])
    for name in names:
        world.start(name)
        world.run(draw.choice([0.0, 0.01, 0.2, 1.0]))
    for _ in range(draw.randint(3, 25)):
        world.run(draw.choice([0.01, 0.1, 0.5, 1.0, 3.0, 8.0]))
        one, other = draw.sample(names, 2)
        strike(world, draw, draw.choice(FAULTS), one, other)
    calm(world)
    return world


def strike(world: World, draw: random.Random, fault: str, one: str, other: str) -> None:
    """Let one fault happen, where it can."""
    host = next(host for name, host in world.hosts.items() if name == one)
    runs = host.machine is not None
    match fault:
        case "kill":
            world.kill(one)
        case "start" if not runs:
            world.start(one)
        case "cut":
            world.cut(one, other)
        case "refuse":
            world.refuse(one, other)
        case "mend":
            world.mend(one, other)
        case "pause" if runs:
            world.pause(one)
        case "resume" if host.paused:
            world.resume(one)
        case "leave" if runs:
            world.leave(one)
        case "wall":
            host.wall_offset += draw.choice([-3600.0, -1.0, 2.0, 3600.0, 90000.0])
        case "step-down":
            world.give(one, StepDown(reason=Reason.OPERATOR))
        case "disk":
            host.disk_broken = draw.random() < 0.5
        case _:
            pass


def calm(world: World) -> None:
    """End all faults, start what does not run, and give the cluster a minute, twice the default hold."""
    for one in world.hosts:
        for other in world.hosts:
            world.mend(one, other)
    for host in world.hosts.values():
        host.disk_broken = False
        if host.paused:
            world.resume(host.address)
    world.run(5)
    for host in world.hosts.values():
        if host.machine is None:
            world.start(host.address)
    world.run(60)


@pytest.mark.parametrize("nodes", [2, 3, 4, 5])
@pytest.mark.parametrize("block", range(5))
def test_one_leader_after_the_storm_and_it_stays(nodes: int, block: int) -> None:
    """Ten storms in a block: afterwards all list all, all accept the same leader, and twenty seconds change nothing."""
    for seed in range(block * 10, block * 10 + 10):
        world = storm(seed, nodes)
        leader = world.leaders()
        assert len(leader) == 1, f"seed {seed}: leaders {leader!r}"
        assert {world.leader_of(name) for name in world.hosts} == {leader}, f"seed {seed}"
        assert {len(world.members_of(name)) for name in world.hosts} == {nodes}, f"seed {seed}"
        world.run(20)
        assert world.leaders() == leader, f"seed {seed}"
