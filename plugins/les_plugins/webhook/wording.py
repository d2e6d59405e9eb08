"""Events in a sentence, for chats. Authors of formats find `in_words` in `formats`; private to `webhook` otherwise."""

from les_hooks import Event, EventKind, Reason

__all__ = ["in_words"]

_BECAUSE = {
    Reason.STARTUP: "the node has just started",
    Reason.LEAVING: "the node was told to stop",
    Reason.FIRST: "nobody led before",
    Reason.LEADER_LOST: "the leader before could not be reached any more",
    Reason.LEADER_LEFT: "the leader before left",
    Reason.LEADER_RESIGNED: "the leader before gave up leadership",
    Reason.OUTRANKED: "a more senior node is to lead",
    Reason.CONFLICT: "two leaders met",
    Reason.OPERATOR: "an operator asked for it",
    Reason.MAINTENANCE: "an operator has put a node into maintenance",
    Reason.TRANSFER: "an operator had it handed over",
    Reason.UNFIT: "a check of the node fails",
    Reason.NO_MAJORITY: "too few voters answered in time",
    Reason.LEASE_LOST: "its lease was not renewed in time, or was taken away",
    Reason.CRITICAL: "a critical plugin failed",
    Reason.SLEPT: "the node did not run for a while",
    Reason.UNSAVED: "the state directory could not be written",
    Reason.CRASHED: "the daemon died",
    Reason.RELOAD: "the configuration was read anew",
    Reason.NO_LEADER: "the leader is gone",
    Reason.JOINED: "it was heard for the first time",
    Reason.GOODBYE: "it said goodbye",
    Reason.REFUSED: "its host refuses the connection",
    Reason.TIMEOUT: "nobody heard it in time",
    Reason.RESTARTED: "another process answers there",
}


# The reason says the same again.
_SELF_EVIDENT = frozenset(
    {
        (EventKind.STARTED, Reason.STARTUP),
        (EventKind.LEADER_CHANGED, Reason.NO_LEADER),
        (EventKind.MEMBER_JOINED, Reason.JOINED),
        (EventKind.MEMBER_LEFT, Reason.GOODBYE),
    }
)


def in_words(event: Event) -> str:
    """Say what happened, who leads now, and why: one plain sentence, without any markup."""
    because = "" if (event.kind, event.reason) in _SELF_EVIDENT else f", because {_BECAUSE[event.reason]}"
    return f"{event.cluster}: {_what(event)}{because}."


def _what(event: Event) -> str:
    match event.kind:
        case EventKind.STARTED:
            return f"{event.name} has started, and {_leader(event)}"
        case EventKind.STOPPING:
            return f"{event.name} is about to leave"
        case EventKind.ELECTED:
            return f"{event.name} leads now (term {event.term})"
        case EventKind.DEMOTED:
            more = "" if event.reason is Reason.STARTUP else " any more"
            return f"{event.name} does not lead{more} (term {event.term})"
        case EventKind.REASSERTED:
            return f"{event.name} still leads (term {event.term})"
        case EventKind.LEADER_CHANGED if event.leader == event.node:
            return _leader(event)
        case EventKind.LEADER_CHANGED:
            return f"{event.name} sees that {_leader(event)}"
        case EventKind.MEMBER_JOINED:
            return f"{event.member} has joined"
        case EventKind.MEMBER_LEFT:
            return f"{event.member} has left"
        case EventKind.MEMBER_LOST:
            return f"{event.member} is lost"
        case EventKind.WHILE_LEADER:
            return f"{event.name} leads (term {event.term})"


def _leader(event: Event) -> str:
    if event.leader is None:
        return "nobody leads"
    # By its name where that is known: other members are told of by their addresses.
    return f"{event.name if event.leader == event.node else event.leader} leads (term {event.term})"
