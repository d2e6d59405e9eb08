"""The engine of `backend = "etcd"`: makes backends, and releases the keys of those that died. Private to `etcd`."""

from collections.abc import Callable

from les_hooks.backends import Disk, Instant, Reports, Seat
from les_plugins.etcd.backend import EtcdBackend
from les_plugins.etcd.entry import Keys
from les_plugins.etcd.gateway import Gateway
from les_plugins.etcd.release import release_keys
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.store import Store

__all__ = ["EtcdEngine", "make_gateway"]

# An endpoint that does not answer must leave time for the next one before a leader's time is over.
_ATTEMPTS_PER_LEASE = 6
_LONGEST_ATTEMPT_SECONDS = 2.0


def make_gateway(config: EtcdConfig) -> Gateway:
    """The way to the etcd that is configured."""
    return Gateway(config, attempt=min(_LONGEST_ATTEMPT_SECONDS, config.ttl / _ATTEMPTS_PER_LEASE))


class EtcdEngine:
    """`store_of` gives each backend a way to etcd of its own, which it closes in the end."""

    def __init__(self, store_of: Callable[[EtcdConfig], Store] = make_gateway) -> None:
        self._store_of = store_of

    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> EtcdBackend:
        """Make the backend of one process."""
        return EtcdBackend(seat, self._store_of(seat.config), reports, clock, disk)

    async def release(self, seat: Seat) -> None:
        """Take away the keys of a process that is dead. Raises StoreError; they go by themselves then."""
        store = self._store_of(seat.config)
        try:
            await release_keys(seat, Keys(seat.config.prefix, seat.cluster), store)
        finally:
            await store.close()
