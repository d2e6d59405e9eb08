"""`les check` compares what plugins need with the unit of the daemon, or with this process."""

from pathlib import Path

import pytest

from les_hooks.cli.rights import rights_findings
from les_hooks.config import Config
from les_hooks.daemon import load_config
from les_hooks.starter import unit_file, unit_lines

NEEDS = ("CAP_NET_ADMIN", "CAP_NET_RAW", "AF_NETLINK", "AF_PACKET", "/proc/sys")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A node with addresses that move."""
    file = tmp_path / "les.toml"
    file.write_text(
        '[node]\nstate_dir = "state"\n[plugins.vip]\naddresses = ["10.0.0.100/24"]\ninterface = "eth0"\n'
        "[plugins.checks]\n"
    )
    return load_config(file)


def unit(config: Config, *, root_scripts: bool = False, vip: bool = False, more: str = "") -> Path:
    """The unit of the node, as `les init` writes it, with a drop-in."""
    assert config.source is not None
    needs = {"vip": NEEDS} if vip else {}
    path = config.source.with_name("les.service")
    path.write_text(unit_file(Path("/opt/les/bin/les"), config.source, root_scripts=root_scripts, needs=needs))
    if more:
        path.with_name("les.service.d").mkdir(exist_ok=True)
        path.with_name("les.service.d").joinpath("override.conf").write_text(f"[Service]\n{more}\n")
    return path


def messages(config: Config, path: Path) -> list[str]:
    """What is said of the plugin."""
    found = list(rights_findings(config, path))
    assert all((each.area, each.what, each.problem) == ("plugins", "vip", True) for each in found)
    return [each.message for each in found]


def test_the_tight_unit_keeps_everything_from_it_and_the_lines_that_grant_it_are_told(config: Config) -> None:
    path = unit(config)
    assert messages(config, path) == [
        f"{path} keeps from it: CAP_NET_ADMIN, CAP_NET_RAW, AF_NETLINK, AF_PACKET, /proc/sys. Add below [Service], by "
        "`systemctl edit les`: CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW; AmbientCapabilities=CAP_NET_ADMIN "
        "CAP_NET_RAW; PrivateUsers=no; ProcSubset=all; RestrictAddressFamilies=AF_NETLINK AF_PACKET"
    ]


def test_these_lines_in_a_drop_in_are_enough(config: Config) -> None:
    assert messages(config, unit(config, more="\n".join(unit_lines(NEEDS)))) == []


@pytest.mark.parametrize(("root_scripts", "vip"), [(True, False), (False, True), (True, True)])
def test_units_that_were_made_for_it_grant_all(config: Config, root_scripts: bool, vip: bool) -> None:
    assert messages(config, unit(config, root_scripts=root_scripts, vip=vip)) == []


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("PrivateUsers=yes", "CAP_NET_ADMIN, CAP_NET_RAW"),
        ("AmbientCapabilities=", "CAP_NET_ADMIN, CAP_NET_RAW"),
        ("CapabilityBoundingSet=~CAP_NET_RAW", "CAP_NET_RAW"),
        ("RestrictAddressFamilies=~AF_PACKET AF_VSOCK", "AF_PACKET"),
        ("RestrictAddressFamilies=\nRestrictAddressFamilies=AF_INET \\\n AF_NETLINK", "AF_PACKET"),
        ("RestrictAddressFamilies=", ""),
        ("ProcSubset=pid", "/proc/sys"),
        ("User=les", ""),
        ("# PrivateUsers=yes\n;ProcSubset=pid", ""),
    ],
)
def test_drop_ins_count_as_systemd_reads_them(config: Config, line: str, missing: str) -> None:
    found = messages(config, unit(config, vip=True, more=line))
    assert [message.partition("keeps from it: ")[2].partition(". Add")[0] for message in found] == [missing] * bool(
        missing
    )


def test_a_unit_that_is_not_this_nodes_says_nothing_and_this_process_is_looked_at(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = unit(config)
    path.write_text(path.read_text().replace(str(config.source), "/etc/les/other.toml"))
    monkeypatch.setattr("les_hooks.cli.rights.lacking", lambda needs: ["CAP_NET_RAW"] if needs else [])
    expected = [
        "this process lacks CAP_NET_RAW; in the unit of a daemon that is not root: CapabilityBoundingSet=CAP_NET_RAW; "
        "AmbientCapabilities=CAP_NET_RAW; PrivateUsers=no"
    ]
    assert messages(config, path) == messages(config, tmp_path / "none") == expected
