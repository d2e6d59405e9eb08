"""Files of `[plugins.etcd]` that cannot be used are known at the start."""

from pathlib import Path

import pytest

from les_hooks.errors import StartError
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.tls import check_files

URL = "https://127.0.0.1:2379"


def test_without_files_there_is_nothing_to_read() -> None:
    check_files(EtcdConfig(endpoints=("http://127.0.0.1:2379",)))


def test_an_authority_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"ca_file .*no such file") as caught:
        check_files(EtcdConfig(endpoints=(URL,), ca_file=tmp_path / "ca.pem"))
    assert caught.value.exit_code == 78


def test_a_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret")
    config = EtcdConfig(endpoints=("http://127.0.0.1:2379",), username="les", password_file=file)
    file.chmod(0o644)
    with pytest.raises(StartError, match="password_file"):
        check_files(config)
    file.chmod(0o600)
    check_files(config)
    file.unlink()
    with pytest.raises(StartError, match="password_file"):
        check_files(config)
