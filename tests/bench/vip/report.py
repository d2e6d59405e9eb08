"""How the runs are printed: a table for each fault, medians with the least and the most; or all of it as JSON."""

import dataclasses
import json
import statistics
from collections.abc import Callable, Sequence

from tests.bench.vip.measure import Run
from tests.bench.vip.settings import SETTINGS
from tests.network.strikes import MENDED, Found, Kind, Phase

__all__ = ["as_json", "show"]


_Value = Callable[[Found], float | None]

_COLUMNS: dict[str, _Value] = {
    "next holds": lambda found: found.next_seconds,
    "let go": lambda found: found.gone_seconds,
    "hole": lambda found: found.fault.hole_seconds,
    "two hold": lambda found: _two(found.fault),
}
_MENDED: dict[str, _Value] = {
    "hole": lambda found: found.mended.hole_seconds if found.mended else None,
    "two hold": lambda found: _two(found.mended) if found.mended else None,
}


def show(runs: Sequence[Run]) -> None:
    """Print everything; times are milliseconds."""
    order = [setting.name for setting in SETTINGS]
    runs = sorted(runs, key=lambda run: (order.index(run.setting), run.number))
    for kind in Kind:
        these = [run for run in runs if run.kind is kind]
        if these:
            _table(kind, these)
    measured = [run for run in runs if run.found]
    if measured:
        _least_and_most("longest time between two looks at the holders", [run.late_seconds for run in measured])
        stalls = [max(found.fault.stalled_seconds for found in run.found) for run in measured]
        _least_and_most("longest time for which the client itself did not ask", stalls)
    for run in runs:
        if run.fault:
            print(f"{run.setting}, {run.kind}, run {run.number}: {run.fault}")


def as_json(runs: Sequence[Run]) -> str:
    """Every run as it was, times in seconds."""

    def plain(value: object) -> object:
        return sorted(value) if isinstance(value, frozenset) else str(value)

    return json.dumps([dataclasses.asdict(run) for run in runs], default=plain, indent=1)


def _two(phase: Phase) -> float | None:
    """For how long two held it; None where they still did at the end of the look."""
    return phase.two_seconds if len(phase.holders) < 2 else None


def _least_and_most(what: str, seconds: Sequence[float]) -> None:
    print(f"{what}: median {1000 * statistics.median(seconds):.0f} ms, most {1000 * max(seconds):.0f} ms")


def _table(kind: Kind, runs: Sequence[Run]) -> None:
    columns = dict(_COLUMNS)
    if kind in MENDED:
        columns |= {f"{MENDED[kind]}: {title}": value for title, value in _MENDED.items()}
    lines = [["", "runs", *columns]]
    for address in dict.fromkeys(found.address for run in runs for found in run.found):
        for setting in dict.fromkeys(run.setting for run in runs):
            found = [each for run in runs if run.setting == setting for each in run.found if each.address == address]
            if found:
                name = f"{setting}, IPv6" if ":" in address else setting
                cells = [_cell([value(each) for each in found]) for value in columns.values()]
                lines.append([name, str(len(found)), *cells])
    print(f"\n{kind}: median (least - most) in ms")
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for name, *cells in lines:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        print(name.ljust(widths[0]), *right, sep="  ")


def _cell(values: Sequence[float | None]) -> str:
    """What was never over counts as longest: where that is most of them, there is no median."""
    known = sorted(1000 * value for value in values if value is not None)
    endless = len(values) - len(known)
    tail = f" {endless}x no end" if endless else ""
    if not known or 2 * endless >= len(values):
        return tail.strip()
    middle = statistics.median([*known, *[float("inf")] * endless])
    return f"{middle:.0f} ({known[0]:.0f} - {known[-1]:.0f}){tail}"
