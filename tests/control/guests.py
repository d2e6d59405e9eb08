"""Other users of this host, as processes of theirs that talk to a control socket."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.needs import need_root

__all__ = ["GROUP", "as_user", "open_folder"]

GROUP = 54321
"""A group without a name, which nobody is in but who is put into it here."""

_PROLOGUE = """
import json, os, socket, sys, time
from pathlib import Path
from les_hooks.control.client import call
from les_hooks.control.endpoint import Endpoint, control_of
from les_hooks.errors import ControlError, StartError

path, uid, groups = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
os.setgroups(groups); os.setgid(uid); os.setuid(uid)

def ask(action, **arguments):
    try:
        return call(path, action, arguments)
    except ControlError as error:
        return [error.exit_code, str(error)]
"""


def as_user(path: Path, code: str, *, uid: int = 54322, groups: tuple[int, ...] = (GROUP,)) -> Any:
    """Run the code as another user, who can `ask(action)` at the socket; returns what it prints, as JSON."""
    need_root()
    argv = [sys.executable, "-c", _PROLOGUE + code, str(path), str(uid), json.dumps(groups)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that others can enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
