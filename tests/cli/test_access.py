"""`les check` says what the unit keeps from the daemon, and from the group of its control socket."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from les_hooks.cli.access import access_findings
from les_hooks.config import Config
from les_hooks.daemon import load_config
from les_hooks.starter import InstalledUnit, group_lines, unit_file
from tests.control.guests import open_folder
from tests.needs import need_root

Check = Callable[..., list[str]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """What is said of a configuration under a unit with a drop-in."""

    def run(written: str, *, more: str = "", root_scripts: bool = False) -> list[str]:
        file = tmp_path / "les.toml"
        file.write_text(f'[node]\nstate_dir = "state"\n{written}')
        config: Config = load_config(file)
        path = tmp_path / "les.service"
        path.write_text(unit_file(Path("/opt/les/bin/les"), file, root_scripts=root_scripts))
        path.with_name("les.service.d").mkdir(exist_ok=True)
        path.with_name("les.service.d").joinpath("override.conf").write_text(f"[Service]\n{more}\n")
        return [f"{each.what}: {each.message}" for each in access_findings(config, InstalledUnit(path))]

    return run


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A secret that only its owner can read."""
    path = tmp_path / "secret"
    path.write_text("0" * 43 + "\n")
    path.chmod(0o600)
    return path


def test_a_secret_that_the_user_of_the_unit_cannot_read_is_told_with_the_line_that_hands_it_over(
    check: Check, secret: Path
) -> None:
    written = f'[security]\nsecret_file = "{secret}"\n'
    (found,) = check(written)
    assert found.startswith(f"{secret}: the user of ")
    assert found.endswith(f"LoadCredential=les-secret:{secret}")
    assert check(written, more=f"LoadCredential=les-secret:{secret}") == []
    assert check(written, root_scripts=True) == [], "root reads it itself"


def test_the_key_of_a_certificate_as_well(check: Check, secret: Path) -> None:
    tls = "".join(f'{name}_file = "{secret}"\n' for name in ("ca", "cert", "key"))
    (found,) = check(f"[security.tls]\n{tls}")
    assert found.endswith(f"LoadCredential=les-key:{secret}")


@pytest.mark.parametrize(
    ("mode", "more", "readable"),
    [
        (0o600, "DynamicUser=no\nUser={uid}", True),
        (0o600, "DynamicUser=no\nUser=nobody", False),
        (0o640, "SupplementaryGroups={gid}", True),
        (0o640, "Group=other", False),
        (0o600, "SupplementaryGroups={gid}", False),
        (0o600, "LoadCredential=les-secret:/x\nLoadCredential=", False),
    ],
)
def test_who_can_read_it_himself_needs_no_such_line(
    check: Check, secret: Path, mode: int, more: str, readable: bool
) -> None:
    need_root()
    os.chown(secret, 4242, 4243)
    secret.chmod(mode)
    found = check(f'[security]\nsecret_file = "{secret}"\n', more=more.format(uid=4242, gid=4243))
    assert bool(found) != readable


def test_a_socket_in_the_state_directory_is_advised_against(check: Check, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    found = check('[control]\ngroup = "54321"\n', root_scripts=True)
    assert [each.partition(", so not reach")[0] for each in found] == [
        f"[control] group 54321: its members cannot enter {_first_closed(tmp_path / 'state')}"
    ]
    assert 'Write [control] socket = "/run/les/control.sock", and RuntimeDirectory=les' in found[0]


def _first_closed(folder: Path) -> Path:
    # Those of pytest are closed as well.
    return next(each for each in (*reversed(folder.parents), folder) if not each.stat().st_mode & 0o001)


SOCKET = '[control]\ngroup = "54321"\nsocket = "/run/les/control.sock"\n'


def test_a_unit_that_does_not_let_the_daemon_is_told_with_its_lines(check: Check) -> None:
    lines = group_lines("54321")
    (found,) = check(SOCKET, more=lines[0])
    assert found.endswith("; ".join(lines[1:]))
    assert check(SOCKET, more="\n".join(lines)) == []
    assert check(SOCKET, more=lines[0], root_scripts=True) == [], "root may give it to anybody"
    for without in range(1, len(lines)):
        assert check(SOCKET, more="\n".join(lines[:without] + lines[without + 1 :])), lines[without]


def test_a_folder_that_others_can_enter_will_do(check: Check) -> None:
    with open_folder() as folder:
        written = f'[control]\ngroup = "54321"\nsocket = "{folder}/c.sock"\n'
        assert check(written, root_scripts=True) == []


def test_a_group_that_does_not_exist_is_told(check: Check) -> None:
    (found,) = check('[control]\ngroup = "no-such-group"\n')
    assert "there is no group no-such-group" in found
    assert "groupadd no-such-group" in found


def test_without_a_unit_the_place_is_looked_at_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "les.toml").write_text('[node]\nstate_dir = "state"\n[control]\ngroup = "54321"\n')
    found = list(access_findings(load_config(tmp_path / "les.toml"), None))
    assert ["cannot enter" in each.message for each in found] == [True]
