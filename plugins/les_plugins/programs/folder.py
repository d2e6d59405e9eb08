"""What is in a folder of programs: what runs, in which order, and why the rest does not. For `programs` only."""

import os
import re
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from les_hooks.text import plain
from les_plugins.programs.trust import refusal

__all__ = ["Found", "Verdict", "judge", "look", "missing_interpreter"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_LEFT_OVER = re.compile(r".*(?:~|\.swp|\.bak|\.orig|\.rpm[a-z]+|\.dpkg-[a-z]+)")
_INERT = re.compile(r"README.*|.*\.disabled|\..*")
_MOST_FIRST_LINE_BYTES = 256  # what Linux reads of it


class Verdict(StrEnum):
    """What becomes of a file or a folder in a folder of programs."""

    RUNS = "runs"
    """It is run."""
    INERT = "inert"
    """It is not run, and its name says that it should not be."""
    SKIPPED = "skipped"
    """It is not run, and somebody may wonder why."""
    REFUSED = "refused"
    """It is not run because others could change it, or because it cannot be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One file or folder; `reason` says why it does not run."""

    path: Path
    verdict: Verdict
    reason: str = ""


def _nested(_name: str) -> str:
    return "is a folder; scripts are not looked for in folders of folders"


def look(
    folder: Path, uid: int, *, but: Collection[str] = (), why_no_folder: Callable[[str], str] = _nested
) -> list[Found]:
    """Return what is in the folder as a daemon of this `uid` sees it, in the order of the bytes in the names.

    A folder that does not exist holds nothing; one that is refused is all that is found. `but` names what somebody else
    looks after, and `why_no_folder` says why a folder in it, of that name, is none of programs.
    """
    try:
        names = sorted(os.listdir(folder), key=os.fsencode)
        reason = refusal(folder, uid)
    except FileNotFoundError:
        return []
    except OSError as error:
        reason = f"{error.strerror}; it holds the scripts, and must be a folder that the daemon can read"
    if reason:
        return [Found(path=folder, verdict=Verdict.REFUSED, reason=reason)]
    found = []
    for name in names:
        path = folder / name
        if name in but:
            continue
        try:
            found.append(judge(path, uid, why_no_folder))
        except FileNotFoundError:
            if path.is_symlink():
                found.append(Found(path=path, verdict=Verdict.SKIPPED, reason="is a link to nothing"))
        except OSError as error:
            found.append(Found(path=path, verdict=Verdict.REFUSED, reason=plain(str(error))))
    return found


def judge(path: Path, uid: int, why_no_folder: Callable[[str], str] = _nested) -> Found:
    """Look at one file, also once more right before it is run. Raises OSError where it is gone."""
    verdict, reason = _judge(path, uid, why_no_folder)
    return Found(path=path, verdict=verdict, reason=reason)


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


def _judge(path: Path, uid: int, why_no_folder: Callable[[str], str]) -> tuple[Verdict, str]:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        return Verdict.SKIPPED, why_no_folder(path.name)
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
    # Also for who is not root: its scripts hold its keys, and move what others rely on.
    if reason := refusal(path, uid):
        return Verdict.REFUSED, reason
    return Verdict.RUNS, ""
