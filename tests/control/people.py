"""Members as a view holds them, for tests of what is said of them."""

from typing import Any

from les_hooks.members import Address, Boot, Member, MemberKind, Part

__all__ = ["a_member"]


def a_member(name: str, **changed: Any) -> Member:
    """A fit follower of that name at 10.0.0.<its place in the alphabet>:4000, senior by that order."""
    number = ord(name[0]) - ord("a") + 1
    given: dict[str, Any] = {
        "address": Address(f"10.0.0.{number}:4000"),
        "name": name,
        "kind": MemberKind.LES,
        "boot": Boot(1, name),
        "start_time": 1000.0 + number,
        "part": Part.MEMBER,
        "role": "follower",
        "fit": True,
        "unfit": "",
        "direct": True,
        "version": "1",
    }
    return Member(**{**given, **changed})
