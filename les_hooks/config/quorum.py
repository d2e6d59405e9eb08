"""What must hold of who votes, and for how long: `quorum`, `voters`, `role`, `lease`, `alone_after`. For the loader.

As in `rules`, None stands for a value that was refused, and the rules that need it say nothing.
"""

import math

from les_hooks.config.check import Checker
from les_hooks.config.derive import Values
from les_hooks.config.durations import format_duration
from les_hooks.config.tables import Quorum
from les_hooks.config.toml_text import KeyPath, toml_string, toml_value
from les_hooks.members import Address, Part

__all__ = ["FRAMES_PER_FAILURE", "check_quorum", "in_words"]

FRAMES_PER_FAILURE = 3
"""Two lost frames in a row must not look like a death."""

# What it takes to notice a silent leader fits into two thirds of what a lease is worth after the drift of two clocks,
# 0.98 of it; the last third is the demotion's.
_LEASE_PER_DETECTION = 1.53
# Forgives what binary fractions lose: 1.53 times 2 is a little more than 3.06.
_MARGIN = 1e-9

_QUORUM: KeyPath = ("cluster", "quorum")
_VOTERS: KeyPath = ("cluster", "voters")
_ROLE: KeyPath = ("cluster", "role")
_ALONE_AFTER: KeyPath = ("cluster", "alone_after")
_LEASE: KeyPath = ("timing", "lease")


def check_quorum(values: Values, checker: Checker) -> None:
    """Note every rule about votes that the values break."""
    quorum, voters = values["cluster.quorum"], values["cluster.voters"]
    if quorum is Quorum.MAJORITY:
        _has_voters(voters, values["cluster.seeds"], checker)
        _votes_by_role(values["cluster.role"], values["node.advertise"], voters, checker)
        _is_never_alone(values["cluster.alone_after"], checker)
        _lasts(values["timing.lease"], values["timing.failure"], values["timing.heartbeat"], checker)
    elif quorum is Quorum.MEMBERS and voters:
        checker.refuse(_VOTERS, 'nobody asks voters with quorum = "members"; set quorum = "majority", or remove voters')


def in_words(seconds: float) -> str:
    """Write seconds as a value of the file."""
    return toml_string(format_duration(seconds))


def _has_voters(voters: tuple[Address, ...] | None, seeds: tuple[Address, ...] | None, checker: Checker) -> None:
    if voters is None or voters:
        return
    example = toml_value(list(dict.fromkeys(seeds)) if seeds else ["10.0.0.1:4000", "10.0.0.2:4000", "10.0.0.3:4000"])
    checker.refuse(
        _QUORUM,
        '"majority" is one of configured voters, and there are none; list the nodes that vote, the same on every node, '
        f"such as voters = {example}",
    )


def _votes_by_role(
    role: Part | None, advertise: Address | None, voters: tuple[Address, ...] | None, checker: Checker
) -> None:
    if role is None or advertise is None or not voters:
        return
    place = checker.source.first_set(_ROLE, _VOTERS)
    me = toml_string(advertise)
    if role is Part.WITNESS and advertise not in voters:
        checker.refuse(
            _ROLE,
            f"a witness does nothing but vote, and {me} is not among voters, which are compared as they are written; "
            "add it to voters on every node, or remove this node",
            place=place,
        )
    elif role is Part.OBSERVER and advertise in voters:
        checker.refuse(
            _ROLE,
            f"an observer has no vote, and {me} is among voters; take it out of voters on every node, or make this "
            'node a "member" or a "witness"',
            place=place,
        )


def _is_never_alone(alone_after: float | None, checker: Checker) -> None:
    if alone_after is not None and alone_after < math.inf:
        checker.refuse(
            _ALONE_AFTER,
            'with quorum = "majority" nobody leads without a majority of voters, however long it has been alone; '
            'remove alone_after, or set quorum = "members"',
        )


def _lasts(lease: float | None, failure: float | None, heartbeat: float | None, checker: Checker) -> None:
    if lease is None or failure is None or heartbeat is None:
        return
    # Where heartbeat is refused for its own sake: what is advised here is to do as a whole.
    enough_failure = max(failure, round(FRAMES_PER_FAILURE * heartbeat, 9))
    needed = _LEASE_PER_DETECTION * (enough_failure + heartbeat)
    if lease * (1 + _MARGIN) >= needed:
        return
    advice = f"lease = {in_words(_rounded_up(needed))}"
    at_least = ""
    if enough_failure > failure * (1 + _MARGIN):
        advice = f"heartbeat = {in_words(heartbeat)}, failure = {in_words(enough_failure)} and {advice}"
        at_least = " at least"
    is_short = f"is shorter than failure, {in_words(failure)}, and" if lease < failure else "is"
    checker.refuse(
        _LEASE,
        f"{in_words(lease)} {is_short} less than {_LEASE_PER_DETECTION} times the sum of failure,{at_least} "
        f"{in_words(enough_failure)}, and heartbeat, {in_words(heartbeat)}; {advice} would do",
        place=checker.source.first_set(_LEASE, ("timing", "failure"), ("timing", "heartbeat")),
    )


def _rounded_up(seconds: float) -> float:
    """A tenth of a second more at the most, in figures that somebody would write."""
    step = 0.1 if seconds >= 1.0 else 0.001
    return round(math.ceil(seconds / step - _MARGIN) * step, 9)
