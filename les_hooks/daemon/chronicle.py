"""What this node has seen and told: each new view becomes events, and each event reaches everybody who must hear it.

Imported by `daemon` only.
"""

import asyncio

from structlog.typing import FilteringBoundLogger

from les_hooks.audit import Action, Audit
from les_hooks.daemon.narrator import Narrator
from les_hooks.daemon.state import StateStore
from les_hooks.daemon.story import Story
from les_hooks.dispatch import Dispatcher
from les_hooks.events import Event, EventKind, Reason
from les_hooks.members import Address, View

__all__ = ["Chronicle"]

_RECORDED = {
    EventKind.ELECTED: Action.LEADER_ELECTED,
    EventKind.DEMOTED: Action.LEADER_DEMOTED,
    EventKind.REASSERTED: Action.LEADER_REASSERTED,
    EventKind.LEADER_CHANGED: Action.LEADER_CHANGED,
    EventKind.MEMBER_JOINED: Action.MEMBER_JOINED,
    EventKind.MEMBER_LEFT: Action.MEMBER_LEFT,
    EventKind.MEMBER_LOST: Action.MEMBER_LOST,
    EventKind.STARTED: Action.NODE_SETTLED,
    EventKind.STOPPING: Action.NODE_STOPPING,
}


class Chronicle:
    """Keeps the present `view`; `settled` is set once there was one worth acting on."""

    def __init__(
        self,
        narrator: Narrator,
        dispatcher: Dispatcher,
        audit: Audit,
        store: StateStore,
        story: Story,
        log: FilteringBoundLogger,
    ) -> None:
        self.view: View | None = None
        self.settled = asyncio.Event()
        self.narrator = narrator
        self._dispatcher = dispatcher
        self._audit = audit
        self._store = store
        self._story = story
        self._log = log

    def see(self, view: View) -> None:
        """Take a new view, and tell what has happened, or is about to."""
        before, self.view = self.view, view
        # First of all: each moment is a part of what is left until the leader is lost.
        self._prepare(view, known=before is not None and before.leader_silent)
        for event in self.narrator.tell(view):
            self.tell(event)
        if view.settled:
            self.settled.set()
            self._store.told(
                leader=self.narrator.leader,
                term=view.term,
                members=tuple(member.address for member in view.members),
                audited=self._audit.head,
            )

    def _prepare(self, view: View, *, known: bool) -> None:
        """Have plugins make ready when the leader falls silent, and be at ease when it is heard or another leads."""
        if view.leader_silent and not known:
            self._dispatcher.prepare()
            self._log.info("leader-silent", leader=view.leader, term=view.term)
        elif view.leader is not None and not (view.leader_silent or view.leading):
            self._dispatcher.stand_easy()

    def repeat(self, reason: Reason) -> None:
        """Tell again what stands, if there is anything to tell."""
        if self.settled.is_set():
            self.tell(self.narrator.again(reason))

    def tell(self, event: Event) -> None:
        """Pass an event to hooks, audit, log and listeners."""
        self._audit.leadership(event.term, event.leader)
        self._dispatcher.submit(event)
        self._audit.record(
            _RECORDED[event.kind],
            reason=event.reason,
            event_id=event.id,
            event_seq=event.seq,
            role=event.role,
            member=event.member,
            previous_leader=event.previous_leader,
            members=event.members,
            replay=event.replay,
            leader_name=self._name_of(event.leader),
            member_name=self._name_of(event.member),
            vacant_ms=self._vacant_ms(event),
        )
        self._log.info(
            str(event.kind),
            term=event.term,
            leader=event.leader,
            reason=str(event.reason),
            **({"member": event.member} if event.member else {}),
        )
        self._story.tell(event)

    def _name_of(self, address: str | None) -> str | None:
        """What the member is called: the trail is read when it may be long gone."""
        if self.view is None or address is None:
            return None
        members = ((member.address, member.name) for member in self.view.members)
        departed = ((member.address, member.name) for member in self.view.departed)
        return dict([*departed, *members]).get(Address(address))

    def _vacant_ms(self, event: Event) -> float | None:
        """How long nobody led before the leader that this is about."""
        vacant = self.view.vacant if self.view is not None else None
        if vacant is None or event.replay or event.kind is not EventKind.LEADER_CHANGED:
            return None
        return round(vacant * 1000, 3)
