"""What is in `hooks.d`: what runs on which event, in which order, and why the rest does not. Private to `scripts`."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from les_hooks.events import EventKind
from les_plugins.programs import Verdict
from les_plugins.programs import judge as judge_file
from les_plugins.programs import look as look_into

__all__ = ["Entry", "discover", "judge", "scripts_for"]

_FOLDERS = {f"{kind}.d": kind for kind in EventKind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file or folder: `event` is None where it is for every event; `reason` says why it does not run."""

    path: Path
    event: EventKind | None
    verdict: Verdict
    reason: str = ""


def discover(folder: Path, uid: int) -> list[Entry]:
    """Return all of `hooks.d` as a daemon of this `uid` sees it: what is for every event first, then event by event.

    In each folder the order is that of the bytes in the names. A folder that does not exist holds nothing.
    """
    entries = _look(folder, None, uid)
    for name, kind in _FOLDERS.items():
        entries += _look(folder / name, kind, uid)
    return entries


def scripts_for(event: EventKind, folder: Path, uid: int) -> list[Entry]:
    """Return what `discover` finds for this event; `while-leader` is work and no event, so it has its folder alone."""
    general = [] if event is EventKind.WHILE_LEADER else _look(folder, None, uid)
    return general + _look(folder / f"{event}.d", event, uid)


def judge(path: Path, event: EventKind | None, uid: int) -> Entry:
    """Look at one file again, right before it is run. Raises OSError where it is gone."""
    found = judge_file(path, uid)
    return Entry(path=path, event=event, verdict=found.verdict, reason=found.reason)


def _look(folder: Path, event: EventKind | None, uid: int) -> list[Entry]:
    if event is None:
        found = look_into(folder, uid, but=_FOLDERS, why_no_folder=_of_no_event)
    else:
        found = look_into(folder, uid)
    return [Entry(path=each.path, event=event, verdict=each.verdict, reason=each.reason) for each in found]


def _of_no_event(name: str) -> str:
    likely = difflib.get_close_matches(name, _FOLDERS, n=1)
    return "is a folder of no known event" + (f"; did you mean {likely[0]!r}?" if likely else "")
