"""A script that others could change is refused, and the refusal says what mends it."""

import grp
import os
import pwd
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from les_plugins.programs import trust
from les_plugins.programs.trust import refusal
from tests.needs import lacking

ME = os.getuid()

USER, GROUP = 23456, 34567

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


OPEN_MODES = [pytest.param(0o775, marks=needs_root, id="775"), 0o757, 0o777]
"""The first one is safe for a user whose group holds nobody else, as below."""


@pytest.mark.parametrize("mode", OPEN_MODES)
def test_a_script_that_others_can_write_is_refused_with_its_mode_and_the_remedy(script: Path, mode: int) -> None:
    script.chmod(mode)
    assert refusal(script, ME) == (
        f"{script} (mode {mode:04o}, owner {ME}): others could write it; chmod go-w {script}"
    )


@pytest.mark.parametrize("mode", [0o4755, 0o2755])
def test_a_setuid_or_setgid_script_is_refused(script: Path, mode: int) -> None:
    script.chmod(mode)
    assert refusal(script, ME).endswith(f"chmod ug-s {script}")


@pytest.mark.parametrize("mode", OPEN_MODES)
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


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[pwd.struct_passwd]]:
    """A directory of users in which `les` has a group of that name; more can be added before anybody asks."""
    listed = [pwd.struct_passwd(("les", "x", USER, GROUP, "", "/home/les", "/bin/sh"))]
    monkeypatch.setattr(pwd, "getpwuid", {USER: listed[0]}.__getitem__)
    monkeypatch.setattr(pwd, "getpwall", lambda: listed)
    monkeypatch.setattr(grp, "getgrgid", {GROUP: grp.struct_group(("les", "x", GROUP, ["les"]))}.__getitem__)
    trust._private_group.cache_clear()
    yield listed
    trust._private_group.cache_clear()


@pytest.fixture
def cloned(script: Path, users: list[pwd.struct_passwd]) -> Path:
    """A script as a user with a group of their own clones it under the umask 0002."""
    for path in (script.parent, script):
        os.chown(path, USER, GROUP)
        path.chmod(0o775)
    return script


@needs_root
def test_a_user_may_share_files_with_the_group_that_is_theirs_alone(cloned: Path) -> None:
    assert refusal(cloned, USER) == ""
    cloned.chmod(0o777)
    assert refusal(cloned, USER).endswith(f"others could write it; chmod go-w {cloned}")


@needs_root
def test_root_and_other_users_get_no_such_leave(cloned: Path) -> None:
    assert refusal(cloned, 0) != ""
    assert refusal(cloned, USER + 1) != ""
    for path in (cloned.parent, cloned):
        os.chown(path, 0, GROUP)
    assert "others could write it" in refusal(cloned, 0)


@needs_root
def test_a_group_with_another_in_it_is_not_theirs_alone(cloned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group(("les", "x", GROUP, ["les", "mallory"])))
    assert "others could write it" in refusal(cloned, USER)


@needs_root
def test_a_group_that_is_the_first_of_another_user_is_not_theirs_alone(
    cloned: Path, users: list[pwd.struct_passwd]
) -> None:
    users.append(pwd.struct_passwd(("mallory", "x", USER + 1, GROUP, "", "/", "/bin/sh")))
    assert "others could write it" in refusal(cloned, USER)


@needs_root
def test_a_group_of_another_name_is_not_theirs_alone(cloned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as `users`, which nobody may have been put into yet."""
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group(("users", "x", GROUP, [])))
    assert "others could write it" in refusal(cloned, USER)


@needs_root
def test_a_file_with_an_access_list_is_not_shared_with_the_group_alone(cloned: Path) -> None:
    # Owner, user 65534, group, mask, others: tag, rights, id; behind the version. In the mode it looks as before.
    nobody = 0xFFFFFFFF
    entries = [(1, 7, nobody), (2, 7, 65534), (4, 7, nobody), (16, 7, nobody), (32, 5, nobody)]
    listed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(cloned, "system.posix_acl_access", listed)
    except OSError as error:
        lacking(f"needs a file system with access lists: {error.strerror}")
    assert cloned.stat().st_mode & 0o777 == 0o775
    assert "others could write it" in refusal(cloned, USER)


def test_a_user_whom_no_directory_knows_has_no_such_group(users: list[pwd.struct_passwd]) -> None:
    assert trust._private_group(USER + 7) is None
