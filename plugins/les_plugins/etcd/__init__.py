"""The bundled plugin `etcd`: a backend that has its leader from etcd. Loaded through its entry point.

    settings   what `[plugins.etcd]` can hold
    store      what this plugin asks of etcd: values and a protocol
    gateway    the same over HTTP, with `calls`, `endpoints`, `auth`, `transport`, `watching` and more
    entry      what stands in a node's key
    line       the keys in etcd's order
    hold       what a lease is worth to a leader, and until when
    inquest    whether a leader may still act whose key is gone
    candidate  what a node is by all that; pure, as the four before it
    viewing    the same as a view
    keeper     the lease and the key
    watcher    what others do
    backend    all of it, as the daemon sees it; `health` and `report` say how it does
    release    the key of a process that died
    inspection what `les check` finds out

`docs/etcd.md` tells users of it.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from les_hooks import Context, hookimpl
from les_hooks.backends import Disk, Engine, Instant, Reports, Seat
from les_hooks.text import printable
from les_plugins.etcd.backend import EtcdBackend
from les_plugins.etcd.entry import Keys
from les_plugins.etcd.gateway import Gateway
from les_plugins.etcd.inspection import inspect
from les_plugins.etcd.release import release_keys
from les_plugins.etcd.settings import EtcdConfig

__all__ = ["EtcdConfig"]

# An endpoint that does not answer must leave time for the next one before a leader's time is over.
_ATTEMPTS_PER_LEASE = 6
_LONGEST_ATTEMPT_SECONDS = 2.0


class _EtcdEngine:
    """Makes backends, each with a client of its own."""

    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> EtcdBackend:
        """Make the backend of one process."""
        return EtcdBackend(seat, _gateway(seat.config), reports, clock, disk)

    async def release(self, seat: Seat) -> None:
        """Take away the keys of a process that is dead."""
        store = _gateway(seat.config)
        try:
            await release_keys(seat, Keys(seat.config.prefix, seat.cluster), store)
        finally:
            await store.close()


def _gateway(config: EtcdConfig) -> Gateway:
    return Gateway(config, attempt=min(_LONGEST_ATTEMPT_SECONDS, config.ttl / _ATTEMPTS_PER_LEASE))


@hookimpl
def config_type() -> type[msgspec.Struct]:
    """What `[plugins.etcd]` can hold."""
    return EtcdConfig


@hookimpl
async def validate(ctx: Context) -> Sequence[str]:
    """Complain about endpoints, files, rights and versions that will not do."""
    return [type(line)(printable(line)) for line in await inspect(ctx.config, ctx.cluster)]


@hookimpl
def backends() -> Mapping[str, Engine]:
    """The engine of `backend = "etcd"`."""
    return {"etcd": _EtcdEngine()}
