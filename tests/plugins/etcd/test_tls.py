"""What a connection to etcd takes: who it trusts, and what it shows."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from les_hooks.errors import StartError
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.tls import load_context
from tests.security.files import TestAuthority

URL = ("https://etcd.example:2379",)


def test_names_are_looked_at_and_old_protocols_are_not_spoken(tmp_path: Path) -> None:
    files = TestAuthority(tmp_path).issue("node", "127.0.0.1")
    context = load_context(EtcdConfig(endpoints=URL, ca_file=files.ca, cert_file=files.cert, key_file=files.key))
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) == 1, "and nobody else is trusted"


def test_without_a_file_the_systems_authorities_are_trusted() -> None:
    context = load_context(EtcdConfig(endpoints=URL))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_an_authority_without_a_certificate_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "ca.crt"
    empty.write_text("")
    with pytest.raises(StartError, match="ca_file"):
        load_context(EtcdConfig(endpoints=URL, ca_file=empty))


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    files = TestAuthority(tmp_path).issue("node", "127.0.0.1")
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"password")
    form = serialization.PrivateFormat.PKCS8
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
    with pytest.raises(StartError, match="the key is encrypted"):
        load_context(EtcdConfig(endpoints=URL, ca_file=files.ca, cert_file=files.cert, key_file=files.key))
