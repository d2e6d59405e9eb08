"""The guard: a small process beside the daemon that ends what the daemon no longer can.

    process   the guard's own program; a script of the standard library alone, imported by nobody
    client    the daemon's end of it

The daemon starts it and the runner of programs tells it the groups.
"""

from les_hooks.guard.client import Guard, Tie

__all__ = ["Guard", "Tie"]
