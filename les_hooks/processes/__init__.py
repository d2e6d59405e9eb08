"""Running programs: each in a process group of its own, with a deadline, bounded output, and an end for all of it.

Anybody above the backends may import it; plugins reach the runner through `ctx.run`.

    command      what to run and how it ended (values)
    output       what a program prints: lines within bounds
    child        one started program and its group: the system calls
    rights       what a process may do, and what a plugin says it needs
    memory       no core dumps, and no looking into this process
    confinement  all programs as another user, without rights and within limits
    users        who that user is
    reach        whether that user could start a program
    trial        whether programs can be confined
    runner       from the start to the end of the whole group
"""

from les_hooks.processes.command import Command, Ending, Finished
from les_hooks.processes.confinement import Confinement, Unavailable, confine
from les_hooks.processes.runner import Runner, time_to_run
from les_hooks.processes.trial import NEEDS, try_out

__all__ = [
    "NEEDS",
    "Command",
    "Confinement",
    "Ending",
    "Finished",
    "Runner",
    "Unavailable",
    "confine",
    "time_to_run",
    "try_out",
]
