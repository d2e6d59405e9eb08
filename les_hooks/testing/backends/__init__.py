"""A conformance test for backends: what `docs/backends.md` asks of one, as checks that any author can run.

    arena      what the author gives
    check      a rule, by its name
    contest    the nodes of a check, and what holds among all of them
    player     one of them, and what it was told
    rules      what holds of everything that it is told
    electing, yielding, going, asking   the checks

The checks need neither pytest nor a pytest plugin: `check.run(arena)` raises where the backend does not conform.
"""

from les_hooks.testing.backends.arena import Arena, Place, Traits
from les_hooks.testing.backends.asking import ASKING
from les_hooks.testing.backends.check import Check, Need
from les_hooks.testing.backends.contest import Nonconformance
from les_hooks.testing.backends.electing import ELECTING
from les_hooks.testing.backends.going import GOING
from les_hooks.testing.backends.yielding import YIELDING

__all__ = ["CONFORMANCE", "Arena", "Check", "Need", "Nonconformance", "Place", "Traits"]

CONFORMANCE: tuple[Check, ...] = (*ELECTING, *YIELDING, *GOING, *ASKING)
"""All checks. Each needs an arena of its own."""
