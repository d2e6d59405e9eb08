"""What is wrong with a host is said before an address is to move there, and nothing is changed to find it out."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from les_hooks.config import load_plugin_table
from les_hooks.hookspecs import Note
from les_plugins.vip.host import complaints
from les_plugins.vip.kernel import Assigned, Change, KernelError, Link, Placement
from les_plugins.vip.settings import VipConfig
from tests.needs import need_netns

LO = Link(index=1, name="lo", mac=bytes(6), up=True, carrier=True, speaks_arp=False)
ETH0 = Link(index=2, name="eth0", mac=b"\x02\0\0\0\0\x01", up=True, carrier=True, speaks_arp=True)
OWN = Assigned(index=2, ip="10.0.0.1", length=24, valid=None)
OWN6 = Assigned(index=2, ip="fd00::1", length=64, valid=None)
LOCAL6 = Assigned(index=2, ip="fe80::1", length=64, valid=None)


class Host:
    """A kernel that can only be looked at."""

    def __init__(self, *assigned: Assigned, links: Sequence[Link] = (LO, ETH0), error: str = "") -> None:
        self._assigned, self._links, self._error = assigned, links, error

    async def links(self) -> Mapping[str, Link]:
        if self._error:
            raise KernelError(self._error)
        return {link.name: link for link in self._links}

    async def assigned(self) -> Sequence[Assigned]:
        return self._assigned

    async def put(self, placement: Placement) -> None:
        raise AssertionError(f"nothing may be changed: {placement}")

    async def remove(self, assigned: Assigned) -> bool:
        raise AssertionError(f"nothing may be changed: {assigned}")

    async def changes(self) -> Sequence[Change]:
        raise AssertionError("nobody waits here")

    def close(self) -> None:
        raise AssertionError("who opened it closes it")


def configured(*addresses: str, **keys: object) -> VipConfig:
    """The table, with eth0 as the interface unless another is named."""
    table = {"addresses": list(addresses), "interface": "eth0"} | keys
    config = load_plugin_table("vip", table, VipConfig, base=Path("/")).config
    assert isinstance(config, VipConfig)
    return config


@pytest.fixture
def sysctls(tmp_path: Path) -> Path:
    """The settings of a kernel that has IPv6, all of them zero."""
    for name in ("ipv4/conf/all/arp_ignore", "ipv4/conf/eth0/arp_ignore", "ipv6/conf/eth0/disable_ipv6"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("0\n")
    return tmp_path


async def test_a_host_that_is_as_it_should_be_draws_no_line(sysctls: Path) -> None:
    config = configured("10.0.0.100/24", "10.0.0.101/32", "fd00::100/64")
    assert await complaints(config, Host(OWN, OWN6, LOCAL6), sysctls=sysctls) == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("eht0", "there is no interface eht0; there are lo, eth0; did you mean eth0?"),
        ("wan", "there is no interface wan; there are lo, eth0"),
    ],
)
async def test_an_interface_that_is_not_there_is_told_once_with_those_that_are(
    sysctls: Path, name: str, line: str
) -> None:
    config = configured("10.0.0.100/24", "10.0.0.101/24", interface=name)
    assert await complaints(config, Host(OWN), sysctls=sysctls) == [line]


async def test_hosts_with_very_many_interfaces_are_not_listed_whole(sysctls: Path) -> None:
    many = [replace(ETH0, index=i, name=f"veth{i}") for i in range(100)]
    (line,) = await complaints(configured("10.0.0.100/24"), Host(links=many), sysctls=sysctls)
    assert line.count("veth") < 20
    assert "..." in line


@pytest.mark.parametrize(
    ("link", "note"),
    [
        (replace(ETH0, up=False, carrier=False), "eth0 is down; bring it up with: ip link set eth0 up"),
        (replace(ETH0, carrier=False), "eth0 has no carrier"),
    ],
)
async def test_a_link_that_is_down_at_present_is_no_problem_of_the_configuration(
    sysctls: Path, link: Link, note: str
) -> None:
    lines = await complaints(configured("10.0.0.100/24"), Host(OWN, links=[link]), sysctls=sysctls)
    assert lines == [Note(note)]
    assert isinstance(lines[0], Note)


@pytest.mark.parametrize(
    ("there", "where", "command"),
    [
        (Assigned(index=2, ip="10.0.0.100", length=24, valid=None), "eth0", "10.0.0.100/24 dev eth0"),
        (Assigned(index=2, ip="10.0.0.100", length=32, valid=None), "eth0", "10.0.0.100/32 dev eth0"),
        (Assigned(index=1, ip="10.0.0.100", length=32, valid=None), "lo", "10.0.0.100/32 dev lo"),
        (Assigned(index=2, ip="10.0.0.100", length=24, valid=3600), "eth0", "10.0.0.100/24 dev eth0"),
    ],
)
async def test_an_address_that_somebody_else_configured_is_told_with_the_command_that_removes_it(
    sysctls: Path, there: Assigned, where: str, command: str
) -> None:
    lines = await complaints(configured("10.0.0.100/24"), Host(OWN, there), sysctls=sysctls)
    assert lines == [
        f"10.0.0.100 is configured on {where} already, and not by this plugin; unless this host needs it there, run: "
        f"ip address del {command}"
    ]


async def test_an_address_that_the_daemon_holds_is_no_strangers(sysctls: Path) -> None:
    held = Assigned(index=2, ip="10.0.0.100", length=32, valid=2)
    assert await complaints(configured("10.0.0.100/24"), Host(OWN, held), sysctls=sysctls) == []


async def test_an_address_outside_every_subnet_is_told_with_those_that_there_are(sysctls: Path) -> None:
    second = Assigned(index=2, ip="192.168.7.1", length=25, valid=None)
    elsewhere = Assigned(index=3, ip="172.16.0.1", length=24, valid=None)
    config = configured("172.16.0.100/24", "fd00::100/64")
    assert await complaints(config, Host(OWN, second, elsewhere, LOCAL6), sysctls=sysctls) == [
        "172.16.0.100/24 is in no subnet of eth0, which has 10.0.0.0/24, 192.168.7.0/25; correct the address or the "
        "interface",
        "fd00::100/64: eth0 is in no IPv6 subnet; give it an address of its own there first",
    ]


@pytest.mark.parametrize("keys", [{"interface": "lo"}, {"mode": "route"}])
async def test_where_nobody_is_asked_no_subnet_is_wanted(sysctls: Path, keys: Mapping[str, str]) -> None:
    assert await complaints(configured("172.16.0.100/24", **keys), Host(OWN), sysctls=sysctls) == []


async def test_a_link_local_address_is_looked_for_among_its_like(sysctls: Path) -> None:
    config = configured("fe80::100/64")
    assert await complaints(config, Host(OWN6, LOCAL6), sysctls=sysctls) == []
    (line,) = await complaints(config, Host(OWN6), sysctls=sysctls)
    assert "is in no IPv6 subnet" in line


async def test_another_prefix_length_than_the_subnets_is_worth_a_note(sysctls: Path) -> None:
    lines = await complaints(configured("10.0.0.100/16"), Host(OWN), sysctls=sysctls)
    assert lines == [
        Note("10.0.0.100/16 lies in 10.0.0.0/24 on eth0; write 10.0.0.100/24, for other hosts think so too")
    ]
    assert isinstance(lines[0], Note)


async def test_ipv6_that_is_off_is_told_with_the_command_that_turns_it_on(sysctls: Path) -> None:
    (sysctls / "ipv6/conf/eth0/disable_ipv6").write_text("1\n")
    config = configured("fd00::100/64", "fd00::101/64")
    assert await complaints(config, Host(OWN6), sysctls=sysctls) == [
        "IPv6 is disabled on eth0; run: sysctl -w net/ipv6/conf/eth0/disable_ipv6=0"
    ]
    assert await complaints(configured("10.0.0.100/24"), Host(OWN), sysctls=sysctls) == []


async def test_a_kernel_without_ipv6_is_told_and_one_that_cannot_be_seen_is_not(sysctls: Path) -> None:
    config = configured("fd00::100/64")
    (sysctls / "ipv6").rename(sysctls / "gone")
    (line,) = await complaints(config, Host(OWN6), sysctls=sysctls)
    assert line.startswith("this kernel runs without IPv6")
    assert await complaints(config, Host(OWN6), sysctls=sysctls / "hidden") == []


@pytest.mark.parametrize("where", ["all", "eth0"])
async def test_a_host_that_answers_no_arp_is_told(sysctls: Path, where: str) -> None:
    (sysctls / f"ipv4/conf/{where}/arp_ignore").write_text("8\n")
    assert await complaints(configured("10.0.0.100/24"), Host(OWN), sysctls=sysctls) == [
        f"eth0 answers no ARP, so nobody finds the address; run: sysctl -w net/ipv4/conf/{where}/arp_ignore=0"
    ]
    assert await complaints(configured("fd00::100/64"), Host(OWN6), sysctls=sysctls) == []


@pytest.mark.parametrize(("label", "fits"), [("eth0", True), ("eth0:les", True), ("eth0les", False), ("les", False)])
async def test_a_label_starts_with_the_name_of_the_interface(sysctls: Path, label: str, fits: bool) -> None:
    lines = await complaints(configured("10.0.0.100/24", label=label), Host(OWN), sysctls=sysctls)
    expected = [f'label "{label}" does not go with eth0; write "eth0", or "eth0:" and a word']
    assert lines == ([] if fits else expected)
    assert await complaints(configured("fd00::100/64", label=label), Host(OWN6), sysctls=sysctls) == []


async def test_a_kernel_that_does_not_answer_is_one_line(sysctls: Path) -> None:
    assert await complaints(configured("10.0.0.100/24"), Host(error="it is busy"), sysctls=sysctls) == [
        "the interfaces of this host cannot be read: it is busy"
    ]


# -- on a real host ----------------------------------------------------------------------------------------------------

_CHECK = """
import asyncio, json, os, sys
from pathlib import Path
from les_hooks.config import load_plugin_table
import les_plugins.vip as vip

class Ctx:
    config = load_plugin_table("vip", json.loads(sys.argv[1]), vip.VipConfig, base=Path("/")).config

if sys.argv[2:]:
    asyncio.run(vip.validate(Ctx()))  # imports all that it needs: nobody may not be able to read this checkout
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
print(json.dumps(asyncio.run(vip.validate(Ctx()))))
"""


def in_a_network(setup: str, table: Mapping[str, Any], *words: str) -> Any:
    """What the plugin complains of in a network namespace of its own, made so by a shell script; `words`: as nobody."""
    need_netns()
    script = f'set -e\n{setup}\nexec "$@"'
    argv = [
        "unshare",
        "--net",
        "sh",
        "-c",
        script,
        "sh",
        sys.executable,
        "-W",
        "error",
        "-c",
        _CHECK,
        json.dumps(table),
        *words,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


PAIR = """
ip link add eth0 type veth peer name far
ip link set eth0 up; ip link set far up
ip addr add 10.0.0.1/24 dev eth0; ip -6 addr add fd00::1/64 dev eth0 nodad
"""
BOTH = {"addresses": ["10.0.0.100/24", "fd00::100/64"], "interface": "eth0"}


@pytest.mark.parametrize("words", [(), ("nobody",)], ids=["root", "nobody"])
def test_a_real_host_is_read_without_privileges(words: Sequence[str]) -> None:
    assert in_a_network(PAIR, BOTH, *words) == []


def test_all_at_once_on_a_real_host() -> None:
    setup = f"""{PAIR}
ip addr add 10.0.0.100/24 dev far
echo 8 >/proc/sys/net/ipv4/conf/eth0/arp_ignore
echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
"""
    assert in_a_network(setup, BOTH) == [
        "10.0.0.100 is configured on far already, and not by this plugin; unless this host needs it there, run: "
        "ip address del 10.0.0.100/24 dev far",
        "eth0 answers no ARP, so nobody finds the address; run: sysctl -w net/ipv4/conf/eth0/arp_ignore=0",
        "IPv6 is disabled on eth0; run: sysctl -w net/ipv6/conf/eth0/disable_ipv6=0",
        "fd00::100/64: eth0 is in no IPv6 subnet; give it an address of its own there first",
    ]
