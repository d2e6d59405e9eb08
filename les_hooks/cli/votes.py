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
    heard = sum(_counts(voter) for voter in voters)
    words = [f"{needed} of {len(voters)} voters; {heard} heard"]
    if answer.get("role") in ("leader", "candidate"):
        words.append(f"{sum(bool(voter.get('granted')) for voter in voters)} granted")
    if "lease" in quorum:
        words.append(f"lease {seconds(quorum['lease'])}")
    waiting = quorum.get("waiting") or 0.0
    quiet = f"withheld for another {seconds(waiting)}: this node has just started and may have forgotten a promise"
    return [
        ("majority", Cell(", ".join(words), "yellow" if heard < needed else "")),
        ("vote", Cell(quiet, "yellow") if waiting else ""),
    ]


def voters_table(answer: Mapping[str, Any]) -> None:
    """Print each voter and whom it votes for, as far as that is known, after an empty line; nothing in members mode."""
    quorum = _quorum(answer)
    voters: Sequence[Mapping[str, Any]] = quorum.get("voters") or ()
    if not voters:
        return
    own = answer.get("node", {}).get("address")
    names = {member["address"]: member["name"] for member in answer["members"]}

    def votes_for(voter: Mapping[str, Any]) -> str:
        if voter["address"] == own:
            holder = quorum.get("vote")
            return "-" if holder is None else names.get(holder) or holder
        return names.get(own, "") if voter.get("granted") else ""

    rows = ((voter.get("name") or "-", voter["address"], _link(voter, own), votes_for(voter)) for voter in voters)
    say()
    table(("voter", "address", "link", "votes for"), rows)


def _link(voter: Mapping[str, Any], own: str | None) -> str | Cell:
    if voter["address"] == own:
        return "itself"
    if not voter.get("heard"):
        return Cell("not heard", "yellow")
    return "heard" if voter.get("agrees", True) else Cell("disagrees", "red")


def _counts(voter: Mapping[str, Any]) -> bool:
    """Whether its vote could be had."""
    return bool(voter.get("heard")) and bool(voter.get("agrees", True))


def _quorum(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the engine tells of a majority; empty where it tells nothing, or none is asked for."""
    found = answer.get("backend", {}).get("quorum")
    quorum: Mapping[str, Any] = found if isinstance(found, Mapping) and found.get("mode") == "majority" else {}
    return quorum
