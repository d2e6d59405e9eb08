"""Who is alive: links, signs of life, suspicion and burial. The bookkeeping under the machine; it decides no roles.

A sign of life is a frame of a member that owes us no answer for longer than a heartbeat, so that both directions are
proven. Not only a frame that answers: of two nodes that beat at the same moment, each answers the beat before, and
after a push that was answered at once there is none. Times are boottime seconds.
"""

import math
from dataclasses import dataclass, field

from les_hooks.election.frames import Relayed, State
from les_hooks.election.identity import Timing
from les_hooks.members import Address, Boot

__all__ = ["Link", "Peer", "Roster"]


# A frame lists at most 256 members, this node among them.
_MOST_PEERS = 255


@dataclass(slots=True)
class Link:
    """One open link: the boot at its other end, and the numbers of the frames sent, answered and seen on it.

    `since` is when it came up, `owed` since when the other end owes an answer. `told` is what was relayed: per address,
    the boot and serial of the last state.
    """

    boot: Boot
    since: float
    sent: int = 0
    acked: int = 0
    seen: int = 0
    owed: float = math.inf
    told: dict[Address, tuple[Boot, int]] = field(default_factory=dict)

    def count(self, now: float) -> int:
        """Number a frame that is sent now."""
        self.sent += 1
        self.owed = min(self.owed, now)
        return self.sent

    def answers(self, ack: int, now: float, patience: float) -> bool:
        """Note a frame that answers ours up to `ack`; returns whether our frames get there, as far as we know."""
        if self.acked < ack <= self.sent:
            self.acked = ack
            self.owed = math.inf if ack == self.sent else now
        return now <= self.owed + patience


@dataclass(slots=True)
class Peer:
    """Another member: the last that it said of itself, and when it was last heard, `directly` and by `others`.

    `teller` is whose word `state` is: its own, or that of who relayed it. None: that one is gone, or has a new link,
    and what comes next counts, whatever its number. `met`: it has spoken for itself.

    `doubted`: its host refuses us although others hear it, so a refusal proves nothing about it any more.
    """

    state: State
    original: bool
    directly: float
    teller: Address | None
    met: bool = False
    others: float = -math.inf
    suspected: bool = False
    doubted: bool = False

    @property
    def sign(self) -> float:
        """When it was last known to live."""
        return max(self.directly, self.others)


@dataclass(slots=True)
class Roster:
    """The members other than this node by address, the links, and the graves of those that were seen to die."""

    timing: Timing
    peers: dict[Address, Peer] = field(default_factory=dict)
    links: dict[Address, Link] = field(default_factory=dict)
    graves: dict[Address, tuple[Boot, float]] = field(default_factory=dict)

    def states(self) -> list[State]:
        """What the others last said of themselves."""
        return [peer.state for _, peer in self.peers.items()]

    def originals(self) -> frozenset[Address]:
        """The members that speak the old protocol."""
        return frozenset(address for address, peer in self.peers.items() if peer.original)

    def heard_directly(self) -> tuple[Address, ...]:
        """The members whose frames reach this node without help, and which answer its own."""
        return tuple(address for address, peer in self.peers.items() if self.hears(address, peer))

    def hears(self, address: Address, peer: Peer) -> bool:
        """Whether the frames of this member reach this node without help, and it answers ours."""
        return not peer.suspected and (peer.original or address in self.links) and peer.directly > -math.inf

    def heard_lately(self, now: float) -> list[Address]:
        """Our own kind that was heard directly until now, even if it has just fallen silent or its link has broken."""
        return [
            address
            for address, peer in self.peers.items()
            if not peer.original and (not peer.suspected or now < peer.directly + self.timing.failure)
        ]

    def hear(self, address: Address, seq: int, ack: int, now: float) -> bool:
        """Note a frame of the link: `seq` is its number, `ack` the last of ours that it answers.

        Returns whether the member was suspected until now.
        """
        link = self.links[address]
        link.seen = max(link.seen, seq)
        peer = self.peers.get(address)
        if not link.answers(ack, now, self.timing.heartbeat) or peer is None:
            return False
        recovered = peer.suspected
        peer.directly = now
        peer.suspected = peer.doubted = False
        return recovered

    def meet(self, state: State, now: float, *, original: bool = False) -> None:
        """Take in what a member said of itself directly."""
        address = Address(state.address)
        self.graves.pop(address, None)
        peer = self.peers.get(address)
        if peer is None:
            self._add(address, Peer(state=state, original=original, directly=now, teller=address, met=True))
            return
        # Its own word counts against any that was put into its mouth.
        if original or peer.teller != address or state.serial > peer.state.serial:
            peer.state, peer.teller = state, address
        peer.met = True
        if original or peer.directly == -math.inf:
            peer.directly, peer.suspected = now, False

    def overhear(self, relayed: Relayed, teller: Address, now: float) -> None:
        """Take in what another member, the `teller`, heard of this one."""
        state = relayed.state
        address = Address(state.address)
        sign = now - relayed.age
        if relayed.age >= self.horizon(relayed.original):
            return
        peer = self.peers.get(address)
        if peer is None:
            self._raise(relayed, teller, sign)
        elif peer.state.boot == state.boot:
            # Everybody who polls an original numbers its states for himself: there the latest poll is the newest state.
            newer = sign > peer.sign if peer.original else state.serial > peer.state.serial
            if newer or peer.teller is None:
                peer.state, peer.teller = state, teller
            peer.others = max(peer.others, sign)

    def _raise(self, relayed: Relayed, teller: Address, sign: float) -> None:
        """Take in a member that only others hear, unless it was buried and they have not noticed."""
        address = Address(relayed.state.address)
        boot, buried = self.graves.get(address, (None, -math.inf))
        # How long the news was under way is not known: only a sign well after the burial proves life.
        under_way = self.timing.heartbeat
        if boot is not None and relayed.state.boot.counter <= boot.counter and sign <= buried + under_way:
            return
        doubted = relayed.state.boot == boot
        peer = Peer(
            state=relayed.state,
            original=relayed.original,
            directly=-math.inf,
            teller=teller,
            others=sign,
            suspected=True,
            doubted=doubted,
        )
        self._add(address, peer)

    def _add(self, address: Address, peer: Peer) -> None:
        if len(self.peers) < _MOST_PEERS:
            self.peers = dict(sorted([*self.peers.items(), (address, peer)]))

    def bury(self, address: Address, now: float) -> Peer:
        """Remove a member that is known to be gone; what others still tell of it does not bring it back."""
        peer = self.remove(address)
        self.graves[address] = peer.state.boot, now
        return peer

    def remove(self, address: Address) -> Peer:
        """Remove a member, and the link to it."""
        self.links.pop(address, None)
        self.disown(address)
        return self.peers.pop(address)

    def disown(self, teller: Address) -> None:
        """What this member said, of itself and of others, gives way to what is said next.

        States are numbered by who they are of. A liar can relay one with the last number that there is, or say it in
        the name of another: it must not outlast the link that it came over.
        """
        for peer in self.peers.values():
            if peer.teller == teller:
                peer.teller = None

    def horizon(self, original: bool) -> float:
        """Seconds without a sign of life after which a member is lost; an original speaks only when it is polled."""
        return self.timing.failure + (2 * self.timing.loop_rate if original else 0.0)

    def forgive(self, seconds: float) -> None:
        """This node slept that long: nobody is to blame for what it missed."""
        for peer in self.peers.values():
            peer.directly += seconds
            peer.others += seconds
        for link in self.links.values():
            link.since += seconds
            link.owed += seconds

    def suspect(self, now: float) -> bool:
        """Suspect the members that were not heard directly for half of their time; returns whether one is new."""
        fresh = [
            peer
            for peer in self.peers.values()
            if not peer.suspected and now >= peer.directly + self.horizon(peer.original) / 2
        ]
        for peer in fresh:
            peer.suspected = True
        return bool(fresh)

    def silent_at(self, address: Address) -> float:
        """From when on this member counts as silent if nothing more is heard of it; from ever without a link."""
        peer = self.peers[address]
        if not (peer.original or address in self.links):
            return -math.inf
        return peer.directly + self.horizon(peer.original) / 2

    def to_ask_about(self, now: float) -> list[Address]:
        """The members of which nobody has had a sign for half of their time.

        Looked at once a heartbeat: half of `failure` and one heartbeat still leave time for an answer. They are asked
        about at every heartbeat, because an answer is as old as a heartbeat itself.
        """
        return [a for a, peer in self.peers.items() if now >= peer.sign + self.horizon(peer.original) / 2]

    def hung(self, now: float) -> list[Address]:
        """The ends of links over which nothing came for all of their time.

        They are members that others still hear, and those that said hello and have not told what they are.
        """
        return [address for address, link in sorted(self.links.items()) if now >= self._due_over(address, link)]

    def _due_over(self, address: Address, link: Link) -> float:
        """When the time of a link is up if nothing more comes over it."""
        peer = self.peers.get(address)
        if peer is None or peer.directly == -math.inf:
            return link.since + self.timing.failure
        return peer.directly + self.horizon(peer.original)

    def unlink(self, address: Address) -> None:
        """Give up a link; a new one has to prove itself."""
        del self.links[address]
        if address in self.peers:
            self.peers[address].directly = -math.inf

    def lost(self, now: float) -> list[Address]:
        """The members whose time is up."""
        return [a for a, peer in self.peers.items() if now >= peer.sign + self.horizon(peer.original)]

    def next_loss(self) -> float:
        """When the next suspected member is lost if nothing is heard of it; infinite where none is suspected."""
        ends = (p.sign + self.horizon(p.original) for p in self.peers.values() if p.suspected)
        return min(ends, default=math.inf)

    def forget_graves(self, now: float) -> None:
        """Drop the graves that no late relay can reach any more: relays older than `failure` are not believed."""
        keep = 2 * self.horizon(original=True)
        self.graves = {address: grave for address, grave in self.graves.items() if now - grave[1] < keep}
