"""A stand-in for a daemon, to be killed or frozen: python daemon.py CLEANUP AUTHORITY_SECONDS ELECTED PLAIN

It runs both scripts under a guard, renews the authority ten times in its length, and prints the pid of each guard.
It ends by itself only on end of file, and then says goodbye.
"""

import asyncio
import sys
import time

import structlog

from les_hooks.guard import Guard
from les_hooks.processes import Command, Runner


async def renew(guard: Guard, seconds: float) -> None:
    """Hold authority for as long as this process runs, and print the pid of each guard that is told of it."""
    told = None
    while True:
        if guard.pid not in (None, told):
            told = guard.pid
            print(told, flush=True)
        guard.authority(time.clock_gettime(time.CLOCK_BOOTTIME) + seconds)
        await asyncio.sleep(seconds / 10)


async def main(cleanup: str, seconds: str, elected: str, plain: str) -> None:
    """Run until the end of file."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    guard = Guard(structlog.get_logger(), grace=0.5)
    guard.start([cleanup] if cleanup else [])
    runner = Runner(guard)
    work = [
        asyncio.create_task(renew(guard, float(seconds))),
        *(
            asyncio.create_task(
                runner.run(
                    Command(
                        argv=(script,),
                        env={"PATH": "/usr/bin:/bin"},
                        timeout=None,
                        ends_with_authority=script == elected,
                        on_line=lambda stream, line: None,
                    )
                )
            )
            for script in (elected, plain)
            if script
        ),
    ]
    await asyncio.to_thread(sys.stdin.read)
    await guard.close()
    work[0].cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
