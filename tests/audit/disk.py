"""A disk that takes a sync when the test lets it."""

import json
import threading
import time
from pathlib import Path

__all__ = ["Disk"]


class Disk:
    """Takes a sync only while it is `up`, and `seconds` for it, and remembers what each one found in its file."""

    def __init__(self) -> None:
        self.up = threading.Event()
        self.up.set()
        self.begun = threading.Semaphore(0)
        self.seconds = 0.0
        self.error: OSError | None = None
        self.synced: list[list[str]] = []
        self.threads: set[str] = set()

    def sync(self, fd: int) -> None:
        """What fdatasync does."""
        found = Path(f"/proc/self/fd/{fd}").read_text().splitlines()
        self.begun.release()
        self.threads.add(threading.current_thread().name)
        time.sleep(self.seconds)
        assert self.up.wait(20)
        if self.error is not None:
            raise self.error
        self.synced.append([json.loads(line)["action"] for line in found])
