"""A small certificate authority for those who have none: what `les ca` makes, as PEM.

Imported by `cli.ca` alone, when it is used: `cryptography`, which makes the certificates as nothing in the standard
library does, takes longer to import than all the rest of the command line. The daemon never loads it.
"""

import datetime
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["AUTHORITY_DAYS", "NODE_DAYS", "Authority", "Issued", "named_in"]

AUTHORITY_DAYS: Final = 3650
"""Ten years: to replace it, every node is visited twice."""

NODE_DAYS: Final = 825
"""Some two years: long enough to be renewed by hand, short enough that somebody still knows how. TLS libraries that
have a limit for private authorities (Apple's) have this one."""

# Of a node whose clock is behind that of the authority's host.
_EARLIER: Final = datetime.timedelta(hours=1)

_PublicKey = ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate and, where one was made with it, its key, both PEM. `expires` is in Unix seconds."""

    certificate: bytes
    key: bytes | None
    hosts: tuple[str, ...]
    expires: float


class Authority:
    """Signs the certificates of nodes. `now` is in Unix seconds, everywhere."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        """Raises ValueError where the two are no authority of this kind."""
        self._certificate = x509.load_pem_x509_certificate(certificate)
        loaded = load_pem_private_key(key, password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.public_key() != self._certificate.public_key():
            raise ValueError("the key does not belong to the certificate")
        self._key = loaded

    @staticmethod
    def new(now: float) -> Issued:
        """Make one."""
        key = ec.generate_private_key(ec.SECP256R1())
        # Two authorities in one ca_file must be told apart while the one takes the place of the other.
        name = _name(f"les-hooks authority {secrets.token_hex(4)}")
        begin, end = _span(now, AUTHORITY_DAYS)
        builder = _builder(name, name, key.public_key(), key.public_key(), begin, end)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        return Issued(
            certificate=builder.sign(key, SHA256()).public_bytes(Encoding.PEM),
            key=_pem(key),
            hosts=(),
            expires=end.timestamp(),
        )

    def issue(self, name: str, hosts: Sequence[str], now: float) -> Issued:
        """Make a key, and a certificate for it that names these hosts: IP addresses, or host names.

        Raises ValueError where the authority has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        return self._sign(name, hosts, key.public_key(), _pem(key), now)

    def renew(self, certificate: bytes, hosts: Sequence[str], now: float) -> Issued:
        """Make another certificate for the key of this one; without `hosts`, for the same ones.

        Raises ValueError where it is no certificate of this authority, or that has expired.
        """
        old = x509.load_pem_x509_certificate(certificate)
        try:
            old.verify_directly_issued_by(self._certificate)
        except Exception as error:  # its own kinds of errors, of which each means the same here
            raise ValueError("it does not come from this authority") from error
        public = old.public_key()
        assert isinstance(public, _PublicKey), "this authority signs no other"
        name = old.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return self._sign(str(name), hosts or named_in(certificate), public, None, now)

    def _sign(self, name: str, hosts: Sequence[str], public: _PublicKey, key: bytes | None, now: float) -> Issued:
        begin, end = _span(now, NODE_DAYS)
        # What outlives its authority would be refused before its own end, and nobody would have been warned.
        end = min(end, self._certificate.not_valid_after_utc)
        if end <= begin:
            raise ValueError(f"this authority has expired ({end:%Y-%m-%d})")
        builder = _builder(_name(name), self._certificate.subject, public, self._key.public_key(), begin, end)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(purposes, critical=False)
        alternatives = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        builder = builder.add_extension(alternatives, critical=False)
        return Issued(
            certificate=builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM),
            key=key,
            hosts=tuple(hosts),
            expires=end.timestamp(),
        )


def named_in(certificate: bytes) -> tuple[str, ...]:
    """The hosts that a certificate names."""
    extension = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return tuple(str(name.value) for name in extension.value)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _span(now: float, days: int) -> tuple[datetime.datetime, datetime.datetime]:
    moment = datetime.datetime.fromtimestamp(int(now), datetime.UTC)
    return moment - _EARLIER, moment + datetime.timedelta(days=days)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: _PublicKey,
    signer: _PublicKey,
    begin: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
