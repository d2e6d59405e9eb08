"""`les audit verify`: whether a node's audit trail is whole. Registered by `audit`."""

import contextlib
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import msgspec

from les_hooks.audit.checkpoints import Origin, checkpoints_of
from les_hooks.audit.files import find, lines, opened
from les_hooks.audit.findings import Finding, Place
from les_hooks.audit.verify import Checkpoint, Result, Verifier
from les_hooks.cli.group import FAILED
from les_hooks.cli.output import emit_json, note, say
from les_hooks.cli.target import Target, config_option, json_option
from les_hooks.errors import ConfigError, StartError

__all__ = ["verify"]

_ORIGIN_LINES: Final = 100
_SHOW_EACH: Final = 20_000
_SHOW_SECONDS: Final = 0.2


@click.command
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option("--against", type=click.Path(path_type=Path, allow_dash=True), metavar="LOG", help="Compare with LOG.")
@config_option
@json_option
@click.pass_obj
def verify(target: Target, files: tuple[Path, ...], against: Path | None, as_json: bool) -> None:
    """Say whether the audit trail is whole, and what is missing or was changed.

    All files of the trail are read, those that were rotated away and compressed ones too, or the FILEs in the order of
    their records. LOG is the operational log, - for standard input: its checkpoints show an end that was cut off, and a
    trail that was written anew. Exits 0 where all is whole, 1 where it is not.
    """
    chosen, skipped = _files(target, files)
    checkpoints = None if against is None else _checkpoints(against, _origins(target, chosen, given=bool(files)))
    verifier = Verifier(checkpoints)
    unreadable = [*skipped, *_read(chosen, verifier)]
    result = verifier.result()
    whole = result.whole and not unreadable and (checkpoints is None or bool(checkpoints))
    if as_json:
        emit_json(_as_json(whole, chosen, unreadable, result, checkpoints))
    else:
        _show(whole, chosen, unreadable, result, checkpoints)
    if not whole:
        raise SystemExit(FAILED)


def _files(target: Target, given: Sequence[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """The files in the order of their records, and those that cannot be read, each with the reason."""
    trail = target.config().log.audit if not given else given[0]
    try:
        if not given:
            found = find(trail)
            return [file.path for file in found.files], list(found.skipped)
        single = [(_first_seq(path), path) for path in given]
    except FileNotFoundError as error:
        raise StartError(
            f"audit trail {error.filename or trail}",
            "there is no such file",
            "name the node's configuration with -c, or its files",
        ) from None
    except OSError as error:
        raise StartError(
            f"audit trail {error.filename or trail}",
            f"cannot be read ({error.strerror or error})",
            "run this as its owner or as root",
        ) from error
    return [path for _, path in sorted(single, key=lambda each: (not each[0], each[0]))], []


def _first_seq(path: Path) -> int:
    return next((record.seq for record in _first_records(path)), 0)


class _Record(msgspec.Struct):
    seq: int
    node: str
    cluster: str


def _first_records(path: Path) -> Iterator[_Record]:
    with opened(path) as file:
        for _, line in zip(range(_ORIGIN_LINES), lines(file), strict=False):
            with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                yield msgspec.json.decode(line, type=_Record)


def _origins(target: Target, files: Sequence[Path], *, given: bool) -> Collection[Origin]:
    """Whose checkpoints count: the node's, and those of the names that it had before."""
    origins: set[Origin] = set()
    with contextlib.suppress(ConfigError) if given else contextlib.nullcontext():
        config = target.config()
        origins.add((config.node.name, config.cluster.name))
    for path in files:
        with contextlib.suppress(OSError):
            origins.update((record.node, record.cluster) for record in _first_records(path))
    return origins


def _checkpoints(log: Path, origins: Collection[Origin]) -> Mapping[int, Checkpoint]:
    if str(log) == "-":
        return checkpoints_of(lines(sys.stdin.buffer), "-", origins)
    try:
        with log.open("rb") as file:  # which may be a pipe
            return checkpoints_of(lines(file), str(log), origins)
    except OSError as error:
        raise StartError(
            f"log {log}", f"cannot be read ({error.strerror or error})", "name a file of the log"
        ) from error


def _read(files: Sequence[Path], verifier: Verifier) -> Iterator[tuple[Path, str]]:
    """Pass all lines on; yields the files that cannot be read to their end, each with the reason."""
    with contextlib.ExitStack() as stack:
        ready = []
        for path in files:
            try:
                # All at once: reading takes long enough for one of them to be rotated or compressed meanwhile.
                ready.append((path, stack.enter_context(opened(path))))
            except OSError as error:
                yield path, f"cannot be read ({error.strerror or error})"
        progress = _Progress(files)
        for path, file in ready:
            try:
                _read_one(path, file, verifier, progress)
            except OSError as error:
                yield path, str(error)
        progress.end()


def _read_one(path: Path, file: BinaryIO, verifier: Verifier, progress: "_Progress") -> None:
    name, take = str(path), verifier.take
    for number, line in enumerate(lines(file), 1):
        take(Place(name, number), line)
        if not number % _SHOW_EACH:
            progress.show(path, number)


class _Progress:
    """Says on a terminal how far it is."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._count = len(files)
        self._on = sys.stderr.isatty()
        self._shown = time.monotonic()

    def show(self, path: Path, line: int) -> None:
        """This line of this file was read."""
        now = time.monotonic()
        if self._on and now - self._shown > _SHOW_SECONDS:
            self._shown = now
            click.echo(f"\r\x1b[K{path.name}: line {line:,} (of {self._count} files)", nl=False, err=True)

    def end(self) -> None:
        """All was read."""
        if self._on:
            click.echo("\r\x1b[K", nl=False, err=True)


_Unreadable = Sequence[tuple[Path, str]]
_Checkpoints = Mapping[int, Checkpoint]


def _show(
    whole: bool, files: Sequence[Path], unreadable: _Unreadable, result: Result, checkpoints: _Checkpoints | None
) -> None:
    for path, why in unreadable:
        say(f"{path}: {why}", "red")
    for finding in result.findings:
        say(str(finding), "red" if finding.fault else "")
    first, last = result.first, result.last
    if first is None or last is None:
        say("no record was found", "red")
    else:
        count = "1 record" if result.records == 1 else f"{result.records} records"
        span = f"{count}, #{first.seq} to #{last.seq}, written from {first.time} to {last.time}"
        faults = f"{result.faults} faults in " if result.faults > 1 else "1 fault in " if result.faults else ""
        say(f"{'whole' if whole else 'NOT WHOLE'}: {faults}{span}", "green" if whole else "red")
    if checkpoints is not None:
        agree = f"{result.confirmed} of {len(checkpoints)} checkpoints agree"
        say(agree if checkpoints else "the log has no checkpoint of this node", "" if checkpoints else "red")
    elif len(files):
        note("les: an end that was cut off, or a trail written anew, shows with --against LOG only")


def _as_json(
    whole: bool, files: Sequence[Path], unreadable: _Unreadable, result: Result, checkpoints: _Checkpoints | None
) -> Mapping[str, Any]:
    first, last = result.first, result.last
    return {
        "whole": whole,
        "files": [str(path) for path in files],
        "unreadable": [{"file": str(path), "why": why} for path, why in unreadable],
        "records": result.records,
        "unchained": result.unchained,
        "first": None if first is None else {"seq": first.seq, "time": first.time},
        "last": None if last is None else {"seq": last.seq, "time": last.time, "hash": last.hash},
        "checkpoints": None if checkpoints is None else {"known": len(checkpoints), "agree": result.confirmed},
        "faults": result.faults,
        "findings": [_finding(each) for each in result.findings],
    }


def _finding(finding: Finding) -> Mapping[str, Any]:
    return {
        "kind": finding.kind,
        "fault": finding.fault,
        "file": None if finding.place is None else finding.place.file,
        "line": None if finding.place is None else finding.place.line,
        "last_line": None if finding.place is None else finding.last_line,
        "seq": finding.seq,
        "last_seq": finding.last_seq,
        "why": finding.why,
    }
