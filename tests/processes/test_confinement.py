"""Programs that run as another user have nothing of the daemon's, stay within limits, and end as all others do.

Real users: `nobody`, and a number that no list of users has. As root, and as a daemon with four capabilities.
"""

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from les_hooks.config import LimitsConfig
from les_hooks.errors import StartError
from les_hooks.guard import Guard
from les_hooks.guard.process import living
from les_hooks.members import Mandate
from les_hooks.processes import Command, Confinement, Ending, Finished, Runner, Unavailable, confine, try_out
from les_hooks.processes.trial import NEEDS
from tests.needs import need_program, need_root

KEY = "hooks.user"
STRANGER = 54321
"""A number that is in no list of users, so nothing else runs as it."""

Script = Callable[..., Path]
Lines = list[tuple[str, str]]


@pytest.fixture(autouse=True)
def _as_root() -> None:
    need_root()
    need_program("setpriv")
    need_program("prlimit")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can enter, which those of pytest are not."""
    path = Path(tempfile.mkdtemp(prefix="les-confined-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def script(folder: Path) -> Script:
    """Write a script with this body; `#!` in the body replaces the shell."""
    count = 0

    def write(body: str, mode: int = 0o755) -> Path:
        nonlocal count
        count += 1
        path = folder / f"script-{count}"
        path.write_text(body if body.startswith(("#!", "?")) else f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(mode)
        return path

    return write


def nobody(**limits: int) -> Confinement:
    return confine("nobody", LimitsConfig(**limits), KEY)


def stranger(**limits: int) -> Confinement:
    return confine(str(STRANGER), LimitsConfig(**limits), KEY)


async def run(
    program: Path, confinement: Confinement | Unavailable | None, guard: Guard | None = None, **options: object
) -> tuple[Finished, Lines]:
    """Run it; returns how it ended, and its output."""
    output: Lines = []
    command = Command(
        argv=(str(program),),
        on_line=lambda stream, line: output.append((stream, line)),
        **{"env": {"PATH": "/usr/bin:/bin", "HOME": "/root"}, **options},  # type: ignore[arg-type]  # Command's fields
    )
    return await Runner(guard, confinement=confinement).run(command), output


async def said(program: Path, confinement: Confinement, **options: object) -> list[str]:
    """What it printed, having succeeded."""
    finished, output = await run(program, confinement, **options)  # type: ignore[arg-type]  # Command's fields
    assert finished.ending is Ending.SUCCESS, (finished, output)
    return [line for _, line in output]


# -- what it has -------------------------------------------------------------------------------------------------------


async def test_a_program_is_that_user_with_its_groups_and_its_home(script: Script) -> None:
    lines = await said(script("id -u; id -g; id -G; echo $HOME"), nobody())
    assert lines[:2] == ["65534", "65534"]
    assert "0" not in lines[2].split()
    assert lines[3] == nobody().user.home


async def test_a_number_without_a_name_will_do(script: Script) -> None:
    assert await said(script("id -u; id -g; id -G; echo $HOME"), stranger()) == ["54321", "54321", "54321", "/"]


@pytest.mark.parametrize("who", [nobody, stranger])
async def test_it_has_no_capability_and_gets_none(script: Script, who: Callable[[], Confinement]) -> None:
    lines = await said(script("grep -E 'Cap|NoNew' /proc/self/status"), who())
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert status.pop("NoNewPrivs") == "1"
    assert set(status) == {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}
    assert {int(bits, 16) for bits in status.values()} == {0}


async def test_a_setuid_program_gives_it_nothing(script: Script, folder: Path) -> None:
    shutil.copy("/usr/bin/id", folder / "id")
    (folder / "id").chmod(0o4755)
    assert await said(script(f"{folder}/id -u"), nobody()) == ["65534"]


async def test_it_has_the_limits_and_leaves_no_core(script: Script) -> None:
    body = "ulimit -v; ulimit -Hn; ulimit -Sn; ulimit -c; ulimit -Hc; grep processes /proc/self/limits"
    *lines, processes = await said(script(body), stranger(memory=2**30, processes=77, files=99))
    assert lines == [str(2**20), "99", "99", "0", "0"]
    assert processes.split()[2:4] == ["77", "77"]


async def test_memory_files_and_processes_are_bounded(script: Script) -> None:
    large = "python3 -c 'x = bytearray(300 << 20)' 2>&1 | tail -n 1"
    opened = "python3 -c 'import os; [os.dup(0) for _ in range(100)]' 2>&1 | tail -n 1"
    many = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait; echo all"
    plenty = stranger()
    narrow = stranger(memory=200 * 2**20, files=64)
    assert await said(script(large), narrow) == ["MemoryError"]
    assert await said(script(f"{large}; {opened}; {many}"), plenty) == ["all"]
    assert any("Too many open files" in line for line in await said(script(opened), narrow))
    finished, output = await run(script(many), stranger(processes=4))
    assert finished.ending is Ending.FAILURE
    assert ("stdout", "all") not in output


async def test_limits_above_those_of_the_daemon_are_those_of_the_daemon(script: Script) -> None:
    """To raise them would take a right that a daemon which is not root has not."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert await said(script("ulimit -Hn"), stranger(files=hard + 1)) == [str(hard)]


async def test_it_gets_no_descriptor_of_the_daemon(script: Script) -> None:
    inherited = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        lines = await said(script("ls /proc/$$/fd"), nobody(), stdin=b"x")
    finally:
        os.close(inherited)
    # 10 is where a shell keeps the script that it reads, and 255 is bash's.
    assert set(lines) <= {"0", "1", "2", "10", "255"}


async def test_it_can_open_its_streams_by_their_names(script: Script) -> None:
    """As `echo >/dev/stderr` does: pipes belong to whoever made them."""
    body = "echo out >/dev/stdout; echo err >/dev/stderr; cat </dev/stdin"
    finished, output = await run(script(body), nobody(), stdin=b"in\n")
    assert finished.ending is Ending.SUCCESS
    assert sorted(output) == [("stderr", "err"), ("stdout", "in"), ("stdout", "out")]


async def test_it_cannot_touch_the_daemon_or_its_files(script: Script, folder: Path) -> None:
    state = folder / "state"
    state.mkdir(mode=0o700)
    daemon = os.getpid()
    body = f"""
    kill -0 {daemon} 2>/dev/null && echo signalled
    cat /proc/{daemon}/environ >/dev/null 2>&1 && echo read its environment
    cat /proc/{daemon}/mem >/dev/null 2>&1 && echo read its memory
    ls /proc/{daemon}/fd >/dev/null 2>&1 && echo saw its descriptors
    touch {state}/left 2>/dev/null && echo left a file
    touch {folder}/left 2>/dev/null && echo changed the folder of scripts
    echo >> $0 2>/dev/null && echo rewrote itself
    true"""
    assert [line for line in await said(script(body), nobody()) if "cannot create" not in line] == []


async def test_tools_along_the_path_of_the_daemon_are_not_used(
    script: Script, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("setpriv", "prlimit"):
        (folder / name).write_text("#!/bin/sh\necho mine\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    assert await said(script("id -u"), nobody(), env={"PATH": f"{folder}:/usr/bin:/bin"}) == ["65534"]


# -- how it ends -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1, 126, 127])
async def test_its_exit_code_is_its_own(script: Script, code: int) -> None:
    """The launcher ends with 126 and 127 where it cannot start a program, and so may the program."""
    finished, _ = await run(script(f"echo 'sh: x: Permission denied' >&2; exit {code}"), nobody())
    assert (finished.ending, finished.exit_code, finished.error) == (Ending.FAILURE, code, "")


@pytest.mark.parametrize("body", ["#!/no/such/interpreter\n", "?echo no first line\n"])
@pytest.mark.parametrize("listened", [True, False])
async def test_what_cannot_be_started_says_why_as_without_a_user(script: Script, body: str, listened: bool) -> None:
    path = script(body)
    plain, _ = await run(path, None)
    options = {} if listened else {"on_line": None}
    confined = await Runner(None, confinement=nobody()).run(
        Command(argv=(str(path),), **{"on_line": lambda *_: None, **options})  # type: ignore[arg-type]  # its fields
    )
    assert plain.ending is confined.ending is Ending.UNSTARTED
    if listened or body.startswith("?"):
        assert confined.error == plain.error
    assert confined.exit_code is None
    assert str(path) in confined.error


async def test_what_is_gone_says_so(folder: Path) -> None:
    for confinement in (None, nobody()):
        finished, _ = await run(folder / "gone", confinement)
        assert (finished.ending, finished.error) == (Ending.UNSTARTED, f"{folder}/gone: it is gone")


async def test_a_script_that_the_user_may_not_start_says_which_mode_is_in_the_way(script: Script) -> None:
    path = script("true", mode=0o700)
    finished, _ = await run(path, nobody())
    assert finished.ending is Ending.UNSTARTED
    why = f"{path} (mode 0700, owner 0): nobody (uid 65534) cannot execute it; chmod o+rx {path}"
    assert finished.error == f"{path}: {why}"
    assert nobody().barred(path) == why
    path.chmod(0o711)
    assert nobody().barred(path).endswith(f"cannot read it, and its interpreter must; chmod o+r {path}")
    path.chmod(0o755)
    assert nobody().barred(path) == ""


async def test_a_folder_that_the_user_cannot_enter_is_named(script: Script, folder: Path) -> None:
    path = script("true")
    folder.chmod(0o750)
    finished, _ = await run(path, nobody())
    assert finished.ending is Ending.UNSTARTED
    assert f"{folder} (mode 0750, owner 0): nobody (uid 65534) cannot enter it; chmod o+x {folder}" in finished.error
    folder.chmod(0o755)


async def test_an_interpreter_that_the_user_cannot_reach_is_named(script: Script, folder: Path) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    shutil.copy("/bin/sh", private / "sh")
    path = script(f"#!{private}/sh\ntrue\n")
    finished, _ = await run(path, nobody())
    assert finished.ending is Ending.UNSTARTED
    assert f"chmod o+x {private}" in finished.error


async def test_a_link_leads_through_the_folders_of_its_target(script: Script, folder: Path) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    (private / "x").write_text("#!/bin/sh\n")
    (private / "x").chmod(0o755)
    (folder / "link").symlink_to("private/x")
    assert f"chmod o+x {private}" in nobody().barred(folder / "link")


async def test_it_gets_term_and_then_kill_with_all_of_its_group(script: Script, folder: Path) -> None:
    body = "trap 'echo told' TERM; echo $$; (trap '' TERM; sleep 1000; sleep 1000) & while :; do sleep 1000; done"
    finished, output = await run(script(body), nobody(), timeout=0.5, grace=0.3)
    assert (finished.ending, finished.signal, finished.error) == (Ending.TIMEOUT, signal.SIGKILL, "")
    (_, group), *rest = output
    assert ("stdout", "told") in rest
    assert living(int(group), []) == []


async def test_the_guard_ends_it_when_authority_has_passed(script: Script) -> None:
    """The daemon itself would have let it run."""
    guard = Guard(structlog.get_logger(), grace=0.2)
    guard.start()
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    guard.authority(Mandate(act_until=now + 0.3, release_by=now + 1.0))
    try:
        body = "trap '' TERM; while :; do sleep 1000; done"
        finished, _ = await run(script(body), nobody(), guard, ends_with_authority=True, timeout=30.0)
    finally:
        await guard.close()
    assert (finished.ending, finished.signal) == (Ending.FAILURE, signal.SIGKILL)
    assert finished.seconds < 5


async def test_where_it_cannot_be_had_nothing_is_started(script: Script, folder: Path) -> None:
    ended: list[Finished] = []
    path = script(f"touch {folder}/ran")
    finished, _ = await run(path, Unavailable(why="hooks.user les: there is no such user"), on_end=ended.append)
    assert (finished.ending, ended) == (Ending.UNSTARTED, [finished])
    assert finished.error == f"{path}: hooks.user les: there is no such user"
    assert not (folder / "ran").exists()


# -- whether it can be had ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("no-such-user", "there is no such user; make one with `useradd --system"),
        ("4294967295", "there is no such user"),
        ("root", "is root"),
        ("0", "is root"),
    ],
)
def test_a_user_that_keeps_programs_from_nothing_is_refused(user: str, words: str) -> None:
    with pytest.raises(StartError, match=words) as caught:
        confine(user, LimitsConfig(), KEY)
    assert caught.value.what.startswith("hooks.user ")
    assert caught.value.exit_code == 78


def test_the_daemons_own_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    with pytest.raises(StartError, match="is the daemon's own, and could change"):
        stranger()


def test_a_user_in_the_group_of_root_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getgrouplist", lambda *_: [65534, 0])
    with pytest.raises(StartError, match="is in the group of root"):
        nobody()


def test_a_trial_says_that_it_works() -> None:
    try_out(nobody(), KEY)
    try_out(stranger(memory=2**26), KEY)


def test_limits_that_nothing_can_run_in_are_said_at_the_start() -> None:
    with pytest.raises(StartError, match=r"look at hooks\.limits"):
        try_out(nobody(memory=2**20), KEY)


_TRY = f"""
import asyncio, sys
from les_hooks.config import LimitsConfig
from les_hooks.errors import StartError
from les_hooks.processes import *
confinement = confine("{STRANGER}", LimitsConfig(), "hooks.user")
try:
    try_out(confinement, "hooks.user")
except StartError as error:
    sys.exit(str(error))
command = Command(argv=(sys.argv[1],), timeout=0.5, on_line=lambda _, line: print(line))
print(asyncio.run(Runner(None, confinement=confinement).run(command)).ending)
"""


def as_daemon(script: Path, *kept: str) -> "subprocess.CompletedProcess[str]":
    """Run a script from a daemon that is not root and has these capabilities."""
    # The first one is for this test: it reads the modules of whoever runs it.
    words = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in ("CAP_DAC_READ_SEARCH", *kept))
    setpriv = ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"]
    rights = [f"--inh-caps=-all,{words}", f"--ambient-caps=-all,{words}"]
    argv = [*setpriv, *rights, sys.executable, "-c", _TRY, str(script)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


def test_a_daemon_that_is_not_root_needs_four_capabilities_and_hands_none_on(script: Script) -> None:
    done = as_daemon(script("id -u; grep Cap /proc/self/status; trap '' TERM; exec sleep 1000"), *NEEDS)
    uid, *capabilities, ending = done.stdout.splitlines()
    assert (uid, ending) == (str(STRANGER), "timeout"), done.stderr
    assert {int(line.split()[1], 16) for line in capabilities} == {0}


@pytest.mark.parametrize("lost", NEEDS)
def test_a_capability_that_the_daemon_lacks_is_named(script: Script, lost: str) -> None:
    done = as_daemon(script("id -u"), *(name for name in NEEDS if name != lost))
    assert done.returncode == 1
    assert f"hooks.user {STRANGER}: this process lacks {lost}; run the daemon as root" in done.stderr


async def test_nothing_of_a_group_is_left_when_the_call_is_cancelled(script: Script) -> None:
    output: Lines = []
    command = Command(argv=(str(script("echo $$; exec sleep 1000")),), on_line=lambda *line: output.append(line))
    task = asyncio.create_task(Runner(None, confinement=nobody()).run(command))
    async with asyncio.timeout(10):
        while not output:
            await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert living(int(output[0][1]), []) == []
