"""What is refused of `[security.tls]`, in which words; and real handshakes of what is not."""

import asyncio
import os
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from les_hooks.errors import StartError
from les_hooks.security import Credentials
from les_hooks.security.tls import Tls, TlsFiles, load_tls
from tests.needs import need_root
from tests.security.files import DAY, YEAR, TestAuthority

HOST = "127.0.0.1"


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    """One that was made now."""
    return TestAuthority(tmp_path)


@pytest.fixture
def files(authority: TestAuthority) -> TlsFiles:
    """Those of a node at HOST, with which all is well."""
    return authority.issue("a", HOST)


def refused(files: TlsFiles, host: str = HOST, code: int = 78) -> StartError:
    with pytest.raises(StartError) as caught:
        load_tls(files, host)
    assert caught.value.exit_code == code
    assert caught.value.advice
    assert "BEGIN" not in str(caught.value)
    return caught.value


# -- the files ---------------------------------------------------------------------------------------------------------


def test_good_files_say_whom_they_name_and_until_when(authority: TestAuthority) -> None:
    now = 1e9 * (time.time() // 1e9)
    tls = load_tls(authority.issue("a", "10.0.0.1", "fd00::1", "A.example.org"), "fd00::1")
    assert tls.hosts == ("10.0.0.1", "fd00::1", "a.example.org")
    assert now < tls.expires < time.time() + 826 * DAY


@pytest.mark.parametrize(("which", "key"), [("ca", "ca_file"), ("cert", "cert_file"), ("key", "key_file")])
class TestEachFile:
    """What can be wrong with any of the three."""

    def test_missing(self, files: TlsFiles, which: str, key: str) -> None:
        getattr(files, which).unlink()
        error = refused(files)
        assert error.what == f"[security.tls] {key} {getattr(files, which)}"
        assert error.why == "is not there"
        assert "les ca " in error.advice

    def test_unreadable(self, files: TlsFiles, which: str, key: str) -> None:
        """Tried as somebody who is not root, from inside, as the folders above it may be closed."""
        need_root()
        path = getattr(files, which)
        path.chmod(0o000)
        path.parent.chmod(0o755)
        text = (
            # Imported before the user changes: the new one may not be able to read this Python's files.
            "import os; from pathlib import Path; from les_hooks.security.tls import *\n"
            "from les_hooks.errors import StartError; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            f"ca, cert, key = map(Path, {[each.name for each in files.all]})\n"
            f"try: load_tls(TlsFiles(ca=ca, cert=cert, key=key), {HOST!r})\nexcept StartError as error: print(error)"
        )
        for each in files.all:
            os.chown(each, 65534, 65534)
        os.chown(path, 0, 0)
        argv = [sys.executable, "-c", text]
        told = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True, cwd=path.parent)
        assert f"{key} {path.name}: cannot be read (Permission denied); let the daemon's user read it" in told.stdout

    def test_a_folder_or_a_pipe(self, files: TlsFiles, which: str, key: str) -> None:
        path = getattr(files, which)
        path.unlink()
        os.mkfifo(path, 0o600)
        assert "is no file" in refused(files).why
        path.unlink()
        path.mkdir()
        assert "is no file" in refused(files).why

    def test_empty_or_half_written(self, files: TlsFiles, which: str, key: str) -> None:
        path = getattr(files, which)
        whole = path.read_bytes()
        for part in (b"", whole[: len(whole) // 2], whole[:-30], b"\0" * 100, "\u00e4".encode()):
            path.write_bytes(part)
            assert "cannot be used" in refused(files).why

    def test_endless(self, files: TlsFiles, which: str, key: str) -> None:
        with open(getattr(files, which), "ab") as file:
            file.truncate(2**21)
        assert "has more than" in refused(files).why


def test_half_of_a_second_authority_is_noticed(authority: TestAuthority, files: TlsFiles) -> None:
    """OpenSSL would take the first one, and say nothing."""
    files.ca.write_bytes(authority.certificate + authority.certificate[:200])
    assert "ends in the middle of a certificate" in refused(files).why


def test_the_key_of_another_certificate(authority: TestAuthority, files: TlsFiles) -> None:
    other = authority.issue("b", HOST)
    files.key.write_bytes(other.key.read_bytes())
    assert f"is the key of another certificate than {files.cert}" in refused(files).why


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602])
def test_a_key_that_others_could_have(files: TlsFiles, mode: int) -> None:
    files.key.chmod(mode)
    error = refused(files)
    assert f"mode {mode:04o}" in error.why
    assert f"chmod o-rwx,g-w {files.key}" in error.advice


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_key_that_a_group_was_given_on_purpose(files: TlsFiles, mode: int) -> None:
    """As systemd gives credentials."""
    files.key.chmod(mode)
    load_tls(files, HOST)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_is_asked_of_nobody(files: TlsFiles, form: PrivateFormat) -> None:
    key = load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"planted")))
    error = refused(files)
    assert "is encrypted" in error.why
    assert "planted" not in str(error)


def test_another_authority(authority: TestAuthority, files: TlsFiles, tmp_path: Path) -> None:
    files.ca.write_bytes(TestAuthority(tmp_path / "other").certificate)
    assert f"does not come from the authority in {files.ca}" in refused(files).why


def test_an_address_that_it_does_not_name(files: TlsFiles) -> None:
    error = refused(files, "10.0.0.2")
    assert error.why == f"names {HOST}, and not 10.0.0.2, which others know this node by"
    assert "les ca issue NAME 10.0.0.2" in error.advice


def test_one_that_has_expired(tmp_path: Path) -> None:
    long_ago = time.time() - 4 * YEAR
    authority = TestAuthority(tmp_path, made=long_ago)
    error = refused(authority.issue("a", HOST, now=long_ago), code=1)
    assert "is valid from " in error.why
    assert "les ca issue NAME --renew" in error.advice


def test_one_whose_time_has_not_come(authority: TestAuthority) -> None:
    """As it seems to a host whose clock is not set yet: systemd starts the node again after this exit code."""
    error = refused(authority.issue("a", HOST, now=time.time() + DAY), code=1)
    assert "is valid from " in error.why
    assert "date -u" in error.advice


def for_servers(authority: TestAuthority, **when: datetime) -> TlsFiles:
    """As public authorities issue them."""
    key, own = ec.generate_private_key(ec.SECP256R1()), authority.authority._certificate
    purposes = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(own.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(own.not_valid_before_utc)
        .not_valid_after(when.get("until", own.not_valid_after_utc))
        .add_extension(purposes, critical=False)
        .sign(authority.authority._key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return authority.put("a", certificate.public_bytes(Encoding.PEM), pem)


def test_one_for_servers_only(authority: TestAuthority) -> None:
    error = refused(for_servers(authority))
    assert error.why == "is not for both ends of a link"
    assert "clientAuth" in error.advice


def test_one_with_two_mistakes(tmp_path: Path) -> None:
    """What runs with another one goes on, and hears of it as of any mistake."""
    authority = TestAuthority(tmp_path, made=time.time() - YEAR)
    credentials = Credentials(tls_files=authority.issue("a", HOST), host=HOST)
    before = credentials.tls
    for_servers(authority, until=datetime.now(UTC) - timedelta(days=1))
    assert not credentials.refresh()
    assert credentials.tls is before
    assert "is not valid now, nor of use (unsuitable certificate purpose)" in credentials.warnings[0]


# -- handshakes --------------------------------------------------------------------------------------------------------


async def talk(listener: ssl.SSLContext, dialer: ssl.SSLContext) -> tuple[object, object]:
    """Connect; returns what each end knows of the other's certificate. Raises OSError as the dialer meets it."""
    seen: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set_result(writer.get_extra_info("peercert"))
        writer.write(b"x")
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0, ssl=listener)
    async with server, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(
            HOST, server.sockets[0].getsockname()[1], ssl=dialer, server_hostname=HOST
        )
        try:
            certificate = writer.get_extra_info("peercert")
            session = writer.get_extra_info("ssl_object").session
            if await reader.read(1) != b"x":
                raise ConnectionResetError
            assert session is None or not session.has_ticket
        finally:
            writer.close()
        return await seen, certificate


def hosts_in(certificate: object) -> list[str]:
    assert isinstance(certificate, dict)
    return [value for _, value in certificate["subjectAltName"]]


async def test_two_nodes_know_each_other_by_their_certificates(authority: TestAuthority) -> None:
    a, b = (load_tls(authority.issue(name, host), host) for name, host in (("a", "10.0.0.1"), ("b", "10.0.0.2")))
    dialer, listener = await talk(a.listener, b.dialer)
    assert (hosts_in(dialer), hosts_in(listener)) == (["10.0.0.2"], ["10.0.0.1"])


async def test_a_stranger_gets_through_with_no_certificate_and_is_known_to_have_none(files: TlsFiles) -> None:
    stranger = ssl.create_default_context(cafile=str(files.ca))
    dialer, _ = await talk(load_tls(files, HOST).listener, stranger)
    assert not dialer


@pytest.mark.parametrize("end", ["listener", "dialer"])
async def test_an_end_of_another_authority_is_refused(authority: TestAuthority, tmp_path: Path, end: str) -> None:
    """What a listener refuses, asyncio tells the dialer by breaking off."""
    other = TestAuthority(tmp_path / "other")
    ours = load_tls(authority.issue("a", HOST), HOST)
    theirs = load_tls(other.trusting(other.issue("b", HOST), authority), HOST)
    with pytest.raises(ssl.SSLCertVerificationError if end == "listener" else ConnectionError):
        await talk(*(ours.listener, theirs.dialer) if end == "dialer" else (theirs.listener, ours.dialer))


def old_context(tls: Tls, files: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(files.cert, files.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


async def test_tls_1_2_is_refused(files: TlsFiles) -> None:
    tls = load_tls(files, HOST)
    with pytest.raises(ConnectionError):
        await talk(tls.listener, old_context(tls, files))
    listener = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    listener.load_cert_chain(files.cert, files.key)
    listener.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ConnectionError):
        await talk(listener, tls.dialer)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_authorities_that_others_could_add_to_are_refused(authority: TestAuthority, mode: int) -> None:
    files = authority.issue("a", HOST)
    files.ca.chmod(mode)
    error = refused(files)
    assert error.what.startswith("[security.tls] ca_file ")
    assert f"can be changed by others (mode {mode:04o})" in error.why
    assert f"`chmod go-w {files.ca}`" in error.advice


async def test_a_bundle_of_two_authorities_takes_nodes_of_both(authority: TestAuthority, tmp_path: Path) -> None:
    other = TestAuthority(tmp_path / "other")
    a = load_tls(authority.trusting(authority.issue("a", HOST), other), HOST)
    b = load_tls(other.trusting(other.issue("b", HOST), authority), HOST)
    for listener, dialer in ((a, b), (b, a)):
        assert all(await talk(listener.listener, dialer.dialer))


def test_certificates_of_nodes_are_looked_at_without_a_library_that_makes_them() -> None:
    look = "import sys, les_hooks.security.tls, les_hooks.security.watched; print('cryptography' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=30, check=True)
    assert told.stdout == "False\n"
