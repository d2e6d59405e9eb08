"""`[hooks] user` from outside: what a start and `les check` say, and that every way to a script leads through it."""

import json
import os
import pwd
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from les_hooks.cli.rights import rights_findings
from les_hooks.daemon import load_config
from les_hooks.starter import unit_file
from tests.cli.conftest import Les
from tests.cluster import Daemon, free_ports, until
from tests.needs import need_program, need_root


@pytest.fixture
def node() -> Iterator[Daemon]:
    """A node whose scripts `nobody` runs, in a folder that everybody can enter; `out` in it is for all to write."""
    need_root()
    need_program("setpriv")
    folder = Path(tempfile.mkdtemp(prefix="les-user-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "out").mkdir()
    (folder / "out").chmod(0o1777)
    (port,) = free_ports(1)
    daemon = Daemon(folder / "a", port, [port], '[hooks]\nuser = "nobody"\n')
    yield daemon
    if daemon.running:
        daemon.kill()
        daemon.les("cleanup", "--wait", "20")
    shutil.rmtree(folder)


def note(node: Daemon, event: str, body: str = "") -> Path:
    """Have a script of this event note who it is; returns where."""
    out = node.folder.parent / "out" / event
    node.script(event, "10-note", f'echo "$LES_REASON $(id -u)" >>{out}; {body}')
    return out


def user(node: Daemon, name: str) -> None:
    node.config.write_text(re.sub('user = ".*"', f'user = "{name}"', node.config.read_text()))


def test_every_script_is_run_as_that_user_those_after_a_crash_too(node: Daemon) -> None:
    elected, demoted = note(node, "elected"), note(node, "demoted")
    working = note(node, "while-leader", "trap '' TERM; while :; do sleep 0.1; done")
    node.start().wait_settled()
    until(lambda: working.exists() and elected.exists(), "they run")
    node.kill()
    until(lambda: "crashed" in demoted.read_text(), "the guard has cleaned up")
    assert elected.read_text() == "first 65534\n"
    assert demoted.read_text() == "startup 65534\ncrashed 65534\n"
    assert node.les("hooks", "run", "elected").returncode == 0
    assert elected.read_text().splitlines()[1:] == ["operator 65534"]
    # Nothing of that user is left, though it ignores TERM.
    until(lambda: not _running(working.parent), "the guard has ended its work")


def _running(out: Path) -> list[str]:
    """Shells of nobody that were started with a script of this node."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and process.stat().st_uid == 65534:
                words = (process / "cmdline").read_bytes().split(b"\0")
                found += [process.name for word in words if word.startswith(os.fsencode(out.parent))]
        except OSError:
            continue
    return found


def test_a_start_without_that_user_is_refused_and_says_how_to_make_it(node: Daemon) -> None:
    user(node, "no-such-user")
    node.start()
    assert node.ended() == 78
    assert "hooks.user no-such-user: there is no such user; make one with `useradd --system" in node.said()


def test_a_cleanup_without_that_user_runs_no_script_and_stays_due(node: Daemon) -> None:
    demoted = note(node, "demoted")
    status = node.start().wait_settled()
    node.signal(signal.SIGSTOP)
    os.kill(status["guard"], signal.SIGKILL)
    node.kill()
    user(node, "no-such-user")
    failed = node.les("cleanup")
    assert failed.returncode == 1
    assert "there is no such user" in failed.stderr
    user(node, "nobody")
    again = node.les("cleanup")
    assert again.returncode == 0, again.stderr
    assert demoted.read_text() == "startup 65534\ncrashed 65534\n"


def test_hooks_run_without_that_user_runs_nothing_and_a_listing_needs_none(node: Daemon) -> None:
    elected = note(node, "elected")
    user(node, "no-such-user")
    result = Les(node.config)("hooks", "run", "elected")
    assert result.exit_code == 78
    assert not elected.exists()
    (listed,) = Les(node.config).json("hooks", "list")["hooks"]
    assert listed["verdict"] == "runs"


def test_check_is_content_with_a_user_that_can_reach_the_scripts(node: Daemon) -> None:
    note(node, "elected")
    assert Les(node.config).json("check")["findings"] == []


def test_check_names_the_folder_that_the_user_cannot_enter(node: Daemon) -> None:
    note(node, "elected")
    folder = node.folder / "hooks.d"
    folder.chmod(0o700)
    result = Les(node.config)("check")
    assert result.exit_code == 1
    why = f"cannot start: {folder} (mode 0700, owner 0): nobody (uid 65534) cannot enter it; chmod o+x {folder}"
    assert why in result.stdout


def test_check_says_that_there_is_no_such_user(node: Daemon) -> None:
    user(node, "no-such-user")
    (found,) = [each for each in _findings(node) if each["what"].startswith("hooks.user")]
    assert found["what"] == "hooks.user no-such-user"
    assert found["message"].startswith("there is no such user; make one with")


def _findings(node: Daemon) -> list[dict[str, str]]:
    result = Les(node.config)("check", "--json")
    assert result.exit_code == 1
    found: list[dict[str, str]] = json.loads(result.stdout)["findings"]
    return found


@pytest.mark.parametrize("root_scripts", [True, False])
def test_only_the_unit_for_root_grants_what_it_takes(node: Daemon, root_scripts: bool) -> None:
    unit = node.folder / "les.service"
    unit.write_text(unit_file(Path("/opt/les/bin/les"), node.config, root_scripts=root_scripts))
    found = [each.message for each in rights_findings(load_config(node.config), unit)]
    keeps = f"{unit} keeps CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_KILL from it; `les init --root-scripts` writes one "
    assert found == ([] if root_scripts else [f"{keeps}that does not"])


def test_scripts_of_that_user_itself_are_refused(node: Daemon) -> None:
    """It could rewrite them, and with them what runs when this node leads next."""
    note(node, "elected")
    path = node.folder / "hooks.d" / "elected.d" / "10-note"
    os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    (listed,) = Les(node.config).json("hooks", "list")["hooks"]
    assert listed["verdict"] == "refused"
    assert listed["reason"].endswith(f"owner 65534): its owner could change it; chown 0 {path}")
