"""Programs of the operator's own, run for real."""

import asyncio
from pathlib import Path

import pytest

import les_plugins.floating_ip as plugin
from les_hooks.config import LimitsConfig
from les_hooks.errors import PluginError
from les_hooks.processes import Runner, confine
from les_plugins.floating_ip.providers.command import CommandTable
from les_plugins.floating_ip.settings import FloatingIpConfig
from tests.cluster import until
from tests.fake_context import FakeContext
from tests.needs import need_program, need_root
from tests.plugins.floating_ip.stage import Stage, audited, demote, elect


class Folder:
    """A program that keeps the holder in the file `holder`, and notes its calls in `calls`."""

    def __init__(self, stage: Stage, path: Path) -> None:
        self.stage = stage
        self.path = path
        self.program = path / "ip"
        self.holder.write_text("other 222\n")
        note = 'echo "$1 $LES_TERM $LES_ADDRESS $LES_HOLDER" >>calls'
        self.write(f"{note}\ncase $1 in get) cat holder ;; *) echo mine >holder ;; esac")

    @property
    def holder(self) -> Path:
        return self.path / "holder"

    @property
    def calls(self) -> list[str]:
        calls = self.path / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def write(self, body: str, mode: int = 0o755) -> None:
        """Make the program a shell script of this body, whole at once."""
        draft = self.path / "draft"
        draft.write_text(f"#!/bin/sh\ncd {self.path}\n{body}\n")
        draft.chmod(mode)
        draft.replace(self.program)

    def context(self, patience: float = 0.5, timeout: float = 10.0) -> FakeContext:
        table = CommandTable(
            address="203.0.113.7",
            get=(str(self.program), "get"),
            assign=(str(self.program), "assign", "a b; c"),
            timeout=timeout,
        )
        return self.stage.context(FloatingIpConfig(command=(table,), patience=patience))


@pytest.fixture
def folder(stage: Stage, tmp_path: Path) -> Folder:
    path = tmp_path / "etc"
    path.mkdir()
    return Folder(stage, path)


async def test_get_and_assign_are_run_with_what_scripts_get_and_without_a_shell(folder: Folder) -> None:
    ctx = folder.context()
    await elect(ctx)
    assert folder.calls == ["get 3 203.0.113.7 ", "assign 3 203.0.113.7 another 222", "get 3 203.0.113.7 "]
    assert audited(ctx) == ["assigned"]
    assert ctx.commands[1].argv == (str(folder.program), "assign", "a b; c")
    assert ctx.commands[1].ends_with_authority


@pytest.mark.parametrize("said", ["mine", "  mine  ", "mine\n\n"])
async def test_what_is_mine_is_left_alone(folder: Folder, said: str) -> None:
    folder.holder.write_text(said)
    await elect(folder.context())
    assert len(folder.calls) == 1


@pytest.mark.parametrize("said", ["nobody", "other"])
async def test_what_is_nobodys_or_anothers_is_taken(folder: Folder, said: str) -> None:
    folder.holder.write_text(said)
    await elect(folder.context())
    assert [call.split()[0] for call in folder.calls] == ["get", "assign", "get"]


@pytest.mark.parametrize("said", ["", "yours", "mine mine", "mine\nmine", "MINE", "other a b", "nobody else"])
async def test_anything_else_is_not_known_and_nothing_is_assigned(folder: Folder, said: str) -> None:
    folder.holder.write_text(said)
    with pytest.raises(PluginError, match="it has to be one line: mine, other ID or nobody"):
        await elect(folder.context())
    assert {call.split()[0] for call in folder.calls} == {"get"}


async def test_a_get_that_fails_is_not_known_whatever_it_printed(folder: Folder) -> None:
    folder.write("echo nobody\necho no network >&2\nexit 3")
    with pytest.raises(PluginError, match=r"broken: .*/ip exited with 3: no network"):
        await elect(folder.context())


async def test_an_assign_that_says_it_is_done_is_looked_at(folder: Folder) -> None:
    folder.write("[ $1 = assign ] || echo nobody")
    with pytest.raises(PluginError, match="it was assigned, and yet its holder is nobody"):
        await elect(folder.context())


async def test_a_program_that_hangs_is_ended(folder: Folder) -> None:
    folder.write("exec sleep 60")
    with pytest.raises(PluginError, match=r"unreachable: .*/ip did not end within 0\.2 s"):
        await elect(folder.context(timeout=0.2))


async def test_a_demotion_ends_an_assign_with_all_that_it_began(folder: Folder) -> None:
    folder.write("[ $1 = get ] && { cat holder; exit; }\nsleep 60 & echo $! >child; echo $$ >parent; wait")
    ctx = folder.context(patience=30.0)
    electing = asyncio.create_task(elect(ctx))
    await asyncio.to_thread(until, (folder.path / "parent").exists, "assign runs")
    electing.cancel()
    await asyncio.wait({electing})
    await demote(ctx)
    for pid in (int((folder.path / name).read_text()) for name in ("child", "parent")):
        await asyncio.to_thread(until, lambda pid=pid: not Path(f"/proc/{pid}").exists(), "it has ended")
    assert audited(ctx) == ["abandoned"]


async def test_who_may_not_act_does_not_run_assign(folder: Folder) -> None:
    ctx = folder.context()
    folder.write("cat holder; echo get >>calls")
    ctx.refused = "no authority to act as leader"
    with pytest.raises(PluginError, match=r"lost-authority: .*/ip: no authority to act as leader"):
        await elect(ctx)
    assert folder.calls == []


def test_les_check_complains_about_programs_that_cannot_run(folder: Folder) -> None:
    ctx = folder.context()
    assert plugin.validate(ctx) == []
    folder.write("true", mode=0o644)
    assert plugin.validate(ctx) == [f"203.0.113.7: is not executable; chmod +x {folder.program}"]
    folder.program.unlink()
    (complaint,) = plugin.validate(ctx)
    assert complaint.endswith("No such file or directory; it has to be an executable file")


def test_les_check_complains_about_programs_that_the_user_of_hooks_cannot_start(folder: Folder) -> None:
    need_root()
    need_program("setpriv")
    ctx = folder.context()
    ctx.runner = Runner(None, confinement=confine("nobody", LimitsConfig(), "hooks.user"))
    folder.write("true", mode=0o700)
    (complaint,) = plugin.validate(ctx)
    assert complaint.startswith(f"203.0.113.7: cannot start {folder.program}: ")
    assert "nobody (uid 65534) cannot" in complaint
