"""TLS between nodes: from `ca_file`, `cert_file` and `key_file` to what the listener and the dialer take.

With `ssl` of the standard library alone. Imported by the peers backend, the daemon and the command line.
"""

import hashlib
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from les_hooks.errors import StartError
from les_hooks.security.certificate import Decoded, Subject, expiry, hosts, names
from les_hooks.security.handshake import EXPIRED, NOT_YET_VALID, UNKNOWN_ISSUER, WRONG_PURPOSE, reason_of
from les_hooks.security.private import load_private

__all__ = ["Tls", "TlsFiles", "load_tls"]

_FAILED_EXIT: Final = 1
_CONFIG_EXIT: Final = 78
# A bundle of all authorities that browsers know has 230 KiB.
_MOST_BYTES: Final = 1024 * 1024
# X509_V_FLAG_NO_CHECK_TIME, which `ssl` has no name for.
_ANY_TIME: Final = 0x200000
_ISSUE: Final = "`les ca issue` makes one"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where `[security.tls]` says that they are; all PEM. `ca` may hold several authorities, `cert` its chain."""

    ca: Path
    cert: Path
    key: Path

    @property
    def all(self) -> tuple[Path, ...]:
        """The three of them."""
        return self.ca, self.cert, self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What the files held when they were read, and what was found to be of use.

    `hosts` is whom the certificate of this node names, `expires` its end in Unix seconds, and `authorities` are the
    certificates that `ca` trusts, by their SHA-256, with their subjects. `listener` and `dialer` do not look at names:
    who answers is known by the address in its hello, which `certificate.names` compares. A dialed address will not do,
    as the name of a seed has been looked up by then. `asker` dials originals, which say no hello, and wants the dialed
    host named, by the rules of `ssl`.
    """

    listener: ssl.SSLContext
    dialer: ssl.SSLContext
    asker: ssl.SSLContext
    authorities: Mapping[bytes, Subject]
    hosts: tuple[str, ...]
    expires: float

    def behind(self, certificate: Decoded) -> frozenset[bytes]:
        """Which authorities a certificate, whose chain holds, may rest on: all those of its issuer's name.

        The name alone says little, for another authority may take it; and where others stand between the two it says
        nothing, so that it may be any of them.
        """
        named = frozenset(each for each, subject in self.authorities.items() if subject == certificate["issuer"])
        return named or frozenset(self.authorities)


def load_tls(files: TlsFiles, host: str) -> Tls:
    """Read the files, and find out whether another node would accept what is in them from `host`.

    Raises StartError, which says which file is wrong, and how.
    """
    for path, key in zip(files.all, ("ca_file", "cert_file", "key_file"), strict=True):
        _look_at(path, key)
    load_private(files.key, f"[security.tls] key_file {files.key}", "have a new one made: `les ca issue NAME --force`")
    try:
        return _load(files, host)
    except (ssl.SSLError, ValueError) as error:
        # Nobody has foreseen all that a certificate can be; a node that runs is not to end for one.
        raise _wrong("cert_file", files.cert, f"cannot be used with {files.ca} ({reason_of(error)})", _ISSUE) from error


def _load(files: TlsFiles, host: str) -> Tls:
    listener, dialer = _contexts(files)
    certificate = _accepted(listener, dialer, files)
    if not names(certificate, host):
        named = ", ".join(hosts(certificate)) or "no address at all"
        why = f"names {named}, and not {host}, which others know this node by"
        advice = f"have it made for {host} (`les ca issue NAME {host}`), or change [node] advertise"
        raise _wrong("cert_file", files.cert, why, advice)
    asker = _contexts(files)[1]
    asker.check_hostname = True
    return Tls(
        listener=listener,
        dialer=dialer,
        asker=asker,
        authorities={
            hashlib.sha256(whole).digest(): cast(Subject, authority["subject"])
            for whole, authority in zip(listener.get_ca_certs(True), listener.get_ca_certs(), strict=True)
        },
        hosts=hosts(certificate),
        expires=expiry(certificate),
    )


def _wrong(key: str, path: Path, why: str, advice: str, exit_code: int = _CONFIG_EXIT) -> StartError:
    return StartError(f"[security.tls] {key} {path}", why, advice, exit_code)


def _look_at(path: Path, key: str) -> None:
    """Before OpenSSL does, which would wait for a pipe, and has one word for all that can be wrong."""
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= _MOST_BYTES:
            with path.open("rb"):
                if key == "ca_file":
                    _only_its_owner_changes(path, status.st_mode)
                return
    except FileNotFoundError as error:
        made = "`les ca init` makes one" if key == "ca_file" else _ISSUE
        raise _wrong(key, path, "is not there", f"copy it there; {made}") from error
    except OSError as error:
        advice = "let the daemon's user read it, and enter each folder on its path"
        raise _wrong(key, path, f"cannot be read ({error.strerror})", advice) from error
    raise _wrong(key, path, f"is no file, or has more than {_MOST_BYTES} bytes", "name a PEM file")


def _only_its_owner_changes(path: Path, mode: int) -> None:
    """Who can write it lets in whom he likes; of the certificate, which proves nothing without its key, nobody asks."""
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        why = f"can be changed by others (mode {stat.S_IMODE(mode):04o}), who could add an authority of their own"
        raise _wrong("ca_file", path, why, f"`chmod go-w {path}`, once you have looked at what is in it")


class _EncryptedError(Exception):
    """The key wants a password."""


def _no_password() -> str:
    # Without this, OpenSSL would ask for it on the daemon's terminal.
    raise _EncryptedError


def _contexts(files: TlsFiles) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    listener = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    dialer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    dialer.check_hostname = False
    dialer.verify_mode = ssl.CERT_REQUIRED
    # Strangers are told `/ping`, and in words what they lack; who shows a certificate must show one that holds.
    listener.verify_mode = ssl.CERT_OPTIONAL
    # A session that is taken up again would outlive the certificate that began it.
    listener.num_tickets = 0
    for context in (listener, dialer):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        _load_authority(context, files.ca)
        _load_own(context, files)
    return listener, dialer


def _load_authority(context: ssl.SSLContext, path: Path) -> None:
    try:
        text = path.read_text("ascii")
        # What is left of a certificate that is written at this moment would be passed over without a word.
        if text.count("-----BEGIN") != text.count("-----END"):
            raise ValueError("ends in the middle of a certificate")
        context.load_verify_locations(cadata=text)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        why = "cannot be used" if isinstance(error, UnicodeDecodeError) else f"cannot be used ({reason_of(error)})"
        raise _wrong("ca_file", path, why, "it must hold the certificates of the authority, in PEM") from error


def _load_own(context: ssl.SSLContext, files: TlsFiles) -> None:
    try:
        context.load_cert_chain(files.cert, files.key, _no_password)
    except _EncryptedError:
        advice = f"take the password off (`openssl pkey -in {files.key} -out NEW`), and keep the file private instead"
        raise _wrong(
            "key_file", files.key, "is encrypted, and nobody types its password when a node starts", advice
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = f"is the key of another certificate than {files.cert}"
            raise _wrong("key_file", files.key, why, "copy the two that were made together") from error
        why = f"cannot be used with {files.key.name} ({reason_of(error)})"
        raise _wrong("cert_file", files.cert, why, f"both must be whole, and PEM; {_ISSUE}") from error
    except OSError as error:
        raise _wrong("cert_file", files.cert, f"cannot be read ({error.strerror})", "look at it again") from error


def _accepted(listener: ssl.SSLContext, dialer: ssl.SSLContext, files: TlsFiles) -> Decoded:
    """The node's own certificate, if another node with the same authority would take it on both ends of a link."""
    try:
        return _shake_hands(listener, dialer)
    except ssl.SSLCertVerificationError as error:
        why, advice = f"would be refused: {error.verify_message}", "have another one made; `les ca issue` does"
        match error.verify_code:
            case code if code in UNKNOWN_ISSUER:
                why, advice = f"does not come from the authority in {files.ca}", "take both from the same one"
            case code if code in (EXPIRED, NOT_YET_VALID):
                raise _wrong_time(files) from error
            case code if code == WRONG_PURPOSE:
                why = "is not for both ends of a link"
                advice = "its extendedKeyUsage needs serverAuth and clientAuth; `les ca issue` makes such"
        raise _wrong("cert_file", files.cert, why, advice) from error
    except ssl.SSLError as error:
        raise _wrong("cert_file", files.cert, f"would be refused ({reason_of(error)})", _ISSUE) from error


def _wrong_time(files: TlsFiles) -> StartError:
    """Say which dates do not fit the clock, and what mends that."""
    contexts = _contexts(files)
    for context in contexts:
        context.verify_flags = ssl.VerifyFlags(context.verify_flags | _ANY_TIME)
    try:
        certificate = _shake_hands(*contexts)
    except ssl.SSLError as error:
        return _wrong("cert_file", files.cert, f"is not valid now, nor of use ({reason_of(error)})", _ISSUE)
    why = f"is valid from {certificate['notBefore']} to {certificate['notAfter']}, or its authority is not valid, now"
    advice = "look at the clock of this host (`date -u`); else have another one made: `les ca issue NAME --renew`"
    # Another clock is all that this may take, which a host gets soon after it has started: it is worth another try.
    return _wrong("cert_file", files.cert, why, advice, _FAILED_EXIT)


def _shake_hands(listener: ssl.SSLContext, dialer: ssl.SSLContext) -> Decoded:
    """Have both ends meet in memory; returns the certificate that the dialer saw. Raises ssl.SSLError."""
    to_listener, to_dialer = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        dialer.wrap_bio(to_dialer, to_listener, server_side=False),
        listener.wrap_bio(to_listener, to_dialer, server_side=True),
    ]
    waiting = list(ends)
    while waiting:
        end = waiting.pop(0)
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(end)
    certificate = ends[0].getpeercert()
    assert certificate, "the dialer takes nobody without one"
    return certificate
