"""What an operator should mend before it hurts: what this node and its engine say, and what follows from its voters.

For this package only. What is absent from an engine's status is no warning.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from les_hooks.config import Quorum
from les_hooks.daemon import Node
from les_hooks.members import Member, Part

__all__ = ["node_warnings", "warnings", "why_unaccepted"]


def node_warnings(node: Node) -> list[str]:
    """One line for each thing that this node knows of itself, whatever its engine is."""
    demotion = node.demotion
    found = []
    if demotion.dropped:
        found.append("the last demotion was given up before all its hooks were called; what they undo may be left")
    if demotion.failed:
        found.append(
            f"the last demotion did not succeed: the hooks of {', '.join(demotion.failed)} failed, so that what they "
            "undo may be left while another node leads; `les hooks list` and `les audit show` say more"
        )
    found += node.credentials.warnings
    cluster, own = node.config.cluster, node.config.node.advertise
    if cluster.quorum is Quorum.MAJORITY and cluster.role is Part.MEMBER and own not in cluster.voters:
        found.append(
            f"this node has no vote: {own} is not among the voters; addresses are compared as they are written, so if "
            "one of them is this node, write it as advertise"
        )
    if node.upkeep.damage:
        found.append(
            f"whether this node is in maintenance cannot be read ({node.upkeep.damage}), so it may lead; "
            "say it again: `les maintenance on`, or `off`"
        )
    if node.pages is not None:
        refused = node.pages.refused.items()
        found += [f"the pages of the plugin {plugin} are not shown: {why}" for plugin, why in refused]
    return found


def warnings(engine: Mapping[str, Any]) -> list[str]:
    """One line for each; `engine` is the backend's status."""
    quorum: Mapping[str, Any] = engine.get("quorum") or {}
    voters: Sequence[Mapping[str, Any]] = quorum.get("voters") or ()
    found = [str(text) for text in engine.get("warnings") or ()]
    found += [f"the voter {_who(voter)} is not heard" for voter in voters if not voter.get("heard", True)]
    if voters and len(voters) % 2 == 0:
        bears = (len(voters) - 1) // 2
        found.append(f"{len(voters)} voters bear the loss of {bears}, as {len(voters) - 1} would; add a witness")
    return found


def why_unaccepted(leader: Member, engine: Mapping[str, Any]) -> str:
    """Why this node does not accept that leader, as far as it can tell; `engine` is the backend's status."""
    voters: Sequence[Mapping[str, Any]] = (engine.get("quorum") or {}).get("voters") or ()
    differs = any(voter["address"] == leader.address and not voter.get("agrees", True) for voter in voters)
    return "the voters or leases differ" if differs else ""


def _who(voter: Mapping[str, Any]) -> str:
    return f"{voter['name']} ({voter['address']})" if voter.get("name") else str(voter["address"])
