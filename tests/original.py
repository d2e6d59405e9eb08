"""A stand-in for a node of the original LES, to run beside ours: `python -P original.py --bind-port 4000 ...`.

`-P`, because a folder beside it is called `http`.

Independent on purpose: it imports nothing of les-hooks, and behaves as the original was seen to behave, warts included.

- One `GET /state/<self>` for each member and each loop; 3 s for an answer. One failure, or any status but 200, removes
  the member at once. Seeds that are no members are asked too, for ever.
- Whatever address stands in a peer's `members`, or in `/state/<address>`, is added once `/ping` there answers within a
  second, with any status. This happens before `/state/<address>` is answered.
- The nominee is who has the smallest start time, by `<` and the wall clock, so that equal ones nominate themselves. It
  is accepted at once, unless it is this node: then every state in hand must name it as the leader first.
- No election before another was heard and this node's own state was asked for; `leader` is `false` until then.
- A node that has become alone keeps itself as the leader. A malformed answer stops the thread that reads it, and leaves
  the old state in place.
"""

import argparse
import http.client
import http.server
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from typing import Any

PING_SECONDS = 1.0
STATE_SECONDS = 3.0

# Straight to the peer, as the original does where no proxy is configured.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Original:
    """One node. `start` returns when it listens; `stop` ends it as a dead process would."""

    def __init__(
        self,
        *,
        port: int,
        advertise: str,
        seeds: list[str],
        loop_rate: float = 5.0,
        interface: str = "0.0.0.0",
        start_time: float | None = None,
        poll_seconds: float = 0.5,
    ) -> None:
        """`poll_seconds`, how often the server looks whether it is to stop, is the standard library's default."""
        self.advertise = advertise
        self.seeds = seeds
        self.loop_rate = loop_rate
        self.start_time = time.time() if start_time is None else start_time
        self.members = [advertise]
        self.states: dict[str, Any] = {}
        self.leader: str | bool = False
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = http.server.ThreadingHTTPServer((interface, port), _handler_of(self))
        self._server.daemon_threads = True
        self._threads = [
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": poll_seconds}, daemon=True),
            threading.Thread(target=self._loop, daemon=True),
        ]

    def start(self) -> None:
        """Answer, and look for the others."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    def state(self) -> dict[str, Any]:
        """What this node says of itself; saying it is also how it comes to know its own state."""
        with self._lock:
            state = {"members": list(self.members), "leader": self.leader, "start_time": self.start_time}
            self.states[self.advertise] = dict(state)
        return state

    def diag(self) -> dict[str, Any]:
        """All that this node knows."""
        return {"state": self.state(), "member_states": dict(self.states)}

    def add(self, address: str) -> None:
        """Take the address in if anything at all answers there."""
        if address in self.members:
            return
        try:
            _opener.open(f"http://{address}/ping", timeout=PING_SECONDS).close()
        except urllib.error.HTTPError as error:
            error.close()  # any status will do
        except (OSError, ValueError, http.client.HTTPException):
            return
        with self._lock:
            if address not in self.members:
                self.members.append(address)

    def remove(self, address: str) -> None:
        """Forget the address."""
        with self._lock:
            self.states.pop(address, None)
            if address in self.members:
                self.members.remove(address)

    def ask(self, address: str) -> None:
        """Read the state of another node, and add whom it knows."""
        if address == self.advertise:
            return
        try:
            own = urllib.parse.quote(self.advertise, safe=":")
            with _opener.open(f"http://{address}/state/{own}", timeout=STATE_SECONDS) as answer:
                status, body = answer.status, answer.read()
        except (OSError, ValueError, http.client.HTTPException):
            self.remove(address)
            return
        if status != HTTPStatus.OK:
            self.remove(address)
            return
        try:
            state = json.loads(body)
            with self._lock:
                self.states[address] = state
            for member in state["members"]:
                self.add(member)
        except (ValueError, KeyError, TypeError):
            return  # the thread of the original dies of it, and nobody notices

    def elect(self) -> None:
        """Look for the most senior node, and accept it."""
        states = dict(self.states)
        if self.leader is False and len(states) <= 1:
            return
        nominee, oldest = self.advertise, self.start_time
        for address, state in states.items():
            if state["start_time"] < oldest:
                nominee, oldest = address, state["start_time"]
        others = [state for address, state in states.items() if address != self.advertise]
        if nominee == self.advertise and len(self.members) > 1 and any(s["leader"] != nominee for s in others):
            return
        self.leader = nominee

    def _loop(self) -> None:
        while not self._stopped.is_set():
            members = list(self.members)
            asked = [*(seed for seed in self.seeds if seed not in members), *members]
            threads = [threading.Thread(target=self.ask, args=[address], daemon=True) for address in asked]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.elect()
            self._stopped.wait(self.loop_rate)


def _handler_of(node: Original) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urllib.parse.unquote(self.path).removesuffix("/")
            if path == "/ping":
                self._reply("OK")
            elif path == "/state":
                self._reply(json.dumps(node.state()))
            elif path.startswith("/state/"):
                node.add(path.removeprefix("/state/"))
                self._reply(json.dumps(node.state()))
            elif path == "/diag":
                self._reply(json.dumps(node.diag(), indent=2) + "\n")
            else:
                self._reply("Not Found", HTTPStatus.NOT_FOUND)

        def _reply(self, text: str, status: HTTPStatus = HTTPStatus.OK) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name that http.server gives it)
            """Say nothing."""

    return Handler


def main() -> None:
    """Run one node until it is killed."""
    parser = argparse.ArgumentParser(description="A stand-in for a node of the original LES.")
    parser.add_argument("--bind-interface", default="0.0.0.0")
    parser.add_argument("--bind-port", default=4000, type=int)
    parser.add_argument("--advertise-addr", required=True)
    parser.add_argument("--seeds", required=True)
    parser.add_argument("--loop-rate", default=5.0, type=float)
    options = parser.parse_args()
    node = Original(
        port=options.bind_port,
        advertise=options.advertise_addr,
        seeds=options.seeds.split(","),
        loop_rate=options.loop_rate,
        interface=options.bind_interface,
    )
    node.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
