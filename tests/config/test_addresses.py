"""Names and addresses: what an operator may write, and what each kind of place refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from les_hooks.config.addresses import (
    is_loopback,
    listen_address,
    parse_advertise,
    parse_listen,
    parse_name,
    parse_seed,
    valid_name,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1:4000", "10.0.0.1:4000"),
        ("Web-1.Example.org:4000", "web-1.example.org:4000"),
        ("[2001:DB8:0::1]:4000", "[2001:db8::1]:4000"),
    ],
)
def test_an_address_has_one_spelling(text: str, address: str) -> None:
    assert parse_seed(text) == parse_listen(text) == address


@pytest.mark.parametrize(("text", "pair"), [("0.0.0.0:0", ("0.0.0.0", 0)), ("[::]:0", ("::", 0)), ("h:80", ("h", 80))])
def test_listening_allows_wildcards_and_port_0(text: str, pair: tuple[str, int]) -> None:
    assert listen_address(text) == pair


@pytest.mark.parametrize(
    "text", ["", "h", ":4000", "h:", "h:x", "h:65536", "::1:80", "[h]:80", "[::1%\x1b]:80", "a b:1"]
)
def test_what_is_no_address_is_refused_everywhere(text: str) -> None:
    for parse in (parse_listen, parse_seed, parse_advertise):
        with pytest.raises(ValueError, match=r"^(is|has|writes) "):
            parse(text)


@pytest.mark.parametrize("text", ["0.0.0.0:4000", "[::]:4000", "224.0.0.1:4000", "h:0"])
def test_what_is_not_one_nodes_address_is_no_seed_and_not_advertised(text: str) -> None:
    for parse in (parse_seed, parse_advertise):
        with pytest.raises(ValueError, match=r"is not the address of one node|has no port"):
            parse(text)


def test_an_interface_of_this_host_is_not_advertised() -> None:
    with pytest.raises(ValueError, match="means something else on every host"):
        parse_advertise("[fe80::1%eth0]:4000")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("web", False)],
)
def test_only_this_hosts_own_addresses_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("text", ["", "a b", "a\n", 'a"', "a\x1b[31m", "ä", "a" * 65, ".", ".."])
def test_a_name_that_is_unsafe_anywhere_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        parse_name(text)


@given(st.text())
def test_any_text_can_be_made_a_valid_name(text: str) -> None:
    name = valid_name(text)
    assert parse_name(name) == name
