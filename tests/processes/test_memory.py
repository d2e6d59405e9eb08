"""No core dump of what holds secrets, nor of what was forked from it."""

import resource
import subprocess
import sys
from pathlib import Path

from tests.needs import need_root

# The files of a process that must not be looked into belong to root, whoever it is.
LOOK = """
import ctypes, os, resource
from les_hooks.processes.memory import keep_memory_private

os.setgroups([]); os.setgid(65534); os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as after execve(2): the change of user ended it
before = os.stat("/proc/self/environ").st_uid
keep_memory_private()
after = os.stat("/proc/self/environ").st_uid
print(before, after, *resource.getrlimit(resource.RLIMIT_CORE), len(os.listdir("/proc/self/fd")) > 2)
"""

CHILD = """
import subprocess
from les_hooks.processes.memory import keep_memory_private

keep_memory_private()
keep_memory_private()
raise SystemExit(subprocess.run(["sh", "-c", "ulimit -Sc; ulimit -Hc; kill -SEGV $$"]).returncode != -11)
"""


def test_others_of_its_user_cannot_look_into_it_and_it_itself_works_on() -> None:
    need_root()
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout, done.stderr) == ("65534 0 0 0 True\n", "")


def test_what_it_starts_leaves_none_either(tmp_path: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    done = subprocess.run(
        ["prlimit", f"--core={hard}", sys.executable, "-c", CHILD],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stdout.split() == ["0", "0"]
    assert not list(tmp_path.iterdir())
