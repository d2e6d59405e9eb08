"""The stage as a fixture."""

from pathlib import Path

import pytest

from tests.plugins.floating_ip.stage import Stage


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A token in a file, and the loop's clock."""
    return Stage(tmp_path, monkeypatch)
