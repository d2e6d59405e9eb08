"""What any cluster of daemons says when one of them crashes. For the tests of what their links are protected with."""

from functools import partial

from tests.cluster import Cluster, Daemon, until

__all__ = ["crash_is_told", "said"]


def said(daemon: Daemon, event: str, times: int = 1) -> bool:
    """Whether its log has the event, at least so many times."""
    return daemon.said().count(event) >= times


def crash_is_told(cluster: Cluster) -> None:
    """Kill the leader: what is left of it tells the others, and one of them leads. Then start it again."""
    leader = cluster.wait_leader()
    others = [daemon for daemon in cluster.daemons if daemon is not leader]
    leader.kill()
    for daemon in others:
        until(partial(said, daemon, "farewell-taken"), "it was told")
    assert cluster.wait_leader() in others
    leader.start()
    cluster.wait_leader()
