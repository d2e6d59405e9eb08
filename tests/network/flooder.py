"""A flood from one host: `python flooder.py HOST PORT --connections 5000 --requests 2000 --seconds 10`.

It opens so many connections a second that say half a request and stay, and so many complete requests a second, and goes
on to do so whatever becomes of them. When it is over it prints one line of JSON: what it did, and what came of it. One
process of raw sockets and nothing imported: the faster it is, the more of the machine is left to the flooded.
"""

import argparse
import json
import resource
import select
import socket
import time
from collections import Counter

# A tenth of a second of the largest flood, of which `HOLD` connections stay open at most.
_POLL_SECONDS = 0.002
_MOST_AT_ONCE = 200
HOLD = 5000
_MOST_REQUESTS = 1000

_HALF = b"GET /ping HTTP/1.1\r\nHost: x\r\nX-Slow: "
_WHOLE = b"GET /state HTTP/1.1\r\nHost: x\r\n\r\n"


class Flood:
    """The open sockets, and what became of the others."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._epoll = select.epoll()
        self._open: dict[int, tuple[socket.socket, bytes]] = {}
        self.held = Counter[bytes]()
        self.count = Counter[str]()

    def start(self, text: bytes) -> None:
        """Begin another connection that is to say this."""
        each = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        each.connect_ex(self._address)
        self._open[each.fileno()] = (each, text)
        self.held[text] += 1
        self.count["requests" if text is _WHOLE else "connections"] += 1
        self._epoll.register(each, select.EPOLLOUT)

    def look(self, seconds: float) -> None:
        """Take what comes for so long."""
        for number, event in self._epoll.poll(seconds, _MOST_AT_ONCE):
            each, text = self._open[number]
            try:
                if event & select.EPOLLOUT:
                    each.send(text)
                    self._epoll.modify(each, select.EPOLLIN)
                    continue
                answer = each.recv(4096)
                self.count["answered" if answer.startswith(b"HTTP/1.1 ") else "ended"] += 1
            except OSError as error:
                self.count[type(error).__name__] += 1
            self._epoll.unregister(each)
            each.close()
            del self._open[number]
            self.held[text] -= 1


def main() -> None:
    """Flood."""
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=5000, help="new ones a second that are held")
    parser.add_argument("--requests", type=int, default=2000, help="complete requests a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * HOLD), hard))
    flood = Flood((asked.host, asked.port))
    begin = last = time.monotonic()
    due, most = {_HALF: 0.0, _WHOLE: 0.0}, 0
    rates = {_HALF: (asked.connections, HOLD), _WHOLE: (asked.requests, _MOST_REQUESTS)}
    while last - begin < asked.seconds:
        passed, last = time.monotonic() - last, time.monotonic()
        for text, (rate, room) in rates.items():
            # What it is late with it does not make up for by a burst: that would be another flood.
            due[text] = min(due[text] + rate * passed, _MOST_AT_ONCE)
            while due[text] >= 1.0 and flood.held[text] < room:
                flood.start(text)
                due[text] -= 1.0
        flood.look(_POLL_SECONDS)
        most = max(most, flood.held[_HALF])
    print(json.dumps({**flood.count, "seconds": last - begin, "most_held": most}), flush=True)


if __name__ == "__main__":
    main()
