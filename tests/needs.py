"""What a test needs of the machine: it skips with a reason without it, or fails where LES_TEST_STRICT is 1."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = ["lacking", "les_as_nobody", "need_netns", "need_program", "need_root", "need_systemd", "need_tunnels"]


def lacking(reason: str) -> NoReturn:
    """End the test, as the machine lacks what it needs."""
    if os.environ.get("LES_TEST_STRICT") == "1":
        pytest.fail(f"{reason}, and LES_TEST_STRICT=1 allows no skipping")
    pytest.skip(reason)


def need_root() -> None:
    """The test mounts, or changes owners."""
    if os.geteuid() != 0:
        lacking("needs root")


def les_as_nobody(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command that asks a daemon as a user who owns nothing."""
    need_root()
    # Imported before the user changes: the new one may not be able to read this Python's files.
    code = (
        "import os, click._textwrap; from les_hooks.cli import ask, hooks, main, moves, plugins, status\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); main()"
    )
    argv = [sys.executable, "-c", code, *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False, cwd="/")


def need_program(name: str) -> str:
    """The test runs this program; returns its path."""
    path = shutil.which(name)
    if path is None:
        lacking(f"needs the program {name}")
    return path


def need_netns() -> None:
    """The test makes network namespaces."""
    need_root()
    unshare = need_program("unshare")
    need_program("ip")
    attempt = subprocess.run([unshare, "--net", "true"], capture_output=True, text=True, timeout=10, check=False)
    if attempt.returncode != 0:
        lacking(f"needs network namespaces: {attempt.stderr.strip()}")


def need_tunnels() -> None:
    """The test carries packets itself. Skipped without in any case: whether a container has it is its host's affair."""
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        pytest.skip(f"needs /dev/net/tun: {error.strerror}")


def need_systemd() -> str:
    """The test starts a systemd in namespaces of its own; returns the program."""
    need_netns()
    program = next((path for path in ("/usr/lib/systemd/systemd", "/lib/systemd/systemd") if os.path.exists(path)), "")
    if not program:
        lacking("needs systemd")
    if " - cgroup2 " not in Path("/proc/self/mountinfo").read_text(encoding="ascii"):
        lacking("needs cgroups of version 2")
    return program
