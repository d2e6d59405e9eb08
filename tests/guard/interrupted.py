"""A daemon that is struck in the middle of a start.

    python interrupted.py MOMENT SIGNAL CLEANUP AUTHORITY_SECONDS SCRIPT [USER]

It strikes itself: `before-start` (the guard knows the intent, and nothing comes of it), `before-exec` (the child is
there, with the daemon's environment still, and becomes the script a while later), or `before-add` (the script runs, and
the guard was not told its group). Struck by SIGSTOP it goes on when it is continued.
"""

import asyncio
import math
import os
import sys
import time
from pathlib import Path

import structlog

from les_hooks.config import LimitsConfig
from les_hooks.guard import Guard, Tie
from les_hooks.members import Mandate
from les_hooks.processes import Command, Runner, confine

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
EXEC_AFTER_SECONDS = 0.7


class Interrupted(Guard):
    """A guard whose daemon is struck while it talks to it."""

    moment = ""
    number = 0
    script = ""

    def intend(self, run: str, tie: Tie, *, uid: int | None = None, begun: float = 0.0) -> None:
        """Tell, and then be struck where it is time."""
        super().intend(run, tie, uid=uid, begun=begun)
        if self.moment == "before-exec":
            # A vfork child that takes long: the parent of a real one could not be struck so exactly.
            if os.fork() == 0:
                os.setsid()
                # It may be ended before it can tell its group itself.
                Path(self.script).with_name("group").write_text(f"{os.getpid()}\n", encoding="utf-8")
                time.sleep(EXEC_AFTER_SECONDS)
                os.execve(self.script, [self.script], {**ENVIRONMENT, "LES_RUN": run})
            os.kill(os.getpid(), self.number)
        elif self.moment == "before-start":
            os.kill(os.getpid(), self.number)

    def add(self, group: int, tie: Tie, run: str = "") -> None:
        """Be struck where it is time, and then tell."""
        if self.moment == "before-add":
            # Until the script is where it wants to be, so that the test knows its number.
            time.sleep(0.2)
            os.kill(os.getpid(), self.number)
        super().add(group, tie, run)


async def main(moment: str, number: str, cleanup: str, seconds: str, script: str, user: str = "") -> None:
    """Run the script, for as long as it is let."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    guard = Interrupted(structlog.get_logger(), grace=0.5)
    guard.moment, guard.number, guard.script = moment, int(number), script
    guard.start([cleanup])
    end = time.clock_gettime(time.CLOCK_BOOTTIME) + float(seconds)
    guard.authority(Mandate(act_until=end, release_by=math.inf))
    command = Command(argv=(script,), env=ENVIRONMENT, timeout=None, ends_with_authority=True)
    confinement = confine(user, LimitsConfig(), "hooks.user") if user else None
    await Runner(guard, confinement=confinement).run(command)
    await guard.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
