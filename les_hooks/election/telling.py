"""What this node tells the others: its state, the states that they cannot hear, and signs of life. Rules 1 and 7."""

from dataclasses import dataclass

import msgspec

from les_hooks.election.effects import Effect, Send
from les_hooks.election.frames import MOST_ADDRESSES, Beat, Relayed, State, Tell, addresses_in
from les_hooks.election.membership import Link, Peer, Roster
from les_hooks.members import Address

__all__ = ["Teller", "beat"]

# What may stand in one tell, in characters, as `_length` counts them: a frame has at most 256 KiB.
_ROOM = 240 * 1024
# What a state takes at most beside addresses and words; an address beside its letters; a leadership beside those.
_STATE_LENGTH, _ADDRESS_LENGTH, _LEADERSHIP_LENGTH = 1024, 3, 128


def beat(address: Address, link: Link, now: float, *, prompt: bool = False) -> Effect:
    """One sign of life; `prompt` asks for one in return at once."""
    return Send(address=address, frame=Beat(seq=link.count(now), ack=link.seen, prompt=prompt))


@dataclass(slots=True)
class Teller:
    """Sends on the links of the roster; `state` is the last state that was told."""

    roster: Roster
    state: State

    def publish(self, draft: State, now: float) -> list[Effect]:
        """Push the state to everybody if it says something new; push news of others to those who lack it."""
        draft = msgspec.structs.replace(draft, serial=self.state.serial)
        everybody = draft != self.state
        if everybody:
            self.state = msgspec.structs.replace(draft, serial=self.state.serial + 1)
        effects: list[Effect] = []
        heard = self.roster.heard_directly()
        for address, link in sorted(self.roster.links.items()):
            news = self._news_for(address, link, heard, now)
            if everybody or news:
                effects.append(self._tell(address, link, news, now))
        return effects

    def introduce(self, address: Address, now: float) -> Effect:
        """Tell all that is known over a link that has just come up."""
        link = self.roster.links[address]
        news = self._news_for(address, link, self.roster.heard_directly(), now)
        return self._tell(address, link, news, now)

    def pulse(self, now: float) -> list[Effect]:
        """A sign of life on every link; who does not list a member that is heard here is told of it again."""
        effects: list[Effect] = []
        heard = self.roster.heard_directly()
        for address, link in sorted(self.roster.links.items()):
            self._remind(address, link)
            news = self._news_for(address, link, heard, now)
            effects.append(self._tell(address, link, news, now) if news else beat(address, link, now))
        return effects

    def _tell(self, address: Address, link: Link, news: tuple[Relayed, ...], now: float) -> Effect:
        return Send(address=address, frame=Tell(seq=link.count(now), ack=link.seen, state=self.state, relayed=news))

    def _remind(self, address: Address, link: Link) -> None:
        peer = self.roster.peers.get(address)
        if peer is not None and link.told:
            for missing in link.told.keys() - frozenset(peer.state.members):
                del link.told[missing]

    def _news_for(self, address: Address, link: Link, heard: tuple[Address, ...], now: float) -> tuple[Relayed, ...]:
        """States heard directly that the other end neither hears itself nor was told."""
        receiver = self.roster.peers.get(address)
        hears = frozenset(receiver.state.links) if receiver is not None else frozenset()
        untold = []
        for other in heard:
            if other == address or other in hears:
                continue
            peer = self.roster.peers[other]
            if link.told.get(other) != (peer.state.boot, peer.state.serial):
                untold.append(peer)
        news = []
        for peer in self._with_room(untold):
            link.told[Address(peer.state.address)] = peer.state.boot, peer.state.serial
            news.append(Relayed(state=peer.state, age=max(0.0, now - peer.directly), original=peer.original))
        return tuple(news)

    def _with_room(self, peers: list[Peer]) -> list[Peer]:
        """Those whose states find room beside this node's own; the others' go with the next tell.

        The shortest come first: a frame that is too long is not sent at all, and nobody's state is to keep this node's,
        or those of others, from being told.
        """
        if not peers:
            return []
        found, room, named = [], _ROOM - _length(self.state), set(addresses_in(self.state))
        for peer in sorted(peers, key=lambda peer: _length(peer.state)):
            room -= _length(peer.state)
            named.update(addresses_in(peer.state))
            if room < 0 or len(named) > MOST_ADDRESSES:
                break
            found.append(peer)
        return found


def _length(state: State) -> int:
    """No less than how long the state is as it travels."""
    named = addresses_in(state)
    listed = sum(map(len, named)) + _ADDRESS_LENGTH * len(named) + _LEADERSHIP_LENGTH * len(state.sitting)
    # Of UTF-8 a character has up to four bytes.
    return _STATE_LENGTH + listed + 4 * len(state.unfit)
