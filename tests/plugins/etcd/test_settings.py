"""What can be written under `[plugins.etcd]`, and what is said of the rest."""

from pathlib import Path
from typing import Any

import pytest

from les_hooks.config import load_plugin_table
from les_hooks.errors import ConfigError
from les_plugins.etcd.settings import EtcdConfig

HTTP = ["http://10.0.0.1:2379"]
HTTPS = ["https://etcd.example:2379"]


def load(**table: Any) -> EtcdConfig:
    config = load_plugin_table("etcd", table, EtcdConfig, base=Path("/etc/les")).config
    assert isinstance(config, EtcdConfig)
    return config


def test_endpoints_are_all_that_must_be_written() -> None:
    config = load(endpoints=HTTP)
    assert (config.endpoints, config.prefix, config.ttl) == (("http://10.0.0.1:2379",), "/les-hooks", 5.0)
    assert (config.username, config.password_file, config.ca_file, config.cert_file, config.key_file) == (None,) * 5


def test_all_of_it_is_read() -> None:
    config = load(
        endpoints=["https://etcd-1:2379", "https://etcd-2:2379"],
        prefix="/apps/les/",
        ttl="10s",
        username="les",
        password_file="etcd.password",
        ca_file="/etc/ssl/etcd.crt",
        cert_file="les.crt",
        key_file="les.key",
    )
    assert config.prefix == "/apps/les"
    assert config.ttl == 10.0
    assert config.password_file == Path("/etc/les/etcd.password")
    assert (config.ca_file, config.cert_file) == (Path("/etc/ssl/etcd.crt"), Path("/etc/les/les.crt"))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("http://10.0.0.1:2379/", "http://10.0.0.1:2379"),
        ("HTTPS://Etcd.Example:2379", "https://etcd.example:2379"),
        ("http://[2001:DB8:0::1]:2379", "http://[2001:db8::1]:2379"),
        ("http://node_1:1", "http://node_1:1"),
    ],
)
def test_an_endpoint_has_one_spelling(written: str, read: str) -> None:
    assert load(endpoints=[written]).endpoints == (read,)


ENDPOINTS: dict[str, str] = {
    "is no URL": "10.0.0.1:2379",
    "begins with no scheme that it speaks": "grpc://10.0.0.1:2379",
    "no host": "http://:2379",
    "odd brackets": "http://[zz]:2379",
    "a zone": "http://[fe80::1%25eth0]:2379",
    "a space": "http://a b:2379",
    "a line break": "http://a\r\nX-Other: b:2379",
    "dots": "http://..:2379",
    "no port": "http://10.0.0.1",
    "port 0": "http://10.0.0.1:0",
    "too high a port": "http://10.0.0.1:65536",
    "a password": "http://me:secret@10.0.0.1:2379",
    "a path": "http://10.0.0.1:2379/v3",
    "a query": "http://10.0.0.1:2379?a=b",
}


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(endpoints=[endpoint])
    assert "endpoints" in str(caught.value)


WRONG: dict[str, dict[str, Any]] = {
    "endpoints: is missing": {},
    "endpoints: one is listed twice": {"endpoints": ["http://a:1", "http://A:1/"]},
    "endpoints": {"endpoints": []},
    "length <= 16": {"endpoints": [f"http://a:{port}" for port in range(1, 18)]},
    "did you mean 'endpoints'": {"endpoint": "http://a:1"},
    "has no port: etcd listens on 2379": {"endpoints": ["http://a"]},
    "set username and password_file": {"endpoints": ["http://me:secret@a:1"]},
    "whole seconds": {"endpoints": HTTP, "ttl": "2500ms"},
    'from "2s" to "1h"': {"endpoints": HTTP, "ttl": "1s"},
    "ttl: is not": {"endpoints": HTTP, "ttl": "2h"},
    "is no prefix of keys": {"endpoints": HTTP, "prefix": "/"},
    "prefix:": {"endpoints": HTTP, "prefix": "/with space"},
    "printable ASCII": {"endpoints": HTTP, "prefix": "/schlüssel"},
    "username: goes with password_file": {"endpoints": HTTP, "username": "les"},
    "and that with it": {"endpoints": HTTP, "password_file": "password"},
    "username": {"endpoints": HTTP, "username": "", "password_file": "password"},
    "cert_file: goes with key_file": {"endpoints": HTTPS, "cert_file": "a.crt"},
    "write https:": {"endpoints": [*HTTPS, *HTTP], "ca_file": "ca.crt"},
}


@pytest.mark.parametrize(("words", "table"), WRONG.items(), ids=WRONG)
def test_what_is_wrong_is_said(words: str, table: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(**table)
    assert words in str(caught.value)
