"""A `checks.d` of real scripts, and a context that points there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from les_plugins.checks import ChecksConfig
from tests.fake_context import FakeContext

__all__ = ["ChecksDir", "Configured"]

Configured = Callable[..., FakeContext]


class ChecksDir:
    """A folder `checks.d`, and a file `out` beside it for scripts to write into."""

    def __init__(self, root: Path) -> None:
        self.path = root / "checks.d"
        self.path.mkdir(mode=0o755)
        self.out = root / "out"

    def add(self, name: str, body: str = "", mode: int = 0o755) -> Path:
        """Write a shell script, whole at once; `$OUT` in its body is the file `out`."""
        path, draft = self.path / name, self.path.parent / f"{name}.draft"
        draft.write_text(f"#!/bin/sh\n{body.replace('$OUT', str(self.out))}\n", encoding="utf-8")
        draft.chmod(mode)
        draft.replace(path)
        return path

    def noted(self) -> list[str]:
        """The lines of `out`."""
        return self.out.read_text(encoding="utf-8").splitlines() if self.out.exists() else []


@pytest.fixture
def folder(tmp_path: Path) -> ChecksDir:
    """An empty checks.d."""
    return ChecksDir(tmp_path)


@pytest.fixture
def configured(folder: ChecksDir) -> Configured:
    """A context with these keys of the plugin."""

    def make(**keys: Any) -> FakeContext:
        return FakeContext(name="checks", config=ChecksConfig(dir=folder.path, **keys))

    return make
