"""What can be written under `[plugins.floating_ip]`, and what is said of the rest."""

from pathlib import Path
from typing import Any

import pytest

from les_hooks.config import load_plugin_table
from les_hooks.errors import ConfigError
from les_plugins.floating_ip.settings import PROVIDERS, FloatingIpConfig

DROPLET = {"address": "203.0.113.7", "token_file": "token"}
ELASTIC = {"address": "203.0.113.7", "region": "eu-central-1"}
FLOATING = {**DROPLET, "auth_url": "https://keystone.example", "application_credential_id": "1"}
COMMAND = {"address": "203.0.113.7", "get": ["/bin/true"], "assign": ["/bin/true"]}


def load(**table: Any) -> FloatingIpConfig:
    config = load_plugin_table("floating_ip", table, FloatingIpConfig, base=Path("/etc/les")).config
    assert isinstance(config, FloatingIpConfig)
    return config


def why_not(**table: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(**table)
    return str(caught.value)


def test_a_table_with_an_address_and_a_token_is_enough() -> None:
    config = load(digitalocean=[DROPLET])
    ((provider, entry),) = config.entries
    assert (provider, entry.address, entry.calls_per_hour) == ("digitalocean", "203.0.113.7", 600)
    assert config.digitalocean[0].token_file == Path("/etc/les/token")
    assert config.digitalocean[0].api == "https://api.digitalocean.com"
    assert config.critical
    assert config.claims == ["floating address 203.0.113.7"]


def test_every_list_of_addresses_is_a_provider() -> None:
    lists = {field for field in FloatingIpConfig.__struct_fields__ if isinstance(getattr(load(), field), tuple)}
    assert lists == set(PROVIDERS)


WRONG: dict[str, dict[str, Any]] = {
    "did you mean 'droplet_id'": {"digitalocean": [{**DROPLET, "dropletid": 1}]},
    "did you mean 'digitalocean'": {"digitalocaen": [DROPLET]},
    "address: is missing": {"digitalocean": [{"token_file": "token"}]},
    "is no IP address; write it without a prefix length": {"digitalocean": [{**DROPLET, "address": "203.0.113.7/32"}]},
    "is no address that can move": {"digitalocean": [{**DROPLET, "address": "127.0.0.1"}]},
    "exactly one of token_file and credential": {"digitalocean": [{"address": "203.0.113.7"}]},
    "give it exactly one of": {"digitalocean": [{**DROPLET, "credential": "x"}]},
    "would carry the token in the clear; use https": {"digitalocean": [{**DROPLET, "api": "http://api.example"}]},
    "holds more than a host and a path": {"digitalocean": [{**DROPLET, "api": "https://me:secret@api.example"}]},
    "names the address 203.0.113.7 twice": {"digitalocean": [DROPLET], "command": [COMMAND]},
    "floating_ip_id: is missing": {"hetzner": [DROPLET]},
    "network_id: is missing": {"hetzner_alias": [DROPLET]},
    "begin with the whole path of a program": {"command": [{**COMMAND, "get": ["true"]}]},
    "calls_per_hour": {"command": [{**COMMAND, "calls_per_hour": 3}]},
    "as a string, such as": {"refresh": 60},
    "is no URL": {"digitalocean": [{**DROPLET, "api": "https://a..example"}]},
    "region: expected str matching": {"aws_eip": [{"address": "203.0.113.7", "region": "eu-central-1a"}]},
    'private_ip: "10.0.1.700" is no IPv4': {"aws_eip": [{**ELASTIC, "private_ip": "10.0.1.700"}]},
    'fixed_ip: "10.0.1" is no IPv4': {"openstack": [{**FLOATING, "fixed_ip": "10.0.1"}]},
}


@pytest.mark.parametrize("why", WRONG)
def test_what_cannot_be_is_told(why: str) -> None:
    assert why in why_not(**WRONG[why])


def test_ipv6_addresses_have_one_spelling() -> None:
    twice = [{**DROPLET, "address": "2001:db8::7"}, {**DROPLET, "address": "2001:DB8:0::7"}]
    assert "names the address 2001:db8::7 twice" in why_not(digitalocean=twice)
