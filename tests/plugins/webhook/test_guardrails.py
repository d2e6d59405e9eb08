"""Addresses that no webhook is posted to, in all the ways to write them."""

import socket

import pytest

from les_plugins.webhook.posting.guardrails import AddressRefused, guarded_socket, why_refused

REFUSED = [
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "255.255.255.255",
    "fe80::1",
    "fe80::a9fe:a9fe%eth0",
    "febf::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd00:c1::a9fe:a9fe",
    "fd00:42::42",
    "fd20:ce::254",
    "::",
    "ff02::1",
    "::ffff:169.254.169.254",
    "::ffff:100.100.100.200",
    "::ffff:0.0.0.0",
    "::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::169.254.169.254",
    "64:ff9b:1:a9fe:a9:fe00::",  # RFC 6052 with 48 bits
    "64:ff9b:1:aa:a9:fea9:fe00:0",  # 56 bits
    "64:ff9b:1:aabb:a9:fea9:fe00:0",  # 64 bits
    "2001:0:4136:e378:8000:63bf:5601:5601",  # Teredo; the client's address is inverted
]

FINE = [
    "127.0.0.1",
    "::1",
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "100.100.100.201",
    "100.64.0.1",
    "203.0.113.7",
    "fd00::1",
    "fc00:ec2::254",
    "2001:db8::1",
    "2002:0a00:0001::1",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_no_webhook_goes_there(address: str) -> None:
    assert why_refused(address)


@pytest.mark.parametrize("address", FINE)
def test_receivers_may_stand_there(address: str) -> None:
    assert why_refused(address) == ""


def test_no_socket_is_made_for_an_address_that_is_refused() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("169.254.169.254", 80))
    with pytest.raises(AddressRefused, match=r"^169\.254\.169\.254 is link-local"):
        guarded_socket(info)
