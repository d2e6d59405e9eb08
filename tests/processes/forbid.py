"""Run a program under a filter that forbids sockets of one address family, as RestrictAddressFamilies= of systemd does.

python -m tests.processes.forbid AF_PACKET PROGRAM ARGUMENT...
"""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

__all__ = ["SYSTEM_CALLS"]

SYSTEM_CALLS = {"x86_64": 41, "aarch64": 198}
"""The number of `socket`, by machine."""

_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000


def forbid(family: int) -> None:
    """Have every such socket of this process and its children fail with EAFNOSUPPORT."""
    program = [
        (_LOAD, 0, 0, 0),  # the number of the call
        (_EQUAL, 0, 3, SYSTEM_CALLS[platform.machine()]),
        (_LOAD, 0, 0, 16),  # the lower half of its first argument
        (_EQUAL, 0, 1, family),
        (_RETURN, 0, 0, _ERROR | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    memory = ctypes.create_string_buffer(code, len(code))
    listed = struct.pack("HL", len(program), ctypes.addressof(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SECCOMP, _FILTER, listed):
        raise OSError(ctypes.get_errno(), "no filter can be had")


if __name__ == "__main__":
    forbid(getattr(socket, sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
