import asyncio
import fcntl
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from les_hooks.audit import Head
from les_hooks.daemon import folder
from les_hooks.daemon.folder import HeldError
from les_hooks.daemon.state import SEQ_BLOCK, StateStore, Told
from les_hooks.election.identity import Memory
from les_hooks.errors import StartError
from les_hooks.members import Boot
from tests.disk import fill, tiny_disk
from tests.needs import need_root

NOON = 1772366400.25


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += 1


def open_store(path: Path, *, wait_seconds: float = 0.0, clock: Clock | None = None, nonce: str = "n1") -> StateStore:
    clock = clock or Clock()
    return StateStore.open(path, wait_seconds, wall=lambda: NOON, nonce=lambda: nonce, now=clock, sleep=clock.sleep)


def stored(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((path / "state.json").read_bytes())
    return content


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "les" / "state"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with tiny_disk(tmp_path / "disk") as path:
        yield path


class TestBoot:
    def test_the_first_counter_is_the_wall_clock_so_that_a_wiped_directory_is_no_step_back(self, path: Path) -> None:
        with open_store(path) as store:
            assert store.next_boot() == Boot(1772366400, "n1")

    def test_every_start_counts_one_up_whatever_the_clock_says(self, path: Path) -> None:
        with open_store(path) as store:
            first = store.next_boot()
        with open_store(path, nonce="n2") as store:
            assert store.next_boot() == Boot(first.counter + 1, "n2")

    def test_a_clock_before_1970_still_gives_a_counter(self, path: Path) -> None:
        with StateStore.open(path, 0.0, wall=lambda: -5.0) as store:
            assert store.next_boot().counter == 1

    def test_nonces_are_random_unless_given(self, path: Path) -> None:
        with StateStore.open(path, 0.0) as store:
            assert store.next_boot().nonce != store.next_boot().nonce


class TestTerm:
    async def test_term_and_stamp_are_there_after_a_restart(self, path: Path) -> None:
        with open_store(path) as store:
            await store.save(7, NOON)
        with open_store(path) as store:
            assert (store.term, store.newest) == (7, NOON)

    async def test_neither_is_ever_lowered(self, path: Path) -> None:
        with open_store(path) as store:
            await store.save(7, NOON)
            await store.save(6, NOON - 1)
            assert (store.term, store.newest) == (7, NOON)
        assert (stored(path)["term"], stored(path)["newest"]) == (7, NOON)

    async def test_of_saves_at_the_same_time_the_highest_wins_and_not_the_last(self, path: Path) -> None:
        with open_store(path) as store:
            await asyncio.gather(*(store.save(term, 0.0) for term in (3, 9, 5, 1)))
        assert stored(path)["term"] == 9

    async def test_it_is_synced_before_it_counts(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        done: list[str] = []
        fsync, replace = os.fsync, Path.replace

        def noted_fsync(fd: int) -> None:
            done.append("sync " + Path(os.readlink(f"/proc/self/fd/{fd}")).name)
            fsync(fd)

        def noted_replace(draft: Path, target: Path) -> Path:
            done.append(f"rename {draft.name} {target.name}")
            return replace(draft, target)

        monkeypatch.setattr(os, "fsync", noted_fsync)
        monkeypatch.setattr(Path, "replace", noted_replace)
        with open_store(path) as store:
            await store.save(7, 0.0)

        assert done == ["sync state.json.new", "rename state.json.new state.json", "sync state"]

    async def test_what_is_on_disk_already_is_not_written_again(self, path: Path) -> None:
        with open_store(path) as store:
            await store.save(7, 0.0)
            before = (path / "state.json").stat().st_ino
            await store.save(7, 0.0)
            assert (path / "state.json").stat().st_ino == before

    async def test_a_full_disk_fails_the_save_and_keeps_the_old_state(self, disk: Path) -> None:
        with open_store(disk / "state") as store:
            await store.save(7, 0.0)
            fill(disk / "ballast")

            with pytest.raises(OSError, match="No space left"):
                await store.save(8, 0.0)
            assert stored(disk / "state")["term"] == 7

            (disk / "ballast").unlink()
            await store.save(6, 0.0)
            assert stored(disk / "state")["term"] == 8, "the failed write may have reached the disk"

    async def test_busy_threads_of_the_loop_do_not_delay_it(self, path: Path) -> None:
        free = threading.Event()
        loop = asyncio.get_running_loop()
        busy = [loop.run_in_executor(None, free.wait, 30) for _ in range(64)]
        try:
            with open_store(path) as store:
                await asyncio.wait_for(store.save(7, 0.0), 5)
        finally:
            free.set()
            await asyncio.gather(*busy)


class TestVotes:
    async def test_a_vote_is_there_after_a_restart_and_the_longest_lease_of_all(self, path: Path) -> None:
        with open_store(path) as store:
            await store.pledge(7, Boot(3, "n9"), 10.0)
            await store.pledge(8, Boot(4, "n8"), 4.0)
            await store.save(9, NOON)
        with open_store(path) as store:
            assert store.memory == Memory(
                term=9, newest=NOON, granted_term=8, granted_boot=Boot(4, "n8"), longest_lease=10.0, kept=True
            )

    async def test_a_term_that_is_granted_is_the_highest_known_from_then_on(self, path: Path) -> None:
        with open_store(path) as store:
            await store.save(5, NOON)
            await store.pledge(7, Boot(3, "n9"), 4.0)
        with open_store(path) as store:
            assert (store.term, store.newest) == (7, NOON)

    async def test_a_full_disk_fails_the_pledge_and_keeps_the_old_one(self, disk: Path) -> None:
        with open_store(disk / "state") as store:
            await store.pledge(7, Boot(3, "n9"), 4.0)
            fill(disk / "ballast")
            with pytest.raises(OSError, match="No space left"):
                await store.pledge(8, Boot(4, "n8"), 4.0)
        assert stored(disk / "state")["granted_term"] == 7

    def test_what_was_stored_before_there_were_votes_is_read(self, path: Path) -> None:
        path.mkdir(parents=True)
        (path / "state.json").write_bytes(
            b'{"version":1,"counter":5,"term":7,"newest":1.5,"reserved":9,"running":null}'
        )
        with open_store(path) as store:
            assert store.memory == Memory(term=7, newest=1.5, kept=True)

    def test_a_directory_that_did_not_survive_is_noticed(self, path: Path) -> None:
        with open_store(path) as store:
            store.next_boot()
            assert store.was_fresh
            assert not store.memory.kept
        with open_store(path) as store:
            assert not store.was_fresh


class TestVoters:
    def test_who_elected_the_last_leader_is_there_after_a_restart(self, path: Path) -> None:
        with open_store(path) as store:
            assert not store.voters
            store.remember_voters(["b:1", "a:1"])
        with open_store(path) as store:
            assert store.voters == ("a:1", "b:1")

    def test_what_is_known_is_not_written_again_and_nobody_is_nothing_new(self, path: Path) -> None:
        with open_store(path) as store:
            store.remember_voters(["a:1", "b:1"])
        before = (path / "voters.json").stat().st_ino
        with open_store(path) as store:
            store.remember_voters(["b:1", "a:1"])
            store.remember_voters([])
        assert (path / "voters.json").stat().st_ino == before

    async def test_a_disk_that_failed_is_tried_again(self, disk: Path) -> None:
        with open_store(disk / "state") as store:
            fill(disk / "ballast")
            store.remember_voters(["a:1"])
            with pytest.raises(OSError, match="No space left"):
                await store.save(1, 0.0)  # one writer: the voters have had their turn
            assert not store.voters
            (disk / "ballast").unlink()
            store.remember_voters(["a:1"])
        with open_store(disk / "state") as store:
            assert store.voters == ("a:1",)

    async def test_to_start_over_with_others_its_file_is_removed_and_the_terms_stay(self, path: Path) -> None:
        with open_store(path) as store:
            await store.save(7, NOON)
            store.remember_voters(["a:1"])
        (path / "voters.json").unlink()
        with open_store(path) as store:
            assert (store.voters, store.term) == ((), 7)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"[]",
            b'{"version": 1}',
            b'{"version": 1, "voters": []}',
            b'{"version": 1, "voters": "a:1"}',
            b'{"version": 1, "voters": ["a"]}',
            b'{"version": 1, "voters": ["A:1"]}',
            b'{"version": 1, "voters": ["a:1\\n"]}',
            b'{"version": 1, "voters": ["a:1"], "more": 1}',
            b'{"version": 2, "voters": ["a:1"]}',
            b'{"version": 1, "voters": ["a:1"]}' + b" " * (64 << 10),
        ],
    )
    def test_rubbish_is_refused_by_who_needs_it_and_by_nobody_else(self, path: Path, content: bytes) -> None:
        path.mkdir(parents=True)
        (path / "voters.json").write_bytes(content)
        with open_store(path) as store, pytest.raises(StartError) as caught:
            assert store.voters
        assert caught.value.what == str(path / "voters.json")


class TestEventNumbers:
    def test_they_count_from_one(self, path: Path) -> None:
        with open_store(path) as store:
            store.next_boot()
            assert [store.next_seq() for _ in range(3)] == [1, 2, 3]

    def test_a_polite_restart_leaves_no_hole(self, path: Path) -> None:
        with open_store(path) as store:
            store.next_boot()
            last = [store.next_seq() for _ in range(5)][-1]
            store.mark_stopped()
        with open_store(path) as store:
            store.next_boot()
            assert store.next_seq() == last + 1

    def test_none_is_used_twice_after_a_crash(self, path: Path) -> None:
        used: set[int] = set()
        for _ in range(3):
            with open_store(path) as store:
                store.next_boot()
                numbers = [store.next_seq() for _ in range(10)]
                assert not used & set(numbers)
                used.update(numbers)

    def test_the_next_block_is_on_disk_before_the_present_one_is_used_up(self, path: Path) -> None:
        with open_store(path) as store:
            store.next_boot()
            for number in range(1, 4 * SEQ_BLOCK):
                seq = store.next_seq()
                assert seq == number
                if seq % 200 == 0:
                    # The writer has one thread: when this has run, so has the reservation before it.
                    store._writer.submit(lambda: None).result(5)
                    assert stored(path)["reserved"] - seq >= 400

    def test_they_need_no_working_disk(self, disk: Path) -> None:
        with open_store(disk / "state") as store:
            store.next_boot()
            fill(disk / "ballast")
            numbers = [store.next_seq() for _ in range(2 * SEQ_BLOCK)]
        assert numbers == list(range(1, 2 * SEQ_BLOCK + 1))


class TestCrash:
    def test_a_daemon_that_did_not_say_that_it_stopped_has_crashed(self, path: Path) -> None:
        with open_store(path) as store:
            assert not store.crashed
            store.mark_running(store.next_boot())
        with open_store(path) as store:
            assert store.crashed

    def test_one_that_did_has_not(self, path: Path) -> None:
        with open_store(path) as store:
            store.mark_running(store.next_boot())
            store.mark_stopped()
        with open_store(path) as store:
            assert not store.crashed

    def test_the_mark_names_boot_and_process(self, path: Path) -> None:
        with open_store(path) as store:
            store.mark_running(store.next_boot())
        assert stored(path)["running"] == {"boot": [1772366400, "n1"], "pid": os.getpid()}


class TestTold:
    def test_it_is_there_after_a_restart(self, path: Path) -> None:
        with open_store(path) as store:
            assert store.last_told is None
            store.told(leader="a:1", term=3, members=("a:1", "b:1"), audited=Head(seq=44, hash="e" * 64))
        with open_store(path) as store:
            assert store.last_told == Told(
                leader="a:1", term=3, members=("a:1", "b:1"), audit_seq=44, audit_hash="e" * 64
            )

    def test_the_latest_wins_however_many_there_are(self, path: Path) -> None:
        with open_store(path) as store:
            for term in range(500):
                store.told(leader=None, term=term, members=(), audited=Head(seq=term))
        with open_store(path) as store:
            assert store.last_told is not None
            assert store.last_told.term == 499

    def test_rubbish_is_as_good_as_nothing(self, path: Path) -> None:
        path.mkdir(parents=True)
        (path / "told.json").write_bytes(b"\x00" * 100)
        with open_store(path) as store:
            assert store.last_told is None


class TestDirectory:
    def test_it_is_made_for_its_owner_only(self, path: Path) -> None:
        with open_store(path) as store:
            store.next_boot()
            store.told(leader=None, term=0, members=(), audited=Head())
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}

    def test_a_file_in_its_place_is_named(self, path: Path) -> None:
        path.parent.mkdir()
        path.touch()
        with pytest.raises(StartError, match=r"state directory .*/les/state: is not a directory; move it away"):
            open_store(path)

    def test_a_file_above_it_is_an_error_too(self, path: Path) -> None:
        path.parent.touch()
        with pytest.raises(StartError, match="Not a directory"):
            open_store(path)

    def test_one_that_anybody_can_write_is_refused(self, path: Path) -> None:
        path.mkdir(parents=True)
        path.chmod(0o777)
        with pytest.raises(StartError, match="can be written by anybody; run `chmod o-w"):
            open_store(path)

    def test_one_of_somebody_else_is_refused(self, path: Path) -> None:
        need_root()
        path.mkdir(parents=True)
        os.chown(path, 12345, 12345)
        with pytest.raises(StartError, match="belongs to uid 12345, and this process runs as uid 0"):
            open_store(path)

    @pytest.mark.parametrize("used_before", [False, True])
    def test_a_read_only_one_is_refused(self, disk: Path, used_before: bool) -> None:
        path = disk / "state"
        path.mkdir(mode=0o700)
        if used_before:
            with open_store(path) as store:
                store.next_boot()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, timeout=10)
        with pytest.raises(StartError, match="Read-only file system"):
            open_store(path)

    def test_a_full_one_cannot_start_a_daemon(self, disk: Path) -> None:
        with open_store(disk / "state") as store:
            fill(disk / "ballast")
            with pytest.raises(StartError, match=r"cannot be written .No space left on device.; make room"):
                store.next_boot()

    def test_a_link_planted_in_place_of_a_file_is_not_followed(self, path: Path, tmp_path: Path) -> None:
        path.mkdir(parents=True)
        victim = tmp_path / "victim"
        victim.write_text("precious")
        (path / "state.json.new").symlink_to(victim)
        with open_store(path) as store, pytest.raises(StartError):
            store.next_boot()
        assert victim.read_text() == "precious"


class TestContent:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x00" * 50,
            b"[]",
            b"[" * 9000,
            b'{"version": 1, "term": -1}',
            b'{"version": 1, "term": "7"}',
            b'{"version": 0}',
            b'{"version": 1, "votes": []}',
            b'{"term": 7}',
            b'{"version": 1, "term": 7}' + b" " * (64 << 10),
            b'{"version": 1, "longest_lease": -1}',
            b'{"version": 1, "longest_lease": NaN}',
            b'{"version": 1, "longest_lease": 1e999}',
            b'{"version": 1, "longest_lease": 8589934593}',
            b'{"version": 1, "longest_lease": "4s"}',
            b'{"version": 1, "term": 9007199254740993}',
            b'{"version": 1, "term": 7, "granted_term": -1, "granted_boot": [1, "n1"]}',
            b'{"version": 1, "term": 7, "granted_term": 7.5, "granted_boot": [1, "n1"]}',
            b'{"version": 1, "term": 7, "granted_term": 7}',
            b'{"version": 1, "term": 6, "granted_term": 7, "granted_boot": [1, "n1"]}',
            b'{"version": 1, "term": 7, "granted_term": 7, "granted_boot": [-1, "n1"]}',
            b'{"version": 1, "term": 7, "granted_term": 7, "granted_boot": [1, "n1\\n"]}',
            b'{"version": 1, "term": 7, "granted_term": 7, "granted_boot": [1]}',
            b'{"version": 1, "term": 7, "granted_term": 7, "granted_boot": "n1"}',
            b'{"version": 1, "running": {"boot": [1, ""], "pid": 1}}',
        ],
    )
    def test_rubbish_stops_the_start_and_names_the_file(self, path: Path, content: bytes) -> None:
        path.mkdir(parents=True)
        (path / "state.json").write_bytes(content)

        with pytest.raises(StartError) as caught:
            open_store(path)

        assert caught.value.what == str(path / "state.json")
        assert (path / "state.json").read_bytes() == content

    def test_damage_says_what_to_do_and_what_that_costs(self, path: Path) -> None:
        path.mkdir(parents=True)
        (path / "state.json").write_bytes(b"{")
        with pytest.raises(
            StartError, match=r"is damaged .*; move it away .* forgets its terms, its votes and its event"
        ):
            open_store(path)

    def test_a_newer_version_is_not_guessed_at(self, path: Path) -> None:
        path.mkdir(parents=True)
        (path / "state.json").write_bytes(b'{"version": 2, "term": {}}')
        with pytest.raises(StartError, match=r"was written by a newer les-hooks .version 2.; install that one again"):
            open_store(path)

    def test_a_refused_start_lets_go_of_the_lock(self, path: Path) -> None:
        path.mkdir(parents=True)
        (path / "state.json").write_bytes(b"{")
        with pytest.raises(StartError):
            open_store(path)
        (path / "state.json").unlink()
        open_store(path).close()


class TestLock:
    def test_two_nodes_of_one_process_exclude_each_other(self, path: Path) -> None:
        with open_store(path), pytest.raises(StartError, match=f"is held by process {os.getpid()}; stop that process"):
            open_store(path)

    def test_another_process_is_named(self, path: Path) -> None:
        with holder(path) as process, pytest.raises(StartError, match=f"is held by process {process.pid};"):
            open_store(path)

    def test_it_is_waited_for_within_bounds(self, path: Path) -> None:
        clock = Clock()
        with open_store(path), pytest.raises(StartError):
            open_store(path, wait_seconds=3.0, clock=clock)
        assert 103.0 <= clock.now < 103.2

    def test_it_is_taken_as_soon_as_the_other_lets_go(self, path: Path) -> None:
        class Patience(Clock):
            def sleep(self, seconds: float) -> None:
                super().sleep(seconds)
                if self.slept == 3:
                    other.close()

        other, clock = open_store(path), Patience()
        open_store(path, wait_seconds=3.0, clock=clock).close()
        assert clock.slept == 3

    def test_a_killed_holder_holds_nothing(self, path: Path) -> None:
        with holder(path) as process:
            process.kill()
            process.wait(10)
            open_store(path).close()

    def test_programs_that_are_started_do_not_inherit_it(self, path: Path) -> None:
        store = open_store(path)
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
        try:
            store.close()
            open_store(path).close()
        finally:
            child.kill()
            child.wait(10)

    def test_les_cleanup_is_waited_for_longer_and_named(self, path: Path) -> None:
        clock = Clock()
        with (
            StateStore.open(path, 0.0, cleaning=True),
            pytest.raises(HeldError, match=rf"process {os.getpid()} \(les cleanup\)"),
        ):
            StateStore.open(path, 3.0, cleanup_seconds=60.0, now=clock, sleep=clock.sleep)
        assert 160.0 <= clock.now < 160.2

    def test_the_guard_of_the_daemon_before_is_waited_for_though_the_lock_is_free(self, path: Path) -> None:
        open_store(path).close()
        with (path / folder.GUARD_LOCK).open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            clock = Clock()
            with pytest.raises(StartError, match="is held by the guard"):
                open_store(path, clock=clock)
            assert clock.now > 110.0
        open_store(path).close()

    def test_a_lock_that_nobody_signed_is_still_told(self, path: Path) -> None:
        with open_store(path):
            (path / "lock").write_bytes(b"rubbish\xff")
            with pytest.raises(StartError, match="is held by another process"):
                open_store(path)


class holder:  # noqa: N801  (used as a function)
    """Another process that holds the lock of the directory."""

    CODE = """
import sys
from pathlib import Path
from les_hooks.daemon.state import StateStore
with StateStore.open(Path(sys.argv[1]), 0.0):
    print("held", flush=True)
    sys.stdin.read()
"""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", self.CODE, str(self._path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "held\n"
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)


def test_a_file_that_is_replaced_is_never_seen_half(tmp_path: Path) -> None:
    path = tmp_path / "file"
    folder.replace_file(path, b"old", durable=True)
    seen = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.add(folder.read_bounded(path, 1 << 20))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(50):
        folder.replace_file(path, b"new" * 1000, durable=False)
        folder.replace_file(path, b"old", durable=False)
    stop.set()
    watcher.join()

    assert seen <= {b"old", b"new" * 1000}
