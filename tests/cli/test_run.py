"""The life of a daemon: flags, signals, reloads, the service manager, and how it ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from les_hooks.control.client import stream
from les_hooks.guard.process import living
from tests.cluster import Cluster, Daemon, free_ports, until


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Daemon]:
    """A cluster of one, not started yet."""
    cluster = Cluster(tmp_path, 1)
    yield cluster.daemons[0]
    cluster.close()


def _trail(daemon: Daemon) -> list[dict[str, object]]:
    return [json.loads(line) for line in (daemon.folder / "state" / "audit.jsonl").read_text().splitlines()]


def _outcomes(daemon: Daemon, action: str) -> list[dict[str, object]]:
    return [record for record in _trail(daemon) if record["action"] == action]


# -- signals -----------------------------------------------------------------------------------------------------------


def test_sigterm_runs_the_demote_hooks_and_ends_in_order(alone: Daemon) -> None:
    seen = alone.folder / "seen"
    alone.script("demoted", "10-note", f'echo "$LES_REASON" >> {seen}')
    alone.start().wait_settled()
    alone.signal(signal.SIGTERM)
    assert alone.ended() == 0
    assert seen.read_text().split() == ["startup", "leaving"]
    assert not alone.socket.exists()
    assert alone.les("cleanup").stdout == "nothing to clean up: the daemon ended in order\n"


def test_a_second_sigint_ends_it_at_once_and_the_guard_does_the_rest(alone: Daemon) -> None:
    seen = alone.folder / "seen"
    alone.script("demoted", "10-slow", f'[ "$LES_REASON" = leaving ] && sleep 60; echo "$LES_REASON" >> {seen}')
    alone.start().wait_settled()
    alone.signal(signal.SIGINT)
    alone.wait(lambda status: status["node"]["stopping"], "stops")
    alone.signal(signal.SIGINT)
    assert alone.ended() == 1
    assert "stopped-at-once" in alone.said()
    until(lambda: seen.exists() and "crashed" in seen.read_text(), "the guard has cleaned up")


def test_a_daemon_whose_log_nobody_reads_leads_on_and_ends_in_order(alone: Daemon) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, b"\n" * 4096):
            pass
    os.set_blocking(writer, True)
    with open(reader, "rb"), open(writer, "wb") as log:
        alone.start(log=log).wait(lambda status: status["role"] == "leader", "leads")
        alone.signal(signal.SIGTERM)
        assert alone.ended() == 0


def test_sigterm_before_it_has_joined_ends_it_without_waiting_for_hooks(alone: Daemon) -> None:
    begun = alone.folder / "begun"
    alone.script("demoted", "10-slow", f'[ "$LES_REASON" = startup ] && touch {begun} && sleep 60; true')
    alone.start()
    until(begun.exists, "the startup demotion has begun")
    alone.signal(signal.SIGTERM)
    assert alone.ended() == 0


STUBBORN = """
import asyncio, sys, threading, time
from les_hooks.cli import main
from les_hooks.cli.supervisor import Supervisor

what, run = sys.argv.pop(1), Supervisor.run

async def deaf():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def stubborn(self):
    match what:
        case "task":
            self.left = asyncio.create_task(deaf(), name="left-over")
        case "look-up":
            self.left = asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
        case "thread":
            threading.Thread(target=time.sleep, args=(60,), name="left-over").start()
    await run(self)

Supervisor.run = stubborn
main()
"""


@pytest.mark.parametrize(("what", "named"), [("task", "left-over"), ("look-up", "asyncio_0"), ("thread", "left-over")])
def test_what_a_plugin_left_behind_does_not_keep_the_process(alone: Daemon, what: str, named: str) -> None:
    argv = [sys.executable, "-c", STUBBORN, what, "run", "-c", str(alone.config)]
    with alone.log.open("ab") as log:
        alone.process = subprocess.Popen(argv, cwd=alone.folder, stderr=log)
    alone.wait_settled()
    alone.signal(signal.SIGTERM)
    assert alone.ended() == 0
    left = json.loads(alone.said().splitlines()[-1])
    assert left["event"] == "ended-with-leftovers"
    assert named in left["tasks"] + left["threads"]
    assert _trail(alone)[-1]["action"] == "node.stopped"
    assert alone.les("cleanup").stdout == "nothing to clean up: the daemon ended in order\n"


# -- flags -------------------------------------------------------------------------------------------------------------


def test_the_flags_of_the_original_start_a_node_without_a_file(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    flags = ["--bind-interface", "127.0.0.1", "--bind-port", str(port), "--seeds", f"127.0.0.1:{port}"]
    flags += ["--advertise-addr", "127.0.0.1", "--loop-rate", "2", "--state-dir", "state", "--name", "solo"]
    daemon = Daemon(tmp_path / "x", port, [])
    daemon.config.unlink()
    daemon.process = subprocess.Popen(
        [sys.executable, "-m", "les_hooks", "run", *flags], cwd=daemon.folder, stderr=subprocess.DEVNULL
    )
    try:
        status = daemon.wait_settled()
        assert status["node"]["address"] == f"127.0.0.1:{port}"
        assert status["node"]["name"] == "solo"
        assert status["config"]["source"] is None
        reload = subprocess.run(
            [sys.executable, "-m", "les_hooks", "reload", "--socket", str(daemon.socket)],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert reload.returncode == 1
        assert "by flags alone" in reload.stderr
    finally:
        daemon.signal(signal.SIGTERM)
        daemon.ended()


def test_flags_win_over_the_file(alone: Daemon) -> None:
    assert alone.start("--name", "other").wait_settled()["node"]["name"] == "other"


# -- what keeps it from starting ---------------------------------------------------------------------------------------


def test_a_second_daemon_of_the_same_file_is_refused_at_once(alone: Daemon) -> None:
    alone.start().wait_settled()
    second = alone.les("run")
    assert second.returncode == 1
    assert alone.process is not None
    assert f"process {alone.process.pid}" in second.stderr
    assert "les leave" in second.stderr


def test_a_port_in_use_is_told_with_what_to_do(alone: Daemon) -> None:
    host, port = alone.address.split(":")
    with socket.create_server((host, int(port))):
        refused = alone.les("run")
        checked = alone.les("check")
    assert refused.returncode == checked.returncode == 1
    assert f"port {alone.address}" in refused.stderr
    assert "Address already in use" in checked.stdout
    assert not (alone.folder / "state" / "control.sock").exists()


def test_a_state_directory_held_by_another_node_is_waited_for(tmp_path: Path, alone: Daemon) -> None:
    alone.start().wait_settled()
    (port,) = free_ports(1)
    other = Daemon(tmp_path / "z", port, [port], f'[control]\nsocket = "{tmp_path}/z.sock"\n')
    other.config.write_text(other.config.read_text().replace('"state"', f'"{alone.folder}/state"'))
    other.socket = tmp_path / "z.sock"
    other.start()
    try:
        until(lambda: "state-directory-held" in other.said(), "the second waits")
        alone.signal(signal.SIGTERM)
        alone.ended()
        other.wait_settled()
    finally:
        other.signal(signal.SIGTERM)
        other.ended()


def test_sigterm_ends_the_wait_for_the_state_directory(tmp_path: Path, alone: Daemon) -> None:
    alone.start().wait_settled()
    (port,) = free_ports(1)
    other = Daemon(tmp_path / "z", port, [port], f'[control]\nsocket = "{tmp_path}/z.sock"\n')
    other.config.write_text(other.config.read_text().replace('"state"', f'"{alone.folder}/state"'))
    other.start()
    until(lambda: "state-directory-held" in other.said(), "the second waits")
    other.signal(signal.SIGTERM)
    assert other.ended() == 0


# -- reloads -----------------------------------------------------------------------------------------------------------


def test_sighup_takes_a_good_file_and_keeps_the_old_for_a_bad_one(alone: Daemon) -> None:
    alone.start().wait_settled()
    good = alone.config.read_text() + '[hooks]\ntimeout = "7s"\n'
    alone.config.write_text(good)
    alone.signal(signal.SIGHUP)
    until(lambda: _outcomes(alone, "config.reloaded"), "the file is read")
    (reloaded,) = _outcomes(alone, "config.reloaded")
    assert reloaded["changed"] == ["hooks.timeout", "plugins.scripts.timeout"]

    alone.config.write_text(good.replace("timeout", "timout"))
    alone.signal(signal.SIGHUP)
    until(lambda: _outcomes(alone, "config.rejected"), "the file is refused")
    assert "did you mean 'timeout'?" in alone.said()
    assert alone.status()["role"] == "leader"


def test_reload_names_what_changed_and_tells_the_hooks_again(alone: Daemon) -> None:
    alone.start().wait_settled()
    assert alone.les("reload").stdout == "reloaded; nothing has changed\n"
    alone.config.write_text(alone.config.read_text() + '[log]\nlevel = "debug"\n')
    assert json.loads(alone.les("reload", "--json").stdout) == {"changed": ["log.level"]}
    assert _outcomes(alone, "leader.reasserted")[-1]["reason"] == "reload"


def test_a_reload_with_a_change_that_needs_a_restart_is_refused_as_a_whole(alone: Daemon) -> None:
    alone.start().wait_settled()
    text = alone.config.read_text().replace('hold = "1s"', 'hold = "2s"') + '[log]\nlevel = "debug"\n'
    alone.config.write_text(text)
    result = alone.les("reload")
    assert result.returncode == 1
    assert "timing.hold: cannot change while the node runs" in result.stderr
    assert "log.level" not in result.stderr
    assert _outcomes(alone, "config.rejected")
    (answered,) = _outcomes(alone, "operator.answer")
    assert (answered["command"], answered["outcome"], answered["uid"]) == ("reload", "failure", os.getuid())


# -- moving leadership by hand -----------------------------------------------------------------------------------------


def test_step_down_names_the_next_in_line_who_then_leads(tmp_path: Path) -> None:
    with Cluster(tmp_path, 2) as cluster:
        leader = cluster.wait_leader()
        other = next(daemon for daemon in cluster.daemons if daemon is not leader)
        result = leader.les("step-down", "--json")
        assert json.loads(result.stdout) == {"next": other.address, "next_name": other.name, "hold": 1.0}
        assert until(lambda: cluster.wait_leader() is other and other, "the other leads") is other
        assert _outcomes(leader, "operator.request")[0]["command"] == "step-down"


def test_who_steps_down_alone_is_told_that_it_leads_again(alone: Daemon) -> None:
    alone.start().wait_settled()
    said = alone.les("step-down").stdout
    assert said == "stepping down; nobody else can lead now, so this node leads again after hold (1 s)\n"
    alone.wait(lambda status: status["role"] == "leader" and status["term"] > 1, "leads again")


def test_leave_answers_before_the_daemon_goes(alone: Daemon) -> None:
    gate = alone.folder / "gate"
    script = f'[ "$LES_REASON" = startup ] || while [ ! -e {gate} ]; do sleep 0.05; done'
    alone.script("demoted", "10-wait", script)
    alone.start().wait_settled()
    assert alone.les("leave").stdout.startswith("leaving;")
    assert alone.running
    gate.touch()
    assert alone.ended() == 0


def test_watch_tells_of_a_death_and_of_the_end_of_the_daemon(tmp_path: Path) -> None:
    with Cluster(tmp_path, 2) as cluster:
        leader = cluster.wait_leader()
        other = next(daemon for daemon in cluster.daemons if daemon is not leader)
        argv = [sys.executable, "-m", "les_hooks", "watch", "--all", "--json", "-c", str(other.config)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watch, contextlib.ExitStack() as stack:
            stack.callback(watch.kill)
            assert watch.stdout is not None
            told = map(json.loads, watch.stdout)
            assert next(told)["kind"] == "demoted"  # from here on it misses nothing
            leader.kill()
            kinds = []
            while "elected" not in kinds:
                kinds.append(next(told)["kind"])
            assert "member-lost" in kinds
            other.signal(signal.SIGTERM)
            watch.communicate(timeout=20)
            assert watch.returncode == 0


def test_watch_says_that_the_daemon_died_and_ends_in_peace_with_ctrl_c(alone: Daemon) -> None:
    alone.start().wait_settled()
    argv = [sys.executable, "-m", "les_hooks", "watch", "--all", "-c", str(alone.config)]
    first, second = (subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab")
    with first, second, contextlib.ExitStack() as stack:
        for watch in (first, second):
            stack.callback(watch.kill)
            assert watch.stderr is not None
            begun = watch.stderr.readline()
            assert begun == f"les: watching; {alone.name} ({alone.address}) leads, term 1; this node leads\n"
        assert first.stdout is not None
        assert any("elected" in line for line in first.stdout)
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=20)
        assert first.returncode == 0
        alone.kill()
        _, said = second.communicate(timeout=20)
        assert second.returncode == 69
        assert "ended without a word" in said


def test_watch_begins_with_what_stands_and_all_tells_what_was_before(alone: Daemon) -> None:
    alone.start().wait_settled()
    items: Iterator[Any] = stream(alone.socket, "watch", {"from_start": True})
    assert next(items)["role"] == "leader"
    assert [next(items)["kind"], next(items)["kind"]] == ["demoted", "started"]


# -- the service manager -----------------------------------------------------------------------------------------------


class Manager:
    """A service manager that notes what it is told."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)
        self.told: list[str] = []

    def environ(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self.path), **more}

    def has(self, *words: str) -> bool:
        """Whether one message so far had all these words."""
        while True:
            try:
                self.told.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return any(all(word in message for word in words) for message in self.told)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager that listens."""
    listening = Manager(tmp_path)
    yield listening
    listening.close()


def test_readiness_comes_with_the_first_view_and_not_before(tmp_path: Path, manager: Manager) -> None:
    cluster = Cluster(tmp_path, 2)
    first, second = cluster.daemons
    try:
        first.start(environ=manager.environ())
        first.wait(lambda status: status["role"] == "joining", "joins")
        until(lambda: manager.has("EXTEND_TIMEOUT_USEC"), "the start goes on")
        assert not manager.has("READY=1")
        second.start()
        until(lambda: manager.has("READY=1", "STATUS="), "it is ready")
        until(lambda: manager.has("STATUS=", "term 1, 2 members"), "the leadership is told")
    finally:
        cluster.close()
    assert manager.has("STOPPING=1")


def test_the_watchdog_is_fed_by_the_election_and_starves_with_it(alone: Daemon, manager: Manager) -> None:
    alone.start(environ=manager.environ(WATCHDOG_USEC="400000")).wait_settled()
    for _ in range(3):
        until(lambda: manager.has("WATCHDOG=1"), "the watchdog is fed")
        manager.told.clear()
    alone.signal(signal.SIGSTOP)
    manager.has("")
    manager.told.clear()
    until(lambda: _stopped(alone), "the daemon stands still")
    assert not manager.has("WATCHDOG=1")
    alone.signal(signal.SIGCONT)
    until(lambda: manager.has("WATCHDOG=1"), "it is fed again")


def _stopped(daemon: Daemon) -> bool:
    assert daemon.process is not None
    return Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_reloads_are_told_and_scripts_cannot_speak_for_the_daemon(alone: Daemon, manager: Manager) -> None:
    seen = alone.folder / "environ"
    alone.script("elected", "10-env", f"env > {seen}")
    alone.start(environ=manager.environ()).wait_settled()
    alone.les("reload")
    assert manager.has("RELOADING=1", "MONOTONIC_USEC=")
    until(lambda: [told for told in manager.told if "READY=1" in told][1:] or manager.has("-"), "READY ends it")
    until(lambda: seen.exists() and "LES_EVENT" in seen.read_text(), "the script has run")
    assert "NOTIFY_SOCKET" not in seen.read_text()


# -- after a crash -----------------------------------------------------------------------------------------------------


def test_the_guard_runs_the_demote_hooks_of_a_daemon_that_was_killed(alone: Daemon) -> None:
    seen = alone.folder / "seen"
    alone.script("demoted", "10-note", f'echo "$LES_REASON" >> {seen}')
    alone.start().wait_settled()
    alone.kill()
    until(lambda: "crashed" in seen.read_text(), "the guard has cleaned up")
    result = alone.les("cleanup", "--wait", "10")
    assert (result.returncode, result.stdout) == (0, "nothing to clean up: the daemon ended in order\n")


def test_a_quick_restart_waits_until_the_scripts_of_the_daemon_before_are_gone(alone: Daemon) -> None:
    pid, seen = alone.folder / "pid", alone.folder / "seen"
    alone.script("while-leader", "10-stubborn", f"trap '' TERM; echo $$ > {pid}; while :; do sleep 0.1; done")
    # What init has not reaped yet is gone all the same.
    note = f"grep -s '^State:[^Z]*$' /proc/$(cat {pid})/status && echo lives >> {seen} || echo gone >> {seen}"
    note = f"[ ! -e {pid} ] || {{ {note}; }}"
    alone.script("demoted", "10-note", note)
    alone.start().wait_settled()
    until(lambda: pid.exists() and pid.read_text().endswith("\n"), "the work has begun")
    alone.kill()
    alone.start().wait_settled()
    assert seen.read_text().split()[0] == "gone"


def test_cleanup_by_hand_does_it_once_and_never_while_a_daemon_runs(alone: Daemon) -> None:
    seen = alone.folder / "seen"
    alone.script("demoted", "10-note", f'echo "$LES_REASON" >> {seen}')
    status = alone.start().wait_settled()
    running = alone.les("cleanup")
    said = f"nothing to clean up: process {status['node']['pid']} has the state directory\n"
    assert (running.returncode, running.stdout, running.stderr) == (0, said, "")
    forced = alone.les("cleanup", "--force")
    assert forced.returncode == 1
    assert f"is held by process {status['node']['pid']}" in forced.stderr
    alone.signal(signal.SIGSTOP)
    os.kill(status["guard"], signal.SIGKILL)  # it must not be faster, and no other takes its place
    alone.kill()
    assert alone.les("cleanup").stdout == "cleaned up what the daemon left behind\n"
    assert json.loads(alone.les("cleanup", "--json").stdout) == {"needed": False, "failed": []}
    assert seen.read_text().split() == ["startup", "crashed"]
    assert alone.les("cleanup", "--force").stdout == "cleaned up what the daemon left behind\n"


def test_a_cleanup_that_is_told_to_end_takes_its_script_along_and_stays_due(alone: Daemon) -> None:
    pid = alone.folder / "pid"
    alone.script("demoted", "10-hangs", f'[ "$LES_REASON" = startup ] || {{ echo $$ > {pid}; exec sleep 1000; }}')
    for number, code in ((signal.SIGTERM, 1), (signal.SIGKILL, -signal.SIGKILL)):
        argv = [sys.executable, "-m", "les_hooks", "cleanup", "--force", "-c", str(alone.config)]
        pid.unlink(missing_ok=True)
        with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as cleanup:
            until(lambda: pid.exists() and pid.read_text().endswith("\n"), "the script has begun")
            cleanup.send_signal(number)
            cleanup.communicate(timeout=20)
            assert cleanup.returncode == code
        until(lambda: not living(int(pid.read_text()), []), "the script is gone")


def test_a_cleanup_one_of_whose_demote_scripts_fails_stays_due(alone: Daemon) -> None:
    script = alone.script("demoted", "10-fails", '[ "$LES_REASON" != crashed ]')
    status = alone.start().wait_settled()
    alone.signal(signal.SIGSTOP)
    os.kill(status["guard"], signal.SIGKILL)
    alone.kill()
    for _ in range(2):
        failed = alone.les("cleanup")
        assert failed.returncode == 1
        assert "could not clean up: scripts" in failed.stderr
    script.unlink()
    assert alone.les("cleanup").stdout == "cleaned up what the daemon left behind\n"


def test_a_socket_whose_folder_is_missing_is_told_before_anything_runs(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    with Cluster(tmp_path, 1, f'[control]\nsocket = "{tmp_path}/gone/les.sock"\n') as cluster:
        daemon = cluster.daemons[0]
        daemon.script("demoted", "10-note", f"touch {seen}")
        refused, checked = daemon.les("run"), daemon.les("check")
    assert refused.returncode == checked.returncode == 1
    assert f"its folder {tmp_path}/gone does not exist" in refused.stderr
    assert f"its folder {tmp_path}/gone does not exist" in checked.stdout
    assert not seen.exists()


# -- core dumps --------------------------------------------------------------------------------------------------------


def test_neither_the_daemon_nor_its_guard_scripts_and_cleanup_leave_a_core_dump(alone: Daemon) -> None:
    seen = alone.folder / "seen"
    alone.inside = (
        "prlimit",
        "--core=" + Path("/proc/self/limits").read_text().partition("core file size")[2].split()[1],
    )
    alone.script("demoted", "10-limits", f'echo "$LES_REASON $(ulimit -Sc) $(ulimit -Hc)" >> {seen}')
    status = alone.start().wait_settled()
    assert [_core_limits(pid) for pid in (status["node"]["pid"], status["guard"])] == [["0", "0"], ["0", "0"]]
    alone.signal(signal.SIGKILL)
    until(lambda: "crashed" in seen.read_text(), "the guard has cleaned up")
    assert seen.read_text().splitlines() == ["startup 0 0", "crashed 0 0"]


def _core_limits(pid: int) -> list[str]:
    line = next(line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max core"))
    return line.split()[4:6]
