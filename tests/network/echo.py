"""A client, as a program: `python -IS echo.py RECORDS INTERVAL ADDRESS...`, started on its host. For `watch`.

Every interval it sends an ICMP echo to each address and never waits for one: what is not answered is lost, as while the
kernel of its host still asks who has the address. It resolves and remembers neighbours as the kernel of a host does.
"""

import contextlib
import os
import select
import socket
import struct
import sys
import time

RECORD = struct.Struct("=Bdd")
"""Number of the address, when the echo was sent and when its answer came: seconds of the monotonic clock."""

STALL = 255
"""Instead of a number: the client itself came late, and sent nothing between the two times."""

_HEADER = struct.Struct("!BBHHH")
_TIME = struct.Struct("!d")
_REQUEST, _ANSWER = {4: 8, 6: 128}, {4: 0, 6: 129}
# Of linux/icmp.h and linux/in.h; the socket module has neither.
_SOL_RAW, _ICMP_FILTER = 255, 1
_ICMP6_FILTER = 1
# As many intervals may pass between two echoes before that counts as a stall of the client.
_LATE = 3


class Pinger:
    """Echoes to one address."""

    def __init__(self, address: str) -> None:
        self.family = 6 if ":" in address else 4
        self._target = (address, 0)
        self._sequence = 0
        # Of its own, so that two clients on one host do not take each other's answers.
        self._mark = (os.getpid() * 8 + self.family) & 0xFFFF
        if self.family == 4:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            self.socket.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF ^ 1 << _ANSWER[4]))
        else:
            self.socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            blocked = [0xFFFFFFFF] * 8
            blocked[_ANSWER[6] // 32] ^= 1 << _ANSWER[6] % 32
            self.socket.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *blocked))
        self.socket.setblocking(False)

    def send(self, now: float) -> None:
        """Send one; an error is an echo without an answer."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        payload = _TIME.pack(now)
        words = (_REQUEST[self.family], 0, self._mark, self._sequence)
        checksum = _checksum(_HEADER.pack(words[0], 0, 0, *words[2:]) + payload)
        packet = _HEADER.pack(words[0], 0, checksum, *words[2:]) + payload
        with contextlib.suppress(OSError):
            self.socket.sendto(packet, socket.MSG_DONTWAIT, self._target)

    def answers(self) -> list[float]:
        """When those that were answered by now had been sent."""
        sent = []
        with contextlib.suppress(OSError):
            while packet := self.socket.recv(2048):
                begin = (packet[0] & 15) * 4 if self.family == 4 else 0
                kind, _, _, mark, _ = _HEADER.unpack_from(packet, begin)
                if kind == _ANSWER[self.family] and mark == self._mark:
                    sent.append(_TIME.unpack_from(packet, begin + _HEADER.size)[0])
        return sent


def _checksum(packet: bytes) -> int:
    """That of the internet; for IPv6 the kernel fills in its own."""
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total >> 16) + (total & 0xFFFF)
    total += total >> 16
    return ~total & 0xFFFF


def main(records: str, interval: str, *addresses: str) -> None:
    """Ask until the end."""
    pace = float(interval)
    place = os.open(records, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    pingers = [Pinger(address) for address in addresses]
    numbers = {pinger.socket.fileno(): number for number, pinger in enumerate(pingers)}
    last = due = time.monotonic()
    # Whoever waits for the client sees that it has begun.
    os.write(place, RECORD.pack(STALL, last, last))
    while True:
        ready, _, _ = select.select(list(numbers), [], [], max(0.0, due - time.monotonic()))
        now = time.monotonic()
        found = [(numbers[each], sent) for each in ready for sent in pingers[numbers[each]].answers()]
        if found:
            os.write(place, b"".join(RECORD.pack(number, sent, now) for number, sent in found))
        if now < due:
            continue
        if now - last > _LATE * pace:
            os.write(place, RECORD.pack(STALL, last, now))
        for pinger in pingers:
            pinger.send(now)
        last, due = now, max(due + pace, now)


if __name__ == "__main__":
    main(*sys.argv[1:])
