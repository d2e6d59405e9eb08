"""Who accepts whom: when a candidate has everybody's word, and when a voter must not give its own. Rule 7; pure."""

from les_hooks.election.identity import Identity
from les_hooks.election.membership import Roster
from les_hooks.election.messages import State

__all__ = ["is_confirmed", "others_are_led"]


def is_confirmed(me: Identity, roster: Roster) -> bool:
    """Whether every live member accepts this very process; relayed words count."""
    return all(
        peer.state.leader == me.address and (peer.original or peer.state.leader_boot == me.boot)
        for peer in roster.peers.values()
    )


def others_are_led(me: Identity, roster: Roster, candidate: State) -> bool:
    """Whether others still know a sitting leader that this node does not list.

    It may live where only they reach it, or their news of its death is under way: elect nobody before it is here.
    The candidate is not asked, which spares a cluster of three the round trip.
    """
    known = {me.address, *roster.peers}
    return any(
        other.address not in known
        for state in roster.states()
        if state.address != candidate.address
        for other in state.sitting
    )
