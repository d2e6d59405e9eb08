"""Storms by the thousand, over several processes, and what they amount to."""

import gc
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.election.sim.patterns import Pattern, check_majority, check_members
from tests.election.sim.storms import Mode, Storm
from tests.election.sim.violation import Violation

__all__ = ["Found", "Tally", "look_at", "run_seed", "run_seeds", "transcript"]

_BLOCK = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A seed that breaks something, and what."""

    mode: Mode
    seed: int
    moment: float
    violation: str

    def __str__(self) -> str:
        return f"{self.mode} seed {self.seed} at {self.moment:.3f} s: {self.violation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What some storms amounted to; `fewest` are the steps of the shortest."""

    seeds: int
    steps: int
    fewest: int
    seconds: float
    found: tuple[Found, ...]


def run_seed(mode: Mode, seed: int) -> tuple[int, Found | None]:
    """Run one storm: its steps, and what it found."""
    storm = Storm(seed, mode)
    try:
        storm.run()
    except Violation as violation:
        return storm.world.steps, Found(mode=mode, seed=seed, moment=storm.world.now, violation=str(violation))
    return storm.world.steps, None


def transcript(mode: Mode, seed: int) -> list[str]:
    """The log of one storm, up to what it found."""
    storm = Storm(seed, mode, log=True)
    try:
        storm.run()
    except Violation as violation:
        storm.world.note("{}", violation)
    return storm.world.log or []


def run_seeds(mode: Mode, first: int, count: int, jobs: int) -> Iterator[Tally]:
    """Run so many storms in as many processes, and tell what each block of them amounted to."""
    blocks = [(mode, seed, min(_BLOCK, first + count - seed)) for seed in range(first, first + count, _BLOCK)]
    if jobs == 1:
        yield from map(_run_block, blocks)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("forkserver")) as pool:
        yield from pool.map(_run_block, blocks)


def _run_block(block: tuple[Mode, int, int]) -> Tally:
    mode, first, count = block
    gc.freeze()  # what is loaded stays, and need not be looked at again and again
    began = time.process_time()
    outcomes = [run_seed(mode, seed) for seed in range(first, first + count)]
    return Tally(
        seeds=count,
        steps=sum(steps for steps, _ in outcomes),
        fewest=min(steps for steps, _ in outcomes),
        seconds=time.process_time() - began,
        found=tuple(found for _, found in outcomes if found is not None),
    )


def look_at(look: tuple[Mode, str, Pattern, bool, bool]) -> str:
    """Look at one pattern; returns what is wrong."""
    mode, names, pattern, refuse, from_start = look
    check = check_majority if mode is Mode.MAJORITY else check_members
    try:
        check(names, pattern, refuse=refuse, from_start=from_start)
    except Violation as violation:
        how = f"{'refused' if refuse else 'silent'} {'from the start' if from_start else 'later'}"
        return f"{mode} {how}: {violation}"
    return ""
