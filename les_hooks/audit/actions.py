"""What the audit trail may say: its actions, outcomes and fields. Values only; `docs/audit.md` describes each.

A test compares the page with the enums here.
"""

from enum import StrEnum
from typing import Final

__all__ = ["CHAIN_FIELDS", "CHECKPOINT", "CORE_FIELDS", "SCHEMA", "SYNCED", "Action", "Outcome"]

SCHEMA: Final = "les.audit/1"
"""The schema of a record: fields and actions are added under the same number, and none is renamed."""

CORE_FIELDS: Final = (
    "schema",
    "time",
    "seq",
    "boot",
    "node",
    "cluster",
    "action",
    "outcome",
    "reason",
    "term",
    "leader",
    "event_id",
)
"""The fields that every record has, in this order."""

CHAIN_FIELDS: Final = ("prev", "hash")
"""The last two of every record; those of older versions lack them."""

CHECKPOINT: Final = "audit-checkpoint"
"""The log event that tells the last record's `seq` and `hash`, and the `node` and the `cluster` whose trail it is."""


class Action(StrEnum):
    """What happened. Plugins have `plugin.<name>.<action>` besides."""

    NODE_STARTED = "node.started"
    NODE_SETTLED = "node.settled"
    NODE_STOPPING = "node.stopping"
    NODE_STOPPED = "node.stopped"
    NODE_UNFIT = "node.unfit"
    NODE_FIT = "node.fit"
    MAINTENANCE_BEGUN = "maintenance.begun"
    MAINTENANCE_ENDED = "maintenance.ended"
    LEADER_ELECTED = "leader.elected"
    LEADER_DEMOTED = "leader.demoted"
    VOTES_KEPT = "votes.kept"
    LEADER_REASSERTED = "leader.reasserted"
    LEADER_CHANGED = "leader.changed"
    MEMBER_JOINED = "member.joined"
    MEMBER_LEFT = "member.left"
    MEMBER_LOST = "member.lost"
    HOOK_FINISHED = "hook.finished"
    PLUGIN_LOADED = "plugin.loaded"
    PLUGIN_FAILED = "plugin.failed"
    CONFIG_LOADED = "config.loaded"
    CONFIG_RELOADED = "config.reloaded"
    CONFIG_REJECTED = "config.rejected"
    OPERATOR_REQUEST = "operator.request"
    OPERATOR_ANSWER = "operator.answer"
    OPERATOR_REFUSED = "operator.refused"
    CLEANUP_RUN = "cleanup.run"
    AUDIT_OPENED = "audit.opened"
    AUDIT_REOPENED = "audit.reopened"
    AUDIT_GAP = "audit.gap"


SYNCED: Final = frozenset(
    {
        Action.MAINTENANCE_BEGUN,
        Action.MAINTENANCE_ENDED,
        Action.LEADER_ELECTED,
        Action.LEADER_DEMOTED,
        Action.VOTES_KEPT,
        Action.LEADER_REASSERTED,
        Action.CONFIG_LOADED,
        Action.CONFIG_RELOADED,
        Action.CONFIG_REJECTED,
        Action.OPERATOR_REQUEST,
        Action.OPERATOR_ANSWER,
    }
)
"""What is brought to the disk as soon as it is written: who led, what was configured, what operators asked for."""


class Outcome(StrEnum):
    """How it ended. Hook calls end in each of these ways, all else in success or failure."""

    SUCCESS = "success"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    SUPERSEDED = "superseded"
    UNSTARTED = "unstarted"
    DROPPED = "dropped"
