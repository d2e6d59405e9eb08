"""The tests' own etcd: a server that does not do what its fixture says would make the other tests prove nothing."""

import json
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cluster import until
from tests.etcd.server import CtlError, Server, leads
from tests.security.files import TestAuthority

_ORPHAN = """
import sys, time
from pathlib import Path
from tests.etcd.server import Server
print(Server(Path(sys.argv[1])).start().process.pid, flush=True)
time.sleep(60)
"""


def test_a_server_that_crashed_comes_back_with_its_data(tmp_path: Path) -> None:
    with Server(tmp_path) as etcd:
        etcd.ctl("put", "/key", "value")
        etcd.kill()
        assert not etcd.running
        etcd.start().wait()
        assert etcd.ctl("get", "/key", "--print-value-only").strip() == "value"
        etcd.stop()
        assert not etcd.running


def test_a_frozen_server_is_there_and_never_answers(tmp_path: Path) -> None:
    with Server(tmp_path) as etcd:
        etcd.freeze()
        with pytest.raises(CtlError, match="deadline exceeded"):
            etcd.ctl("get", "/key", limit=0.5)
        etcd.thaw()
        assert leads(etcd.status())


def test_a_user_has_the_keys_under_its_prefix_and_no_others(tmp_path: Path) -> None:
    with Server(tmp_path) as etcd:
        etcd.enable_auth(password="right")
        assert etcd.ctl("user", "list").split() == ["les", "root"]
        etcd.user = "les:right"
        etcd.ctl("put", "/les-hooks/key", "value")
        with pytest.raises(CtlError, match="permission denied"):
            etcd.ctl("put", "/other", "value")
        etcd.user = "les:wrong"
        with pytest.raises(CtlError, match="invalid user ID or password"):
            etcd.ctl("get", "/les-hooks/key")


def test_with_certificates_its_gateway_answers_only_who_has_one(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path / "tls")
    files = authority.issue("etcd", "127.0.0.1")
    with Server(tmp_path, tls=files) as etcd:
        context = ssl.create_default_context(cafile=files.ca)
        request = urllib.request.Request(f"{etcd.url}/v3/maintenance/status", data=b"{}", method="POST")
        with pytest.raises(OSError, match=r"alert|reset|Broken pipe|EOF"):
            urllib.request.urlopen(request, context=context, timeout=5)
        client = authority.issue("client", "127.0.0.1")
        context.load_cert_chain(client.cert, client.key)
        with urllib.request.urlopen(request, context=context, timeout=5) as answer:
            assert json.load(answer)["leader"]


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _ORPHAN, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        until(lambda: _name(pid) == "etcd", "it runs")
        starter.kill()
    until(lambda: _name(pid) != "etcd", "it has ended")


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
