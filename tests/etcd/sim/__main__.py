"""The simulator on the command line: `python -m tests.etcd.sim --help`."""

import argparse
import sys

from les_plugins.etcd.settings import EtcdConfig
from tests.etcd.sim.plugin import PluginEngine
from tests.etcd.sim.storms import FAULTS, storm
from tests.etcd.sim.world import Settings


def main() -> int:
    """Run storms with the plugin's engine; 1 where something that must hold does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.etcd.sim", description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many storms")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--nodes", type=int, choices=range(1, 27), default=3, metavar="N", help="1 to 26")
    parser.add_argument("--faults", nargs="+", choices=sorted(FAULTS), default=(), help="these alone")
    parser.add_argument("--lines", type=int, default=30, help="how much to tell of the end of each bad one")
    options = parser.parse_args()
    config = EtcdConfig(endpoints=("http://127.0.0.1:2379",))
    settings = Settings(config=config, ttl=config.ttl)
    names = "abcdefghijklmnopqrstuvwxyz"[: options.nodes]
    bad = leaderships = 0
    for seed in range(options.first, options.first + options.seeds):
        found = storm(seed, PluginEngine, settings, names=names, faults=tuple(options.faults))
        leaderships += found.leaderships
        if found.violation is not None:
            bad += 1
            print(f"seed {seed}: {found.violation}", *found.story[-options.lines :], sep="\n", flush=True)
    print(f"{options.seeds} seeds, {leaderships} leaderships, {bad} violations")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
