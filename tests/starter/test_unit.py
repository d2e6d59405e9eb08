"""The two systemd units: what systemd thinks of them, and that each relaxed line has its reason."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from les_hooks.starter import HARDENING, hidden_by, unit_file, unit_lines
from tests.needs import need_program

DOCS = Path(__file__).parents[2] / "docs" / "systemd.md"
CONFIG = Path("/etc/les/les.toml")
LES = Path("/opt/les/bin/les")


# What `vip` says; a test of its own compares.
NEEDS = {"vip": ("CAP_NET_ADMIN", "CAP_NET_RAW", "AF_NETLINK", "AF_PACKET", "/proc/sys")}


def unit(
    *,
    root_scripts: bool,
    program: Path = LES,
    needs: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    return unit_file(program, CONFIG, root_scripts=root_scripts, needs=needs)


def settings(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(r"[A-Za-z]+=", line)]


@pytest.mark.parametrize("root_scripts", [False, True])
def test_the_commands_are_absolute_and_name_the_configuration(root_scripts: bool) -> None:
    lines = settings(unit(root_scripts=root_scripts))
    assert "ExecStart=/opt/les/bin/les run -c /etc/les/les.toml" in lines
    assert "ExecReload=/opt/les/bin/les reload -c /etc/les/les.toml" in lines
    assert "ExecStopPost=/opt/les/bin/les cleanup --wait 10 -c /etc/les/les.toml" in lines
    for line in ("Type=notify", "KillMode=mixed", "StateDirectory=les", "WatchdogSec=10"):
        assert line in lines


def test_a_path_cannot_be_read_as_something_else() -> None:
    text = unit_file(Path("/opt/my les/les"), Path('/srv/100%/$HOME/a"b/les.toml'), root_scripts=False)
    assert r'ExecStart="/opt/my les/les" run -c "/srv/100%%/$$HOME/a\"b/les.toml"' in text


def test_each_relaxed_line_stands_under_its_reason() -> None:
    lines = unit(root_scripts=True).splitlines()
    for directive in HARDENING:
        assert (directive.relaxed is None) == (directive.why == "")
        if directive.relaxed is None:
            assert f"{directive.name}={directive.tight}" in lines
        else:
            assert directive.relaxed != directive.tight
            at = lines.index(f"{directive.name}={directive.relaxed}")
            assert lines[at - 1] == f"# {directive.why}:"


def test_the_tight_unit_has_every_tight_line() -> None:
    lines = unit(root_scripts=False).splitlines()
    assert all(f"{directive.name}={directive.tight}" in lines for directive in HARDENING)


def test_what_a_plugin_needs_changes_these_lines_alone_and_says_for_whom() -> None:
    plain, granted = (unit(root_scripts=False, needs=needs).splitlines() for needs in ({}, NEEDS))
    assert [line for line in granted if line not in plain] == [
        "# More than usual, for vip, and so for scripts too: CapabilityBoundingSet, AmbientCapabilities, PrivateUsers, "
        "ProcSubset, RestrictAddressFamilies.",
        "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW",
        "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW",
        "PrivateUsers=no",
        "ProcSubset=all",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK AF_PACKET",
    ]
    assert len(granted) == len(plain) + 1


def test_the_relaxed_unit_grants_it_as_it_is() -> None:
    assert unit(root_scripts=True, needs=NEEDS) == unit(root_scripts=True)


def test_the_page_shows_the_lines_of_a_unit_for_addresses() -> None:
    page = DOCS.with_name("vip.md").read_text(encoding="utf-8")
    assert "[Service]\n" + "\n".join(unit_lines(NEEDS["vip"])) + "\n" in page


def test_the_page_tells_every_line_and_nothing_else() -> None:
    def shown(value: str) -> str:
        return f"`{value}`" if value else "empty"

    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{d.name}` | {shown(d.tight)} | {'the same' if d.relaxed is None else shown(d.relaxed)} | {d.why} |"
        for d in HARDENING
    ]


def rating(path: Path) -> float:
    """What systemd-analyze thinks of a unit: 0 is locked up, 10 is unprotected."""
    result = subprocess.run(
        [need_program("systemd-analyze"), "security", "--offline=true", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    found = re.search(r"Overall exposure level for les\.service: ([\d.]+)", result.stdout)
    assert found is not None, result.stdout + result.stderr
    return float(found[1])


UNITS = [
    pytest.param("tight", False, {}, id="tight"),
    pytest.param("tight, with `--vip`", False, NEEDS, id="vip"),
    pytest.param("relaxed", True, {}, id="relaxed"),
]


@pytest.mark.parametrize(("name", "root_scripts", "needs"), UNITS)
def test_systemd_rates_the_units_as_the_page_says(
    tmp_path: Path, name: str, root_scripts: bool, needs: Mapping[str, Sequence[str]]
) -> None:
    told = re.search(rf"^\| {re.escape(name)} \| ([\d.]+) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert told is not None
    path = tmp_path / "les.service"
    path.write_text(unit(root_scripts=root_scripts, needs=needs), encoding="utf-8")
    found = rating(path)
    print(f"systemd-analyze security, {name}: {found}")
    assert found <= 2.0 or root_scripts
    # The weights change from version to version.
    assert found == float(told[1]) if _version() == 252 else abs(found - float(told[1])) <= 0.5


@pytest.mark.parametrize("needs", [{}, NEEDS])
def test_what_a_group_takes_leaves_it_at_two_or_better(tmp_path: Path, needs: Mapping[str, Sequence[str]]) -> None:
    path = tmp_path / "les.service"
    path.write_text(unit_file(LES, CONFIG, root_scripts=False, needs=needs, group="ops"), encoding="utf-8")
    assert rating(path) <= 2.0


def _version() -> int:
    said = subprocess.run(
        [need_program("systemd-analyze"), "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    return int(said.stdout.split()[1])


def test_what_only_root_can_read_is_handed_over_by_systemd() -> None:
    files = {"les-secret": Path("/etc/les/secret"), "les-key": Path("/etc/les/100%.key")}
    plain = settings(unit(root_scripts=False))
    given = settings(unit_file(LES, CONFIG, root_scripts=False, credentials=files))
    assert [line for line in given if line not in plain] == [
        "LoadCredential=les-secret:/etc/les/secret",
        "LoadCredential=les-key:/etc/les/100%%.key",
    ]
    # Root reads them itself.
    assert unit_file(LES, CONFIG, root_scripts=True, credentials=files) == unit(root_scripts=True)


def test_a_group_gets_a_socket_at_a_place_that_it_can_enter() -> None:
    tight, relaxed = (settings(unit_file(LES, CONFIG, root_scripts=each, group="ops")) for each in (False, True))
    assert [line for line in tight if line not in settings(unit(root_scripts=False))] == [
        "RuntimeDirectory=les",
        "SupplementaryGroups=ops",
        "SystemCallFilter=@chown",
        "PrivateUsers=no",
    ]
    assert [line for line in relaxed if line not in settings(unit(root_scripts=True))] == ["RuntimeDirectory=les"]


@pytest.mark.parametrize(("root_scripts", "needs"), [(False, {}), (False, NEEDS), (True, {})])
def test_systemd_finds_no_mistake_in_the_units(
    tmp_path: Path, root_scripts: bool, needs: Mapping[str, Sequence[str]]
) -> None:
    analyze = need_program("systemd-analyze")
    path = tmp_path / "les.service"
    program = Path(sys.executable)  # verify wants one that exists
    credentials = {"les-secret": Path("/etc/les/secret")}
    text = unit_file(program, CONFIG, root_scripts=root_scripts, needs=needs, credentials=credentials, group="nogroup")
    path.write_text(text, encoding="utf-8")
    result = subprocess.run([analyze, "verify", "--man=no", str(path)], capture_output=True, text=True, timeout=30)
    # Other units of the machine may have faults of their own.
    complaints = [line for line in (result.stdout + result.stderr).splitlines() if "les.service" in line]
    assert complaints == []


def test_paths_that_the_tight_unit_hides_are_known() -> None:
    assert hidden_by(Path("/root/venv/bin/les")) == "/root"
    assert hidden_by(Path("/home/a/les.toml")) == "/home"
    assert hidden_by(Path("/opt/les/bin/les")) == ""
    assert hidden_by(Path("/homework/les.toml")) == ""
