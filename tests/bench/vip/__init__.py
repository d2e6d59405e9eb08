"""An address that moves: how long until the next host holds it and clients are answered, here and with other programs.

Three hosts and a client, the same faults, the same client, interleaved. Imported by the benchmark.
"""

import argparse
import platform
import sys

from tests.bench.vip.measure import Asked, measure
from tests.bench.vip.report import as_json, show
from tests.bench.vip.settings import SETTINGS
from tests.network.strikes import Kind

__all__ = ["FAMILIES", "KINDS", "SETTINGS", "main"]

FAMILIES = tuple(dict.fromkeys(setting.family for setting in SETTINGS))
"""What can be compared."""

KINDS = tuple(kind.value for kind in Kind)
"""What can happen."""


def main(asked: argparse.Namespace) -> None:
    """Measure what was asked for, and print it; what is not installed is left out."""
    wanted = [setting for setting in SETTINGS if not asked.peer or {setting.family, setting.name} & set(asked.peer)]
    for setting in wanted:
        if setting.lacking:
            print(f"left out: {setting.name} ({setting.lacking})", file=sys.stderr)
    here = [setting for setting in wanted if not setting.lacking]
    kinds = [kind for kind in Kind if not asked.fault or kind in asked.fault]
    runs = measure(Asked(settings=here, kinds=kinds, runs=asked.runs, lanes=asked.lanes))
    if asked.json:
        asked.json.write_text(as_json(runs), encoding="utf-8")
    print(f"Python {platform.python_version()}, {platform.system()} {platform.release()} {platform.machine()}")
    show(runs)
