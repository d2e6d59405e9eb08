"""How the votes stand, where a majority decides: what the engine tells of it, shown. For `status`.

The engine may tell less than is looked for here: what is absent is not shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from les_hooks.cli.output import Cell, say, seconds, table

__all__ = ["quorum_fields", "voters_table"]


def quorum_fields(answer: Mapping[str, Any]) -> list[tuple[str, str | Cell]]:
    """The lines of the summary that tell of the majority; none in members mode."""
    quorum = _quorum(answer)
    if not quorum:
        return []
    voters: Sequence[Mapping[str, Any]] = quorum.get("voters") or ()
    needed = quorum.get("majority", len(voters) // 2 + 1)
    linked = sum(bool(voter.get("linked")) for voter in voters)
    words = [f"{needed} of {len(voters)} voters; {linked} linked"]
    if answer.get("role") == "leader" and "grants" in quorum:
        words.append(f"{quorum['grants']} granted")
    waiting = quorum.get("waiting") or 0.0
    return [
        ("majority", Cell(", ".join(words), "yellow" if linked < needed else "")),
        ("votes", Cell(f"none granted for another {seconds(waiting)}: just started", "yellow") if waiting else ""),
    ]


def voters_table(answer: Mapping[str, Any]) -> None:
    """Print each voter, whether it is linked, and whom it votes for, after an empty line; nothing in members mode."""
    voters: Sequence[Mapping[str, Any]] = _quorum(answer).get("voters") or ()
    if not voters:
        return
    names = {member["address"]: member["name"] for member in answer["members"]}
    own = answer.get("node", {}).get("address")
    say()
    table(("voter", "address", "link", "votes for"), (_voter(voter, names, own) for voter in voters))


def _voter(voter: Mapping[str, Any], names: Mapping[str, str], own: str | None) -> tuple[str | Cell, ...]:
    address = voter["address"]
    link = "itself" if address == own else "direct" if voter.get("linked") else Cell("none", "yellow")
    granted = voter.get("granted_to")
    name = voter.get("name") or names.get(address) or "-"
    return name, address, link, "-" if granted is None else names.get(granted) or granted


def _quorum(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the engine tells of a majority; empty where it tells nothing, or none is asked for."""
    found = answer.get("backend", {}).get("quorum") or {}
    quorum: Mapping[str, Any] = found if isinstance(found, Mapping) and found.get("mode") == "majority" else {}
    return quorum
