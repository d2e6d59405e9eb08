"""How a program is called: its arguments, variables and input, all made of one event. Pure. For `programs` only."""

import math
import os
from pathlib import Path
from typing import Any

import msgspec

from les_hooks.events import Event
from les_hooks.text import plain

__all__ = ["Call", "call", "harmless"]

# Linux takes 128 KiB of one variable; a list of more members would keep every script from starting.
_LONGEST_LIST_BYTES = 100_000


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a script is started with."""

    argv: tuple[str, ...]
    env: dict[str, str]
    stdin: str


def call(path: Path, event: Event, search_path: str, deadline: float) -> Call:
    """Return how the script at `path` is called for the event; `search_path` is the PATH that it gets.

    `deadline` is how many seconds it has.
    """
    event = harmless(event)
    return Call(
        argv=(str(path), event.kind.value),
        env=_environment(event, search_path, deadline),
        stdin=msgspec.json.encode(event).decode() + "\n",
    )


def harmless(event: Event) -> Event:
    """Return the event without control characters and the like in any of its texts.

    Names and addresses are checked where they come in; scripts must not depend on that.
    """
    texts: dict[str, Any] = {
        field: plain(value) for field in event.__struct_fields__ if type(value := getattr(event, field)) is str
    }
    # A blank in a member would make two of it in LES_MEMBERS.
    texts["members"] = tuple(plain(member).replace(" ", "") for member in event.members)
    return msgspec.structs.replace(event, **texts)


def _environment(event: Event, search_path: str, deadline: float) -> dict[str, str]:
    environment = {
        "PATH": search_path,
        "LANG": "C.UTF-8",
        "HOME": os.environ.get("HOME", "/"),
        "LES_HOOK_API": "1",
        "LES_EVENT": event.kind.value,
        "LES_EVENT_ID": event.id,
        "LES_SEQ": str(event.seq),
        "LES_TIME": f"{event.time:.6f}",
        "LES_NODE": event.node,
        "LES_NAME": event.name,
        "LES_CLUSTER": event.cluster,
        "LES_ROLE": event.role,
        "LES_TERM": str(event.term),
        "LES_LEADER": event.leader or "",
        "LES_PREVIOUS_LEADER": event.previous_leader or "",
        "LES_MEMBER": event.member or "",
        "LES_REASON": event.reason.value,
        "LES_REPLAY": "1" if event.replay else "0",
        "LES_DEADLINE": f"{deadline:.3f}" if deadline < math.inf else "",
    }
    members = " ".join(event.members)
    if len(members.encode()) <= _LONGEST_LIST_BYTES:
        # Left out and not cut: a script with `set -u` then stops, instead of taking part of the cluster for all of it.
        environment["LES_MEMBERS"] = members
    return environment
