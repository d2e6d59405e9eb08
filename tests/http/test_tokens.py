"""The file of the token: what is refused, and that it is said what to do."""

import os
from pathlib import Path

import pytest

from les_hooks.errors import StartError
from les_hooks.http.tokens import read_token
from tests.http.lone import TOKEN, token_file


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_the_owner_and_the_group_may_read_it(tmp_path: Path, mode: int) -> None:
    assert read_token(token_file(tmp_path, mode=mode)) == TOKEN.encode()


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602, 0o601])
def test_others_may_not_and_nobody_else_may_write_it(tmp_path: Path, mode: int) -> None:
    path = token_file(tmp_path, mode=mode)
    with pytest.raises(StartError) as caught:
        read_token(path)
    assert f"mode {mode:04o}" in caught.value.why
    assert f"chmod o-rwx,g-w {path}" in caught.value.advice
    assert "openssl rand -hex 32" in caught.value.advice
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("token", ["", "short", "x" * 31, "x" * 2000, "two words " * 5, "umläut" * 6, "a\0" * 20])
def test_a_token_is_one_long_word(tmp_path: Path, token: str) -> None:
    with pytest.raises(StartError) as caught:
        read_token(token_file(tmp_path, token))
    assert "openssl rand -hex 32" in caught.value.advice
    assert not token or token not in str(caught.value)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(StartError, match="is no file"):
        read_token(tmp_path / "pipe")
    with pytest.raises(StartError, match="cannot be read"):
        read_token(tmp_path)
    with pytest.raises(StartError, match="No such file"):
        read_token(tmp_path / "none")
