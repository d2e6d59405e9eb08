"""The operator's moves over a node that does as it is told, or does not: the answers, and the hooks of a dry run."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import pytest

from les_hooks.config import Quorum
from les_hooks.control.operator import Operator
from les_hooks.control.server import Caller
from les_hooks.daemon import Node
from les_hooks.daemon.maintenance import Maintenance
from les_hooks.daemon.story import Story
from les_hooks.dispatch.calls import CallOutcome, CallResult
from les_hooks.errors import ControlError
from les_hooks.events import Event, EventKind, Reason
from les_hooks.members import Address, Member, MemberKind, Part, View
from tests.control.people import a_member

ME = Caller(uid=0, pid=1)
A, B, C = a_member("a", role="leader"), a_member("b"), a_member("c")


class FakeNode:
    """A node with the view and the story that a test gives it, the plugins echo and scripts, and no cluster."""

    def __init__(self, *others: Member) -> None:
        self.config = SimpleNamespace(
            node=SimpleNamespace(advertise=A.address),
            cluster=SimpleNamespace(quorum=Quorum.MEMBERS, role=Part.MEMBER),
            timing=SimpleNamespace(hold=30.0),
        )
        self.view = View(
            leading=True,
            leader=A.address,
            leaderless=False,
            term=3,
            members=(A, *others),
            departed=(),
            settled=True,
            reason=Reason.FIRST,
        )
        self.story = Story()
        self.backend = SimpleNamespace(status=dict)
        self.stopping = False
        self.is_leader = True
        self.authority = SimpleNamespace(left=lambda: 1.0)
        self.asked: list[object] = []
        self.maintenance: Maintenance | None = None
        self.then: Callable[[], None] = lambda: None
        self.steps: Mapping[tuple[str, str], object] = {}
        hooks = {"while-leader": ("scripts",), "demoted": ("echo", "scripts"), "leader-changed": ("scripts",)}
        self.registry = SimpleNamespace(calls=lambda kind: [SimpleNamespace(plugin=name) for name in hooks[kind]])
        self.dispatcher = SimpleNamespace(ask=self._ask)

    async def _ask(self, plugin: str, hook: str, _timeout: float, *, kind: EventKind) -> CallResult | None:
        assert hook == "plan"
        if (plugin, kind) not in self.steps:
            return None
        steps = self.steps[plugin, kind]
        if isinstance(steps, Exception):
            return CallResult(outcome=CallOutcome.FAILURE, error=str(steps))
        return CallResult(outcome=CallOutcome.SUCCESS, value=steps)

    def step_down(self, reason: Reason, note: str) -> None:
        """Remember what was asked."""
        self.asked.append((reason, note))

    def transfer(self, target: Address) -> None:
        """Do what the test wants to follow."""
        self.asked.append(target)
        self.then()

    def maintain(self, for_seconds: float, note: str, uid: int) -> None:
        """Be in maintenance for the time given."""
        self.maintenance = Maintenance(until=time.time() + for_seconds, note=note, uid=uid)

    def end_maintenance(self) -> bool:
        """End it."""
        ended, self.maintenance = self.maintenance is not None, None
        return ended

    def turn(self, leader: Member | None, role: str = "follower") -> None:
        """Stop leading, and let somebody else lead, or this node again."""
        again = leader is not None and leader.address == A.address
        members = (replace(A, role="leader" if again else role), *self.view.members[1:])
        self._tell(EventKind.DEMOTED, None, members)
        if leader is not None:
            self._tell(EventKind.ELECTED if again else EventKind.LEADER_CHANGED, leader.address, members)

    def _tell(self, kind: EventKind, leader: Address | None, members: tuple[Member, ...]) -> None:
        term = self.view.term + (leader is not None)
        leading = leader == A.address
        self.view = replace(self.view, leader=leader, leading=leading, term=term, members=members)
        self.story.tell(
            Event(
                id="x",
                seq=1,
                kind=kind,
                time=0.0,
                node=A.address,
                name="a",
                cluster="les",
                role="follower",
                term=term,
                leader=leader,
                previous_leader=None,
                members=(),
                member=None,
                reason=Reason.TRANSFER,
                replay=False,
            )
        )


def _operator(node: FakeNode) -> Operator:
    return Operator(cast("Node", node))


async def _transfer(node: FakeNode, target: str = "b", timeout: float = 5.0) -> Any:
    return await _operator(node).transfer({"target": target, "timeout": timeout}, ME)


async def test_a_transfer_answers_once_the_named_node_leads() -> None:
    node = FakeNode(B, C)
    node.then = lambda: node.turn(C)
    answer = await _transfer(node, "10.0.0.3:4000")
    assert node.asked == [C.address]
    assert answer.pop("seconds") < 5.0
    assert answer == {
        "target": C.address,
        "target_name": "c",
        "leader": C.address,
        "leader_name": "c",
        "moved": True,
        "pending": False,
        "why": "",
    }


async def test_a_transfer_that_takes_a_while_is_waited_for() -> None:
    node = FakeNode(B, C)
    node.then = lambda: cast("None", asyncio.get_running_loop().call_soon(node.turn, B))
    assert (await _transfer(node))["moved"] is True


@pytest.mark.parametrize(
    ("then", "leader", "why"),
    [
        (lambda node: node.turn(C), C, "b (10.0.0.2:4000) has not taken it; c (10.0.0.3:4000) leads instead"),
        (lambda node: node.turn(A), A, "b (10.0.0.2:4000) has not taken it; this node leads again"),
        (lambda _node: None, A, "not within 0.01 s: this node still leads; `les status` warns of what is in the way"),
    ],
)
async def test_a_transfer_that_is_lost_says_who_leads_and_why(
    then: Callable[[FakeNode], None], leader: Member, why: str
) -> None:
    node = FakeNode(B, C)
    node.then = lambda: then(node)
    answer = await _transfer(node, timeout=0.01)
    assert (answer["moved"], answer["pending"]) == (False, False)
    assert answer["leader"] == leader.address
    assert answer["why"] == Operator.failed(answer) == why


@pytest.mark.parametrize(
    ("role", "why"),
    [("follower", "nobody leads yet"), ("demoting", "the demote hooks of this node still run")],
)
async def test_a_transfer_that_takes_longer_than_its_limit_is_under_way_and_not_lost(role: str, why: str) -> None:
    node = FakeNode(B, C)
    node.then = lambda: node.turn(None, role)
    answer = await _transfer(node, timeout=0.01)
    assert (answer["moved"], answer["pending"], answer["leader"], answer["why"]) == (False, True, None, why)
    assert Operator.failed(answer) == ""


async def test_a_transfer_ends_with_the_node() -> None:
    node = FakeNode(B)

    def stop() -> None:
        node.turn(None)
        node.stopping = True
        node.story.end()

    node.then = stop
    assert (await _transfer(node))["why"] == "this node stops"


@pytest.mark.parametrize(
    ("others", "target", "why"),
    [
        ([B], "z", "there is no member z; the members are a (10.0.0.1:4000), b (10.0.0.2:4000)"),
        ([B], "z\x1b[2J", r"there is no member z\x1b[2J"),
        ([B], "a", "a (10.0.0.1:4000) is this node, and it leads already"),
        ([B], "10.0.0.1:4000", "is this node"),
        (
            [B, replace(C, name="b")],
            "b",
            "several are called b: b (10.0.0.2:4000), b (10.0.0.3:4000); give the address",
        ),
        ([replace(B, part=Part.WITNESS)], "b", "b (10.0.0.2:4000) cannot lead: a witness votes, and never leads"),
        ([replace(B, part=Part.OBSERVER)], "b", "cannot lead: an observer neither votes nor leads"),
        ([replace(B, fit=False, unfit="disk full")], "b", "b (10.0.0.2:4000) cannot lead: disk full"),
        ([replace(B, direct=False)], "b", "there is no direct link to b (10.0.0.2:4000)"),
        ([replace(B, kind=MemberKind.ORIGINAL, name="")], "10.0.0.2:4000", "10.0.0.2:4000 is an original: it cannot"),
    ],
)
async def test_nothing_is_moved_to_who_cannot_take_it(others: list[Member], target: str, why: str) -> None:
    node = FakeNode(*others)
    for ask in (_operator(node).transfer, _operator(node).plan):
        move = {"move": "transfer", "target": target}
        with pytest.raises(ControlError) as caught:
            await ask(move, ME)
        assert why in caught.value.why
        assert caught.value.exit_code == 1
    assert node.asked == []


@pytest.mark.parametrize("leader", [B, None])
async def test_only_the_leader_can_hand_over_or_step_down(leader: Member | None) -> None:
    node = FakeNode(B)
    node.turn(leader)
    there = "b (10.0.0.2:4000) does; run it there" if leader is not None else "nobody does at present"
    for move in ({"move": "transfer", "target": "b"}, {"move": "step-down"}):
        with pytest.raises(ControlError, match="this node does not lead") as caught:
            await _operator(node).plan(move, ME)
        assert there in caught.value.why
        assert caught.value.exit_code == 3


async def test_stepping_down_passes_the_reason_on_and_names_who_is_next() -> None:
    node = FakeNode(replace(B, part=Part.WITNESS), C)
    answer = await _operator(node).step_down({"note": "new disk"}, ME)
    assert answer == {"next": C.address, "next_name": "c", "hold": 30.0}
    assert node.asked == [(Reason.OPERATOR, "new disk")]


async def test_maintenance_tells_until_when_by_whom_and_who_leads_then() -> None:
    node = FakeNode(B, C)
    before = time.time()
    answer: Any = await _operator(node).maintain({"seconds": 60.0, "note": "new disk"}, ME)
    assert before + 60.0 <= answer["until"] <= time.time() + 60.0
    assert 59.0 < answer["left"] <= 60.0
    assert (answer["on"], answer["note"], answer["uid"]) == (True, "new disk", ME.uid)
    assert (answer["moves"], answer["next"], answer["next_name"]) == (True, B.address, "b")


async def test_maintenance_of_a_follower_leaves_the_leader_where_it_is() -> None:
    node = FakeNode(B, C)
    node.turn(C)
    answer: Any = await _operator(node).maintain({"seconds": 60.0}, ME)
    assert (answer["moves"], answer["next"]) == (False, C.address)


async def test_maintenance_where_nobody_else_can_lead_has_nobody_next() -> None:
    answer: Any = await _operator(FakeNode(replace(B, fit=False))).maintain({"seconds": 60.0}, ME)
    assert (answer["moves"], answer["next"]) == (True, None)


@pytest.mark.parametrize(
    ("part", "why"),
    [(Part.WITNESS, "a witness votes, and never leads"), (Part.OBSERVER, "an observer neither votes nor leads")],
)
async def test_who_never_leads_anyway_takes_no_maintenance(part: Part, why: str) -> None:
    node = FakeNode(B, C)
    node.config.cluster.role = part
    operator = _operator(node)
    for ask, move in ((operator.maintain, {}), (operator.plan, {"move": "maintenance"})):
        with pytest.raises(ControlError, match=f"{why}, so that maintenance would keep it from nothing"):
            await ask({**move, "seconds": 60.0}, ME)
    assert node.maintenance is None


async def test_maintenance_that_is_not_on_can_be_asked_for_and_ended() -> None:
    node = FakeNode(B)
    off = {"on": False, "until": None, "left": 0.0, "note": "", "uid": None}
    assert await _operator(node).maintenance({}, ME) == off
    assert await _operator(node).end_maintenance({}, ME) == {"changed": False, **off}
    node.maintain(1.0, "", 0)
    assert await _operator(node).end_maintenance({}, ME) == {"changed": True, **off}


async def test_a_dry_run_of_maintenance_on_a_follower_moves_nothing_and_runs_no_hook() -> None:
    node = FakeNode(B, C)
    node.turn(C)
    plan = await _plan(node, move="maintenance", seconds=60.0)
    assert (plan["moves"], plan["next"], plan["here"]) == (False, C.address, [])
    assert [place["why"] for place in plan["succession"]] == ["goes into maintenance", "", ""]
    assert node.maintenance is None


async def _plan(node: FakeNode, **move: object) -> Any:
    return await _operator(node).plan(MappingProxyType(move), ME)


async def test_a_dry_run_tells_the_line_of_succession_and_who_is_passed_over() -> None:
    node = FakeNode(replace(B, part=Part.WITNESS), C)
    plan = await _plan(node, move="step-down")
    assert [(place["name"], place["why"]) for place in plan["succession"]] == [
        ("a", "steps down, and is unfit for 30 s"),
        ("b", "a witness votes, and never leads"),
        ("c", ""),
    ]
    assert (plan["leader"], plan["next"], plan["moves"]) == (A.address, C.address, True)
    assert node.asked == []


async def test_after_a_transfer_the_named_node_is_the_most_senior_and_this_one_the_most_junior() -> None:
    plan = await _plan(FakeNode(B, C), move="transfer", target="c")
    assert [place["name"] for place in plan["succession"]] == ["c", "b", "a"]
    assert not any(place["why"] for place in plan["succession"])


async def test_a_dry_run_names_the_steps_of_this_node_in_the_order_of_their_calls() -> None:
    node = FakeNode(B)
    node.steps = {
        ("scripts", "while-leader"): ["end /h/work"],
        ("scripts", "demoted"): ("run /h/all", "run /h/off\x1b"),
        ("scripts", "leader-changed"): [],
    }
    plan = await _plan(node, move="step-down")
    assert [(hook["event"], hook["plugin"], hook["step"]) for hook in plan["here"]] == [
        ("while-leader", "scripts", "end /h/work"),
        ("demoted", "echo", None),
        ("demoted", "scripts", "run /h/all"),
        ("demoted", "scripts", "run /h/off\\x1b"),
    ]


@pytest.mark.parametrize("steps", [OSError("hooks.d is gone"), "run /h/all", 3, None])
async def test_a_plugin_that_cannot_tell_its_steps_is_told_as_one(steps: object) -> None:
    node = FakeNode(B)
    node.steps = {("scripts", "demoted"): steps}
    plan = await _plan(node, move="step-down")
    assert ("demoted", "scripts", None) in [(hook["event"], hook["plugin"], hook["step"]) for hook in plan["here"]]


async def test_no_plugin_floods_the_terminal() -> None:
    node = FakeNode(B)
    node.steps = {("echo", "demoted"): ["x" * 10_000] * 10_000}
    steps = [hook["step"] for hook in (await _plan(node, move="step-down"))["here"] if hook["plugin"] == "echo"]
    assert len(steps) == 201
    assert steps[-1] == "and 9800 more"
    assert max(map(len, steps)) == 500
