"""What this node tells the others: its state, the states that they cannot hear, and signs of life. Rules 1 and 7."""

from dataclasses import dataclass

import msgspec

from les_hooks.election.effects import Effect, Send
from les_hooks.election.frames import Beat, Relayed, State, Tell
from les_hooks.election.membership import Link, Roster
from les_hooks.members import Address

__all__ = ["Teller", "beat"]


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
        news = []
        for other in heard:
            if other == address or other in hears:
                continue
            peer = self.roster.peers[other]
            mark = peer.state.boot, peer.state.serial
            if link.told.get(other) != mark:
                link.told[other] = mark
                news.append(Relayed(state=peer.state, age=max(0.0, now - peer.directly), original=peer.original))
        return tuple(news)
