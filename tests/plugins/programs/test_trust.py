"""A script that others could change is refused, and the refusal says what mends it."""

import os
from pathlib import Path

import pytest

from les_plugins.programs.trust import refusal

ME = os.getuid()

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to others")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A safe script in a safe folder."""
    folder = tmp_path / "hooks.d"
    folder.mkdir(mode=0o755)
    path = folder / "script"
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o750, 0o555, 0o500])
def test_a_script_that_nobody_else_can_write_is_safe(script: Path, mode: int) -> None:
    script.chmod(mode)
    assert refusal(script, ME) == ""


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_script_that_others_can_write_is_refused_with_its_mode_and_the_remedy(script: Path, mode: int) -> None:
    script.chmod(mode)
    assert refusal(script, ME) == (
        f"{script} (mode {mode:04o}, owner {ME}): others could write it; chmod go-w {script}"
    )


@pytest.mark.parametrize("mode", [0o4755, 0o2755])
def test_a_setuid_or_setgid_script_is_refused(script: Path, mode: int) -> None:
    script.chmod(mode)
    assert refusal(script, ME).endswith(f"chmod ug-s {script}")


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_any_folder_on_the_way_that_others_can_write_is_refused(script: Path, mode: int) -> None:
    for folder in (script.parent, script.parent.parent):
        folder.chmod(mode)
        assert refusal(script, ME).endswith(f"chmod go-w {folder}")
        folder.chmod(0o755)


def test_a_sticky_folder_may_stand_above_but_cannot_hold_scripts(script: Path) -> None:
    script.parent.chmod(0o1777)
    assert refusal(script, ME) == ""
    assert refusal(script.parent, ME).endswith(f"chmod go-w {script.parent}")


def test_a_link_is_followed_and_all_folders_on_its_way_are_looked_at(script: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    middle, link = other / "middle", tmp_path / "link"
    middle.symlink_to("../hooks.d/./script")
    link.symlink_to(middle)
    assert refusal(link, ME) == ""
    other.chmod(0o777)  # who can write here can point `middle` elsewhere
    assert refusal(link, ME).endswith(f"chmod go-w {other}")
    other.chmod(0o755)
    script.chmod(0o777)
    assert refusal(link, ME).endswith(f"chmod go-w {script}")


def test_a_linked_folder_is_followed_too(script: Path, tmp_path: Path) -> None:
    (tmp_path / "linked.d").symlink_to(script.parent)
    assert refusal(tmp_path / "linked.d" / "script", ME) == ""
    script.parent.chmod(0o777)
    assert refusal(tmp_path / "linked.d" / "script", ME).endswith(f"chmod go-w {script.parent}")


def test_links_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert "more than 40 links" in refusal(tmp_path / "a", ME)


def test_what_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        refusal(tmp_path / "gone", ME)


@needs_root
def test_what_belongs_to_others_is_refused_on_every_step(script: Path, tmp_path: Path) -> None:
    for path in (script, script.parent):
        os.chown(path, 12345, -1)
        assert refusal(script, 0).endswith(f"owner 12345): its owner could change it; chown 0 {path}")
        assert refusal(script, 12345) == ""  # a daemon of that user may
        os.chown(path, 0, -1)
    link = tmp_path / "link"
    link.symlink_to(script)
    os.chown(link, 12345, -1, follow_symlinks=False)
    assert refusal(link, 0).endswith(f"chown 0 {link}")
