"""`hooks.d` as a new user gets it: a folder for each event, sample scripts, and how to use them. For this package."""

import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from les_hooks.errors import StartError
from les_hooks.events import EventKind
from les_hooks.starter.files import NewFile

__all__ = ["hooks_folder", "samples_folder"]

_DISTRIBUTION: Final = "les-hooks"
_SHARED: Final = "share/les-hooks/hooks.d"
_README: Final = "README.md"
_INERT: Final = ".disabled"
"""Says that a file is not meant to run: `les check` complains of others that cannot."""

_FIRES: Final = {
    EventKind.STARTED: "this node has its first view of the cluster",
    EventKind.STOPPING: "this node is about to leave",
    EventKind.ELECTED: "this node begins to lead",
    EventKind.DEMOTED: "this node no longer leads; also once at every start",
    EventKind.REASSERTED: "this node still leads, after a conflict or a reload: apply everything again",
    EventKind.LEADER_CHANGED: "another node is accepted as the leader, or nobody",
    EventKind.MEMBER_JOINED: "a member was heard for the first time",
    EventKind.MEMBER_LEFT: "a member said goodbye",
    EventKind.MEMBER_LOST: "a member is gone without a word",
    EventKind.WHILE_LEADER: "no event: runs as long as this node leads, and is started again when it ends",
}


def hooks_folder(folder: Path) -> list[NewFile]:
    """Return the files of a new `hooks.d`. Raises StartError where the samples cannot be read."""
    samples = dict(_samples())
    files = [NewFile(path=folder / _README, text=_readme(samples))]
    files += [NewFile(path=folder / f"{kind}.d", text=None) for kind in EventKind]
    return files + [NewFile(path=folder / f"{name}{_INERT}", text=text) for name, text in samples.items()]


def samples_folder() -> Path:
    """Where the sample scripts are: the shared data of the installed package, or the checkout that it runs from."""
    candidates = [Path(sysconfig.get_path("data")) / _SHARED, Path(__file__).parents[2] / "hooks.d"]
    try:
        # Wherever pip put it (--user, --target, ...), it kept a list.
        listed = [file for file in distribution(_DISTRIBUTION).files or [] if f"{_SHARED}/{_README}" in file.as_posix()]
        candidates = [*(Path(str(file.locate())).parent for file in listed), *candidates]
    except PackageNotFoundError:
        pass  # run from a checkout that was never installed
    for candidate in candidates:
        if (candidate / _README).is_file():
            return candidate
    where = ", ".join(str(candidate) for candidate in candidates)
    raise StartError("the sample scripts", f"are at none of {where}", "install les-hooks again")


def _samples() -> Iterator[tuple[str, str]]:
    folder = samples_folder()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != _README:
            yield path.name, path.read_text(encoding="utf-8")


def _readme(samples: dict[str, str]) -> str:
    events = "\n".join(f"| `{kind}.d` | {fires} |" for kind, fires in _FIRES.items())
    listed = "\n".join(f"- `{name}{_INERT}`: {_purpose(text)}" for name, text in samples.items())
    return f"""\
# hooks.d

An executable in one of these folders runs when its event happens. One right here runs on every event.

| folder | runs when |
| --- | --- |
{events}

The event is the first argument; `LES_EVENT`, `LES_ROLE`, `LES_LEADER`, `LES_TERM` and others are in the environment,
and all of it is one line of JSON on standard input. Scripts run in the order of their names, each with a time limit.
They can be told the same event twice, so let them be idempotent. What must never run on two nodes at once goes into
`while-leader.d`, as a program that stays in the foreground, and wants `quorum = "majority"`.

    les hooks list                     what runs on which event, and why something does not
    les hooks run elected --dry-run    how scripts would be called
    les check                          whether all is well

## Samples

None runs as it is. To use one: edit its first lines, move it to where it shall run, drop `{_INERT}` from its name,
and make it executable:

    mv NAME{_INERT} NAME && chmod 755 NAME

{listed}

The head of each says which systemd unit it needs: the tight one of `les init`, or that of `les init --root-scripts`.
"""


def _purpose(script: str) -> str:
    """The first sentence of a script's comment."""
    lines = (line.removeprefix("#").strip() for line in script.splitlines()[1:])
    return next((line for line in lines if line), "")
