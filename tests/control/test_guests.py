"""Who is let in by the group of the socket may ask, may change nothing, and takes nobody's place."""

import asyncio
import os
import socket
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from les_hooks.control.caller import Caller, Places
from les_hooks.control.client import call
from les_hooks.control.endpoint import CONTROL, Endpoint, closed_to_group, control_of, group_id
from les_hooks.errors import ControlError, StartError
from tests.control.guests import GROUP, as_user, open_folder
from tests.control.test_control import Daemon, in_thread, is_well, until
from tests.needs import need_root


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    """A server whose socket a group may use."""
    need_root()
    with open_folder() as folder:
        daemon = Daemon(folder / "c.sock", request_seconds=20.0)
        await daemon.server.start(daemon.path, control_of(str(GROUP)))
        yield daemon
        await daemon.server.close()


class TestWhatTheyMay:
    async def test_they_ask_and_change_nothing(self, daemon: Daemon) -> None:
        code = "print(json.dumps([ask('echo', a=1), ask('fail'), ask('none')]))"
        answer, refusal, unknown = await in_thread(lambda: as_user(daemon.path, code))
        assert answer == {"a": 1}
        assert refusal == [
            77,
            "fail is not for uid 54322, which may only ask: what may change something is for root and uid 0, the "
            "daemon's own; run it with `sudo`",
        ]
        assert unknown[0] == 1
        assert [(action, caller.uid) for action, caller in daemon.refused] == [("fail", 54322)]

    async def test_root_may_everything(self, daemon: Daemon) -> None:
        with pytest.raises(ControlError, match="has no address"):
            await in_thread(lambda: call(daemon.path, "fail"))
        assert daemon.refused == []

    async def test_whoever_is_not_in_the_group_cannot_connect(self, daemon: Daemon) -> None:
        refusal = await in_thread(lambda: as_user(daemon.path, "print(json.dumps(ask('echo')))", groups=()))
        assert refusal[0] == 77
        assert "belongs to root" in refusal[1]
        assert not daemon.callers

    async def test_they_are_slowed_down_and_the_operator_is_not(self, daemon: Daemon) -> None:
        code = "print(json.dumps([ask('echo', n=n) for n in range(150)]))"
        answers = await in_thread(lambda: as_user(daemon.path, code))
        assert answers[:50] == [{"n": n} for n in range(50)]
        refused = [each for each in answers if isinstance(each, list)]
        assert refused
        assert all(each == [1, "the group of this socket asks too often; try again"] for each in refused)
        assert await is_well(daemon)


HOLD = """
held = []
for _ in range(int({count})):
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(20)
    one.connect(str(path))
    one.sendall(b'{line}')
    held.append(one)
said = []
for one in held:
    one.settimeout(0.3)
    try:
        said.append(one.recv(4096).decode())
    except TimeoutError:
        said.append("")
print(json.dumps([each for each in said if "already" in each]), flush=True)
"""


class TestPlaces:
    async def test_one_of_them_cannot_take_the_places_of_the_others_nor_of_the_operator(self, daemon: Daemon) -> None:
        code = HOLD.format(count=40, line="")
        refused = await in_thread(lambda: as_user(daemon.path, code))
        assert len(refused) == 24
        assert "16 clients of uid 54322 are connected already; try again" in refused[0]
        await until(lambda: not daemon.server._connections)
        assert await is_well(daemon)

    async def test_one_of_them_cannot_keep_all_others_from_watching(self, daemon: Daemon) -> None:
        code = HOLD.format(count=6, line='{"action":"watch"}\\n')
        refused = await in_thread(lambda: as_user(daemon.path, code))
        assert len(refused) == 2
        assert "4 clients of uid 54322 are watching already; end one of them" in refused[0]

    def test_all_of_them_together_leave_half_to_the_operator(self) -> None:
        places = Places(64, "connected")
        for number in range(32):
            caller = Caller(uid=70000 + number // 8, pid=number)
            assert not places.why_full(caller)
            places.take(caller)
        assert places.why_full(Caller(uid=80000, pid=1)) == ("32 clients of the socket's group are connected already")
        for number in range(32):
            assert not places.why_full(Caller(uid=0, pid=number))
            places.take(Caller(uid=0, pid=number))
        assert places.why_full(Caller(uid=0, pid=99)) == "64 clients are connected already"
        places.leave(Caller(uid=0, pid=0))
        assert not places.why_full(Caller(uid=0, pid=99))

    async def test_thousands_of_connections_keep_nobody_waiting(self, daemon: Daemon) -> None:
        """The operator is answered, and the loop, in which the election runs, is never late for long."""
        code = """
from contextlib import suppress
held, until, count = [], time.monotonic() + 3, 0
while time.monotonic() < until:
    one = socket.socket(socket.AF_UNIX)
    with suppress(OSError):
        one.connect(str(path))
        count += 1
        held.append(one)
        if len(held) > 500:
            held.clear()
print(json.dumps(count))
"""
        flood = asyncio.create_task(in_thread(lambda: as_user(daemon.path, code)))
        await until(lambda: daemon.server._connections)
        late, asked = 0.0, 0
        while not flood.done():
            begun = time.monotonic()
            await asyncio.sleep(0.01)
            late = max(late, time.monotonic() - begun - 0.01)
            if asked < 20:
                asked += await is_well(daemon)
        print(f"{await flood} connections in 3 s; the loop was late by {late * 1000:.0f} ms at most")
        assert await flood > 2000
        assert asked == 20
        assert late < 0.5


class TestEndpoint:
    def test_it_is_private_until_it_is_the_groups(self, monkeypatch: pytest.MonkeyPatch) -> None:
        need_root()
        seen: list[tuple[int, int]] = []
        chown = os.chown

        def look(itself: str, uid: int, gid: int) -> None:
            path = Path(os.readlink(itself))
            seen.append((stat.S_IMODE(path.lstat().st_mode), path.lstat().st_gid))
            with socket.socket(socket.AF_UNIX) as early, pytest.raises(ConnectionRefusedError):
                early.connect(str(path))
            chown(itself, uid, gid)

        monkeypatch.setattr(os, "chown", look)
        with open_folder() as folder:
            endpoint = Endpoint(folder / "c.sock", control_of(str(GROUP)))
            status = endpoint.path.lstat()
            assert seen == [(0o600, os.getegid())]
            assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o660, GROUP)
            endpoint.remove()
            endpoint.listener.close()

    @pytest.mark.parametrize("late", [False, True])
    def test_a_link_in_its_place_opens_no_other_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
    ) -> None:
        """Who may write in the folder puts one there in the moment after the socket was made, or looked at."""
        victim, path = tmp_path / "victim", tmp_path / "c.sock"
        victim.touch(0o600)
        look, chown = os.open, os.chown

        def swap() -> None:
            path.unlink()
            path.symlink_to(victim)

        def swap_then_look(name: Path, flags: int) -> int:
            if name == path:
                swap()
            return look(name, flags)

        def swap_then_give(name: str, uid: int, gid: int) -> None:
            swap()
            chown(name, uid, gid)

        if late:
            monkeypatch.setattr(os, "chown", swap_then_give)
            Endpoint(path, control_of(str(os.getegid()))).listener.close()
        else:
            monkeypatch.setattr(os, "open", swap_then_look)
            with pytest.raises(StartError, match="replaced by somebody else while it was made"):
                Endpoint(path, control_of(str(os.getegid())))
        assert stat.S_IMODE(victim.stat().st_mode) == 0o600

    def test_without_a_group_it_is_as_before(self) -> None:
        assert control_of(None) is CONTROL

    def test_a_group_that_does_not_exist_is_told_beforehand_and_at_the_start(self, tmp_path: Path) -> None:
        path, purpose = tmp_path / "c.sock", control_of("no-such-group")
        for look in (lambda: group_id(path, purpose), lambda: Endpoint(path, purpose)):
            with pytest.raises(StartError, match=r"there is no group no-such-group, .* make it with `groupadd no-such"):
                look()
        assert not path.exists()

    def test_a_group_that_the_daemon_is_not_in_is_told_with_what_the_unit_needs(self) -> None:
        code = """
try:
    Endpoint(path, control_of("0"))
except StartError as error:
    print(json.dumps([str(error), path.exists()]))
"""
        with open_folder() as folder:
            folder.chmod(0o777)
            why, left = as_user(folder / "c.sock", code)
        assert "cannot be given to the group 0 by uid 54322 (Operation not permitted)" in why
        assert "SupplementaryGroups=0" in why
        assert not left

    def test_the_first_folder_that_the_group_cannot_enter_is_found(self) -> None:
        need_root()
        with open_folder() as folder:
            inner = folder / "state"
            inner.mkdir()
            path = inner / "c.sock"
            for mode, gid, closed in (
                (0o755, 0, None),
                (0o700, 0, inner),
                (0o750, 0, inner),
                (0o750, GROUP, None),
                (0o705, GROUP, inner),
            ):
                inner.chmod(mode)
                os.chown(inner, 0, gid)
                assert closed_to_group(path, GROUP) == closed
