"""Planted secrets, a cluster that is kept busy, and a search of everything that it wrote, showed or started."""

import base64
import http.client
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from les_hooks.security import Secret, write_secrets
from les_hooks.security.secret import Secrets
from tests.cluster import Cluster, Daemon, free_ports, until
from tests.security.files import TestAuthority

_TELL_ALL = """
exec 3>>"$(dirname "$0")/../../seen"
{ env; echo "$@"; cat; tr '\\0' ' ' </proc/$PPID/cmdline; tr '\\0' '\\n' </proc/$PPID/environ; } >&3 2>&3
env >&2
"""

_BAD = "the secret from before"
_COMMANDS = (
    *("status", "status --json", "config show --origin", "check", "audit show", "audit verify", "history"),
    *("webhooks list", "plugins list", "hooks list", "secret rotate"),
)
_PAGES = ("/", "/metrics", "/api/v1", "/api/v1/status", "/api/v1/history", "/api/v1/openapi.json")


class Planted:
    """The secrets of one cluster, each by the name under which a leak is told, and the files that may hold them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets: dict[str, str] = {}
        self.files: set[Path] = set()

    def file(self, what: str, text: str) -> Path:
        """Write a private file that holds the secret."""
        path = self.folder / f"planted-{what}"
        path.write_text(text)
        path.chmod(0o600)
        return self.note(what, text, path)

    def note(self, what: str, secret: str, path: Path) -> Path:
        """Remember a secret and the file that it is in."""
        self.secrets[what] = secret.strip()
        self.files.add(path)
        return path

    def found_in(self, data: bytes) -> list[str]:
        """Which of them the bytes hold, as they are or written otherwise."""
        return [what for what, secret in self.secrets.items() for form in _forms(secret) if form in data]


def _forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    yield base64.b64encode(raw).rstrip(b"=")
    # Half of it would be too much.
    yield raw[: len(raw) // 2]
    yield raw[len(raw) // 2 :]


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)


@pytest.fixture
def cluster(tmp_path: Path, planted: Planted) -> Iterator[Cluster]:
    """Three nodes with a secret and TLS, pages behind a token, and webhooks that nobody takes."""
    cluster = Cluster(tmp_path, 3)
    old, new = (f"les_{secrets.token_urlsafe(32)}" for _ in range(2))
    token = planted.file("token", secrets.token_hex(32))
    signing = planted.file("signing", f"whsec_{base64.b64encode(os.urandom(32)).decode()}")
    url = planted.file("url", f"http://127.0.0.1:{free_ports(1)[0]}/services/{secrets.token_hex(24)}")
    header = f"Bearer {secrets.token_hex(24)}"
    tls = TestAuthority(tmp_path / "authority").issue("node", "127.0.0.1")
    planted.note("key", tls.key.read_text().splitlines()[1], tls.key)
    for daemon, port in zip(cluster.daemons, free_ports(3), strict=True):
        shared = planted.note("cluster secret", old, daemon.folder / "secret")
        write_secrets(shared, Secrets(accepted=(Secret(old), Secret(new))))
        daemon.config.write_text(
            f'{daemon.config.read_text()}\n[security]\nsecret_file = "{shared}"\n'
            f'[security.tls]\nca_file = "{tls.ca}"\ncert_file = "{tls.cert}"\nkey_file = "{tls.key}"\n'
            f'[http]\nlisten = "127.0.0.1:{port}"\ntoken_file = "{token}"\n'
            f'[[plugins.webhook.endpoints]]\nname = "chat"\nurl_file = "{url}"\nsecret_file = "{signing}"\n'
            f'allow_http = true\nheaders = {{Authorization = "{header}"}}\n'
        )
        daemon.config.chmod(0o600)
        planted.files.add(daemon.config)
        for event in ("elected", "demoted", "while-leader", ""):
            daemon.script(event, "10-tell-all", _TELL_ALL + ("sleep 1000" if event == "while-leader" else ""))
    planted.secrets["new cluster secret"] = new
    planted.secrets["header"] = header
    with cluster:
        yield cluster


@pytest.mark.timeout(180)
def test_no_secret_is_in_anything_that_a_busy_cluster_wrote_showed_or_started(
    cluster: Cluster, planted: Planted, tmp_path: Path
) -> None:
    leader = cluster.wait_leader()
    said = keep_busy(cluster, leader, planted)
    for what, data in said.items():
        assert planted.found_in(data) == [], what
    for what, data in processes(cluster).items():
        assert planted.found_in(data) == [], what
    cluster.close()
    looked_at = 0
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file() and path not in planted.files:
            looked_at += 1
            assert planted.found_in(path.read_bytes()) == [], path
    assert looked_at > 30
    logs = "".join(daemon.said() for daemon in cluster.daemons)
    # The search is worth something only where all this has happened.
    for event in ("secret-unusable", "secret-read", "link-refused", "reload-refused", "webhook", "script-output"):
        assert event in logs, event
    assert "LES_EVENT=elected" in "".join(path.read_text() for path in tmp_path.glob("*/seen"))


def keep_busy(cluster: Cluster, leader: Daemon, planted: Planted) -> Mapping[str, bytes]:
    """Do what makes a cluster talk; returns all that it said to those who asked."""
    said: dict[str, bytes] = {}
    first, second, _ = cluster.daemons
    stranger(first)
    for daemon in cluster.daemons:
        token, port = planted.secrets["token"], int(daemon.status()["http"]["url"].rstrip("/").rpartition(":")[2])
        for path in (*_PAGES, "/nothing", f"/?token={token}", f"/{token}"):
            status, said[f"{daemon.name}{path[:20]} with the token"] = ask(port, path, token)
            assert status == 200 or path not in _PAGES, path
            status, said[f"{daemon.name}{path[:20]} without"] = ask(port, path, "wrong" * 10)
            assert status != 200, path
        said[f"{daemon.name} login"] = ask(port, "/", token[:-1])[1]
        for words in _COMMANDS if daemon is first else ():
            done = daemon.les(*words.split())
            said[f"{daemon.name}: les {words}"] = (done.stdout + done.stderr).encode()
        good = (daemon.folder / "secret").read_bytes()
        # In the middle of being replaced: cut, with a word too many, and twice the same.
        for bad in (good[:-60], good + planted.secrets["token"].encode() + b"\n", good.replace(b"les_", b"les_ ")):
            (daemon.folder / "secret").write_bytes(bad)
            if daemon is first:
                done = daemon.les("check")
                said[f"les check of a bad secret, {bad.count(b'les_')}"] = (done.stdout + done.stderr).encode()
            daemon.wait(lambda status: _BAD in str(status["warnings"]), "tells of it")
            said[f"{daemon.name} with a bad secret, {len(bad)} bytes"] = str(daemon.status()).encode()
        new, old = planted.secrets["new cluster secret"], planted.secrets["cluster secret"]
        (daemon.folder / "secret").write_text(f"{new}\n{old}\n")
        daemon.wait(lambda status: _BAD not in str(status["warnings"]), "takes the new one")
    text = second.config.read_text()
    second.config.write_text(text.replace("headers = {", "headers = {Bad = 1, "))
    second.signal(signal.SIGHUP)
    done = second.les("reload")
    said["a reload that fails"] = (done.stdout + done.stderr).encode()
    second.config.write_text(text)
    leader.kill()
    until(lambda: any(daemon.running and daemon.status().get("is_me") for daemon in cluster.daemons), "another leads")
    leader.start()
    cluster.wait_leader().les("step-down", "--reason", "a test")
    cluster.wait_leader()
    return said


def stranger(daemon: Daemon) -> None:
    """A node of the same cluster that has another secret."""
    folder = daemon.folder.parent / "stranger"
    port = free_ports(1)[0]
    other = Daemon(folder, port, [int(daemon.address.rpartition(":")[2])])
    write_secrets(folder / "secret", Secrets(accepted=(Secret("les_" + "x" * 43),)))
    tls = daemon.config.read_text().partition("[security.tls]\n")[2].partition("[")[0]
    other.config.write_text(f'{other.config.read_text()}[security]\nsecret_file = "secret"\n[security.tls]\n{tls}')
    other.start()
    try:
        until(lambda: "link-refused" in daemon.said() and "dial-failed" in other.said(), "it is refused")
    finally:
        other.kill()
        other.les("cleanup", "--wait", "20")


def ask(port: int, path: str, token: str) -> tuple[int, bytes]:
    """The status, and the whole answer, headers included; 0 where there was none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, str(answer.getheaders()).encode() + answer.read(2_000_000)
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error).encode()
    finally:
        connection.close()


def processes(cluster: Cluster) -> Mapping[str, bytes]:
    """Arguments and environment of all that the daemons have started, themselves included."""
    found = {}
    for daemon in cluster.daemons:
        assert daemon.process is not None
        tree = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(daemon.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        assert tree, "each has a guard at least"
        for pid in (str(daemon.process.pid), *tree):
            for name in ("cmdline", "environ"):
                try:
                    found[f"{daemon.name} {pid} {name}"] = Path(f"/proc/{pid}/{name}").read_bytes()
                except OSError:
                    continue  # it has ended
    return found
