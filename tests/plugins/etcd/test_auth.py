"""A password that etcd does not take is not shown to it again and again, and another one at once."""

from pathlib import Path

import pytest

from les_plugins.etcd.auth import Login
from les_plugins.etcd.faults import Code, EtcdError
from les_plugins.etcd.store import RefusedError

URLS = ("http://one:2379", "http://other:2379")


def written(folder: Path, password: str) -> Path:
    file = folder / "password"
    file.write_text(password)
    file.chmod(0o600)
    return file


async def test_a_wrong_password_is_asked_about_once_and_a_new_one_at_once(tmp_path: Path) -> None:
    asked = []

    async def authenticate(url: str, user: str, password: str) -> str:
        asked.append((url, user, password))
        if password != "right":
            raise EtcdError(Code.INVALID_ARGUMENT, "etcdserver: authentication failed, invalid user ID or password")
        return "token"

    login = Login("les", written(tmp_path, "wrong"), authenticate)
    for url in URLS * 3:
        with pytest.raises(RefusedError, match="wrong user or password"):
            await login.token(url)
    assert asked == [(URLS[0], "les", "wrong")]

    written(tmp_path, "right")
    assert await login.token(URLS[1]) == "token"
    assert asked[1:] == [(URLS[1], "les", "right")]
    await login.close()


async def test_after_some_seconds_it_is_asked_about_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user may have been made meanwhile, or given this password."""
    monkeypatch.setattr("les_plugins.etcd.auth._REFUSED_SECONDS", 0.0)
    answers = [EtcdError(Code.INVALID_ARGUMENT, "etcdserver: authentication failed, invalid user ID or password"), None]

    async def authenticate(url: str, user: str, password: str) -> str:
        if (error := answers.pop(0)) is not None:
            raise error
        return "token"

    login = Login("les", written(tmp_path, "secret"), authenticate)
    with pytest.raises(RefusedError):
        await login.token(URLS[0])
    assert await login.token(URLS[0]) == "token"
    await login.close()
