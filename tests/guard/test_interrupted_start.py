"""No moment of a start is unguarded: whenever the daemon dies or freezes, what it has just begun is found and ended."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.needs import need_program, need_root

from .conftest import Script, lives, within

Strike = Callable[..., "subprocess.Popen[bytes]"]
Confined = Callable[..., Path]

# It says that it began, and its group, then works; a service that it starts leaves the group, and is not the guard's.
BODY = "setsid sh -c 'echo $$ > {0}/service; exec sleep 3' >/dev/null 2>&1 &\necho $$ > {0}/group; exec sleep 1000"


@pytest.fixture
def strike(script: Script, tmp_path: Path) -> Iterator[Strike]:
    """Start a daemon that is struck at this moment by this signal."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(moment: str, number: signal.Signals, body: str = BODY, authority: float = 60.0) -> object:
        program = str(Path(__file__).with_name("interrupted.py"))
        cleanup = script("cleanup", f"touch {tmp_path}/cleaned")
        path = script("script", body.format(tmp_path))
        started.append(
            subprocess.Popen([sys.executable, program, moment, str(int(number)), cleanup, str(authority), path])
        )
        return started[-1]

    yield begin  # type: ignore[misc]  # a generator fixture's type is what it yields
    for process in started:
        process.kill()
        process.wait()


def number_in(path: Path) -> int:
    """The number that a script writes there."""
    within(10, lambda: path.exists() and path.read_text(encoding="utf-8").endswith("\n"))
    return int(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("moment", ["before-exec", "before-add"])
def test_what_a_dying_daemon_has_just_started_is_ended_before_the_cleanup(
    strike: Strike, tmp_path: Path, capfd: pytest.CaptureFixture[str], moment: str
) -> None:
    process = strike(moment, signal.SIGKILL)
    group = number_in(tmp_path / "group")
    assert process.wait(timeout=15) == -signal.SIGKILL
    within(15, lambda: not lives(group))
    within(15, (tmp_path / "cleaned").exists)
    assert "never-told" in capfd.readouterr().err


def test_a_daemon_that_dies_before_the_start_is_cleaned_up_after(strike: Strike, tmp_path: Path) -> None:
    process = strike("before-start", signal.SIGKILL)
    assert process.wait(timeout=15) == -signal.SIGKILL
    within(15, (tmp_path / "cleaned").exists)
    assert not (tmp_path / "group").exists()


@pytest.mark.parametrize("moment", ["before-exec", "before-add"])
def test_what_a_freezing_daemon_has_just_started_ends_with_its_authority(
    strike: Strike, tmp_path: Path, moment: str
) -> None:
    process = strike(moment, signal.SIGSTOP, authority=0.6)
    group = number_in(tmp_path / "group")
    within(15, lambda: not lives(group))
    assert process.poll() is None
    assert not (tmp_path / "cleaned").exists()


def test_a_daemon_that_thaws_before_the_start_starts_in_vain(strike: Strike, tmp_path: Path) -> None:
    """Its authority has passed and the search was given up, but the guard remembers the end of authority."""
    process = strike("before-start", signal.SIGSTOP, authority=0.1)
    within(15, lambda: Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").split()[2] == "T")
    with pytest.raises(AssertionError, match="not within"):
        within(1.5, (tmp_path / "group").exists)
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=15) == 0
    # It may have been ended before, while or after it said that it runs.
    said = (tmp_path / "group").read_text(encoding="utf-8").strip() if (tmp_path / "group").exists() else ""
    assert not said or not lives(int(said))


def test_a_service_that_left_the_group_is_left_alone(strike: Strike, tmp_path: Path) -> None:
    strike("before-add", signal.SIGKILL, "sleep 0.1\n" + BODY)
    group, service = number_in(tmp_path / "group"), number_in(tmp_path / "service")
    within(15, lambda: not lives(group))
    assert lives(service)


@pytest.fixture
def confined(script: Script, tmp_path: Path) -> Iterator[Confined]:
    """The same with a script of another user's, whose environment neither daemon nor guard may read."""
    need_root()
    setpriv = need_program("setpriv")
    started: list[subprocess.Popen[bytes]] = []
    public = Path(tempfile.mkdtemp(prefix="les-interrupted-", dir="/tmp"))
    public.chmod(0o755)
    (public / "out").mkdir()
    (public / "out").chmod(0o1777)

    def begin(number: signal.Signals, authority: float = 60.0) -> Path:
        path = public / "script"
        path.write_text(f"#!/bin/sh\n{BODY.format(public / 'out')}\n")
        path.chmod(0o755)
        program = str(Path(__file__).with_name("interrupted.py"))
        cleanup = script("cleanup", f"touch {tmp_path}/cleaned")
        words = ["before-add", str(int(number)), cleanup, str(authority), str(path), "nobody"]
        # Newer kernels are content with either of the other two.
        without = "-sys_ptrace,-sys_admin,-perfmon"
        blind = [setpriv, f"--bounding-set={without}", f"--inh-caps={without}"]
        started.append(subprocess.Popen([*blind, sys.executable, program, *words]))
        return public / "out"

    yield begin
    for process in started:
        process.kill()
        process.wait()
    if (public / "out" / "group").exists() and lives(group := number_in(public / "out" / "group")):
        os.killpg(group, signal.SIGKILL)
    shutil.rmtree(public)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_script_of_another_user_is_found_though_nobody_may_read_its_environment(
    confined: Confined,
    capfd: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    """And nothing else of that user's: a service that it had just started has another parent, or began before."""
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with subprocess.Popen([*as_nobody, "setsid", "sleep", "30"]) as other:
        out = confined(number, authority=0.6 if number is signal.SIGSTOP else 60.0)
        group = number_in(out / "group")
        within(15, lambda: not lives(group))
        assert "never-told" in capfd.readouterr().err
        assert other.poll() is None
        other.kill()
