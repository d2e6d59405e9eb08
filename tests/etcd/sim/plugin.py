"""The engine that is shipped, on a store of the simulator."""

from collections.abc import Callable
from dataclasses import dataclass

from les_hooks.backends import Backend, Disk, Instant, Reports, Seat
from les_plugins.etcd.backend import EtcdBackend
from les_plugins.etcd.entry import Keys
from les_plugins.etcd.release import release_keys
from les_plugins.etcd.store import Store, StoreError

__all__ = ["PluginEngine"]


@dataclass(frozen=True, slots=True)
class PluginEngine:
    """As the plugin's own, which makes a client of etcd's gateway for each."""

    store: Store

    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> Backend:
        """Make the backend of one process."""
        return EtcdBackend(seat, self.store, reports, clock, disk)

    async def release(self, seat: Seat) -> None:
        """Take away the keys of a process that is dead."""
        try:
            await release_keys(seat, Keys(seat.config.prefix, seat.cluster), self.store)
        except StoreError as error:
            raise OSError(error.why) from None
