"""The file of the shared secret: who may read it, what may stand in it, and that nothing of it shows."""

import os
import traceback
from pathlib import Path

import pytest

from les_hooks.errors import StartError
from les_hooks.security import Secret, Secrets, new_secret, read_secrets, write_secrets
from les_hooks.security.secret import parse_secrets

OLD, NEW = "les_" + "a" * 43, "les_" + "b" * 43


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(OLD + "\n")
    path.chmod(0o600)
    return path


def test_a_new_secret_is_long_marked_and_never_the_same() -> None:
    made = {new_secret().reveal() for _ in range(100)}
    assert len(made) == 100
    assert all(secret.startswith("les_") and len(secret) == 47 for secret in made)


def test_a_file_holds_one_secret_or_two_and_comments(file: Path) -> None:
    assert read_secrets(file) == Secrets(accepted=(Secret(OLD),))
    file.write_text(f"# ours\n\n{NEW}\r\n  {OLD}  ")
    assert read_secrets(file) == Secrets(accepted=(Secret(NEW), Secret(OLD)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no secrets"),
        ("# nothing but a comment\n", "holds no secrets"),
        (f"{OLD}\n{NEW}\n{'c' * 40}\n", "holds 3 secrets; it takes one line, or two while the secret is changed"),
        ("short", "a secret in it has 5 characters, and must have 32 to 512"),
        ("x" * 513, "a secret in it has 513 characters"),
        (f"{OLD}\n{NEW[:-5]}", "a secret in it is not whole: it has 42 characters of 47"),
        (f"{'x' * 40} {'y' * 40}", "more than one word"),
        ("x" * 40 + "\N{LATIN SMALL LETTER E WITH ACUTE}", "more than one word of plain characters"),
        (f"{OLD}\n{OLD}\n", "holds the same secret twice"),
    ],
)
def test_any_other_file_is_refused_without_repeating_it(file: Path, text: str, why: str) -> None:
    file.write_text(text)
    with pytest.raises(StartError) as caught:
        read_secrets(file)
    assert why in caught.value.why
    assert caught.value.exit_code == 78
    assert "copy it from another node (`scp -p`)" in caught.value.advice
    assert f"`les secret new {file}`" in caught.value.advice
    told = "".join(traceback.format_exception(caught.value))
    assert OLD not in told
    assert "x" * 100 not in told


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o602, 0o601])
def test_a_file_that_others_could_read_or_change_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(StartError, match=rf"others could read or change it \(mode {mode:04o}\).*chmod o-rwx,g-w"):
        read_secrets(file)


def test_a_group_may_read_it(file: Path) -> None:
    file.chmod(0o640)
    assert read_secrets(file).accepted


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_none_is_written_where_anybody_could_have_put_a_link_or_a_file_of_his_own(tmp_path: Path, mode: int) -> None:
    """Root would follow the one, and give the secret to the owner of the other, which it is to keep."""
    there, private = tmp_path / "open", tmp_path / "private"
    there.mkdir()
    there.chmod(mode)
    private.mkdir(0o700)
    (there / "to").symlink_to(private / "victim")
    (private / "from").symlink_to(there / "secret")
    for path in (there / "secret", there / "to", private / "from"):
        with pytest.raises(StartError, match=rf"in a folder that anybody can write in .*mode {mode:04o}"):
            write_secrets(path, Secrets(accepted=(new_secret(),)))
    assert not (private / "victim").exists()
    assert [each.name for each in there.iterdir()] == ["to"]


def test_what_is_no_file_is_refused_and_not_waited_for(file: Path) -> None:
    file.unlink()
    with pytest.raises(StartError, match="No such file"):
        read_secrets(file)
    os.mkfifo(file, 0o600)
    with pytest.raises(StartError, match="is no file"):
        read_secrets(file)


def test_a_fingerprint_tells_secrets_apart_and_shows_nothing_of_them() -> None:
    both = parse_secrets(f"{NEW}\n{OLD}".encode())
    first, second = both.fingerprints
    assert first != second
    assert len(first) == len(second) == 8
    assert parse_secrets(NEW.encode()).fingerprints == (first,)
    assert NEW not in repr(both)
    assert OLD not in str(both)
