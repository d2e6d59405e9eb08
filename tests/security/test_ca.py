"""The small authority: what it issues, held against the program `openssl`."""

import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509

from les_hooks.security.ca import AUTHORITY_DAYS, NODE_DAYS, Authority, named_in
from les_hooks.security.tls import load_tls
from tests.needs import need_program
from tests.security.files import DAY, YEAR, TestAuthority

NOW = 1_800_000_000.0
HOSTS = ("10.0.0.1", "fd00::1", "web-1.example.org")


def openssl(*words: str | Path) -> str:
    done = subprocess.run(
        [need_program("openssl"), *map(str, words)], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    """One of NOW."""
    return TestAuthority(tmp_path, made=NOW)


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_openssl_takes_a_certificate_on_both_ends_by_its_strictest_rules(
    authority: TestAuthority, purpose: str
) -> None:
    files = authority.issue("web-1", *HOSTS, now=NOW)
    strict = ("verify", "-x509_strict", "-check_ss_sig", "-attime", int(NOW))
    told = openssl(*map(str, strict), "-purpose", purpose, "-CAfile", files.ca, files.cert)
    assert told == f"{files.cert}: OK\n"


def test_openssl_reads_what_was_asked_for(authority: TestAuthority) -> None:
    files = authority.issue("web-1", *HOSTS, now=NOW)
    text = openssl("x509", "-in", files.cert, "-noout", "-text")
    for words in (
        "IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1, DNS:web-1.example.org",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "NIST CURVE: P-256",
        "CA:FALSE",
        "Subject: CN = web-1",
        "Not After : Apr 19 08:00:00 2029 GMT",
    ):
        assert words in text
    text = openssl("x509", "-in", files.ca, "-noout", "-text")
    assert "CA:TRUE, pathlen:0" in text
    assert "Certificate Sign, CRL Sign" in text


def test_a_node_cannot_issue_certificates(tmp_path: Path) -> None:
    """Else each member could be any other."""
    authority = TestAuthority(tmp_path)
    issued = authority.authority.issue("a", ["10.0.0.1"], time.time())
    assert issued.key is not None
    files = authority.put("b", issued.certificate, issued.key)
    forged = Authority(issued.certificate, issued.key).issue("b", ["10.0.0.2"], time.time())
    assert forged.key is not None
    files = authority.put("b", forged.certificate + issued.certificate, forged.key)
    with pytest.raises(Exception, match="would be refused: invalid CA certificate"):
        load_tls(files, "10.0.0.2")


def test_lives_are_as_long_as_the_docs_say() -> None:
    made = Authority.new(NOW)
    assert made.expires == NOW + AUTHORITY_DAYS * DAY
    assert made.key is not None
    authority = Authority(made.certificate, made.key)
    assert authority.issue("a", HOSTS, NOW).expires == NOW + NODE_DAYS * DAY


def test_nothing_outlives_its_authority(authority: TestAuthority) -> None:
    """So that a warning of a node's certificate is one of the authority's end, too."""
    end = NOW + AUTHORITY_DAYS * DAY
    assert authority.authority.issue("a", HOSTS, NOW + 9 * YEAR).expires == end
    with pytest.raises(ValueError, match="has expired"):
        authority.authority.issue("a", HOSTS, NOW + 11 * YEAR)


def test_a_renewed_certificate_is_for_the_same_key_and_hosts(authority: TestAuthority) -> None:
    first = authority.authority.issue("web-1", HOSTS, NOW)
    second = authority.authority.renew(first.certificate, (), NOW + YEAR)
    assert (second.key, second.hosts, second.expires) == (None, HOSTS, NOW + YEAR + NODE_DAYS * DAY)
    assert named_in(second.certificate) == HOSTS
    assert first.key is not None
    files = authority.put("web-1", second.certificate, first.key)
    keys = [
        openssl(*words)
        for words in (("x509", "-in", files.cert, "-noout", "-pubkey"), ("pkey", "-in", files.key, "-pubout"))
    ]
    assert keys[0] == keys[1]


def test_a_renewed_certificate_may_name_others(authority: TestAuthority) -> None:
    first = authority.authority.issue("web-1", HOSTS, NOW)
    assert named_in(authority.authority.renew(first.certificate, ["10.0.0.9"], NOW).certificate) == ("10.0.0.9",)


def test_what_another_has_issued_is_not_renewed(authority: TestAuthority, tmp_path: Path) -> None:
    other = TestAuthority(tmp_path / "other", made=NOW)
    with pytest.raises(ValueError, match="does not come from this authority"):
        authority.authority.renew(other.authority.issue("a", HOSTS, NOW).certificate, (), NOW)


def test_the_parts_of_two_authorities_are_none(authority: TestAuthority) -> None:
    one, other = Authority.new(NOW), Authority.new(NOW)
    assert other.key is not None
    with pytest.raises(ValueError, match="does not belong"):
        Authority(one.certificate, other.key)


def test_two_authorities_go_by_different_names() -> None:
    """So that a bundle of two is no riddle."""
    made = [x509.load_pem_x509_certificate(Authority.new(NOW).certificate) for _ in range(5)]
    assert len({certificate.subject.rfc4514_string() for certificate in made}) == 5
