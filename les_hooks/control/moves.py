"""What an operator may ask of leadership: the requests and their bounds. Values only; imported by both ends."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from les_hooks.errors import ControlError
from les_hooks.text import printable

__all__ = ["MOST_NOTE", "Maintain", "Move", "StepDown", "Transfer", "any_move", "check_note", "read"]

MOST_NOTE: Final = 200
"""So many characters of an operator's reason: it travels in every frame of this node."""

_LONGEST_SECONDS: Final = 366 * 86400
_LONGEST_WAIT_SECONDS: Final = 3600


def check_note(note: str) -> str:
    """Return an operator's reason as it is; raises ValueError where it is not one short line of text."""
    if len(note) > MOST_NOTE:
        raise ValueError(f"the reason is longer than {MOST_NOTE} characters")
    if not note.isprintable():
        raise ValueError(f"the reason must be one line without control characters: {printable(note)}")
    return note


class _Move(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="move"):
    """The part that all have: `note` is the operator's reason."""

    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a reason that is not to be shown on other nodes' terminals."""
        check_note(self.note)


class StepDown(_Move, frozen=True, kw_only=True, tag="step-down"):
    """Give up leadership, and stay unfit for `hold`."""


class Maintain(_Move, frozen=True, kw_only=True, tag="maintenance"):
    """Be unfit for so many seconds."""

    seconds: Annotated[float, Meta(gt=0, le=_LONGEST_SECONDS)]


class Transfer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="move", tag="transfer"):
    """Hand leadership over to the member of this name or address; `timeout` is for the answer, in seconds."""

    target: Annotated[str, Meta(min_length=1, max_length=262)]
    timeout: Annotated[float, Meta(gt=0, le=_LONGEST_WAIT_SECONDS)] = 10.0


Move = StepDown | Maintain | Transfer

_Asked = TypeVar("_Asked", StepDown, Maintain, Transfer)


def read(kind: type[_Asked], arguments: Mapping[str, Any]) -> _Asked:
    """Read the arguments of a request for one move. Raises ControlError."""
    try:
        return msgspec.convert(arguments, kind)
    except msgspec.ValidationError as error:
        raise _malformed(error) from None


def any_move(arguments: Mapping[str, Any]) -> Move:
    """Read the arguments of a request whose `move` says for which it is. Raises ControlError."""
    try:
        return msgspec.convert(arguments, StepDown | Maintain | Transfer)
    except msgspec.ValidationError as error:
        raise _malformed(error) from None


def _malformed(error: msgspec.ValidationError) -> ControlError:
    return ControlError(f"the request is malformed: {error}")
