"""What a node says of what keeps strangers out: the same words in `les status`, in its JSON and on the page."""

import time
from pathlib import Path

import pytest

from les_hooks.config import load_config
from les_hooks.control.security import security
from les_hooks.daemon.credentials import credentials_of
from les_hooks.log import make_log
from les_hooks.security import Secret, Secrets, write_secrets
from les_plugins.dashboard.page import render
from tests.plugins.dashboard.samples import a_snapshot, a_status
from tests.security.files import TestAuthority

HOST, SECRET = "10.0.0.1", 'secret_file = "secret"\n'
UNTIL = time.time() + 400 * 86400


@pytest.fixture
def tls(tmp_path: Path) -> str:
    """The table of a certificate that ends at UNTIL."""
    files = TestAuthority(tmp_path).issue("a", HOST, now=UNTIL - 825 * 86400)
    return f'[security.tls]\nca_file = "{files.ca}"\ncert_file = "{files.cert}"\nkey_file = "{files.key}"\n'


@pytest.mark.parametrize(
    ("bind", "lines", "mode", "summary", "public"),
    [
        ("127.0.0.1", "", "loopback", "open: loopback only", True),
        ("127.0.0.1", "insecure = true\n", "loopback", "open: loopback only", True),
        (HOST, "insecure = true\n", "insecure", "open: insecure = true", True),
        (HOST, SECRET, "secret", "secret (FIRST, then SECOND)", False),
        (HOST, f"{SECRET}public = true\n", "secret", "secret (FIRST, then SECOND)", True),
        (HOST, f"insecure = true\n{SECRET}", "secret", "secret (FIRST, then SECOND)", False),
        (HOST, "TLS", "tls", "TLS (certificate until UNTIL)", False),
        (HOST, f"{SECRET}TLS", "tls+secret", "TLS and secret (FIRST, then SECOND; certificate until UNTIL)", False),
    ],
)
def test_it_says_what_is_in_force(
    tmp_path: Path, tls: str, bind: str, lines: str, mode: str, summary: str, public: bool
) -> None:
    secrets = Secrets(accepted=(Secret("a" * 32), Secret("b" * 32)))
    write_secrets(tmp_path / "secret", secrets)
    file = tmp_path / "les.toml"
    file.write_text(f'[node]\nbind = "{bind}:4000"\nstate_dir = "s"\n[security]\n{lines.replace("TLS", tls)}')
    config = load_config(file, environ={})
    told = security(config, credentials_of(config, make_log(config.log.format, config.log.level)))
    first, second = secrets.fingerprints
    until = time.strftime("%Y-%m-%d", time.gmtime(UNTIL))
    words = summary.replace("FIRST", first).replace("SECOND", second).replace("UNTIL", until)
    assert (told["mode"], told["summary"], told["public"]) == (mode, words, public)
    assert words in render(a_snapshot(a_status(security=told)), "v")
    assert all(secret.reveal() not in str(told) for secret in secrets.accepted)
