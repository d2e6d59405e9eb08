"""The simulator on the command line: `python -m tests.election.sim --help`."""

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.election.sim.mutants import MUTANTS, hunt
from tests.election.sim.patterns import is_short, patterns
from tests.election.sim.runner import Found, look_at, run_seeds, transcript
from tests.election.sim.storms import Mode


def main() -> int:
    """Run what the arguments say; 1 where something is broken, or where a planted bug is not seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.election.sim", description=main.__doc__)
    parser.add_argument("what", nargs="?", choices=["storms", "mutants", "patterns"], default="storms")
    parser.add_argument("--seeds", type=int, default=1000, help="how many storms in each mode, or at most for a mutant")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--mode", choices=["majority", "members", "both"], default="both")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes")
    parser.add_argument("--nodes", type=int, choices=[3, 5], nargs="+", default=[3, 5], help="for patterns")
    parser.add_argument("--seed", type=int, help="this storm alone")
    parser.add_argument("--transcript", action="store_true", help="tell everything that happens in it")
    options = parser.parse_args()
    if options.what == "mutants":
        return show_mutants(options.seeds)
    modes = list(Mode) if options.mode == "both" else [Mode(options.mode)]
    if options.what == "patterns":
        return max(look_at_patterns(mode, options.nodes, options.jobs) for mode in modes)
    if options.seed is not None:
        options.first, options.seeds = options.seed, 1
    if options.transcript:
        for mode in modes:
            print("\n".join(transcript(mode, options.first)))
        return 0
    return max(storm(mode, options.first, options.seeds, options.jobs) for mode in modes)


def storm(mode: Mode, first: int, count: int, jobs: int) -> int:
    """Run storms in one mode, and print what they amount to."""
    began = time.monotonic()
    seeds = steps = 0
    seconds, fewest = 0.0, sys.maxsize
    found: list[Found] = []
    for tally in run_seeds(mode, first, count, jobs):
        seeds, steps, seconds = seeds + tally.seeds, steps + tally.steps, seconds + tally.seconds
        fewest = min(fewest, tally.fewest)
        found += tally.found
        for violation in tally.found:
            print(violation, flush=True)
        if seeds % 10_000 == 0:
            print(f"{mode}: {seeds} seeds, {steps} steps, {len(found)} violations", flush=True)
    wall = time.monotonic() - began
    print(
        f"{mode}: {seeds} seeds, {steps} steps (the fewest {fewest}), {len(found)} violations, {wall:.0f} s,"
        f" {steps / seconds:.0f} steps per second of a core",
        flush=True,
    )
    if found:
        print(f"\nthe end of {found[0]}\n" + "\n".join(transcript(mode, found[0].seed)[-60:]))
    return 1 if found else 0


def look_at_patterns(mode: Mode, nodes: list[int], jobs: int) -> int:
    """Look at all ways in which the links of so many nodes can be broken."""
    began = time.monotonic()
    broken = 0
    looks = [
        (mode, names, pattern, refuse, from_start)
        for names in ("abcde"[:count] for count in nodes)
        for pattern in patterns(names)
        for refuse in (False, True)
        for from_start in (False, True)
        # Members three links apart do not know each other; `docs/election.md` tells what follows.
        if mode is Mode.MAJORITY or not refuse or is_short(names, pattern)
    ]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("forkserver")) as pool:
        for why in filter(None, pool.map(look_at, looks, chunksize=16)):
            broken += 1
            print(why, flush=True)
    print(f"{mode}: {len(looks)} patterns, {broken} violations, {time.monotonic() - began:.0f} s", flush=True)
    return 1 if broken else 0


def show_mutants(most: int) -> int:
    """Print the table of planted bugs: after how many seeds each is found, and by which check."""
    missed = 0
    print("| planted bug | what it does | mode | seeds | found by |\n| --- | --- | --- | ---: | --- |")
    for mutant in MUTANTS:
        catch = hunt(mutant, most)
        missed += catch is None
        how = f"{catch.seeds} | {catch.invariant}" if catch is not None else f"> {most} | nothing"
        print(f"| {mutant.name} | {mutant.sentence} | {mutant.mode} | {how} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
