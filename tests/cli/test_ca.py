"""`les ca`: what it writes, what it refuses to, and that nothing else pays for it."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from les_hooks.cli import cli
from les_hooks.config import load_config
from les_hooks.security.tls import TlsFiles, load_tls
from tests.cluster import Daemon, free_ports, until
from tests.needs import need_root


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands are called, with an authority in `les-ca`."""
    monkeypatch.chdir(tmp_path)
    les("init")
    return tmp_path / "les-ca"


def les(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["ca", *words])
    assert result.exit_code == code, result.output
    return result


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_their_owners_alone_whatever_the_umask(folder: Path) -> None:
    les("issue", "web-1", "10.0.0.1")
    assert mode(folder) == 0o700
    assert {path.name: mode(path) for path in folder.iterdir()} == {
        "ca.crt": 0o644,
        "ca.key": 0o600,
        "web-1.crt": 0o644,
        "web-1.key": 0o600,
    }


def test_what_is_printed_is_what_a_node_needs(folder: Path, tmp_path: Path) -> None:
    """Copied as it says, pasted as it says: another node would accept it."""
    told = les("issue", "web-1", "10.0.0.1:4000", "[fd00::1]:4000", "fd00::2", "Web-1.example.org").stdout
    scp = next(line for line in told.splitlines() if line.startswith("  scp "))
    *files, target = scp.split()[1:]
    assert target == "10.0.0.1:/etc/les/"
    node = tmp_path / "node"
    node.mkdir()
    for file in files:
        (node / Path(file).name).write_bytes(Path(file).read_bytes())
    (node / "web-1.key").chmod(0o600)
    bind = '[node]\nname = "web-1"\nbind = "10.0.0.1:4000"\n'
    (node / "les.toml").write_text(bind + told[told.index("[security.tls]") :])
    tls = load_config(node / "les.toml").security.tls
    assert tls is not None
    loaded = load_tls(TlsFiles(ca=tls.ca_file, cert=tls.cert_file, key=tls.key_file), "10.0.0.1")
    assert loaded.hosts == ("10.0.0.1", "fd00::1", "fd00::2", "web-1.example.org")


def test_nothing_is_replaced_unasked(folder: Path) -> None:
    les("issue", "web-1", "10.0.0.1")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert "--force" in les("init", code=1).stderr
    assert "--renew" in les("issue", "web-1", "10.0.0.1", code=1).stderr
    (folder / "web-1.crt").rename(folder / "old")
    assert "web-1.key: is there already" in les("issue", "web-1", "10.0.0.1", code=1).stderr
    (folder / "old").rename(folder / "web-1.crt")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    les("issue", "web-1", "10.0.0.1", "--force")
    les("init", "--force")
    assert all(path.read_bytes() != text for path, text in before.items())


def test_a_renewal_needs_no_key_and_leaves_the_one_that_is_there(folder: Path) -> None:
    les("issue", "web-1", "10.0.0.1", "web-1.example.org")
    key, old = (folder / "web-1.key").read_bytes(), (folder / "web-1.crt").read_bytes()
    told = les("issue", "web-1", "--renew").stdout
    assert "names 10.0.0.1, web-1.example.org" in told
    assert "scp les-ca/web-1.crt 10.0.0.1:/etc/les/" in told
    assert (folder / "web-1.key").read_bytes() == key
    assert (folder / "web-1.crt").read_bytes() != old
    (folder / "web-1.key").unlink()
    assert "names 10.0.0.2" in les("issue", "web-1", "10.0.0.2:4000", "--renew").stdout
    load = TlsFiles(ca=folder / "ca.crt", cert=folder / "web-1.crt", key=folder / "web-1.key")
    load.key.touch(0o600)
    load.key.write_bytes(key)
    assert load_tls(load, "10.0.0.2").hosts == ("10.0.0.2",)


def test_json_says_where_everything_is(folder: Path) -> None:
    told = json.loads(les("issue", "web-1", "10.0.0.1", "--json").stdout)
    assert told.keys() == {"ca", "certificate", "key", "hosts", "expires"}
    assert (told["key"], told["hosts"]) == ("les-ca/web-1.key", ["10.0.0.1"])
    assert json.loads(les("issue", "web-1", "--renew", "--json").stdout)["key"] is None
    assert json.loads(les("init", "other", "--json").stdout)["certificate"] == "other/ca.crt"


@pytest.mark.parametrize("name", ["ca", ".", "..", ".web", "a/b", "../a", "a b", "x" * 65, ""])
def test_names_stay_in_the_folder(folder: Path, name: str) -> None:
    les("issue", name, "10.0.0.1", code=2)
    assert {path.name for path in folder.parent.rglob("*")} == {"les-ca", "ca.crt", "ca.key"}


@pytest.mark.parametrize(
    "address", ["0.0.0.0:4000", "::", "a:b", "10.0.0.1:0", "fe80::1%eth0", "*.example.org", "a b", ""]
)
def test_an_address_is_one_that_a_member_can_have(folder: Path, address: str) -> None:
    les("issue", "web-1", address, code=2)


def test_an_address_must_be_named(folder: Path) -> None:
    assert "les ca issue web-1 10.0.0.1:4000" in les("issue", "web-1", code=2).stderr


def test_a_folder_that_others_may_enter_is_refused(folder: Path) -> None:
    folder.chmod(0o750)
    assert "chmod 700 les-ca" in les("issue", "web-1", "10.0.0.1", code=1).stderr
    (folder.parent / "open").mkdir(0o755)
    assert "chmod 700 open" in les("init", "open", code=1).stderr
    assert not any((folder.parent / "open").iterdir())


def test_a_folder_of_somebody_else_is_refused(folder: Path) -> None:
    """Who owns it can replace the authority, whatever the modes of the files say."""
    need_root()
    os.chown(folder, 65534, 65534)
    assert "belongs to uid 65534" in les("issue", "web-1", "10.0.0.1", code=1).stderr
    assert "belongs to uid 65534" in les("init", "--force", code=1).stderr
    assert sorted(each.name for each in folder.iterdir()) == ["ca.crt", "ca.key"]


def test_without_an_authority_the_way_to_one_is_told(folder: Path) -> None:
    assert "`les ca init`" in les("issue", "web-1", "10.0.0.1", "--ca", "none", code=1).stderr
    assert "nothing to renew" in les("issue", "web-2", "--renew", code=1).stderr
    (folder / "ca.key").write_text("no key")
    assert "holds no authority" in les("issue", "web-1", "10.0.0.1", code=1).stderr


def test_a_listing_of_all_commands_does_not_load_the_library() -> None:
    look = (
        "import sys\nfrom les_hooks.cli import cli\n"
        "try: cli(['--help'])\nexcept SystemExit: print('loaded', 'cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=30, check=True)
    assert " ca " in done.stdout
    assert done.stdout.endswith("loaded False\n")


def test_a_daemon_never_loads_it(tmp_path: Path) -> None:
    """Of a real one, with all that it has loaded once it leads."""
    (port,) = free_ports(1)
    daemon = Daemon(tmp_path / "a", port, [port])
    daemon.start()
    try:
        until(lambda: daemon.status().get("is_me"), "it leads")
        assert daemon.process is not None
        mapped = Path(f"/proc/{daemon.process.pid}/maps").read_text()
    finally:
        daemon.kill()
    assert "python" in mapped
    assert "cryptography" not in mapped
