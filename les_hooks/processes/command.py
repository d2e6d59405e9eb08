"""What to run, and how it ended. Values only; `les_hooks.processes` hands them on to everybody."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Command", "Ending", "Finished"]


class Ending(StrEnum):
    """How a program ended."""

    SUCCESS = "success"
    """It exited with 0."""
    FAILURE = "failure"
    """It exited with another code, or by a signal that was not ours."""
    TIMEOUT = "timeout"
    """Its time was up, and its group was ended."""
    SUPERSEDED = "superseded"
    """It was no longer wanted, and its group was ended; or it was not started, and `error` says why."""
    UNSTARTED = "unstarted"
    """It could not be started at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command ended: `exit_code` or `signal` where it has one, `seconds` from start to the end of its group.

    `error` says why it could not be started, or that it is still there after KILL; `cut` how many bytes of output were
    dropped.
    """

    ending: Ending
    seconds: float
    exit_code: int | None = None
    signal: int | None = None
    error: str = ""
    cut: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program to run: no shell, an environment of its own, `stdin` then end of file.

    `argv[0]` is a path. To `env` comes `LES_RUN`, another value for each run, by which the guard knows it.

    `timeout` in seconds, None for work that lasts (`while-leader`); `grace` seconds lie between TERM and KILL, at most.
    `ends_with_authority`: it is started only where this node may act as the leader, the guard ends its group when the
    daemon dies or lets its authority run out, and a demotion gives it a quarter of what is left until others may lead;
    set for all that `on_elected`, `on_reasserted` and `while_leader` run. `releases`: it undoes what a leader did, and
    is gone by the time that others may lead; set for all that `on_demoted` and `cleanup` run.

    `on_line` is called with the stream's name (`stdout`, `stderr`) and each line of output, decoded, without control
    characters, cut to a bound. `on_end` is called once with how it ended: also where the caller is cancelled and so
    never sees what `run` returns.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    cwd: str = "/"
    timeout: float | None = 30.0
    grace: float = 5.0
    ends_with_authority: bool = False
    releases: bool = False
    on_line: Callable[[str, str], None] | None = None
    on_end: Callable[[Finished], None] | None = None
