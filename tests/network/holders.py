"""Who holds an address, as a program: `python -IS holders.py NAMESPACES ADDRESS...`. For `watch`.

Every 10 ms, and whenever a kernel says that an address changed, it asks the kernel of each host (namespaces, with
commas) for its addresses, and prints a line when the answer is another one: when, and for each address the hosts that
hold it as a sum of 1, 2, 4 ... On SIGTERM it says how often it looked and the longest time for which it did not.

A socket stays in the namespace in which it was opened, so one process looks into all of them.
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator

_PACE_SECONDS = 0.01
_CLONE_NEWNET = 0x40000000
_NEWADDR, _DELADDR, _GETADDR, _DONE, _ERROR = 20, 21, 22, 3, 2
_DUMP = 0x301
_GROUPS = 0x10 | 0x100
_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
# Neither answers for the address: one is still looking whether it may, the other found that it may not.
_TENTATIVE, _FAILED = 0x40, 0x08
_ASK = _HEADER.pack(_HEADER.size + 4, _GETADDR, _DUMP, 1, 0) + b"\0\0\0\0"


class Host:
    """The kernel of one host."""

    def __init__(self, namespace: str) -> None:
        file = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        _enter(file)
        os.close(file)
        self._ask = _netlink(0)
        self._ask.settimeout(1.0)
        self.news = _netlink(_GROUPS)
        self.news.setblocking(False)

    def addresses(self) -> set[bytes]:
        """All of them, packed."""
        self._ask.send(_ASK)
        found: set[bytes] = set()
        while True:
            for kind, body in _messages(self._ask.recv(65536)):
                if kind in (_DONE, _ERROR):
                    return found
                if kind == _NEWADDR:
                    found |= _held(body)

    def lost(self) -> set[bytes]:
        """Which addresses it said that it has lost; one that was put back at once is not missed by who asks later."""
        found: set[bytes] = set()
        with contextlib.suppress(OSError):
            while said := self.news.recv(65536):
                found = found.union(*(_held(body) for kind, body in _messages(said) if kind == _DELADDR))
        return found


def _messages(said: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(said):
        size, kind, *_ = _HEADER.unpack_from(said, at)
        yield kind, said[at + _HEADER.size : at + size]
        at += max(_HEADER.size, (size + 3) & ~3)


def _held(message: bytes) -> set[bytes]:
    _, _, flags, _, _ = _ADDRESS.unpack_from(message)
    if flags & (_TENTATIVE | _FAILED):
        return set()
    at, found = _ADDRESS.size, set()
    while at + _ATTRIBUTE.size <= len(message):
        size, kind = _ATTRIBUTE.unpack_from(message, at)
        if kind in (_IFA_ADDRESS, _IFA_LOCAL):
            found.add(message[at + _ATTRIBUTE.size : at + size])
        at += max(4, (size + 3) & ~3)
    return found


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _netlink(groups: int) -> socket.socket:
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    made.bind((0, groups))
    return made


def _sum(address: bytes, hosts: list[set[bytes]]) -> int:
    return sum(1 << number for number, each in enumerate(hosts) if address in each)


def _tell(now: float, sums: list[int], before: list[int]) -> list[int]:
    if sums != before:
        print(f"{now:.6f}", *sums, flush=True)
    return sums


def main(namespaces: str, *addresses: str) -> None:
    """Look until SIGTERM."""
    wanted = [socket.inet_pton(socket.AF_INET6 if ":" in each else socket.AF_INET, each) for each in addresses]
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    hosts = [Host(f"/run/netns/{namespace}") for namespace in namespaces.split(",")]
    # Whoever ends all that runs on a host must not find this one there.
    _enter(home)
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: ended.append(number))
    before: list[int] = []
    looks, worst, last = 0, 0.0, time.monotonic()
    while not ended:
        held = [host.addresses() for host in hosts]
        now = time.monotonic()
        looks, worst, last = looks + 1, max(worst, now - last), now
        before = _tell(now, [_sum(one, held) for one in wanted], before)
        select.select([host.news for host in hosts], [], [], _PACE_SECONDS)
        lost = [host.lost() for host in hosts]
        before = _tell(
            time.monotonic(), [each & ~_sum(one, lost) for one, each in zip(wanted, before, strict=True)], before
        )
    print("looked", looks, f"{worst:.6f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
