"""Ways to etcd: passwords, certificates, and an endpoint that is none. On loopback, with one server and two nodes."""

import contextlib
import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cluster import Daemon, close, until
from tests.etcd.nodes import lone
from tests.etcd.server import Server
from tests.network.story import mingled, parse
from tests.security.files import TestAuthority


@contextlib.contextmanager
def _two(folder: Path, endpoints: Sequence[str], more: str = "") -> Iterator[list[Daemon]]:
    """They never work side by side."""
    story = folder / "story"
    daemons = [lone(folder / name, number, endpoints, more, story) for number, name in enumerate("ab", start=1)]
    try:
        yield [daemon.start() for daemon in daemons]
    finally:
        close(daemons)
    assert mingled(parse(story)) == []


def _leader(daemons: Sequence[Daemon]) -> Daemon:
    """Wait until all accept one leader, and return it."""

    def look() -> Daemon | None:
        statuses = [daemon.status() for daemon in daemons]
        acting = [daemon for daemon, status in zip(daemons, statuses, strict=True) if status.get("is_me")]
        agreed = len({status.get("leader") for status in statuses}) == 1
        return acting[0] if agreed and len(acting) == 1 else None

    return until(look, "one leader")


def test_a_wrong_password_is_told_nobody_leads_and_the_right_one_is_taken_while_they_run(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("wrong\n", encoding="ascii")
    password.chmod(0o600)
    more = f'username = "les"\npassword_file = "{password}"\n'
    with Server(tmp_path / "etcd") as etcd:
        etcd.enable_auth("les", "right")
        with _two(tmp_path, [etcd.url], more) as daemons:
            one = daemons[0]
            until(lambda: "password" in one.les("status").stdout, "les status says what is wrong")
            assert "password" in one.les("check").stdout
            assert all(daemon.status()["leader"] is None for daemon in daemons)
            password.write_text("right\n", encoding="ascii")
            _leader(daemons)
            etcd.user = "les:right"
            keys = json.loads(etcd.ctl("get", "--prefix", "/les-hooks/web/line/", "-w", "json"))["kvs"]
            assert len(keys) == 2
        assert "right" not in one.said()


def test_a_user_without_a_right_to_the_prefix_is_told(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("right\n", encoding="ascii")
    password.chmod(0o600)
    more = f'username = "les"\npassword_file = "{password}"\n'
    with Server(tmp_path / "etcd") as etcd:
        etcd.enable_auth("les", "right", prefix="/elsewhere/")
        with _two(tmp_path, [etcd.url], more) as daemons:
            until(lambda: "permission denied" in daemons[0].les("status").stdout, "les status says what is wrong")


def test_a_leader_that_etcd_refuses_makes_way_though_its_lease_would_be_renewed(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("right\n", encoding="ascii")
    password.chmod(0o600)
    user = f'username = "les"\npassword_file = "{password}"\n'
    with Server(tmp_path / "etcd") as etcd:
        daemons = [lone(tmp_path / "a", 1, [etcd.url]), lone(tmp_path / "b", 2, [etcd.url], user)]
        try:
            assert _leader([daemons[0].start()]) is daemons[0]
            assert _leader([daemons[0], daemons[1].start()]) is daemons[0]
            etcd.enable_auth("les", "right")
            until(lambda: daemons[1].status().get("is_me"), "who may lead does")
            assert not daemons[0].status()["is_me"]
        finally:
            close(daemons)


def test_with_certificates_both_sides_know_each_other(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path / "tls")
    mine = authority.issue("node", "127.0.0.1")
    more = f'ca_file = "{mine.ca}"\ncert_file = "{mine.cert}"\nkey_file = "{mine.key}"\n'
    with Server(tmp_path / "etcd", tls=authority.issue("etcd", "127.0.0.1")) as etcd:
        assert etcd.url.startswith("https://")
        with _two(tmp_path, [etcd.url], more) as daemons:
            _leader(daemons)


def test_a_server_of_another_authority_is_not_believed(tmp_path: Path) -> None:
    mine = TestAuthority(tmp_path / "mine").issue("node", "127.0.0.1")
    more = f'ca_file = "{mine.ca}"\ncert_file = "{mine.cert}"\nkey_file = "{mine.key}"\n'
    theirs = TestAuthority(tmp_path / "theirs").issue("etcd", "127.0.0.1")
    with Server(tmp_path / "etcd", tls=theirs) as etcd, _two(tmp_path, [etcd.url], more) as daemons:
        until(lambda: "certificate" in daemons[0].les("status").stdout, "les status says what is wrong")
        assert daemons[0].status()["leader"] is None


def test_an_endpoint_that_accepts_and_never_answers_is_passed_over(tmp_path: Path) -> None:
    """Its connections stand, by the kernel's word; nothing is ever read."""
    with socket.create_server(("127.0.0.1", 0)) as mute, Server(tmp_path / "etcd") as etcd:
        mutes = f"http://127.0.0.1:{mute.getsockname()[1]}"
        endpoints = [mutes, etcd.url]
        with _two(tmp_path, endpoints) as daemons:
            leader = _leader(daemons)
            endpoint = next(each for each in leader.status()["backend"]["endpoints"] if each["endpoint"] == mutes)
            assert "no answer" in endpoint["error"]
            leader.les("step-down")
            until(lambda: _leader(daemons) is not leader, "the other one leads")
