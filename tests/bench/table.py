"""How results are printed: medians with their spread and the number of runs. Imported by the benchmark."""

import statistics
from dataclasses import dataclass

__all__ = ["Row", "show"]


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured, in which unit, and each run's value."""

    what: str
    unit: str
    values: list[float]


def show(title: str, rows: list[Row]) -> None:
    """Print a table."""
    width = max(len(row.what) for row in rows)
    print(f"\n{title}\n{'':{width}}  {'median':>10} {'least':>10} {'most':>10}  runs")
    for row in rows:
        values = (statistics.median(row.values), min(row.values), max(row.values))
        cells = " ".join(f"{value:10.2f}" for value in values)
        print(f"{row.what:{width}}  {cells}  {len(row.values):4} {row.unit}")
