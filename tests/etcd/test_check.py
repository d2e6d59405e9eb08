"""What `les check` says of an etcd that is there, of one that is not, and of one that will not have this node."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from les_hooks import Note
from les_plugins.etcd.inspection import inspect
from les_plugins.etcd.settings import EtcdConfig
from tests.cluster import free_ports
from tests.etcd.server import Server
from tests.security.files import TestAuthority


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("etcd")) as etcd:
        yield etcd


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that asks for a password: `les` has all rights under /les-hooks/."""
    with Server(tmp_path_factory.mktemp("guarded")) as etcd:
        etcd.enable_auth()
        yield etcd


def config_of(*endpoints: str, **fields: Any) -> EtcdConfig:
    return EtcdConfig(endpoints=endpoints, **fields)


def password_file(folder: Path, password: str = "secret", mode: int = 0o600) -> Path:
    file = folder / "password"
    file.write_text(f"{password}\n")
    file.chmod(mode)
    return file


async def problems(config: EtcdConfig, cluster: str = "web") -> list[str]:
    """What it complains of; notes are none."""
    return [line for line in await inspect(config, cluster) if not isinstance(line, Note)]


async def notes(config: EtcdConfig) -> list[str]:
    return [line for line in await inspect(config, "web") if isinstance(line, Note)]


async def test_an_etcd_that_will_do_is_not_complained_of_and_not_changed(server: Server) -> None:
    before = server.status()["header"]["revision"]
    assert await problems(config_of(server.url)) == []
    assert server.status()["header"]["revision"] == before
    assert server.ctl("get", "--prefix", "", "--keys-only").strip() == ""


async def test_one_that_can_take_leases_away_early_is_worth_a_note(server: Server) -> None:
    version = server.status()["version"]
    told = [note for note in await notes(config_of(server.url)) if version in note]
    assert bool(told) == (tuple(map(int, version.split("."))) < (3, 4, 31))


async def test_each_endpoint_is_asked_by_itself(server: Server) -> None:
    (port,) = free_ports(1)
    gone = f"http://127.0.0.1:{port}"
    assert await problems(config_of(gone, server.url)) == [f"{gone}: connection refused"]


async def test_one_that_accepts_and_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("les_plugins.etcd.inspection._ATTEMPT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert await problems(config_of(url)) == [f"{url}: no answer within 0.2 s"]


async def test_two_etcds_are_not_taken_for_one(server: Server, tmp_path: Path) -> None:
    with Server(tmp_path / "other", name="other") as other:
        (line,) = await problems(config_of(server.url, other.url))
    assert line.startswith(f"{other.url}: belongs to another etcd than {server.url}")


async def test_who_has_all_rights_under_the_prefix_is_let_in(guarded: Server, tmp_path: Path) -> None:
    assert await problems(config_of(guarded.url, username="les", password_file=password_file(tmp_path))) == []


async def test_a_wrong_password_is_told(guarded: Server, tmp_path: Path) -> None:
    file = password_file(tmp_path, "wrong")
    (line,) = await problems(config_of(guarded.url, username="les", password_file=file))
    assert line == f"{guarded.url}: wrong user or password ('les' is not let in)"


async def test_an_etcd_that_wants_a_user_says_so(guarded: Server) -> None:
    (line,) = await problems(config_of(guarded.url))
    assert "set username and password_file" in line


async def test_another_prefix_than_that_of_the_role_is_no_good(guarded: Server, tmp_path: Path) -> None:
    config = config_of(guarded.url, username="les", password_file=password_file(tmp_path), prefix="/other")
    (line,) = await problems(config)
    assert "user 'les' may not read and write all keys under '/other'" in line


async def test_a_role_that_may_only_read_is_no_good(guarded: Server, tmp_path: Path) -> None:
    """It could follow the others, and never take part."""
    for command in (
        "role add reader",
        "role grant-permission --prefix=true reader read /les-hooks/",
        "user add reader:secret",
        "user grant-role reader reader",
    ):
        guarded.ctl(*command.split())
    config = config_of(guarded.url, username="reader", password_file=password_file(tmp_path))
    (line,) = await problems(config)
    assert "may not read and write" in line


async def test_a_role_for_one_cluster_is_enough(guarded: Server, tmp_path: Path) -> None:
    for command in (
        "role add web",
        "role grant-permission --prefix=true web readwrite /les-hooks/web/",
        "user add web:secret",
        "user grant-role web web",
    ):
        guarded.ctl(*command.split())
    config = config_of(guarded.url, username="web", password_file=password_file(tmp_path))
    assert await problems(config, "web") == []
    assert len(await problems(config, "other")) == 1


async def test_a_password_that_others_can_read_is_complained_of_before_it_is_sent(
    guarded: Server, tmp_path: Path
) -> None:
    file = password_file(tmp_path, mode=0o644)
    (line,) = await problems(config_of(guarded.url, username="les", password_file=file))
    assert line.startswith(f"password_file {file}: others could read or change it (mode 0644)")


async def test_a_credential_of_the_unit_is_not_missed(server: Server) -> None:
    file = Path("/run/credentials/les-none.service/password")
    config = config_of(server.url, username="les", password_file=file)
    assert await problems(config) == []
    assert any(str(file) in note for note in await notes(config))


async def test_over_tls_only_who_shows_a_certificate_of_the_authority_is_let_in(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path / "ca")
    own = authority.issue("own", "127.0.0.1")
    with Server(tmp_path / "etcd", tls=own) as etcd:
        shown = config_of(etcd.url, ca_file=own.ca, cert_file=own.cert, key_file=own.key)
        assert await problems(shown) == []
        assert len(await problems(config_of(etcd.url, ca_file=own.ca))) == 1
        (line,) = await problems(config_of(etcd.url))
        assert "certificate" in line
        own.key.chmod(0o644)
        (line,) = await problems(shown)
        assert line.startswith(f"key_file {own.key}: others could read or change it")


@pytest.mark.parametrize(
    ("endpoint", "user", "said"),
    [
        ("http://0.0.0.0:9", "les", "the password goes to http://0.0.0.0:9"),
        ("http://0.0.0.0:9", None, "whoever reaches http://0.0.0.0:9 can make itself the leader"),
        ("https://0.0.0.0:9", None, ""),
        ("http://127.0.0.1:9", None, ""),
    ],
)
async def test_what_others_on_the_way_could_do_is_worth_a_note(
    endpoint: str, user: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("les_plugins.etcd.inspection._ATTEMPT_SECONDS", 0.05)
    file = password_file(tmp_path) if user else None
    told = await notes(config_of(endpoint, username=user, password_file=file))
    assert [note for note in told if endpoint in note] == [note for note in told if said and note.startswith(said)]
    assert bool(told) == bool(said)


async def test_a_short_ttl_is_promised_by_nobody(server: Server) -> None:
    assert any("one and a half of its election timeouts" in note for note in await notes(config_of(server.url, ttl=2)))
