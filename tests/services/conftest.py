"""A service manager for each test, and the unit of a node in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from les_hooks.starter import unit_file
from tests.services.manager import CONFIG, LES, Manager

__all__ = ["Install"]

Install = Callable[..., None]
"""Put a unit and its configuration there: `root_scripts` and what else `unit_file` takes; `more` for `les.toml`."""

_CONFIG = '[node]\nname = "a"\n[cluster]\nseeds = ["127.0.0.1:4000"]\n[timing]\nsettle = "100ms"\n'
LOG = "/run/les.log"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A systemd of the test's own."""
    with Manager(tmp_path / "systemd.log") as manager:
        yield manager


@pytest.fixture
def install(manager: Manager) -> Install:
    """Installs the unit of a node that is a cluster of one, with its log in a file and a drop-in of the test's."""

    def put(*, more: str = "", override: str = "", **wants: Any) -> None:
        manager.write(CONFIG, _CONFIG + more)
        manager.write("/etc/systemd/system/les.service", unit_file(LES, CONFIG, **wants))
        lines = f"[Service]\nStandardOutput=append:{LOG}\nStandardError=append:{LOG}\n{override}\n"
        manager.write("/etc/systemd/system/les.service.d/test.conf", lines)
        manager.systemctl("daemon-reload")

    return put
