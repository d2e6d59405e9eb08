"""A receiver in a thread, for tests that have no loop of their own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Thread"]


@dataclass(slots=True)
class Thread:
    """A receiver that answers with `status`."""

    url: str = ""
    status: int = 204
    events: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator["Thread"]:
        """Serve until the end of the block."""

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805  (named by the library; `self` is the receiver)
                body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
                if self.status < 300:
                    self.events.append(body)
                handler.send_response(self.status)
                handler.send_header("Content-Length", "0")
                handler.end_headers()

            def log_message(handler, *_: object) -> None:  # noqa: N805  (as above)
                """Stay silent."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}/"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    @property
    def kinds(self) -> list[str]:
        """What it heard of."""
        return [event["data"]["kind"] for event in self.events]
