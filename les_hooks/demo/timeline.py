"""What a person sees: a line for each thing that happens, beside it the state of all nodes. Imported by `director`.

It fits 80 columns, and says all of it without colours too.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TextIO

from les_hooks.demo.notes import Happened, Note, Said, Trouble
from les_hooks.demo.report import Report
from les_hooks.demo.stage import Place, Stage
from les_hooks.events import EventKind, Reason

__all__ = ["Timeline"]

_MARKS: Final = {Place.LEADS: "●", Place.FOLLOWS: "○", Place.OUTSIDE: "·", Place.GONE: "✗"}
_PLAIN_MARKS: Final = {Place.LEADS: "L", Place.FOLLOWS: "o", Place.OUTSIDE: ".", Place.GONE: "x"}
_MARK_COLOURS: Final = {Place.LEADS: "1;32", Place.FOLLOWS: "", Place.OUTSIDE: "2", Place.GONE: "31"}
_NODE_COLOURS: Final = ("36", "35", "33")

_BOLD: Final = "1"
_DIM: Final = "2"
_GOOD: Final = "1;32"
_BAD: Final = "1;31"


class Timeline:
    """Writes to `stream`, in colours where that is a terminal and NO_COLOR is not set.

    `on_lost` is called when nobody can read it any more, such as after `| head`; nothing is raised.
    """

    def __init__(
        self, stream: TextIO, environ: Mapping[str, str] = os.environ, *, on_lost: Callable[[], None] = lambda: None
    ) -> None:
        self._stream = stream
        self._on_lost = on_lost
        self._fresh = False
        self._colours = stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        try:
            "".join([*_MARKS.values(), "│─"]).encode(stream.encoding or "ascii")
        except UnicodeEncodeError:
            self._marks, self._bar, self._rule = _PLAIN_MARKS, "|", "-"
        else:
            self._marks, self._bar, self._rule = _MARKS, "│", "─"

    def say(self, text: str = "") -> None:
        """Write a line as it is."""
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except OSError:
            self._on_lost()

    def head(self, stage: Stage) -> None:
        """Explain what is to be seen."""
        nodes = "   ".join(f"{self._node(stage, node)} http://{at}" for node, at in stage.addresses.items())
        legend = ", ".join(f"{self._mark(place)} {place.value}" for place in (Place.LEADS, Place.FOLLOWS, Place.GONE))
        self.say(f"  {nodes}")
        self.say(f"  {legend}; {self._bar} is what a script in hooks.d says")
        self.say()
        self.say(self._paint(f"{'ms':>7}  {' '.join(stage.addresses)}", _DIM))
        self._fresh = True

    def deed(self, ms: float, text: str, stage: Stage) -> None:
        """Announce what is done to the cluster."""
        if not self._fresh:
            self.say()
        self._fresh = False
        self.say(f"{self._margin(ms, stage)}  {self._paint(f'{self._rule * 2} {text}', _BOLD)}")

    def outcome(self, ms: float, text: str, stage: Stage, *, good: bool) -> None:
        """Tell what came of it."""
        self.say(f"{self._margin(ms, stage)}  {self._paint(f'{self._rule * 2} {text}', _GOOD if good else _BAD)}")

    def note(self, ms: float, node: str, note: Note, stage: Stage) -> None:
        """Tell what a node said, if it is worth telling."""
        if text := self._words(node, note, stage):
            self.say(f"{self._margin(ms, stage)}  {self._node(stage, node)}  {text}")

    def table(self, report: Report) -> None:
        """Write the closing table."""
        head, *rows = report.cells()
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        self.say()
        self.say("  " + self._paint(_columns(head, widths), _BOLD))
        self.say("  " + self._rule * (sum(widths) + 3 * (len(widths) - 1)))
        for cells, row in zip(rows, report.rows, strict=True):
            line = _columns(cells, widths)
            self.say("  " + (line if row.succeeded else self._paint(line, _BAD)))
        self.say()
        self.say("  take-over: from the signal to the first line of the successor's elected script")

    def _words(self, node: str, note: Note, stage: Stage) -> str:
        match note:
            case Said():
                return f"{self._paint(f'{self._bar} {note.script}:', _DIM)} {note.line}"
            case Trouble():
                return self._paint(note.text, _BAD)
            case Happened():
                return self._event(node, note, stage)

    def _event(self, node: str, note: Happened, stage: Stage) -> str:
        member = stage.name(note.member)
        match note.kind:
            case EventKind.ELECTED:
                return self._paint(f"elected, term {note.term} ({note.reason})", _GOOD)
            case EventKind.DEMOTED if note.reason is Reason.STARTUP:
                return "is up, and looks for the others"
            case EventKind.DEMOTED:
                return f"demoted ({note.reason})"
            case EventKind.LEADER_CHANGED if note.leader != stage.addresses[node]:
                return f"follows {stage.name(note.leader)}, term {note.term}"
            case EventKind.MEMBER_JOINED if stage.is_settled(node):
                return f"{member} has joined"
            case EventKind.MEMBER_LEFT:
                return f"{member} said goodbye"
            case EventKind.MEMBER_LOST:
                return f"{member} is lost ({note.reason})"
            case _:
                return ""

    def _margin(self, ms: float, stage: Stage) -> str:
        marks = " ".join(self._mark(stage.place(node)) for node in stage.addresses)
        return f"{self._paint(f'{ms:7.0f}', _DIM)}  {marks}"

    def _mark(self, place: Place) -> str:
        return self._paint(self._marks[place], _MARK_COLOURS[place])

    def _node(self, stage: Stage, node: str) -> str:
        number = list(stage.addresses).index(node)
        return self._paint(node, _NODE_COLOURS[number % len(_NODE_COLOURS)])

    def _paint(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colours and code else text


def _columns(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "   ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
