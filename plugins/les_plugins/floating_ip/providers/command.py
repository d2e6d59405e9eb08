"""An address that programs of the operator's own look after, for whatever provider there is no class for."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from les_hooks.config import Interval
from les_hooks.processes import Command, Ending, Finished
from les_plugins.floating_ip.entries import AddressTable
from les_plugins.floating_ip.providers import Call, Holder, Pending, Standing, Tools
from les_plugins.floating_ip.trouble import Fault, Trouble
from les_plugins.programs import call, judge, missing_interpreter

__all__ = ["CommandTable"]

# From TERM to KILL.
_GRACE_SECONDS = 2.0

_MOST_WORDS = 120

Argv = Annotated[tuple[Annotated[str, Meta(max_length=4096)], ...], Meta(min_length=1, max_length=64)]


class CommandTable(AddressTable, frozen=True, kw_only=True):
    """`[[plugins.floating_ip.command]]`: `get` and `assign` are programs with their arguments, started without a shell.

    `timeout` seconds for each run, `path` is the PATH that they get.
    """

    get: Argv
    assign: Argv
    timeout: Interval = 30.0
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    def __post_init__(self) -> None:
        for key, argv in (("get", self.get), ("assign", self.assign)):
            if not Path(argv[0]).is_absolute() or any("\0" in word for word in argv):
                raise ValueError(f"has a command {key} that does not begin with the whole path of a program")

    def problems(self, environ: Mapping[str, str]) -> list[str]:
        """Programs that cannot run, or that others could change."""
        return [why for program in self.programs if (why := _why_not(program))]

    @property
    def programs(self) -> tuple[Path, ...]:
        """Both, or the one for both."""
        return tuple(Path(program) for program in dict.fromkeys((self.get[0], self.assign[0])))

    def provider(self, tools: Tools) -> "Commands":
        """What runs them."""
        return Commands(self, tools)


class Commands:
    """One address of the operator's programs."""

    def __init__(self, table: CommandTable, tools: Tools) -> None:
        self._table = table
        self._tools = tools

    async def holder(self) -> Holder:
        """Run `get`, which prints one line: `mine`, `other` with an id or without, or `nobody`."""
        lines = await self._run(self._table.get)
        match lines[0].split() if len(lines) == 1 else []:
            case ["mine"]:
                return Holder(standing=Standing.MINE)
            case ["other"]:
                return Holder(standing=Standing.ANOTHER)
            case ["other", whose]:
                return Holder(standing=Standing.ANOTHER, id=whose[:_MOST_WORDS])
            case ["nobody"]:
                return Holder(standing=Standing.NOBODY)
            case _:
                said = f"{lines[0][:_MOST_WORDS]!r}{' and more' if len(lines) > 1 else ''}" if lines else "nothing"
                why = f"{self._table.get[0]} printed {said}; it has to be one line: mine, other ID or nobody"
                raise Trouble(Fault.MALFORMED, why)

    async def describe(self, held: Holder) -> Call:
        """The program and its arguments."""
        return Call(method="run", path=self._table.assign[0], body=list(self._table.assign[1:]))

    async def assign(self, held: Holder) -> Pending | None:
        """Run `assign`, which is told who holds the address, and ends when it is done."""
        self._tools.permit()
        await self._run(self._table.assign, of_a_leader=True, LES_HOLDER=f"{held.standing} {held.id}".strip())
        return None

    async def done(self, pending: Pending) -> bool:
        """Nothing is ever pending."""
        return True

    async def _run(self, argv: tuple[str, ...], *, of_a_leader: bool = False, **more: str) -> list[str]:
        """Run it to its end; returns the lines that it printed. Raises Trouble where it failed."""
        self._tools.allowance.take()
        program = Path(argv[0])
        # In a thread: the folder may be on a disk that hangs.
        if reason := await asyncio.to_thread(_why_not, program):
            raise Trouble(Fault.UNPREPARED, reason)
        said: dict[str, list[str]] = {"stdout": [], "stderr": []}

        def listen(stream: str, line: str) -> None:
            if line.strip() and len(said[stream]) < 2:
                said[stream].append(line.strip())

        environment, text = self._surroundings(program)
        finished = await self._tools.run(
            Command(
                argv=argv,
                env={**environment, "LES_ADDRESS": self._table.address, **more},
                stdin=text,
                timeout=self._table.timeout,
                grace=_GRACE_SECONDS,
                ends_with_authority=of_a_leader,
                on_line=listen,
            )
        )
        if finished.ending is not Ending.SUCCESS:
            words = f": {said['stderr'][0][:_MOST_WORDS]}" if said["stderr"] else ""
            raise _trouble(program, finished, words, self._table.timeout)
        return said["stdout"]

    def _surroundings(self, program: Path) -> tuple[dict[str, str], bytes]:
        """What it gets as scripts do: variables and input."""
        if self._tools.event is None:
            environ = self._tools.world.environ
            plain = {"PATH": self._table.path, "LANG": "C.UTF-8", "HOME": environ.get("HOME", "/"), "LES_HOOK_API": "1"}
            return plain, b""
        called = call(program, self._tools.event, self._table.path, self._table.timeout)
        return called.env, called.stdin.encode()


def _why_not(program: Path) -> str:
    try:
        return judge(program, os.geteuid()).reason or missing_interpreter(program)
    except OSError as error:
        return f"{program}: {error.strerror}; it has to be an executable file"


def _trouble(program: Path, finished: Finished, words: str, timeout: float) -> Trouble:
    match finished.ending:
        case Ending.SUPERSEDED:
            return Trouble(Fault.LOST_AUTHORITY, f"{program}: {finished.error or 'was ended'}")
        case Ending.UNSTARTED:
            return Trouble(Fault.UNPREPARED, finished.error)
        case Ending.TIMEOUT:
            return Trouble(Fault.UNREACHABLE, f"{program} did not end within {timeout:g} s{words}")
        case _ if finished.signal is not None:
            return Trouble(Fault.BROKEN, f"{program} was ended by signal {finished.signal}{words}")
        case _:
            return Trouble(Fault.BROKEN, f"{program} exited with {finished.exit_code}{words}")
