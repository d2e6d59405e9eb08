"""A stand-in for a daemon, to be killed or frozen.

    python daemon.py CLEANUP AUTHORITY_SECONDS RELEASE_SECONDS ELECTED PLAIN DEMOTED

It runs the scripts under a guard, renews the authority ten times in its length, and prints the pid of each guard.
Others may lead RELEASE_SECONDS after its authority has ended; 0: never. With DEMOTED its authority has just ended: it
prints when others may lead, too. It ends by itself only on end of file, and then says goodbye.
"""

import asyncio
import math
import sys
import time

import structlog

from les_hooks.guard import Guard
from les_hooks.members import Mandate
from les_hooks.processes import Command, Runner


def mandate(seconds: float, release: float) -> Mandate:
    """What a leader has that was confirmed just now."""
    act_until = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
    return Mandate(act_until=act_until, release_by=act_until + release if release else math.inf)


async def renew(guard: Guard, seconds: float, release: float) -> None:
    """Hold authority for as long as this process runs, and print the pid of each guard that is told of it."""
    told = None
    while True:
        if guard.pid not in (None, told):
            told = guard.pid
            print(told, flush=True)
        guard.authority(mandate(seconds, release))
        await asyncio.sleep(seconds / 10)


async def main(cleanup: str, seconds: str, release: str, elected: str, plain: str, demoted: str) -> None:
    """Run until the end of file."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    guard = Guard(structlog.get_logger(), grace=0.5)
    guard.start([cleanup] if cleanup else [])
    runner = Runner(guard)
    if demoted:
        end = mandate(0.0, float(release)).release_by
        print(guard.pid, end, flush=True)
        guard.authority(Mandate(act_until=-math.inf, release_by=end))
    else:
        renewing = asyncio.create_task(renew(guard, float(seconds), float(release)))
    work = [
        asyncio.create_task(
            runner.run(
                Command(
                    argv=(script,),
                    env={"PATH": "/usr/bin:/bin"},
                    timeout=None,
                    ends_with_authority=script == elected,
                    releases=script == demoted,
                    on_line=lambda stream, line: None,
                )
            )
        )
        for script in (elected, plain, demoted)
        if script
    ]
    await asyncio.to_thread(sys.stdin.read)
    await guard.close()
    del work
    if not demoted:
        renewing.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
