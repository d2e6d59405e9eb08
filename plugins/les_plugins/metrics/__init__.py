"""The bundled plugin `metrics`: what a node is and does, as numbers for Prometheus, at `/metrics`.

Loaded through its entry point; nothing imports it.

    told    what is read of the status of a node
    gauges  the numbers that are read from it
    counts  what is counted from the audit trail
    lag     how late the event loop is
    page    the answer to a scrape

`docs/metrics.md` tells users of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from les_hooks import Context, NodeReport, Route, hookimpl
from les_plugins.metrics.counts import Counts
from les_plugins.metrics.lag import watch_loop
from les_plugins.metrics.page import PATH, Page

# By context and not in the registry of the process that prometheus_client has: a process may hold several nodes.
_counts: WeakKeyDictionary[Context, Counts] = WeakKeyDictionary()


def _counts_of(ctx: Context) -> Counts:
    found = _counts.get(ctx)
    if found is None:
        found = _counts[ctx] = Counts()
    return found


@hookimpl
def recorded(record: Mapping[str, Any], ctx: Context) -> None:
    """Count it."""
    _counts_of(ctx).take(record)


@hookimpl
async def while_running(ctx: Context) -> None:
    """Look how late the loop is."""
    await watch_loop(_counts_of(ctx).late)


@hookimpl
def http_routes(node: NodeReport, ctx: Context) -> Sequence[Route]:
    """Answer scrapes."""
    return [Route(path=PATH, handler=Page(node, _counts_of(ctx), ctx.log).answer)]
