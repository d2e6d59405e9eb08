"""A `hooks.d` of real scripts."""

from pathlib import Path

import pytest

from les_plugins.scripts import ScriptsConfig
from tests.fake_context import FakeContext

__all__ = ["HooksDir"]


class HooksDir:
    """A folder `hooks.d`, and a file `out` beside it for scripts to write into."""

    def __init__(self, root: Path) -> None:
        self.path = root / "hooks.d"
        self.path.mkdir(mode=0o755)
        self.out = root / "out"

    def add(self, name: str, body: str = "", mode: int = 0o755) -> Path:
        """Write a shell script; `$OUT` in its body is the file `out`."""
        path = self.path / name
        path.parent.mkdir(mode=0o755, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body.replace('$OUT', str(self.out))}\n", encoding="utf-8")
        path.chmod(mode)
        return path

    def noted(self) -> list[str]:
        """The lines of `out`."""
        return self.out.read_text(encoding="utf-8").splitlines() if self.out.exists() else []


@pytest.fixture
def hooks(tmp_path: Path) -> HooksDir:
    """An empty hooks.d."""
    return HooksDir(tmp_path)


@pytest.fixture
def ctx(hooks: HooksDir) -> FakeContext:
    """A context whose config points there."""
    return FakeContext(config=ScriptsConfig(dir=str(hooks.path), timeout=10.0, path="/usr/bin:/bin"))
