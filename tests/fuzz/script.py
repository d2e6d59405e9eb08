"""A machine among liars: any bytes are a story of frames that decode, and of what a network may report.

The liars know the protocol and the secret. They claim any stamp, any term, endless members and leaders, and addresses
and boots that are others'. What must hold all the same: nothing raises; what the machine sends is what others take;
what it saves can be read again; and what it keeps has bounds.
"""

import math
from typing import Final

import msgspec

from les_hooks import wire
from les_hooks.daemon import stored
from les_hooks.election.effects import Changed, Dial, Effect, Pledge, Save, Send
from les_hooks.election.frames import (
    Answer,
    Ask,
    Beat,
    Bye,
    Electorate,
    Frame,
    Grant,
    Hello,
    Leadership,
    Offer,
    Refusal,
    Relayed,
    Release,
    Request,
    Spoken,
    State,
    Tell,
)
from les_hooks.election.messages import (
    DialFailed,
    Fitness,
    Heard,
    Introduced,
    Leave,
    LinkDown,
    LinkUp,
    Message,
    OriginalAnswered,
    OriginalFailed,
    Released,
    SeedIsSelf,
    StepDown,
    Transfer,
    Undone,
)
from les_hooks.election.roles import Role
from les_hooks.errors import PeerError
from les_hooks.events import Reason
from les_hooks.members import UNSTAMPED, Address, Boot, Part
from tests.election.lone import ME, WALL, Lone, electorate_of
from tests.fuzz.dice import Dice

__all__ = ["play"]

# The most that a machine may keep, whatever it is told: 255 members; as many addresses as it has members, links, seeds,
# lost members (256) and rumours (64).
_MOST_PEERS: Final = 255
_MOST_EXTRA: Final = 256 + 64 + 4
_MOST_STEPS: Final = 120

_NEAR: Final = (Address("a:1"), Address("b:1"), Address("c:1"), ME)
_CROWD: Final = tuple(Address(f"{number}{'x' * 60}.{'y' * 60}.{'z' * 60}.example:1") for number in range(256))
_ADDRESSES: Final = (*_NEAR, *_NEAR, *_CROWD[:4], Address(f"{'.'.join(['w' * 49] * 5)}:65535"))
_BOOTS: Final = (Boot(1, "x"), Boot(1, "m"), Boot(0, "x"), Boot(2, "x"), Boot(2**53, "-" * 64))
_STAMPS: Final = (
    *(WALL - 3600, WALL, WALL + 5, WALL + 86_399, WALL + 90_000, 0.0, -0.0, 5e-324, 1e-6),
    *(UNSTAMPED, math.nextafter(UNSTAMPED, 0), UNSTAMPED - 1e-6, 2.0**33, math.nextafter(2.0**33, 0)),
)
_TERMS: Final = (0, 1, 2, 3, 9, 2**31, 2**53 - 2, 2**53 - 1, 2**53)
_COUNTS: Final = (0, 1, 2, 3, 7, 2**53)
_AGES: Final = (0.0, 0.4, 1.4, 99.0, 2.0**33)
_LISTS: Final = ((), (ME,), _NEAR, _CROWD[:40], _CROWD)
_VOTERS: Final = ("", ME, f"{ME} a:1 b:1", "a:1 b:1 c:1")
_ELECTORATES: Final = (None, electorate_of(ME, "a:1", "b:1"), electorate_of("c:1"), Electorate(("a:1",), 1e-9))
_NAPS: Final = (0.0, 0.0, 0.001, 0.2, 0.6, 1.6, 40.0)
_JUMPS: Final = (0.0, 0.0, 0.0, 0.0, 0.0, -50.0, 50.0, -WALL, 4e8)


def play(data: bytes) -> None:
    """Tell the story, and look at all that the machine does about it."""
    dice = Dice(data)
    lone = Lone(voters=dice.pick(_VOTERS), term=dice.pick((0, 0, 3)))
    _check(lone, lone.seeds(*dice.some(("a:1", "b:1"), 2)))
    for _ in range(_MOST_STEPS):
        if not dice.left or lone.machine.role is Role.GONE:
            break
        lone.wall += dice.pick(_JUMPS)
        _check(lone, lone.tick(dice.pick(_NAPS)))
        if lone.machine.next_deadline() <= lone.now:
            _check(lone, lone.tick())  # the heartbeat after one that was late may be due at this very moment
        assert lone.machine.next_deadline() > lone.now, "no timer that has run out"
        message = _message(dice, lone.machine.role)
        if message is not None:
            _check(lone, lone.give(message))
    _check_memory(lone)


def _check(lone: Lone, effects: list[Effect]) -> None:
    """What the machine wants done can be done, and can be taken by whom it is meant for."""
    for effect in effects:
        match effect:
            case Send(frame=frame):
                data = wire.encode(frame)
                assert wire.decode(data) == frame, "what a node sends, others take"
            case Save(term=term, newest=newest):
                _check_stored(stored.State(term=term, newest=newest))
            case Pledge(term=term, boot=boot, lease=lease):
                _check_stored(stored.State(term=term, granted_term=term, granted_boot=boot, longest_lease=lease))
            case Dial(address=address):
                assert wire.is_address(address), "what is dialed has been checked"
            case Changed(view=view):
                msgspec.json.encode(view)


def _check_stored(state: stored.State) -> None:
    assert msgspec.json.decode(msgspec.json.encode(state), type=stored.State) == state, "what is saved can be read"


def _check_memory(lone: Lone) -> None:
    roster, contacts = lone.machine._roster, lone.machine._contacts
    assert len(roster.peers) <= _MOST_PEERS
    assert len(contacts.wanted) <= len(roster.peers) + len(roster.links) + _MOST_EXTRA
    assert len(contacts.untried) <= len(contacts.wanted)
    assert all(len(link.told) <= _MOST_PEERS + 1 for link in roster.links.values())


def _message(dice: Dice, role: Role) -> Message | None:
    sender = dice.pick(_ADDRESSES)
    match dice.below(24):
        case 0 | 1 | 2 | 3:
            hello = Hello(protocol=1, cluster="c", address=sender, name="n", version="1", boot=dice.pick(_BOOTS))
            return LinkUp(hello=hello, dialed=dice.pick((None, None, *_NEAR))) if _travels(hello) else None
        case 4:
            return LinkDown(address=sender)
        case 5:
            return DialFailed(address=sender, refused=bool(dice.below(2)))
        case 6:
            leader, members = dice.pick((None, *_NEAR)), dice.pick(_LISTS)
            stamp = abs(dice.pick(_STAMPS))
            return OriginalAnswered(address=sender, start_time=stamp, leader=leader, members=members)
        case 7:
            return OriginalFailed(address=sender, refused=bool(dice.below(2)))
        case 8:
            return Introduced(address=sender) if dice.below(2) else SeedIsSelf(address=sender)
        case 9:
            return Undone(address=sender, boot=dice.pick(_BOOTS))
        case 10:
            return _own_affair(dice, role, sender)
        case _:
            frame = _spoken(dice, sender)
            return Heard(sender=sender, frame=frame) if _travels(frame) else None


def _own_affair(dice: Dice, role: Role, target: Address) -> Message | None:
    """What the shell says of this node itself, at times when it may."""
    if role in (Role.DEMOTING, Role.STOPPING):
        return Released()
    match dice.below(5):
        case 0:
            return StepDown(reason=dice.pick((Reason.OPERATOR, Reason.CRITICAL)))
        case 1:
            return Fitness(unfit=dice.pick(("", "", "no disk")))
        case 2:
            return Transfer(target=target)
        case 3 if not dice.below(8):
            return Leave()
        case _:
            return None


def _travels(frame: Frame) -> bool:
    """Whether the frame could have come from the network."""
    try:
        return wire.decode(wire.encode(frame)) == frame
    except PeerError:
        return False


def _spoken(dice: Dice, sender: Address) -> Spoken:
    number, boot = dice.pick(_COUNTS), dice.pick(_BOOTS)
    match dice.below(16):
        case 0:
            return Beat(seq=number, ack=dice.pick(_COUNTS), prompt=bool(dice.below(2)))
        case 1:
            return Ask(address=dice.pick(_ADDRESSES), boot=boot)
        case 2:
            return Answer(address=dice.pick(_ADDRESSES), boot=boot, age=dice.pick((None, *_AGES)))
        case 3:
            return Bye(boot=boot)
        case 4:
            return Request(number=number, term=dice.pick(_TERMS), sitting=bool(dice.below(2)))
        case 5:
            return Grant(number=number, boot=boot)
        case 6:
            return Refusal(number=number, boot=boot, term=dice.pick(_TERMS))
        case 7:
            return Release(number=number, boot=boot)
        case 8:
            return Offer(start_time=dice.pick(_STAMPS), boot=boot)
        case 9:
            return Tell(seq=number, ack=0, state=_state(dice, sender, boot), relayed=_leaders(dice))
        case _:
            heard = tuple(_relayed(dice, dice.pick(_ADDRESSES)) for _ in range(dice.below(3)))
            return Tell(seq=number, ack=dice.pick(_COUNTS), state=_state(dice, sender, boot), relayed=heard)


def _state(dice: Dice, address: Address, boot: Boot) -> State:
    return State(
        address=address,
        name="n",
        version="1",
        boot=boot,
        serial=dice.pick(_COUNTS),
        start_time=dice.pick(_STAMPS),
        newest=dice.pick(_STAMPS),
        term=dice.pick(_TERMS),
        leader=dice.pick((None, *_NEAR)),
        leader_boot=dice.pick((None, *_BOOTS)),
        role=dice.pick(tuple(Role)),
        led_term=dice.pick(_TERMS),
        sitting=tuple(Leadership(who, boot, dice.pick(_TERMS)) for who in dice.pick(_LISTS)[:64]),
        fit=bool(dice.below(4)),
        links=dice.pick(_LISTS),
        members=dice.pick(_LISTS),
        part=dice.pick((Part.MEMBER, Part.MEMBER, Part.WITNESS, Part.OBSERVER)),
        electorate=dice.pick(_ELECTORATES),
    )


def _relayed(dice: Dice, address: Address) -> Relayed:
    return Relayed(state=_state(dice, address, dice.pick(_BOOTS)), age=dice.pick(_AGES))


def _leaders(dice: Dice) -> tuple[Relayed, ...]:
    """A crowd of members that only this liar hears, all alike."""
    first = _relayed(dice, _CROWD[0])
    bare = msgspec.structs.replace(first.state, links=(), members=(), sitting=())
    crowd = (msgspec.structs.replace(bare, address=address) for address in dice.pick(_LISTS))
    return tuple(Relayed(state=state, age=first.age) for state in crowd)
