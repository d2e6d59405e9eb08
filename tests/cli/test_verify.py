"""`les audit verify`: the trail of a daemon, whatever was done to it."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from les_hooks.audit import Action, Audit
from les_hooks.audit.actions import CHECKPOINT
from les_hooks.cli import cli
from les_hooks.config import LogFormat
from les_hooks.log import make_log
from tests.cli.conftest import Les
from tests.cluster import Cluster, until


def write(path: Path, count: int, member: str = "10.0.0.2:4000") -> Audit:
    """So many records more, in a trail of node a in cluster web."""
    log = make_log(LogFormat.JSON, stream=io.StringIO())
    audit = Audit(path, node="a", cluster="web", boot=1, wall=lambda: 0.0, log=log)
    for _ in range(count - 1):  # and audit.opened
        audit.record(Action.MEMBER_JOINED, member=member)
    audit.close()
    return audit


def checkpoint(audit: Audit) -> str:
    return json.dumps(
        {"event": CHECKPOINT, "seq": audit.head.seq, "hash": audit.head.hash, "node": "a", "cluster": "web"}
    )


@pytest.fixture
def les(tmp_path: Path) -> Les:
    config = tmp_path / "les.toml"
    config.write_text(
        '[node]\nname = "a"\nbind = "127.0.0.1:1"\nstate_dir = "."\n[cluster]\nname = "web"\nseeds = ["127.0.0.1:1"]\n'
    )
    return Les(config)


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_a_whole_trail_is_said_to_be_so_over_all_its_files(les: Les, trail: Path) -> None:
    write(trail, 5)
    trail.with_name("audit.jsonl.2.gz").write_bytes(gzip.compress(trail.read_bytes()))
    trail.unlink()
    write(trail, 5)
    trail.rename(trail.with_name("audit.jsonl.1"))
    write(trail, 5)
    result = les("audit", "verify")
    assert result.exit_code == 0
    assert result.stdout.startswith("whole: 15 records, #1 to #15, written from 1970-01-01T00:00:00")
    assert "shows with --against LOG only" in result.stderr
    told = les.json("audit", "verify")
    assert (told["whole"], told["records"], told["first"]["seq"], told["last"]["seq"]) == (True, 15, 1, 15)
    assert [Path(file).name for file in told["files"]] == ["audit.jsonl.2.gz", "audit.jsonl.1", "audit.jsonl"]


def test_what_was_changed_and_what_is_missing_is_named_with_its_line(les: Les, trail: Path) -> None:
    write(trail, 9)
    lines = trail.read_text().splitlines(keepends=True)
    lines[3] = lines[3].replace("10.0.0.2", "10.0.0.9")
    trail.write_text("".join([*lines[:5], *lines[7:]]))
    result = les("audit", "verify")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == [
        f"{trail}:4: #4 was changed: its hash is not that of its text",
        f"{trail}:6: #6 to #7 are missing: nothing is between {trail}:5 and {trail}:6",
    ]
    assert result.stdout.splitlines()[2].startswith("NOT WHOLE: 2 faults in 7 records")
    told = json.loads(les("audit", "verify", "--json").stdout)
    assert [(each["kind"], each["line"], each["seq"], each["last_seq"]) for each in told["findings"]] == [
        ("changed", 4, 4, 4),
        ("missing", 6, 6, 7),
    ]


def test_a_cut_off_end_and_a_trail_written_anew_show_against_a_log(les: Les, trail: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    early = write(trail, 5)
    write(trail, 2)
    late = write(trail, 3)
    log.write_text(f"something\n{checkpoint(early)}\n{checkpoint(late)}\n")
    result = les("audit", "verify", "--against", str(log))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "2 of 2 checkpoints agree")
    assert les.json("audit", "verify", "--against", str(log))["checkpoints"] == {"known": 2, "agree": 2}

    lines = trail.read_bytes().splitlines(keepends=True)
    trail.write_bytes(b"".join(lines[:7]))
    assert les("audit", "verify").exit_code == 0
    result = les("audit", "verify", "--against", str(log))
    assert result.exit_code == 1
    assert f"#7 is the last one, and {log}:3 is a checkpoint of #10: the end was cut off" in result.stdout

    trail.unlink()
    write(trail, 12, "10.0.0.9:4000")
    assert les("audit", "verify").exit_code == 0
    result = les("audit", "verify", "--against", str(log))
    assert f"#5 is not the record that {log}:2 is a checkpoint of" in result.stdout
    assert result.stdout.splitlines()[-1] == "0 of 2 checkpoints agree"


def test_a_log_without_a_checkpoint_of_this_node_shows_nothing(les: Les, trail: Path, tmp_path: Path) -> None:
    audit = write(trail, 5)
    log = tmp_path / "log"
    log.write_text(checkpoint(audit).replace('"a"', '"b"'))
    result = les("audit", "verify", "--against", str(log))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "the log has no checkpoint of this node")


def test_files_are_named_in_any_order_and_need_no_configuration(trail: Path) -> None:
    audit = write(trail, 5)
    old = trail.with_name("old")
    trail.rename(old)
    old.write_bytes(old.read_bytes())
    new = trail.with_name("new")
    lines = old.read_bytes().splitlines(keepends=True)
    old.write_bytes(b"".join(lines[:3]))
    new.write_bytes(b"".join(lines[3:]))
    words = ["audit", "verify", "--against", "-", str(new), str(old)]
    result = CliRunner().invoke(cli, words, input=f"{checkpoint(audit)}\n")
    assert result.exit_code == 0, result.output
    assert "1 of 1 checkpoints agree" in result.stdout


def test_what_cannot_be_read_is_said_and_is_not_whole(les: Les, trail: Path) -> None:
    write(trail, 2000)
    trail.with_name("audit.jsonl.1.zst").write_bytes(b"x")
    broken = trail.with_name("audit.jsonl.2.gz")
    packed = gzip.compress(trail.read_bytes())
    aside = trail.rename(trail.with_name("audit.jsonl.1"))
    write(trail, 5)
    aside.unlink()
    broken.write_bytes(packed[: len(packed) // 2])
    result = les("audit", "verify")
    assert result.exit_code == 1
    assert "is packed as .zst, which cannot be read here; unpack it" in result.stdout
    assert "cannot be unpacked further" in result.stdout
    nothing = CliRunner().invoke(cli, ["audit", "verify", str(trail.with_name("none"))])
    assert nothing.exit_code == 1
    assert "there is no such file" in nothing.stderr


def test_a_trail_without_a_record_is_not_whole(les: Les, trail: Path) -> None:
    assert les("audit", "verify").exit_code == 1
    trail.touch()
    result = les("audit", "verify")
    assert (result.exit_code, result.stdout) == (1, "no record was found\n")


def test_on_a_terminal_it_says_how_far_it_is(trail: Path) -> None:
    write(trail, 5)
    text = trail.read_bytes()
    with trail.open("ab") as file:
        for _ in range(40_000):
            file.write(text)
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "les_hooks", "audit", "verify", str(trail)],
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
            check=False,
            timeout=60,
        )
        said = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "audit.jsonl: line " in said
    assert done.stdout.splitlines()[-1].startswith("NOT WHOLE: 200000 faults in 200005 records")


def test_the_trail_of_a_daemon_is_whole_over_a_kill_a_rotation_and_a_reload_and_its_log_agrees(tmp_path: Path) -> None:
    with Cluster(tmp_path, 1) as cluster:
        daemon = cluster.wait_leader()
        trail = daemon.folder / "state" / "audit.jsonl"
        daemon.kill()
        daemon.ended()
        with trail.open("ab") as file:
            file.write(b'{"schema":"les.audit/1","ti')
        daemon.start()
        cluster.wait_leader()
        trail.rename(trail.with_name("audit.jsonl.1"))
        assert daemon.les("reload").returncode == 0
        until(lambda: trail.exists(), "the file is begun anew")
        daemon.signal(signal.SIGTERM)
        daemon.ended()
        log = tmp_path / "log"
        log.write_text(daemon.said())
        result = daemon.les("audit", "verify", "--against", str(log))
        assert result.returncode == 0, result.stdout
        assert "says that a line cut short was set aside" in result.stdout
        # Each start, and the orderly end.
        assert "3 of 3 checkpoints agree" in result.stdout
