"""The numbers that are read from the status of a node. Pure; for `metrics` only."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, StateSetMetricFamily
from prometheus_client.metrics_core import InfoMetricFamily

from les_hooks.text import printable
from les_plugins.metrics.told import Backend, Endpoint, Quorum, Told, endpoints

__all__ = ["MEMBER_STATES", "ROLES", "availability", "families"]

ROLES = ("joining", "follower", "candidate", "leader", "demoting", "stopping", "gone")
"""What a node can be, as docs/cli.md says."""

MEMBER_STATES = ("fit", "unfit", "witness", "observer")
"""What a member is counted as: by its part where that never leads."""

_MAJORITY = "majority"
_LOADED, _FAILED = "loaded", "failed"
_WEBHOOK = "webhook"

_PLAIN: tuple[tuple[str, str, Callable[[Told], float]], ...] = (
    ("les_leading", "Whether this node leads.", lambda told: told.is_me),
    ("les_leader_known", "Whether this node accepts a leader.", lambda told: told.leader is not None),
    ("les_term", "The term that this node knows; terms count leaderships.", lambda told: told.term),
    (
        "les_authority_seconds",
        "For how long this node may still act as the leader, 0 where it must not.",
        lambda told: told.authority,
    ),
    ("les_settled", "Whether this node has its first view of the cluster.", lambda told: told.settled),
    ("les_stopping", "Whether this node is about to leave.", lambda told: told.node.stopping),
    ("les_fit", "Whether this node may lead; 0 for witnesses and observers.", lambda told: _own_state(told) == "fit"),
    ("les_maintenance", "Whether an operator has put this node into maintenance.", lambda told: told.maintenance.on),
    ("les_warnings", "What `les status` warns of.", lambda told: len(told.warnings)),
    ("les_audit_degraded", "Whether the audit trail cannot be written.", lambda told: told.audit.degraded is not None),
    (
        "les_audit_dropped_records",
        "Audit records that were lost and that the trail does not account for yet.",
        lambda told: told.audit.dropped,
    ),
)

_OF_ENDPOINTS: tuple[tuple[str, str, Callable[[Endpoint], float]], ...] = (
    ("les_webhook_queued_deliveries", "Deliveries that wait.", lambda each: each.queued),
    ("les_webhook_oldest_seconds", "Age of the oldest delivery that waits.", lambda each: each.oldest_seconds or 0.0),
    ("les_webhook_failed_deliveries", "Deliveries that were given up and are kept.", lambda each: each.failed),
    ("les_webhook_failing", "Whether its last attempt failed.", lambda each: each.state == "failing"),
    ("les_webhook_disabled", "Whether its receiver wants no more.", lambda each: each.state == "disabled"),
)


def availability(available: bool) -> Metric:
    """Whether the node could be asked: where not, all of `families` is missing."""
    family = GaugeMetricFamily("les_status_available", "Whether this node could be asked for its status.")
    family.add_metric((), float(available))
    return family


def families(told: Told) -> Iterator[Metric]:
    """All that a status says."""
    node = told.node
    yield InfoMetricFamily("les_build", "The version of les-hooks.", {"version": node.version})
    yield InfoMetricFamily(
        "les_node",
        "Which node this is.",
        {"cluster": told.cluster, "name": node.name, "address": node.address, "part": node.part},
    )
    yield StateSetMetricFamily("les_role", "What this node is.", {role: told.role == role for role in ROLES})
    leaders = () if told.leader is None else (((told.leader, told.leader_name or ""), 1.0),)
    yield _gauge("les_leader_info", "The leader that this node accepts.", ("leader", "name"), leaders)
    for name, text, value in _PLAIN:
        yield _gauge(name, text, (), (((), value(told)),))
    states = Counter(_state(each.part, each.fit) for each in told.members)
    by_state = (((state,), states[state]) for state in MEMBER_STATES)
    yield _gauge("les_members", "Members that this node knows, itself included.", ("state",), by_state)
    yield from _engine(told.backend)
    waiting = (((lane,), count) for lane, count in told.lanes.items())
    yield _gauge("les_events_waiting", "Events whose hooks have not ended.", ("lane",), waiting)
    wanted = (((each.name,), each.state == _LOADED) for each in told.plugins if each.state in (_LOADED, _FAILED))
    yield _gauge("les_plugin_loaded", "Whether a plugin that is wanted is loaded.", ("plugin",), wanted)
    if told.backend.quorum.mode == _MAJORITY:
        yield from _votes(told.backend.quorum)
    if (certificate := told.security.certificate) is not None:
        yield _gauge(
            "les_certificate_expiry_timestamp_seconds",
            "When the certificate of this node ends, in Unix seconds.",
            (),
            (((), certificate.expires),),
        )
    for plugin in told.plugins:
        if plugin.name == _WEBHOOK and plugin.state == _LOADED:
            yield from _webhooks(endpoints(plugin))


def _engine(backend: Backend) -> Iterator[Metric]:
    """Of links where members have them with each other, and of what they meet in where that is something else."""
    if backend.links is not None:
        yield _gauge("les_links", "Members to which this node has a link.", (), (((), len(backend.links)),))
        rtts = (((link.address,), link.rtt) for link in backend.links if link.rtt is not None)
        yield _gauge("les_link_rtt_seconds", "The last round trip between this node and a member.", ("member",), rtts)
    if backend.summary is not None:
        text = "For how long what the backend asks, such as etcd, has not answered; 0 where it does."
        yield _gauge("les_backend_failing_seconds", text, (), (((), backend.failing or 0.0),))


def _own_state(told: Told) -> str:
    return next((_state(each.part, each.fit) for each in told.members if each.address == told.node.address), "")


def _state(part: str, fit: bool) -> str:
    if part in MEMBER_STATES:
        return part
    return "fit" if fit else "unfit"


def _votes(quorum: Quorum) -> Iterator[Metric]:
    counts = {
        "configured": len(quorum.voters),
        "heard": sum(each.heard for each in quorum.voters),
        "granted": sum(each.granted for each in quorum.voters),
    }
    voters = (((state,), count) for state, count in counts.items())
    yield _gauge("les_voters", "Voters: all, those heard here, those whose vote is this node's.", ("state",), voters)
    yield _gauge("les_majority_voters", "How many votes it takes to lead.", (), (((), quorum.majority),))


def _webhooks(found: list[Endpoint]) -> Iterator[Metric]:
    for name, text, value in _OF_ENDPOINTS:
        yield _gauge(name, f"Of a webhook's endpoint: {text}", ("endpoint",), (((e.name,), value(e)) for e in found))
    delivered = CounterMetricFamily(
        "les_webhook_deliveries", "Of a webhook's endpoint: Deliveries that have arrived.", labels=("endpoint",)
    )
    for each in found:
        delivered.add_metric((printable(each.name),), each.delivered)
    yield delivered


def _gauge(
    name: str, text: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in samples:
        family.add_metric(tuple(map(printable, values)), float(number))
    return family
