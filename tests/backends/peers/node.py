"""One node as a program: `python -m tests.backends.peers.node ADDRESS SEED,SEED`. Each view is a line.

For tests and measurements that need a process to kill.
"""

import asyncio
import signal
import sys

import structlog

from les_hooks.backends.peers import PeersBackend, Settings
from les_hooks.election.identity import Memory
from les_hooks.members import View
from les_hooks.security import Credentials
from tests.backends.peers.fakes import NotingDisk, clock, identity


async def main(address: str, seeds: str) -> None:
    """Take part until SIGTERM."""
    host, _, port = address.rpartition(":")
    done = asyncio.Event()

    def show(view: View) -> None:
        gone = ",".join(f"{left.address}={left.reason}" for left in view.departed)
        print(f"{clock().boottime:.6f} {view.leader} {len(view.members)} {gone}", flush=True)

    backend = PeersBackend(
        Settings(
            identity=identity(address),
            cluster="web",
            host=host.strip("[]"),
            port=int(port),
            seeds=tuple(seeds.split(",")),
        ),
        memory=Memory(),
        clock=clock,
        credentials=Credentials(),
        on_view=show,
        on_authority=lambda _mandate: None,
        disk=NotingDisk([]),
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    await backend.start()
    await backend.join()
    await done.wait()
    leaving = asyncio.create_task(backend.leave(5.0))
    await asyncio.sleep(0)
    if backend.state().role == "stopping":
        backend.released()
    await leaving


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(sys.argv[1], sys.argv[2]))
