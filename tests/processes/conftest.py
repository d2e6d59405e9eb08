"""Real scripts for the runner."""

from collections.abc import Callable
from pathlib import Path

import pytest

__all__ = ["Script"]

Script = Callable[[str], str]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Write an executable shell script with this body, and return its path; `#!` in the body replaces the shell."""
    count = 0

    def write(body: str) -> str:
        nonlocal count
        count += 1
        path = tmp_path / f"script-{count}"
        path.write_text(body if body.startswith("#!") else f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    return write
