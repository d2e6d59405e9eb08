"""One machine among hand-made members: for what a well-behaved network would never let happen."""

from typing import Any

import msgspec

from les_hooks.election.effects import Dial, Drop, Effect, Pledge, Save, Send
from les_hooks.election.frames import (
    Beat,
    Electorate,
    Hello,
    Relayed,
    Spoken,
    State,
    Tell,
)
from les_hooks.election.identity import Identity, Memory, Timing
from les_hooks.election.machine import Machine
from les_hooks.election.messages import (
    Heard,
    Instant,
    LinkUp,
    Message,
    OriginalAnswered,
    Pledged,
    Saved,
    SeedsKnown,
)
from les_hooks.members import UNSTAMPED, Address, Boot

WALL = 1_700_000_000.0
ME = Address("m:1")
FIRST = Boot(1, "x")


def state_of(address: str, **changes: Any) -> State:
    """What a member says of itself that runs for an hour, follows nobody and knows nothing."""
    plain = State(
        address=address,
        name="n",
        version="1",
        boot=FIRST,
        serial=1,
        start_time=WALL - 3600,
        newest=0.0,
        term=0,
        leader=None,
        leader_boot=None,
        role="follower",
        led_term=0,
        sitting=(),
        fit=True,
        links=(),
        members=(address,),
    )
    return msgspec.structs.replace(plain, **changes)


def electorate_of(*voters: str) -> Electorate:
    """These voters, with the default lease."""
    return Electorate(tuple(sorted(voters)), Timing().lease)


class Lone:
    """A machine at ME; `effects` are those of the last call, `history` those of all.

    Terms are saved at once unless `disk` is off.
    """

    def __init__(self, *, timing: Timing | None = None, disk: bool = True, term: int = 0, voters: str = "") -> None:
        self.now = 100.0
        self.wall = WALL
        self.disk = disk
        self.serial = 0
        self.effects: list[Effect] = []
        self.history: list[Effect] = []
        identity = Identity(address=ME, name="m", version="1", boot=Boot(1, "m"))
        self.machine = Machine(
            identity=identity,
            timing=timing or Timing(),
            memory=Memory(term=term),
            electorate=electorate_of(*voters.split()) if voters else None,
            now=Instant(self.now, self.wall),
        )

    def give(self, message: Message) -> list[Effect]:
        """Hand it a message; what it saves is saved at once."""
        return self._settle(self.machine.receive(message, Instant(self.now, self.wall)))

    def tick(self, seconds: float = 0.0) -> list[Effect]:
        """Let the time pass at one go, and tick."""
        self.now += seconds
        self.wall += seconds
        return self._settle(self.machine.tick(Instant(self.now, self.wall)))

    def live(self, seconds: float, *members: str) -> None:
        """Let the time pass in order, while these members beat and answer all that they got."""
        end = self.now + seconds
        while self.machine.next_deadline() <= end:
            self.tick(max(0.0, self.machine.next_deadline() - self.now))
            for member in members:
                self.beat(member)
        self.tick(end - self.now)

    def seeds(self, *addresses: str, unresolved: int = 0, configured: bool = True) -> list[Effect]:
        """Tell it its seeds."""
        known = frozenset(Address(address) for address in addresses)
        return self.give(SeedsKnown(addresses=known, unresolved=unresolved, configured=configured))

    def link(self, address: str, boot: Boot = FIRST, dialed: str | None = None) -> list[Effect]:
        """A link to the member comes up."""
        hello = Hello(protocol=1, cluster="c", address=address, name="n", version="1", boot=boot)
        return self.give(LinkUp(hello=hello, dialed=None if dialed is None else Address(dialed)))

    def join_juniors(self, *addresses: str) -> None:
        """Members join that have no stamp yet, and then take one after this node's."""
        for address in addresses:
            self.join(address, start_time=UNSTAMPED)
            self.tell(address, start_time=WALL + 5)

    def tell(self, address: str, *relayed: Relayed, **changes: Any) -> list[Effect]:
        """The member says this of itself, and that of others; without a `serial` it is newer than all before."""
        self.serial += 1
        changes.setdefault("serial", self.serial)
        return self.frame(address, Tell(seq=1, ack=0, state=state_of(address, **changes), relayed=relayed))

    def join(self, address: str, **changes: Any) -> list[Effect]:
        """A link comes up, and the member says this of itself."""
        self.link(address, changes.get("boot", FIRST))
        return self.tell(address, **changes)

    def beat(self, address: str, *, ack: int | None = None, prompt: bool = False) -> list[Effect]:
        """The member gives a sign of life; it answers all unless told otherwise."""
        return self.frame(address, Beat(seq=1, ack=self.sent(address) if ack is None else ack, prompt=prompt))

    def frame(self, address: str, frame: Spoken) -> list[Effect]:
        """A frame comes from the member."""
        return self.give(Heard(sender=Address(address), frame=frame))

    def poll(self, address: str, start_time: float = WALL - 3600, leader: str | None = None) -> list[Effect]:
        """A node of the old protocol answers a poll."""
        accepted = None if leader is None else Address(leader)
        members = (Address(address), ME)
        return self.give(
            OriginalAnswered(address=Address(address), start_time=start_time, leader=accepted, members=members)
        )

    def sent(self, address: str) -> int:
        """The number of the last frame to the member."""
        link = self.machine._roster.links.get(Address(address))
        return 0 if link is None else link.sent

    def frames(self, address: str) -> list[object]:
        """The frames to the member that the last call sent."""
        return [e.frame for e in self.effects if isinstance(e, Send) and e.address == address]

    def dialed(self) -> list[str]:
        """The addresses that are to be dialed after the last call."""
        wanted: list[str] = []
        for effect in self.effects:
            if isinstance(effect, Dial):
                wanted.append(effect.address)
            elif isinstance(effect, Drop) and effect.address in wanted:
                wanted.remove(effect.address)
        return wanted

    def dropped(self) -> list[str]:
        """The addresses that the last call dropped."""
        return [effect.address for effect in self.effects if isinstance(effect, Drop)]

    def members(self) -> list[str]:
        """The others that it lists, by address."""
        return sorted(member.address for member in self.machine.view.members if member.address != ME)

    def _settle(self, effects: list[Effect]) -> list[Effect]:
        """Write what is to be written, and have it told so, until nothing is left."""
        self.effects = list(effects)
        for effect in self.effects:  # which grows meanwhile
            written = self._written(effect) if self.disk else None
            if written is not None:
                self.effects += self.machine.receive(written, self._instant())
        self.history += self.effects
        return self.effects

    def _written(self, effect: Effect) -> Message | None:
        match effect:
            case Save(term=term):
                return Saved(term=term)
            case Pledge(term=term, boot=boot):
                return Pledged(term=term, boot=boot)
            case _:
                return None

    def _instant(self) -> Instant:
        return Instant(self.now, self.wall)
