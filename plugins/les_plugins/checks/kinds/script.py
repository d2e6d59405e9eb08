"""Whether a script of `checks.d` exits with 0. Private to `checks`."""

import asyncio
import os
from pathlib import Path

from les_hooks import Command, Context
from les_hooks.processes import Ending, Finished
from les_plugins.programs import judge

__all__ = ["run"]

# A check that does not end in time has failed already; this is only for its good manners.
_GRACE_SECONDS = 0.5

_MOST_WORDS = 120


async def run(script: Path, ctx: Context, path: str, timeout: float) -> str:
    """Run it, with the argument `check`; what it says last is why."""
    try:
        # In a thread: the folder may be on a disk that hangs.
        if reason := (await asyncio.to_thread(judge, script, os.geteuid())).reason:
            return reason
    except OSError as error:
        return "is gone" if isinstance(error, FileNotFoundError) else str(error)
    said = [""]

    def listen(_stream: str, line: str) -> None:
        said[0] = line.strip() or said[0]

    finished = await ctx.run(
        Command(
            argv=(str(script), "check"),
            env={"PATH": path, "LANG": "C.UTF-8", "HOME": os.environ.get("HOME", "/"), "LES_HOOK_API": "1"},
            timeout=timeout,
            grace=_GRACE_SECONDS,
            on_line=listen,
        )
    )
    why = _why(script, finished, timeout)
    return f"{why}: {said[0][:_MOST_WORDS]}" if why and said[0] else why


def _why(script: Path, finished: Finished, timeout: float) -> str:
    match finished.ending:
        case Ending.SUCCESS:
            return ""
        case Ending.TIMEOUT:
            return f"did not end within {timeout:g} s"
        case Ending.FAILURE if finished.signal is not None:
            return f"was ended by signal {finished.signal}"
        case Ending.FAILURE:
            return f"exited with {finished.exit_code}"
        case _:
            return finished.error.removeprefix(f"{script}: ") or str(finished.ending)
