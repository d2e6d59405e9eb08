"""Whom a certificate names, and when its end is warned of."""

import pytest

from les_hooks.security.certificate import WARN_SECONDS, Decoded, expiry, expiry_warning, hosts, names

CERTIFICATE: Decoded = {
    "subject": ((("commonName", "c.example.org"),),),
    "subjectAltName": (
        ("IP Address", "10.0.0.1"),
        ("IP Address", "FD00:0:0:0:0:0:0:1\n"),
        ("DNS", "A.example.org"),
        ("DNS", "*.example.net"),
        ("email", "b.example.org"),
    ),
    "notAfter": "Jan  2 03:04:05 2030 GMT",
}


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "fd00::1", "FD00:0::1", "a.example.org", "A.EXAMPLE.ORG", "a.example.org."]
)
def test_each_spelling_of_a_host_is_the_same_host(host: str) -> None:
    assert names(CERTIFICATE, host)


@pytest.mark.parametrize(
    "host",
    ["10.0.0.2", "fd00::2", "::ffff:10.0.0.1", "example.org", "x.a.example.org", "b.example.org", "c.example.org"],
)
def test_no_other_host_is_named(host: str) -> None:
    """Neither by the common name, nor by what is no host."""
    assert not names(CERTIFICATE, host)


def test_a_wildcard_names_nobody() -> None:
    assert not names(CERTIFICATE, "a.example.net")


@pytest.mark.parametrize(
    ("kind", "value", "host"),
    [
        ("DNS", "10.0.0.7", "10.0.0.7"),
        ("DNS", " 10.0.0.7", "10.0.0.7"),
        ("IP Address", "k.example.org", "k.example.org"),
        ("DNS", "\N{KELVIN SIGN}.example.org", "k.example.org"),
        ("DNS", "k.example.org\0.evil.example", "k.example.org"),
    ],
)
def test_a_name_is_no_address_and_no_other_name(kind: str, value: str, host: str) -> None:
    """An authority that lets people have names looks at those, and not at what somebody could take them for."""
    assert not names({"subjectAltName": ((kind, value),)}, host)


def test_who_shows_no_certificate_is_named_by_none() -> None:
    assert hosts({}) == ()
    assert not names({}, "10.0.0.1")


def test_the_hosts_are_told_in_their_shortest_form() -> None:
    assert hosts(CERTIFICATE) == ("10.0.0.1", "fd00::1", "a.example.org", "*.example.net")


def test_the_end_is_in_unix_seconds() -> None:
    assert expiry(CERTIFICATE) == 1893553445.0


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (WARN_SECONDS, "expires in 30 days;"),
        (86400.0 * 2 - 1, "expires in 1 day;"),
        (3600.0, "expires in less than a day;"),
        (0.0, "HAS EXPIRED"),
        (-1e9, "HAS EXPIRED"),
    ],
)
def test_the_last_month_is_warned_of(left: float, words: str) -> None:
    assert words in expiry_warning(1000.0 + left, 1000.0)


def test_before_that_nobody_is_troubled() -> None:
    assert expiry_warning(1001.0 + WARN_SECONDS, 1000.0) == ""
