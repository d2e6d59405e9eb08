"""What scripts on all nodes write into one file while they run, and what that proves. For the tests of this folder.

All hosts of a test share one kernel, so that times since boot compare, and lines that are appended to one file have an
order of their own: of two lines the second was written later, whatever their times say.
"""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

__all__ = ["Line", "Stretch", "mingled", "overlap_seconds", "parse", "scripts", "stretches"]

# The time is since boot, as that of the daemons, in hundredths; reading it starts no process.
_SAY = """say() {{
    read -r now _ </proc/uptime
    echo "$now $LES_NAME $$ $LES_TERM $1" >>{story}
}}
"""
_BODIES = {
    "elected": "say elected",
    "reasserted": "say reasserted",
    "demoted": "say demoting; sleep 0.1; say demoted",
    "while-leader": "exec {python} -IS {work} {story} {how}",
}
_WORK = Path(__file__).with_name("work.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a script wrote: `at` is boottime seconds."""

    at: float
    node: str
    pid: int
    term: int
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """From the first to the last sign of the work of one leadership."""

    node: str
    term: int
    begin: float
    end: float


def scripts(story: Path, *, stubborn: bool = False) -> dict[str, str]:
    """The body of a script for each event; work that is `stubborn` does not end when it is asked to."""
    words = {"python": sys.executable, "work": _WORK, "story": story, "how": "stubborn" if stubborn else ""}
    return {event: (_SAY + body).format_map(words) for event, body in _BODIES.items()}


def parse(story: Path, skip_bytes: int = 0) -> list[Line]:
    """Every line after so many bytes; none where nobody has written yet."""
    lines = []
    with contextlib.suppress(FileNotFoundError), story.open("rb") as file:
        file.seek(skip_bytes)
        for text in file.read().decode("ascii").splitlines():
            at, node, pid, term, word = text.split()
            lines.append(Line(at=float(at), node=node, pid=int(pid), term=int(term), word=word))
    return lines


def stretches(lines: Sequence[Line]) -> list[Stretch]:
    """The work of each leadership, in the order in which it began."""
    runs: dict[tuple[str, int], list[float]] = {}
    for line in lines:
        if line.word == "works":
            runs.setdefault((line.node, line.term), []).append(line.at)
    found = [Stretch(node=node, term=term, begin=min(at), end=max(at)) for (node, term), at in runs.items()]
    return sorted(found, key=lambda stretch: stretch.begin)


def overlap_seconds(lines: Sequence[Line]) -> float:
    """The longest time for which the work of two nodes ran side by side."""
    found = stretches(lines)
    pairs = [(one, other) for one in found for other in found if one.node < other.node]
    return max([0.0, *(min(one.end, other.end) - max(one.begin, other.begin) for one, other in pairs)])


def mingled(lines: Sequence[Line]) -> list[str]:
    """What breaks "one at a time" in what leaders did: each leadership ends before the next begins, terms rise.

    By the order of the lines alone, elected scripts included; demote scripts are not, as that of a node which was
    frozen runs when it wakes, and that of one which crashed when it is cleared up.
    """
    acts = [line for line in lines if line.word in ("elected", "works")]
    changes = [
        (before, after) for before, after in pairwise(acts) if (before.node, before.term) != (after.node, after.term)
    ]
    return [
        f"{after.node} {after.word} in term {after.term} at {after.at:.3f}, "
        f"after {before.node} {before.word} in term {before.term} at {before.at:.3f}"
        for before, after in changes
        if after.term <= before.term
    ]
