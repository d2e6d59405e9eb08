"""Keeping what this process has in its memory from others and from the disk. For `les run` and `les cleanup`."""

import ctypes
import resource
from typing import Final

__all__ = ["keep_memory_private"]

# Of linux/prctl.h.
_PR_SET_DUMPABLE: Final = 4


def keep_memory_private() -> None:
    """Allow no core dump of this process, nor that others of its user look into it; call it before secrets are read.

    Two means, as either has a hole. The limit says nothing to a program that takes core dumps over a pipe, as those of
    distributions do; but it is inherited, and so holds for the guard and for scripts, too, which are forked from this
    memory. It is the hard one, for the soft one alone could be raised again, also from outside, by prlimit(2). What is
    not dumpable gives nothing to such a program either, and scripts of the same user cannot trace this process; but
    execve(2) ends that.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Refused by nothing but a filter of system calls, under which the limit must do.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
