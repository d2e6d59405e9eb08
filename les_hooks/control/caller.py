"""Who is at the other end of the control socket, and how many of them there may be. For `server` only.

Root and the daemon's own user may do everything. Whoever else the kernel let in, by the group of the socket, is a
*guest*: it may ask what changes nothing, and never takes the places of the others.
"""

import os
import socket
import struct
from collections import Counter
from dataclasses import dataclass
from typing import Final

__all__ = ["Caller", "Places", "caller_at"]

_CREDENTIALS: Final = struct.Struct("iII")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The process at the other end, by the kernel's word."""

    uid: int
    pid: int

    @property
    def guest(self) -> bool:
        """Whether it may only ask."""
        return self.uid not in (0, os.geteuid())


def caller_at(connection: socket.socket) -> Caller:
    """Who has connected: as it was then, whoever has the connection now."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Caller(uid=uid, pid=pid)


class Places:
    """So many callers at a time: half of the places are for guests, and half of these for any one of them."""

    def __init__(self, most: int, doing: str) -> None:
        """`doing` says what they are doing, in refusals."""
        self._most, self._doing = most, doing
        self._guests: Counter[int] = Counter()
        self._others = 0

    def why_full(self, caller: Caller) -> str:
        """Why there is no place left for this one, in words; empty where there is."""
        guests, own = self._guests.total(), self._guests[caller.uid]
        if caller.guest and own >= self._most // 4:
            return f"{own} clients of uid {caller.uid} are {self._doing} already"
        if caller.guest and guests >= self._most // 2:
            return f"{guests} clients of the socket's group are {self._doing} already"
        held = guests + self._others
        return f"{held} clients are {self._doing} already" if held >= self._most else ""

    def take(self, caller: Caller) -> None:
        """It has a place now."""
        self._change(caller, 1)

    def leave(self, caller: Caller) -> None:
        """It has one no more."""
        self._change(caller, -1)

    def _change(self, caller: Caller, by: int) -> None:
        if not caller.guest:
            self._others += by
            return
        self._guests[caller.uid] += by
        if not self._guests[caller.uid]:
            del self._guests[caller.uid]  # there are many users
