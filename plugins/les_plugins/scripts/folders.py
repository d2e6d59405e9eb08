"""What is in `hooks.d`: what runs on which event, in which order, and why the rest does not. Private to `scripts`."""

import difflib
import os
import re
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from les_hooks.events import EventKind
from les_hooks.text import plain
from les_plugins.scripts.trust import refusal

__all__ = ["Entry", "Verdict", "discover", "judge", "missing_interpreter", "scripts_for"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_LEFT_OVER = re.compile(r".*(?:~|\.swp|\.bak|\.orig|\.rpm[a-z]+|\.dpkg-[a-z]+)")
_INERT = re.compile(r"README.*|.*\.disabled|\..*")
_MOST_FIRST_LINE_BYTES = 256  # what Linux reads of it
_FOLDERS = {f"{kind}.d": kind for kind in EventKind}


class Verdict(StrEnum):
    """What becomes of a file or a folder in `hooks.d`."""

    RUNS = "runs"
    """It is run."""
    INERT = "inert"
    """It is not run, and its name says that it should not be."""
    SKIPPED = "skipped"
    """It is not run, and somebody may wonder why."""
    REFUSED = "refused"
    """It is not run because others could change it, or because it cannot be looked at."""


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
    verdict, reason = _judge(path, event, uid)
    return Entry(path=path, event=event, verdict=verdict, reason=reason)


def missing_interpreter(path: Path) -> str:
    """Say which interpreter in the first line of a script does not exist; empty where it does, or there is none."""
    try:
        with path.open("rb") as file:
            line = file.read(_MOST_FIRST_LINE_BYTES).partition(b"\n")[0]
    except OSError:
        return ""  # a program need not be readable to be run
    if not line.startswith(b"#!"):
        return ""
    interpreter = line[2:].split(maxsplit=1)
    if not interpreter or os.path.exists(interpreter[0]):
        return ""
    return f"the interpreter {os.fsdecode(interpreter[0])} in its first line does not exist"


def _look(folder: Path, event: EventKind | None, uid: int) -> list[Entry]:
    try:
        names = sorted(os.listdir(folder), key=os.fsencode)
        reason = refusal(folder, uid) if uid == 0 else ""
    except FileNotFoundError:
        return []
    except OSError as error:
        reason = f"{error.strerror}; it holds the scripts, and must be a folder that the daemon can read"
    if reason:
        return [Entry(path=folder, event=event, verdict=Verdict.REFUSED, reason=reason)]
    entries = []
    for name in names:
        if event is None and name in _FOLDERS:
            continue
        try:
            entries.append(judge(folder / name, event, uid))
        except FileNotFoundError:
            if (folder / name).is_symlink():
                reason = "is a link to nothing"
                entries.append(Entry(path=folder / name, event=event, verdict=Verdict.SKIPPED, reason=reason))
        except OSError as error:
            reason = plain(str(error))
            entries.append(Entry(path=folder / name, event=event, verdict=Verdict.REFUSED, reason=reason))
    return entries


def _judge(path: Path, event: EventKind | None, uid: int) -> tuple[Verdict, str]:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        return Verdict.SKIPPED, _why_no_folder(path.name, event)
    if _INERT.fullmatch(path.name):
        return Verdict.INERT, "inert by its name"
    if _LEFT_OVER.fullmatch(path.name):
        return Verdict.SKIPPED, "looks like what an editor or a packager left behind"
    if not _NAME.fullmatch(path.name):
        return (
            Verdict.SKIPPED,
            "has a name with other characters than letters, digits, '_', '.' and '-', or begins with '-'",
        )
    if not stat.S_ISREG(status.st_mode):
        return Verdict.SKIPPED, "is no regular file"
    if not status.st_size:
        return Verdict.SKIPPED, "is empty"
    if not os.access(path, os.X_OK, effective_ids=True):
        return Verdict.SKIPPED, f"is not executable; chmod +x {path}"
    # Who is not root runs nothing that others could not run anyway: the check would only get in the way.
    if uid == 0 and (reason := refusal(path, uid)):
        return Verdict.REFUSED, reason
    return Verdict.RUNS, ""


def _why_no_folder(name: str, event: EventKind | None) -> str:
    if event is not None:
        return "is a folder; scripts are not looked for in folders of folders"
    likely = difflib.get_close_matches(name, _FOLDERS, n=1)
    return "is a folder of no known event" + (f"; did you mean {likely[0]!r}?" if likely else "")
