"""What nodes say to each other: frames as msgspec structs, because they are what travels. Values only.

`wire` turns them into bytes and back, and checks what the types here declare. What the machine is told besides is in
`messages`.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from les_hooks.members import Boot, Part

__all__ = [
    "LAST_STAMP",
    "LAST_TERM",
    "MOST_ADDRESSES",
    "MOST_SITTING",
    "Answer",
    "Ask",
    "Beat",
    "Bye",
    "Electorate",
    "Farewell",
    "Frame",
    "Grant",
    "Hello",
    "Leadership",
    "Offer",
    "Refusal",
    "Relayed",
    "Release",
    "Request",
    "Spoken",
    "Stamp",
    "State",
    "Tell",
    "addresses_in",
]

# Limits of what is believed; anything past them is malformed. So this node must not pass them either, whatever others
# claim: nobody would take its frames any more.
LAST_STAMP = 2.0**33
"""The year 2242."""
LAST_TERM = 2**53
"""The last that a JSON reader with doubles counts correctly."""
MOST_SITTING = 64
"""So many leaders are told of at a time."""
MOST_ADDRESSES = 1024
"""So many different addresses stand in one tell: four times the members that a cluster may have.

To look at one takes up to 15 us, and a frame of 256 KiB has room for 40 000.
"""

Stamp = Annotated[float, Meta(ge=0, le=LAST_STAMP)]
Term = Annotated[int, Meta(ge=0, le=LAST_TERM)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Age = Annotated[float, Meta(ge=0, le=2**33)]
Where = Annotated[str, Meta(min_length=3, max_length=262)]
Word = Annotated[str, Meta(max_length=64)]
Phrase = Annotated[str, Meta(max_length=256)]
Wheres = Annotated[tuple[Where, ...], Meta(max_length=256)]


class Electorate(msgspec.Struct, frozen=True, array_like=True):
    """Who votes, sorted, and for how many seconds: voters grant only to whom has the same."""

    voters: Wheres
    lease: Age

    @property
    def majority(self) -> int:
        """How many votes it takes."""
        return len(self.voters) // 2 + 1


class Leadership(msgspec.Struct, frozen=True, array_like=True):
    """Who leads, as which process, in which term."""

    address: Where
    boot: Boot
    term: Term


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says of itself. `serial` orders the states of one boot.

    `start_time` is its stamp and `newest` the newest one that it knows, Unix seconds; `term` is the highest that it
    knows. `leader` and `leader_boot` name whom it accepts: that is its confirmation. `role` is one of roles.Role,
    and `led_term` the term of its own leadership, 0 without one. `sitting` are the leaders that it knows besides
    itself, and `links` the members that it hears directly. `part` is its members.Part, and `unfit` says why it is not
    `fit`. `electorate` is whose votes it goes by, None in members mode.
    """

    address: Where
    name: Word
    version: Word
    boot: Boot
    serial: Count
    start_time: Stamp
    newest: Stamp
    term: Term
    leader: Where | None
    leader_boot: Boot | None
    role: Word
    led_term: Term
    sitting: Annotated[tuple[Leadership, ...], Meta(max_length=MOST_SITTING)]
    fit: bool
    links: Wheres
    members: Wheres
    part: Word = Part.MEMBER
    unfit: Phrase = ""
    electorate: Electorate | None = None


def addresses_in(state: State) -> list[str]:
    """All addresses that the state names, some of them many times."""
    leader = () if state.leader is None else (state.leader,)
    voters = () if state.electorate is None else state.electorate.voters
    sitting = (leadership.address for leadership in state.sitting)
    return [state.address, *leader, *state.links, *state.members, *sitting, *voters]


class Relayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a node heard directly from another, `age` seconds ago. `original`: the other speaks the old protocol."""

    state: State
    age: Age
    original: bool = False


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello", tag_field="kind"):
    """The first frame of a link, both ways: who speaks which protocol in which cluster."""

    protocol: int
    cluster: Word
    address: Where
    name: Word
    version: Word
    boot: Boot


class Tell(msgspec.Struct, frozen=True, kw_only=True, tag="tell", tag_field="kind"):
    """The sender's state, and those of others that the receiver may not hear itself.

    `seq` numbers the sender's frames to this receiver, and `ack` is the highest number that it has had from it.
    """

    seq: Count
    ack: Count
    state: State
    relayed: Annotated[tuple[Relayed, ...], Meta(max_length=256)]


class Beat(msgspec.Struct, frozen=True, kw_only=True, tag="beat", tag_field="kind"):
    """A sign of life between tells; `prompt` asks for one in return at once."""

    seq: Count
    ack: Count
    prompt: bool = False


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask", tag_field="kind"):
    """Do you hear the process `boot` at `address`?"""

    address: Where
    boot: Boot


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag="answer", tag_field="kind"):
    """The answer to an Ask: `age` is how many seconds ago its sender last heard it directly, None for never."""

    address: Where
    boot: Boot
    age: Age | None


class Bye(msgspec.Struct, frozen=True, kw_only=True, tag="bye", tag_field="kind"):
    """The process `boot` leaves; its demote hooks have ended."""

    boot: Boot


class Request(msgspec.Struct, frozen=True, kw_only=True, tag="request", tag_field="kind"):
    """The sender asks for the receiver's vote, for one lease. `number` counts the requests of this process.

    `sitting`: it leads in `term` already, and asks for a renewal; otherwise it stands for that term.
    """

    number: Count
    term: Term
    sitting: bool


class Grant(msgspec.Struct, frozen=True, kw_only=True, tag="grant", tag_field="kind"):
    """The vote that the process `boot` asked for with this number; it runs for one lease from now."""

    number: Count
    boot: Boot


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal", tag_field="kind"):
    """No vote for that term: this voter has granted `term` already, and only a higher one will do."""

    number: Count
    boot: Boot
    term: Term


class Release(msgspec.Struct, frozen=True, kw_only=True, tag="release", tag_field="kind"):
    """The sender gives back its grants, and withdraws its requests, up to this number."""

    number: Count
    boot: Boot


class Offer(msgspec.Struct, frozen=True, kw_only=True, tag="offer", tag_field="kind"):
    """The sender, which led until now, offers the stamp that it had to the process `boot`."""

    start_time: Stamp
    boot: Boot


class Farewell(msgspec.Struct, frozen=True, kw_only=True, tag="farewell", tag_field="kind"):
    """The first and only frame of who speaks for a process that died: its hooks have been undone, its grants are free.

    Not a member's frame: `les cleanup` sends it, in the name of the process `boot` at `address`.
    """

    protocol: int
    cluster: Word
    address: Where
    boot: Boot


Spoken = Tell | Beat | Ask | Answer | Bye | Request | Grant | Refusal | Release | Offer
"""What members say on a link that stands."""

Frame = Hello | Farewell | Spoken
