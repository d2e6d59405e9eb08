"""The real demo as a process of its own, and all that it may leave behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

__all__ = ["Show", "StartShow"]

_PATIENCE_SECONDS = 40.0
_LAUNCH = Path(__file__).with_name("launch.py")


class Show:
    """A performance: its output, line by line. Whatever it starts has the same, unique HOME."""

    def __init__(self, folder: Path, *argv: str, **environ: str) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, str(_LAUNCH), *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd="/",
            env={**os.environ, "TMPDIR": str(folder), "HOME": str(folder), "PYTHONUTF8": "1", **environ},
        )

    def until(self, text: str) -> None:
        """Read up to the line that holds the text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return
        pytest.fail(f"it ended without {text!r}:\n{self.text}\n{self.errors}")

    def signal(self, number: signal.Signals) -> None:
        """As a terminal or a service manager would."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Read the rest; returns the exit code."""
        assert self.process.stdout is not None
        self.lines += self.process.stdout.read().splitlines()
        return self.process.wait(timeout=_PATIENCE_SECONDS)

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return "\n".join(self.lines)

    @property
    def errors(self) -> str:
        """What it printed on standard error; once only, at its end."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def left_behind(self) -> list[str]:
        """Processes and files that it has not taken down."""
        marker = f"HOME={self.folder}\0".encode()
        found = [path.name for path in self.folder.iterdir()]
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if marker in (entry / "environ").read_bytes() and int(entry.name) != self.process.pid:
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found


StartShow = Callable[..., Show]


@pytest.fixture
def show() -> Iterator[StartShow]:
    """Start `les demo` with these arguments, or with `argv=` another program of it."""
    # Not pytest's own folder: its path is too long for a control socket below it.
    folder = Path(tempfile.mkdtemp(prefix="les-test-"))
    shows: list[Show] = []

    def start(*arguments: str, argv: tuple[str, ...] = ("-m", "les_hooks", "demo"), **environ: str) -> Show:
        shows.append(Show(folder, *argv, *arguments, **environ))
        return shows[-1]

    yield start
    for one in shows:
        if one.process.poll() is None:
            one.signal(signal.SIGTERM)
            one.process.wait(timeout=_PATIENCE_SECONDS)
        for pipe in (one.process.stdout, one.process.stderr):
            if pipe is not None:
                pipe.close()
    deadline = time.monotonic() + 5
    while shows and len(shows[0].left_behind()) > 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)
