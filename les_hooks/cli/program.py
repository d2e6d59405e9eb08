"""Where `les` is, for what others are to call: units, and people in another terminal. For the commands."""

import shutil
import sys
from pathlib import Path

__all__ = ["call_words", "program"]


def program() -> Path:
    """The command `les` of this Python."""
    beside = Path(sys.executable).with_name("les")
    return beside if beside.exists() else Path(shutil.which("les") or beside)


def call_words() -> str:
    """What to type for it: its name, or its path where another `les` or none would be found."""
    found = shutil.which("les")
    mine = program()
    return "les" if found and mine.exists() and mine.samefile(found) else str(mine)
