"""Whether a program runs, as /proc has it; nothing is started for that. Private to `checks`."""

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["look_for"]

PROC = Path("/proc")

_MOST_STAT_BYTES = 4096
_MOST_COMMAND_BYTES = 4096

# What the kernel keeps of a name.
_KEPT = 15

_DEAD = frozenset("ZX")


def look_for(program: str, proc: Path = PROC) -> str:
    """Look for a program by its name, or by its whole path; blocks for as long as it takes to read /proc."""
    if program.startswith("/"):
        return _by_path(program, proc)
    return "" if any(_is(program, name, proc / pid) for pid, name in _living(proc)) else "does not run"


def _by_path(program: str, proc: Path) -> str:
    # A program that was replaced while it runs still runs.
    wanted = {program, os.path.realpath(program)}
    wanted |= {f"{path} (deleted)" for path in wanted}
    hidden = False
    for pid, _ in _living(proc):
        try:
            if os.readlink(proc / pid / "exe") in wanted:
                return ""
        except PermissionError:
            hidden = True
        except OSError:
            pass  # gone meanwhile, or a thread of the kernel, which has none
    return "does not run, as far as this user may see" if hidden else "does not run"


def _living(proc: Path) -> Iterator[tuple[str, str]]:
    """The number and the name of each process that is not dead yet."""
    for pid in os.listdir(proc):
        if not (pid.isascii() and pid.isdigit()):
            continue
        # `12 (a name) S 1 ...`: a name may hold blanks and brackets.
        head, bracket, rest = _read(proc / pid / "stat", _MOST_STAT_BYTES).rpartition(") ")
        if bracket and rest[:1] not in _DEAD:
            yield pid, head.partition("(")[2]


def _is(wanted: str, name: str, process: Path) -> bool:
    if name != wanted[:_KEPT]:
        return False
    if len(wanted) <= _KEPT:
        return True
    # The rest of a long name stands in its command, which for a script is that of its interpreter.
    words = _read(process / "cmdline", _MOST_COMMAND_BYTES).split("\0")[:2]
    return any(os.path.basename(word) == wanted for word in words)


def _read(path: Path, most_bytes: int) -> str:
    try:
        with path.open("rb") as file:
            return os.fsdecode(file.read(most_bytes))
    except OSError:  # gone meanwhile
        return ""
