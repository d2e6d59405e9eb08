"""What a valid configuration had better not say: nothing is refused for it. `les check` and the daemon tell it."""

from collections.abc import Iterator

from les_hooks.config.durations import format_duration
from les_hooks.config.model import PAGES, Config
from les_hooks.config.tables import PEERS, Quorum
from les_hooks.config.toml_text import toml_string
from les_hooks.errors import Problem
from les_hooks.members import Part

__all__ = ["advice"]

# The last third of a lease is for the demotion, and the last quarter of that for ending what takes too long.
_PARTS_OF_A_LEASE = 4

# Hosts that get their power back together differ by more than this in when they start their daemons.
_COMMON_START_SECONDS = 5.0


def advice(config: Config) -> tuple[Problem, ...]:
    """Tell what an operator may regret, each with its place; empty where there is nothing to say."""
    majority = config.cluster.quorum is Quorum.MAJORITY
    found = (*_votes(config), *_limits(config)) if majority else tuple(_solitude(config))
    found = (*found, *_unseen(config), *_unused(config))
    return tuple(Problem(where=config.origins.get(key, "default"), key=key, message=message) for key, message in found)


def _votes(config: Config) -> Iterator[tuple[str, str]]:
    voters, me = config.cluster.voters, config.node.advertise
    count, spare = len(voters), (len(voters) - 1) // 2
    if count == 1:
        yield "cluster.voters", "nobody leads when the only voter is lost; 3 voters survive the loss of one"
    elif count == 2:
        yield (
            "cluster.voters",
            "nobody leads when one of 2 voters is lost; add a third, which may be a witness on the smallest machine",
        )
    elif count % 2 == 0:
        yield (
            "cluster.voters",
            f"{count} voters survive the loss of {spare}, just as {count - 1} do, and one more can fail; "
            f"have {count - 1} or {count + 1}",
        )
    if config.cluster.role is Part.MEMBER and me not in voters:
        yield (
            "cluster.voters",
            f"this node, {toml_string(me)}, is not among them: it may lead with the others' votes, and has none "
            "itself; addresses are compared as they are written, so if one of them is this node, write it as advertise",
        )


def _solitude(config: Config) -> Iterator[tuple[str, str]]:
    """A node that stops waiting for the others before they can have started."""
    alone_after, least = config.cluster.alone_after, config.timing.failure + _COMMON_START_SECONDS
    if config.cluster.role is Part.MEMBER and alone_after < least:
        yield (
            "cluster.alone_after",
            f"{toml_string(format_duration(alone_after))} is shorter than nodes that start together are apart: each "
            f"may lead alone until they meet, so that there are several leaders at every common start; "
            f'"60s" would do, and {toml_string(format_duration(round(least, 9)))} is the least that makes sense',
        )


def _unseen(config: Config) -> Iterator[tuple[str, str]]:
    """What is for a listener that there is not, or for pages that a witness does not have."""
    for key in ("http.token_file", "http.hosts") if config.http.listen is None else ():
        if key in config.origins:
            yield key, "there is no listener for this: set http.listen"
    for name in PAGES:
        if config.http.listen is None and name in config.wanted:
            yield f"plugins.{name}", "is shown nowhere: set http.listen"
    if config.http.listen is not None and config.cluster.role is Part.WITNESS:
        pages = " and ".join(PAGES)
        yield (
            "http.listen",
            f"a witness has no {pages} there, as it loads no plugins; the API and the health pages it has",
        )


def _unused(config: Config) -> Iterator[tuple[str, str]]:
    """What has no effect beside the rest."""
    security = config.security
    if security.insecure and (security.secret_file is not None or security.tls is not None):
        yield "security.insecure", "has no effect beside a secret or TLS, which stay in force; take the line out"
    if security.tls is None and security.secret_file is None and not security.public:
        yield (
            "security.public",
            "hides /state and /diag and no more: who introduces itself as nodes of the original do is still "
            "answered, at /state/<address>; set a secret or TLS",
        )
    yield from _without_a_port(config)
    for key in config.origins:
        if key.startswith("hooks.limits.") and config.hooks.user is None:
            yield key, "limits only what runs as another user: set hooks.user"


def _without_a_port(config: Config) -> Iterator[tuple[str, str]]:
    """What is for nodes that find their leader themselves."""
    if config.cluster.backend == PEERS:
        return
    keys = ("node.bind", "cluster.seeds", "cluster.alone_after", "timing.failure", "timing.lease", "timing.settle")
    for key in (*keys, "timing.retry", "timing.loop_rate", "security.secret_file", "security.tls", "security.insecure"):
        if key in config.origins:
            yield key, f"has no effect with backend = {toml_string(config.cluster.backend)}: no node listens to others"


def _limits(config: Config) -> Iterator[tuple[str, str]]:
    """Limits that were set for hooks and are longer than a leader has once too few voters answer it."""
    if config.cluster.role is not Part.MEMBER:
        return
    share = config.timing.lease / _PARTS_OF_A_LEASE
    set_here = {f"plugins.{name}.timeout": plugin.timeout for name, plugin in config.plugins.items() if plugin.enabled}
    set_here["hooks.timeout"] = config.hooks.timeout
    for key, limit in set_here.items():
        if key in config.origins and limit > share:
            enough = toml_string(format_duration(round(limit * _PARTS_OF_A_LEASE, 9)))
            yield (
                key,
                f"{toml_string(format_duration(limit))} is more than a leader has that is cut off: its demote hooks "
                f"are told to end after {share:.3g} s, a quarter of timing.lease; lease = {enough} would let them "
                "have all of it",
            )
