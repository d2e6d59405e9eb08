"""What stands in the files of the state directory, and reading it back. Imported by `state`, and by `les check`."""

from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from les_hooks.audit.chain import BEGINNING
from les_hooks.daemon.folder import read_bounded
from les_hooks.errors import StartError
from les_hooks.members import Boot
from les_hooks.wire import is_address, is_boot

__all__ = ["Running", "State", "Told", "Voters", "load_state", "load_told", "load_voters"]

_VERSION: Final = 1
_MOST_STATE_BYTES: Final = 64 * 1024
_MOST_VOTERS_BYTES: Final = 64 * 1024
_MOST_TOLD_BYTES: Final = 1024 * 1024

_Count = Annotated[int, Meta(ge=0, le=2**53)]


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """The mark of a running daemon."""

    boot: Boot
    pid: int


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must survive a power cut. `reserved`: event numbers up to this one may have been used.

    The last three are a voter's: the term that it granted last, to which process, and its longest lease in seconds.
    """

    # Unknown fields are refused: they come from a newer version, and dropping them unread could break a promise that
    # it wrote down.
    version: Literal[1] = 1
    counter: _Count = 0
    term: _Count = 0
    newest: Annotated[float, Meta(ge=0, le=2**33)] = 0.0
    reserved: _Count = 0
    running: Running | None = None
    granted_term: _Count = 0
    granted_boot: Boot | None = None
    longest_lease: Annotated[float, Meta(ge=0, le=2**33)] = 0.0


class Voters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The voters that elected the last leader that this node knows, sorted."""

    version: Literal[1] = 1
    voters: Annotated[tuple[str, ...], Meta(min_length=1, max_length=256)]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What hooks were told last. It may be missing or old: it decides what is told again, never who leads.

    `audit_seq` and `audit_hash` are the number and the hash of the last audit record then.
    """

    leader: str | None
    term: int
    members: tuple[str, ...]
    audit_seq: int
    audit_hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] = BEGINNING


def load_state(path: Path) -> tuple[bool, State]:
    """Whether nothing is stored yet, and the state. Raises StartError for what cannot be trusted."""
    advice = (
        "move it away to start without it: the node then forgets its terms, its votes and its event numbers, which is "
        "safe while all other nodes of the cluster run"
    )
    state = _load(path, State, _MOST_STATE_BYTES, advice)
    if state is None:
        return True, State()
    fault = _fault(state)
    if fault:
        raise StartError(str(path), f"is damaged ({fault})", advice)
    return False, state


def load_voters(path: Path) -> tuple[str, ...]:
    """The voters that were in force, empty where none are known. Raises StartError for what cannot be trusted."""
    advice = "where les.toml has the same voters on all nodes, and they have been elected from before, remove it"
    stored = _load(path, Voters, _MOST_VOTERS_BYTES, advice)
    if stored is None:
        return ()
    if not all(map(is_address, stored.voters)):
        raise StartError(str(path), "is damaged (an address that is none)", advice)
    return tuple(sorted(set(stored.voters)))


def _fault(state: State) -> str:
    """What cannot be, though each value by itself could."""
    boots = (state.granted_boot, state.running.boot if state.running is not None else None)
    if not all(boot is None or is_boot(boot) for boot in boots):
        return "a boot that is none"
    if state.granted_term and state.granted_boot is None:
        return "a term that was granted to nobody"
    if state.granted_term > state.term:
        return f"the term {state.granted_term} was granted, and {state.term} is the highest known"
    return ""


_Stored = TypeVar("_Stored", bound=msgspec.Struct)


def _load(path: Path, kind: type[_Stored], most_bytes: int, advice: str) -> _Stored | None:
    """What is stored, None where there is nothing."""
    try:
        data = read_bounded(path, most_bytes)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartError(str(path), f"cannot be read ({error.strerror or error})", "make it readable") from error
    try:
        version = msgspec.json.decode(data, type=_Versioned).version
        if version > _VERSION:
            raise StartError(
                str(path),
                f"was written by a newer les-hooks (version {version})",
                f"install that one again, or {advice}",
            )
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StartError(str(path), f"is damaged ({error})", advice) from error


class _Versioned(msgspec.Struct):
    version: int


def load_told(path: Path) -> Told | None:
    """What was told last, None where that cannot be known."""
    try:
        return msgspec.json.decode(read_bounded(path, _MOST_TOLD_BYTES), type=Told)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
