"""What authors of plugins test with: the pytest fixture `les_harness`, and the `Harness` that it is.

In the `conftest.py` of a plugin:

    pytest_plugins = ["les_hooks.testing"]

For plugins' tests only; nothing in the package imports it. It needs pytest: `pip install les-hooks[testing]`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from les_hooks.testing.harness import Harness, Outcome

__all__ = ["Harness", "Outcome", "les_harness"]


@pytest.fixture
def les_harness(tmp_path: Path) -> Iterator[Harness]:
    """A place for one plugin: load it, fire events at it, see what it did. Files go to the test's `tmp_path`."""
    with Harness(tmp_path) as harness:
        yield harness
