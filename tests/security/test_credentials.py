"""What a node proves now: the file is read again when it changes, and nothing bad takes the place of what is good."""

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from les_hooks.errors import StartError
from les_hooks.security import Credentials, Secret

OLD, NEW = "les_" + "a" * 43, "les_" + "b" * 43


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    write(path, OLD)
    return path


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """In one step, as an operator should."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(mode)
    os.replace(new, path)


def test_without_a_file_nothing_is_proven_and_nothing_changes() -> None:
    credentials = Credentials()
    assert credentials.secrets is None
    assert credentials.proven is None
    assert not credentials.refresh()


def test_the_first_line_is_proven_and_a_change_is_taken_once(file: Path) -> None:
    credentials = Credentials(file)
    assert credentials.proven == Secret(OLD)
    assert not credentials.refresh()
    write(file, f"{NEW}\n{OLD}\n")
    with capture_logs() as logs:
        assert credentials.refresh()
        assert not credentials.refresh()
    assert credentials.proven == Secret(NEW)
    assert [log["event"] for log in logs] == ["secret-read"]
    assert NEW not in str(logs)


def test_a_comment_more_is_no_change(file: Path) -> None:
    credentials = Credentials(file)
    write(file, f"# ours\n{OLD}\n")
    assert not credentials.refresh()


@pytest.mark.parametrize("bad", ["", "short", None, "others"])
def test_a_file_that_cannot_be_used_leaves_the_secret_in_force_and_is_told_once(file: Path, bad: str | None) -> None:
    credentials = Credentials(file)
    if bad is None:
        file.unlink()
    else:
        write(file, NEW if bad == "others" else bad, 0o644 if bad == "others" else 0o600)
    with capture_logs() as logs:
        assert not credentials.refresh()
        assert not credentials.refresh()
    assert credentials.proven == Secret(OLD)
    assert [log["event"] for log in logs] == ["secret-unusable"]
    assert str(file) in credentials.trouble
    write(file, NEW)
    assert credentials.refresh()
    assert credentials.trouble == ""


def test_a_node_does_not_start_with_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"secret_file .*No such file.*les secret new"):
        Credentials(tmp_path / "gone")
