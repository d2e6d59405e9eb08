"""Messages and effects in a few words, for logs that people read."""

from les_hooks.election.frames import Answer, Ask, Beat, State, Tell
from les_hooks.election.messages import DialFailed, Heard, LinkDown, LinkUp
from les_hooks.events import Event

__all__ = ["event_in_words", "in_words"]


def in_words(thing: object) -> str:
    """What is told to a machine, or sent by it, on one short line."""
    match thing:
        case Tell(state=state, relayed=relayed):
            others = "".join(f" [{one.state.address}: {state_in_words(one.state)}]" for one in relayed)
            return f"tell {state_in_words(state)}{others}"
        case Beat(seq=seq, ack=ack, prompt=prompt):
            return f"beat {seq}/{ack}{' prompt' if prompt else ''}"
        case Ask(address=address):
            return f"ask about {address}"
        case Answer(address=address, age=age):
            return f"answer about {address}: {age}"
        case LinkUp(hello=hello):
            return f"link up to {hello.address} {hello.boot.counter}"
        case LinkDown(address=address):
            return f"link down to {address}"
        case DialFailed(address=address, refused=refused):
            return f"{address} {'refuses' if refused else 'does not answer'}"
        case Heard(frame=frame):
            return in_words(frame)
    text = repr(thing)
    return text.replace("address=", "").replace("boot=", "").replace("Boot", "").replace("counter=", "")


def state_in_words(state: State) -> str:
    """What a node says of itself."""
    return (
        f"#{state.serial} {state.role} term {state.term}"
        f"{f' leads in {state.led_term}' if state.led_term else ''}"
        f"{f' accepts {state.leader}' if state.leader else ''}"
        f"{'' if state.fit else ' unfit'} links {''.join(state.links) or '-'} members {''.join(state.members)}"
        f" stamp {state.start_time % 1e6:.6f}"
        f"{' sitting ' + ','.join(one.address for one in state.sitting) if state.sitting else ''}"
    )


def event_in_words(event: Event) -> str:
    """What hooks are told."""
    about = f" {event.member}" if event.member else ""
    leader = f" leader {event.leader or '-'} term {event.term}" if event.member is None else ""
    return f"{event.kind}{about} ({event.reason}){leader}"
