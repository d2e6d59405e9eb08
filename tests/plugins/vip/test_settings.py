"""What `[plugins.vip]` may hold, and how mistakes in it are told."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from les_hooks.config import load_config, load_plugin_table
from les_hooks.config.show import show
from les_hooks.errors import ConfigError
from les_hooks.plugins import Registry
from les_plugins.vip.settings import Announce, Mode, Takeover, VipConfig, VirtualAddress, parse_virtual_address

WHOLE = """
addresses = ["10.0.0.100/24", "fd00:0:0::64/64 dev eth1"]
interface = "eth0"
lifetime = "3s"
probe = false
takeover = "immediate"
label = "eth0:les"
mode = "route"
[announce]
count = 3
interval = "50ms"
refresh = "0s"
"""


def read(text: str) -> VipConfig:
    table: Mapping[str, object] = tomli.loads(text)
    config = load_plugin_table("vip", table, VipConfig, base=Path("/etc/les")).config
    assert isinstance(config, VipConfig)
    return config


def test_every_key_is_read() -> None:
    config = read(WHOLE)
    assert config.addresses == (
        VirtualAddress(ip="10.0.0.100", prefix=24),
        VirtualAddress(ip="fd00::64", prefix=64, interface="eth1"),
    )
    assert [config.interface_of(address) for address in config.addresses] == ["eth0", "eth1"]
    assert (config.lifetime, config.probe, config.takeover, config.label, config.mode) == (
        3,
        False,
        Takeover.IMMEDIATE,
        "eth0:les",
        Mode.ROUTE,
    )
    assert config.announce == Announce(count=3, interval=0.05, refresh=0.0)


def test_an_address_and_an_interface_are_enough() -> None:
    config = read('addresses = ["10.0.0.100/24"]\ninterface = "eth0"')
    assert (config.lifetime, config.probe, config.takeover, config.mode) == (2, True, Takeover.SAFE, Mode.ADDRESS)
    assert config.announce == Announce(count=5, interval=0.1, refresh=60.0)


def test_it_comes_first_and_must_not_fail_unless_told_otherwise() -> None:
    config = read('addresses = ["10.0.0.100/24"]\ninterface = "eth0"')
    assert (config.critical, config.order) == (True, -100)


def test_an_address_goes_on_alone_and_its_prefix_says_where_it_belongs() -> None:
    four, six = read(WHOLE).addresses
    assert (four.length, str(four.subnet), four.version) == (32, "10.0.0.0/24", 4)
    assert (six.length, str(six.subnet), six.version) == (128, "fd00::/64", 6)


def test_what_no_other_plugin_may_move_is_named() -> None:
    assert read(WHOLE).claims == ["address 10.0.0.100", "address fd00::64"]


@pytest.mark.parametrize("text", ["10.0.0.1/32", "10.0.0.0/31", "10.0.0.1/31", "fd00::/127", "fe80::64/64 dev eth0"])
def test_a_point_to_point_subnet_and_a_single_host_are_fine(text: str) -> None:
    assert parse_virtual_address(text)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "is not an address and its prefix length"),
        (" ", "is not an address and its prefix length"),
        ("10.0.0.1/24 eth0", "is not an address and its prefix length"),
        ("10.0.0.1/24 dev", "is not an address and its prefix length"),
        ("10.0.0.1/24 dev eth0 eth1", "is not an address and its prefix length"),
        ("10.0.0.1", 'has no prefix length; write the one of its subnet, such as "10.0.0.1/24"'),
        ("10.0.0.1/0", "has the prefix length 0, which is every address there is"),
        ("fd00::1/0", "has the prefix length 0"),
        ("10.0.0.1/33", "is no IP address with a prefix length"),
        ("fd00::1/129", "is no IP address with a prefix length"),
        ("10.0.0.1/-1", "is no IP address with a prefix length"),
        ("10.0.0.1/", "is no IP address with a prefix length"),
        ("10.0.0/24", "is no IP address with a prefix length"),
        ("10.0.0.1/255.255.255.0", "is no IP address with a prefix length in bits"),
        ("10.0.0.0/24", "is the address of its subnet"),
        ("fd00::/64", "is the address of its subnet"),
        ("10.0.0.255/24", "is the broadcast address of its subnet"),
        ("255.255.255.255/32", "is no address that one host of a network can have"),
        ("0.0.0.0/8", "is no address that one host"),
        ("0.1.2.3/8", "is no address that one host"),
        ("127.0.0.2/8", "is no address that one host"),
        ("::1/128", "is no address that one host"),
        ("::/128", "is no address that one host"),
        ("224.0.0.1/24", "is no address that one host"),
        ("ff02::1/64", "is no address that one host"),
        ("::ffff:10.0.0.1/96", "is no address that one host"),
        ("::10.0.0.1/96", "is no address that one host"),
        ("fe80::1%eth0/64", 'has a zone; write the interface after it: "dev eth0"'),
        ("10.0.0.1/24 dev a/b", "names no interface that there can be"),
        ("10.0.0.1/24 dev ..", "names no interface that there can be"),
        ("10.0.0.1/24 dev sixteen-letters-", "names no interface that there can be"),
        ("10.0.0.1/24 dev eth0:1", "names no interface that there can be"),
    ],
)
def test_what_no_host_can_have_is_refused(address: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f'addresses = ["10.0.0.7/24", "{address}"]\ninterface = "eth0"')
    assert "plugins.vip.addresses[1]: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('lifetime = "1s"', 'lifetime: "1s" is no lifetime; the kernel counts whole seconds, and takes "2s" to "1h"'),
        ('lifetime = "2.5s"', '"2.5s" is no lifetime'),
        ('lifetime = "0s"', '"0s" is no lifetime'),
        ('lifetime = "61m"', '"61m" is no lifetime'),
        ('lifetime = "never"', "is no duration"),
        ("lifetime = 2", 'expected a duration of whole seconds as a string, such as "2s"'),
        ('interface = "a b"', "names no interface"),
        ('interface = "."', "names no interface"),
        ('label = ""', "is no label"),
        ('label = "eth0:far-too-long"', "is no label"),
        ('mode = "both"', 'expected "address" or "route"'),
        ('takeover = "never"', 'expected "safe" or "immediate"'),
        ("probe = 1", "expected true or false"),
        ('announce.refresh = "1ms"', 'refresh is too short; "1s" is the least, and "0s" is never'),
        ('announce.interval = "0s"', "is too short"),
        ("announce.count = 0", "announce.count: expected int >= 1"),
        ("announce.count = 21", "announce.count: expected int <= 20"),
        ("order = 10000000", "order: expected int <= 1000000"),
        ('critical = "yes"', "critical: expected true or false"),
        ('adresses = ["10.0.0.1/24"]', "adresses: unknown key; did you mean 'addresses'?"),
        ('announce.often = "1s"', "announce.often: unknown key"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, message: str) -> None:
    rest = "" if text.startswith("interface") else '\ninterface = "eth0"'
    with pytest.raises(ConfigError) as caught:
        read(f'addresses = ["10.0.0.100/24"]{rest}\n{text}')
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('interface = "eth0"', "addresses: is missing"),
        ("addresses = []", "expected array of length >= 1"),
        ('addresses = "10.0.0.1/24"', "addresses"),
        (
            'addresses = ["fd00::1/64"]',
            "has no interface for fd00::1/64; set interface, or write 'fd00::1/64 dev eth0'",
        ),
        ('addresses = ["10.0.0.1/24 dev eth1", "10.0.0.2/24"]', "has no interface for 10.0.0.2/24"),
        (
            'interface = "eth0"\naddresses = ["fd00::1/64", "fd00:0::1/48 dev eth1"]',
            "lists fd00::1 twice; an address is on one interface of the leader",
        ),
        (
            'mode = "route"\ninterface = "lo"\naddresses = ["10.0.0.1/32", "fd00::1/128"]',
            "wants an IPv6 route to fd00::1 on lo, where routes have no lifetime and outlive the daemon",
        ),
    ],
)
def test_what_does_not_fit_together_is_told(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert message in str(caught.value)


def test_sixty_four_addresses_are_the_most() -> None:
    def many(count: int) -> str:
        return f"interface = 'eth0'\naddresses = {[f'10.0.0.{n}/24' for n in range(1, count + 1)]}"

    assert len(read(many(64)).addresses) == 64
    with pytest.raises(ConfigError, match="length <= 64"):
        read(many(65))


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused_with_a_reason(text: str) -> None:
    reason = ""
    try:
        address = parse_virtual_address(text)
    except ValueError as error:
        reason = str(error)
    else:
        assert address.address in address.subnet
        return
    assert reason
    assert "unpack" not in reason


def test_it_is_shown_as_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "les.toml"
    text = WHOLE.replace("[announce]", "[plugins.vip.announce]")
    file.write_text(f'[node]\nstate_dir = "state"\n[plugins.vip]{text}')
    config = load_config(file, plugin_types=Registry().config_types)
    shown = {setting.key: setting.value for setting in show(config)}
    assert shown["plugins.vip.addresses"] == '["10.0.0.100/24", "fd00::64/64 dev eth1"]'
    assert shown["plugins.vip.lifetime"] == '"3s"'
    assert shown["plugins.vip.announce.refresh"] == '"0s"'
