"""What this node tells the others: its state, the states that they cannot hear, and signs of life. Rules 1 and 7."""

from dataclasses import dataclass

import msgspec

from les_hooks.election.effects import Effect, Send
from les_hooks.election.membership import Link, Roster
from les_hooks.election.messages import Beat, Relayed, State, Tell
from les_hooks.members import Address

__all__ = ["Teller"]


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
        for address, link in sorted(self.roster.links.items()):
            news = self._news_for(address, link, now)
            if everybody or news:
                effects.append(self._tell(address, link, news))
        return effects

    def introduce(self, address: Address, now: float) -> Effect:
        """Tell all that is known over a link that has just come up."""
        link = self.roster.links[address]
        return self._tell(address, link, self._news_for(address, link, now))

    def beat(self, now: float) -> list[Effect]:
        """A sign of life on every link; who does not list a member that is heard here is told of it again."""
        effects: list[Effect] = []
        for address, link in sorted(self.roster.links.items()):
            self._remind(address, link)
            news = self._news_for(address, link, now)
            effects.append(self._tell(address, link, news) if news else self.prompt(address, link, prompt=False))
        return effects

    def prompt(self, address: Address, link: Link, *, prompt: bool) -> Effect:
        """One sign of life, asking for one in return or not."""
        link.sent += 1
        return Send(address=address, frame=Beat(seq=link.sent, ack=link.seen, prompt=prompt))

    def _tell(self, address: Address, link: Link, news: tuple[Relayed, ...]) -> Effect:
        link.sent += 1
        return Send(address=address, frame=Tell(seq=link.sent, ack=link.seen, state=self.state, relayed=news))

    def _remind(self, address: Address, link: Link) -> None:
        peer = self.roster.peers.get(address)
        if peer is not None and len(peer.state.members) <= len(self.roster.peers):
            for missing in link.told.keys() - set(peer.state.members):
                del link.told[missing]

    def _news_for(self, address: Address, link: Link, now: float) -> tuple[Relayed, ...]:
        """States heard directly that the other end neither hears itself nor was told."""
        peer = self.roster.peers.get(address)
        hears = frozenset(peer.state.links) if peer is not None else frozenset()
        news = []
        for other in self.roster.heard_directly():
            heard = self.roster.peers[other]
            mark = heard.state.boot, heard.state.serial
            if other == address or other in hears or link.told.get(other) == mark:
                continue
            link.told[other] = mark
            news.append(Relayed(state=heard.state, age=max(0.0, now - heard.directly), original=heard.original))
        return tuple(news)
