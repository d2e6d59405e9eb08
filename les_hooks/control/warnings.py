"""What an operator should know of before it hurts: the engine's own warnings, and what can be seen from outside.

For this package only. What the engine tells is another module's word: what is absent is no warning.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from les_hooks.config import Quorum
from les_hooks.control.succession import who
from les_hooks.members import Member, MemberKind

__all__ = ["warnings"]


def warnings(members: Iterable[Member], quorum: Quorum, engine: Mapping[str, Any]) -> list[str]:
    """One line for each; `engine` is the backend's status."""
    found = [str(text) for text in engine.get("warnings") or ()]
    if quorum is Quorum.MAJORITY:
        votes: Mapping[str, Any] = engine.get("quorum") or {}
        found += [
            f"{who(m)} is an original, which takes no part in a majority; give it the new version"
            for m in members
            if m.kind is MemberKind.ORIGINAL
        ]
        found += _voters(votes.get("voters") or ())
        if waiting := votes.get("waiting"):
            found.append(f"this node has just started, and grants no vote for another {waiting:.3g} s")
    return found


def _voters(voters: Sequence[Mapping[str, Any]]) -> list[str]:
    found = [
        f"the voter {voter['name']} ({voter['address']}) is not there"
        if voter.get("name")
        else f"the voter {voter['address']} is not there"
        for voter in voters
        if not voter.get("linked", True)
    ]
    if voters and len(voters) % 2 == 0:
        bears = (len(voters) - 1) // 2
        found.append(f"{len(voters)} voters bear the loss of {bears}, as {len(voters) - 1} would; add a witness")
    return found
