"""What the tests of hostile peers have in common: nodes that share a secret, and frames of every kind."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from les_hooks.election.effects import Dial, Effect, Send
from les_hooks.election.frames import (
    Answer,
    Ask,
    Beat,
    Bye,
    Farewell,
    Frame,
    Grant,
    Offer,
    Refusal,
    Relayed,
    Release,
    Request,
    State,
    Tell,
)
from les_hooks.election.messages import Heard, Introduced, LinkUp, Message, SeedIsSelf, SeedsKnown, Undone
from les_hooks.members import Address, Boot
from les_hooks.security import Credentials
from tests.backends.peers.fakes import Node, hello, make_node, running
from tests.election.lone import state_of

SECRET, OTHER = "les_" + "s" * 43, "les_" + "o" * 43
VICTIM, NOBODY = "127.0.0.8:4000", "127.0.0.9:4000"
BOOT = Boot(7, "nobody")


def credentials(folder: Path, *secrets: str) -> Credentials:
    """What a node has that reads these in its file."""
    path = folder / "secret"
    path.write_text("\n".join(secrets or (SECRET,)))
    path.chmod(0o600)
    return Credentials(path)


def one_of_each(address: str, boot: Boot = BOOT, **changes: Any) -> list[Frame]:
    """A frame of each kind that a member may send, or that speaks for one."""
    state: State = state_of(address, boot=boot, **changes)
    other = state_of(NOBODY)
    return [
        hello(address, boot=boot),
        Farewell(protocol=1, cluster="web", address=address, boot=boot),
        Tell(seq=1, ack=0, state=state, relayed=(Relayed(state=other, age=0.0),)),
        Beat(seq=1, ack=0, prompt=True),
        Ask(address=address, boot=boot),
        Answer(address=address, boot=boot, age=0.0),
        Bye(boot=boot),
        Request(number=1, term=9, sitting=True),
        Grant(number=1, boot=boot),
        Refusal(number=1, boot=boot, term=9),
        Release(number=1, boot=boot),
        Offer(start_time=0.0, boot=boot),
    ]


def believed(node: Node) -> list[Message]:
    """What its machine was told that somebody else had said: to be empty where nobody was to be believed."""
    return [each for each in node.machine.told if isinstance(each, Heard | Introduced | LinkUp | SeedIsSelf | Undone)]


def frames(node: Node) -> list[Frame]:
    """What it heard over links that stood."""
    return [heard.frame for heard in node.machine.all(Heard)]


def send(node: Node, to: Node, *what: Frame) -> None:
    """Have a noting node send these."""
    for frame in what:
        node.backend._carry_out(Send(address=to.address, frame=frame))


def _dial_seeds(message: Message) -> list[Effect]:
    return [Dial(address=each) for each in sorted(message.addresses)] if isinstance(message, SeedsKnown) else []


@asynccontextmanager
async def noting(folder: Path, *seeds: str, name: str = "a", secret: str = SECRET, **more: Any) -> AsyncIterator[Node]:
    """A node with the secret that only notes what it would believe; it dials its seeds."""
    node = make_node(*seeds, name=name, noting=True, credentials=credentials(folder, secret), **more)
    async with running(node):
        node.machine.script = _dial_seeds
        yield node


@contextmanager
def logged() -> Iterator[list[Any]]:
    """The lines that nodes write meanwhile."""
    with capture_logs() as logs:
        yield logs


def reasons(logs: list[Any], event: str) -> list[str]:
    """Why, of each line with this event."""
    return [line["reason"] for line in logs if line["event"] == event]


def seed(address: str) -> Address:
    """The same, as an address."""
    return Address(address)
