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
        self.read = 0
        self.told: list[str | None] = []
        self.write("first", "first")

    def write(self, *texts: str) -> None:
        for path, text in zip(self.paths, texts, strict=True):
            path.write_text(text)

    def load(self) -> str:
        self.read += 1
        one, two = (path.read_text() if path.exists() else "" for path in self.paths)
        if one != two:
            raise StartError("the two", f"{one} is not {two}", "make them one")
        return one

    def watch(self) -> Watched[str]:
        return Watched(
            self.paths,
            self.load,
            clock=lambda: self.now,
            told=lambda error: self.told.append(None if error is None else error.why),
        )


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def test_files_that_do_not_change_are_read_once(keeper: Keeper) -> None:
    watched = keeper.watch()
    for keeper.now in range(1000):
        assert watched.current() == "first"
    assert (keeper.read, keeper.told, watched.problem) == (1, [], "")


def test_a_change_is_there_at_the_next_look(keeper: Keeper) -> None:
    watched = keeper.watch()
    keeper.write("other", "other")
    assert watched.current() == "other"
    assert keeper.told == [None]


def test_a_file_that_is_replaced_by_one_of_the_same_age_and_size_is_another(keeper: Keeper) -> None:
    watched = keeper.watch()
    for path in keeper.paths:
        new, status = path.with_suffix(".new"), path.stat()
        new.write_text("FIRST")
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
        new.replace(path)
    assert watched.current() == "FIRST"


def test_half_a_change_keeps_what_was_there_and_is_told_once(keeper: Keeper) -> None:
    watched = keeper.watch()
    keeper.write("other", "first")
    assert [watched.current() for _ in range(3)] == ["first"] * 3
    assert keeper.told == ["other is not first"]
    assert watched.problem == "the two: other is not first; make them one"
    assert keeper.read == 2
    keeper.write("other", "other")
    assert watched.current() == "other"
    assert (keeper.told[1:], watched.problem) == ([None], "")


def test_a_file_that_is_gone_keeps_what_was_there(keeper: Keeper) -> None:
    watched = keeper.watch()
    keeper.paths[0].unlink()
    assert watched.current() == "first"
    assert watched.problem
    keeper.write("first", "first")
    assert watched.current() == "first"
    assert not watched.problem


def test_another_mistake_is_told_anew(keeper: Keeper) -> None:
    watched = keeper.watch()
    for text in ("b", "c"):
        keeper.write("a", text)
        watched.current()
    assert keeper.told == ["a is not b", "a is not c"]


def test_what_is_of_no_use_is_tried_again_after_a_while(keeper: Keeper) -> None:
    """A certificate whose time has not come does not change when it has."""
    watched = keeper.watch()
    keeper.write("a", "b")
    watched.current()
    keeper.load = lambda: "at last"  # type: ignore[method-assign]  # what it reads is of use now, as time has passed
    watched._read = keeper.load
    keeper.now = 59.0
    assert watched.current() == "first"
    keeper.now = 60.0
    assert watched.current() == "at last"


def test_what_cannot_be_read_at_first_is_an_error_at_once(keeper: Keeper) -> None:
    keeper.write("a", "b")
    with pytest.raises(StartError, match="a is not b"):
        keeper.watch()
