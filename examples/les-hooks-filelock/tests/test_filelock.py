"""filelock: what is asked of any backend, and what its table may hold. Real files, no daemon."""

from pathlib import Path

import pytest
from les_hooks_filelock import FileLockConfig, FileLockEngine
from les_hooks_filelock.backend import FileLockBackend

from les_hooks.backends import Backend
from les_hooks.members import Address
from les_hooks.testing import Harness
from les_hooks.testing.backends import CONFORMANCE, Check, Place, Traits


class FileLockArena:
    """One folder for all nodes."""

    engine = FileLockEngine()
    traits = Traits(replaced_within=2.0, lost_within=4.0)

    def __init__(self, folder: Path) -> None:
        self._config = FileLockConfig(folder=folder, patience=2.5)

    async def place(self, node: int) -> Place:
        return Place(address=Address(f"127.0.0.1:{4001 + node}"), config=self._config)

    async def crash(self, node: int, backend: Backend) -> None:
        assert isinstance(backend, FileLockBackend)
        if backend._task is not None:
            backend._task.cancel()
        backend._board.close()  # as the kernel does it for a process that dies

    async def cut(self, node: int) -> None:
        raise NotImplementedError("a host cannot be cut off from itself")

    async def heal(self, node: int) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        pass


ASKED = [check for check in CONFORMANCE if not check.unmet(FileLockArena.traits)]
"""All but the two that cut nodes off."""


@pytest.mark.parametrize("check", ASKED, ids=str)
def test_it_conforms(check: Check, tmp_path: Path) -> None:
    check.run(FileLockArena(tmp_path))


def test_a_folder_that_is_missing_is_complained_about(les_harness: Harness, tmp_path: Path) -> None:
    les_harness.load("filelock", {"folder": str(tmp_path / "none")})
    assert les_harness.validate() == [
        f"folder: there is no folder {tmp_path / 'none'}; make it, for all nodes of this host"
    ]
