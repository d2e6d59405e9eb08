"""The benchmark: `python -m tests.bench`, or with the name of one part and `--runs N`. It prints and judges nothing."""

import argparse
import asyncio
import platform

from tests.bench import flips, rest, spawn, takeover
from tests.bench.table import show

PARTS = ("takeover", "spawn", "rest", "flips")


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=(*PARTS, "all"), default="all", help="what to measure (default all)")
    parser.add_argument("--runs", type=int, default=20, help="take-overs of each kind (default 20)")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long clusters rest (default 30)")
    parser.add_argument("--calm", type=float, default=6.0, help="how long they settle before (default 6)")
    parser.add_argument("--nodes", type=int, nargs="+", default=[3, 10, 30], help="sizes of resting clusters")
    parser.add_argument("--flips", type=int, default=1000, help="role changes (default 1000)")
    asked = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    for part in PARTS:
        if asked.part not in (part, "all"):
            continue
        if part == "takeover":
            show("Take-over, three nodes on loopback, default timing", takeover.measure(asked.runs))
        elif part == "spawn":
            asyncio.run(spawn.main(5 * asked.runs))
        elif part == "rest":
            for nodes in asked.nodes:
                show(f"At rest for {asked.seconds:g} s, {nodes} nodes", rest.measure(nodes, asked.seconds, asked.calm))
        else:
            show(f"{asked.flips} role changes with a script of 50 ms", asyncio.run(flips.measure(asked.flips)))


if __name__ == "__main__":
    main()
