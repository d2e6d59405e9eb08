"""Stories: files of commands, each followed by what happens. Run them, and compare, or write them anew.

A line that begins with `>` is a command, one that begins with `#` a remark, and all others are what is expected:

    > world abc voters=abc    these nodes and voters; first in every story
    > start a                 kill, lose, leave, pause, resume; several names are done one after the other
    > cut a b                 cut-one-way, refuse, mend
    > run 2.5                 let seconds pass
    > hooks a 0.5             demote hooks of this node take so long from now on
    > step-down a             unfit, fit, and transfer a b
"""

from collections.abc import Callable

from les_hooks.election.messages import Fitness, StepDown, Transfer
from les_hooks.events import Reason
from les_hooks.members import Address, Part
from tests.election.sim.world import World

__all__ = ["tell_again"]


def tell_again(text: str) -> str:
    """The story with the same commands and remarks, and what happens now."""
    told: list[str] = []
    world: World | None = None
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            told.append(line)
        elif line.startswith(">"):
            told.append(line)
            word, *values = line[1:].split()
            if word == "world":
                world = _world(*values)
                continue
            assert world is not None, "a story begins with its world"
            before = len(world.log or [])
            _command(world, word, values)
            told += (world.log or [])[before:]
    return "\n".join(told) + "\n"


def _world(names: str, *options: str) -> World:
    chosen = dict(option.split("=") for option in options)
    parts = {chosen["witness"]: Part.WITNESS} if "witness" in chosen else None
    world = World(*names, voters=chosen.get("voters", ""), parts=parts)
    world.cleans = True
    world.log, world.is_brief = [], True
    return world


def _command(world: World, word: str, values: list[str]) -> None:
    each: dict[str, Callable[[str], None]] = {
        "start": world.start,
        "kill": world.kill,
        "lose": world.lose,
        "leave": world.leave,
        "pause": world.pause,
        "resume": world.resume,
        "step-down": lambda name: world.give(name, StepDown(reason=Reason.OPERATOR)),
        "unfit": lambda name: world.give(name, Fitness(unfit="a check fails")),
        "fit": lambda name: world.give(name, Fitness(unfit="")),
    }
    pairs: dict[str, Callable[[str, str], None]] = {
        "cut": world.cut,
        "cut-one-way": lambda one, other: world.cut(one, other, both=False),
        "refuse": world.refuse,
        "mend": world.mend,
        "transfer": lambda one, other: world.give(one, Transfer(target=Address(other))),
    }
    if word == "run":
        world.run(float(values[0]))
    elif word == "hooks":
        world.hosts[Address(values[0])].demote_seconds = float(values[1])
    elif word in pairs:
        pairs[word](*values)
    else:
        for name in values:
            each[word](name)
