"""What `[plugins.checks]` may hold, and how mistakes in it are told."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import tomli

from les_hooks.config import load_config, load_plugin_table
from les_hooks.config.show import show
from les_hooks.errors import ConfigError
from les_hooks.plugins import Registry
from les_plugins.checks.settings import Check, ChecksConfig, Kind, Pace

WHOLE = """
dir = "more"
[scripts]
interval = "5s"
[[check]]
name = "database"
tcp = "db.example:5432"
interval = "1s"
timeout = "500ms"
rise = 1
fall = 5
[[check]]
http = "https://127.0.0.1:8443/health?x=1"
status = "200-399"
follow_redirects = true
[[check]]
process = "nginx"
[[check]]
unit = "nginx.service"
[[check]]
interface = "eth0.100"
[[check]]
gateway = "default"
[[check]]
script = "slow"
timeout = "10s"
"""


def read(text: str, folder: Path = Path("/etc/les")) -> ChecksConfig:
    table: Mapping[str, object] = tomli.loads(text)
    config = load_plugin_table("checks", table, ChecksConfig, base=folder).config
    assert isinstance(config, ChecksConfig)
    return config


def test_every_key_is_read() -> None:
    config = read(WHOLE)
    assert config.dir == Path("/etc/les/more")
    assert config.scripts == Pace(interval=5.0)
    assert [check.kind for check in config.check] == [*Kind]
    database, web, *_ = config.check
    assert database == Check(name="database", tcp="db.example:5432", interval=1.0, timeout=0.5, rise=1, fall=5)  # type: ignore[arg-type]  # an address is a str of its own
    assert (web.status, web.follow_redirects, web.interval, web.timeout, web.rise, web.fall) == (
        (200, 399),
        True,
        2.0,
        1.0,
        2,
        3,
    )
    assert [check.label for check in config.check[:3]] == [
        "database",
        "http https://127.0.0.1:8443/health?x=1",
        "process nginx",
    ]


def test_the_folder_is_checks_d_beside_the_file() -> None:
    assert read("").dir == Path("/etc/les/checks.d")


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("", "check[0]: has nothing to check; give it exactly one of tcp, http, process, unit, interface, gateway"),
        ('tcp = "a:1"\nunit = "b"', "check[0]: has both tcp and unit; give it exactly one of"),
        ('tpc = "a:1"', "check[0].tpc: unknown key; did you mean 'tcp'?"),
        ('tcp = "a"', 'check[0].tcp: "a" is not host:port'),
        ("tcp = 5432", "check[0].tcp: expected an address as a string"),
        ('http = "ftp://a/"', "is no URL of a web server"),
        ('http = "http://"', "is no URL of a web server"),
        ('http = "http://u:p@a/"', "holds a user"),
        ('http = "http://a/\\n"', "is no URL; escape"),
        ('http = "http://a:0/"', "has no port between"),
        ('http = "http://a:99999/"', "out of range"),
        ('http = "http://a/"\nstatus = "20"', "is no status; write one"),
        ('http = "http://a/"\nstatus = "299-200"', "ends before it begins"),
        ('http = "http://a/"\nstatus = 200', 'expected a status or a range as a string, such as "200-299"'),
        ('tcp = "a:1"\nstatus = "200"', "has status, which is for http; a check with tcp does not take it"),
        ('process = "sbin/nginx"', "is neither the name of a program nor the whole path of one"),
        ('unit = "a b"', "is no unit of systemd"),
        ('interface = "../x"', "is no interface"),
        ('interface = ".."', "is no interface"),
        ('gateway = "router"', 'is no IP address; write one, or "default"'),
        ('gateway = "0.0.0.0"', "is not the address of one host"),
        ('script = "../x"', "is no file that would be run"),
        ('tcp = "a:1"\ninterval = "1ms"', 'is out of bounds; a check takes from "100ms" to "1h"'),
        ('tcp = "a:1"\nrise = 0', "check[0].rise: expected int >= 1"),
        ('tcp = "a:1"\nname = "a b"', "is no name"),
        ('tcp = "a:1"\n[[check]]\ntcp = "a:1"', "has two checks called 'tcp a:1'; give each a name of its own"),
        (
            'script = "x"\nname = "a"\n[[check]]\nscript = "x"\nname = "b"',
            "runs the script 'x' in two checks",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(check: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"[[check]]\n{check}\n")
    assert message in str(caught.value)


def test_too_many_checks_are_refused() -> None:
    with pytest.raises(ConfigError, match="length <= 64"):
        read("".join(f'[[check]]\ntcp = "a:{n}"\n' for n in range(1, 66)))


def test_it_is_shown_as_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "les.toml"
    text = WHOLE.replace("[[check]]", "[[plugins.checks.check]]").replace("[scripts]", "[plugins.checks.scripts]")
    file.write_text(f'[node]\nstate_dir = "state"\n[plugins.checks]{text}')
    config = load_config(file, plugin_types=Registry().config_types)
    shown = {setting.key: setting.value for setting in show(config)}
    assert 'status = "200-399"' in shown["plugins.checks.check"]
    assert shown["plugins.checks.scripts.interval"] == '"5s"'
