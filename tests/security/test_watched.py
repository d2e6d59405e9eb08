"""Files that change while a node runs."""

import os
from pathlib import Path

import pytest

from les_hooks.errors import StartError
from les_hooks.security.watched import Watched


class Keeper:
    """Two files that must hold the same, a clock that the test sets, and what was told."""

    def __init__(self, folder: Path) -> None:
        self.paths = (folder / "one", folder / "two")
        self.now = 0.0
        self.tolerant_from = float("inf")
        self.reads = 0
        self.told: list[str] = []
        self.write("first", "first")

    def write(self, *texts: str) -> None:
        for path, text in zip(self.paths, texts, strict=True):
            path.write_text(text)

    def read(self) -> str:
        self.reads += 1
        one, two = (path.read_text() if path.exists() else "none" for path in self.paths)
        if one != two and self.now < self.tolerant_from:
            raise StartError("the two", f"{one} is not {two}", "make them one")
        return one

    def watch(self) -> Watched[str]:
        return Watched(self.paths, self.read, clock=lambda: self.now, told=lambda error: self.told.append(error.why))


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def test_files_that_do_not_change_are_read_once(keeper: Keeper) -> None:
    watched = keeper.watch()
    for keeper.now in range(1000):
        assert not watched.refresh()
    assert (watched.value, keeper.reads, keeper.told, watched.trouble) == ("first", 1, [], "")


def test_a_change_is_there_at_the_next_look(keeper: Keeper) -> None:
    watched = keeper.watch()
    keeper.write("other", "other")
    assert watched.refresh()
    assert (watched.value, keeper.told) == ("other", [])


def test_a_file_that_is_replaced_by_one_of_the_same_age_and_size_is_another(keeper: Keeper) -> None:
    watched = keeper.watch()
    for path in keeper.paths:
        new, status = path.with_suffix(".new"), path.stat()
        new.write_text("FIRST")
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
        new.replace(path)
    assert watched.refresh()
    assert watched.value == "FIRST"


def test_half_a_change_keeps_what_was_there_and_is_told_once(keeper: Keeper) -> None:
    watched = keeper.watch()
    keeper.write("other", "first")
    assert [watched.refresh() for _ in range(3)] == [False] * 3
    assert (watched.value, keeper.told, keeper.reads) == ("first", ["other is not first"], 2)
    assert watched.trouble == "the two: other is not first; make them one"
    keeper.write("other", "other")
    assert watched.refresh()
    assert (watched.value, keeper.told, watched.trouble) == ("other", ["other is not first"], "")


def test_a_file_that_is_gone_keeps_what_was_there(keeper: Keeper) -> None:
    watched = keeper.watch()
    keeper.paths[0].unlink()
    assert not watched.refresh()
    assert (watched.value, keeper.told) == ("first", ["none is not first"])
    keeper.write("first", "first")
    assert watched.refresh()
    assert not watched.trouble


def test_another_mistake_is_told_anew(keeper: Keeper) -> None:
    watched = keeper.watch()
    for text in ("bb", "ccc"):
        keeper.write("a", text)
        watched.refresh()
    assert keeper.told == ["a is not bb", "a is not ccc"]


def test_what_is_of_no_use_is_tried_again_after_a_while(keeper: Keeper) -> None:
    """A certificate whose time has not come does not change when it has."""
    watched = keeper.watch()
    keeper.tolerant_from = 10.0
    keeper.write("other", "first")
    assert not watched.refresh()
    keeper.now = 59.0
    assert not watched.refresh()
    keeper.now = 60.0
    assert watched.refresh()
    assert watched.value == "other"
    keeper.now = 1000.0
    assert not watched.refresh()


def test_what_cannot_be_read_at_first_is_an_error_at_once(keeper: Keeper) -> None:
    keeper.write("a", "b")
    with pytest.raises(StartError, match="a is not b"):
        keeper.watch()
