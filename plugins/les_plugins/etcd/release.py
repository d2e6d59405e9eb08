"""Letting others lead in the place of a process that died: its key is taken away in its name. Private to `etcd`."""

import msgspec

from les_hooks.backends import Seat
from les_plugins.etcd.entry import Keys, Parting, Place, write_entry
from les_plugins.etcd.line import Line, Standing
from les_plugins.etcd.store import Comparison, Delete, Put, Range, Store, Transaction

__all__ = ["release_keys"]


async def release_keys(seat: Seat, keys: Keys, store: Store) -> None:
    """Say of each key of the dead process that nothing is left of it, and take it away. Raises StoreError."""
    line = Line(keys)
    line.replace(await store.range(Range(key=keys.prefix, prefix=True)))
    own = [standing for place in Place for standing in line.all(place) if standing.boot == seat.identity.boot]
    for standing in own:
        await store.transact(_parting(standing, keys))
    for lease in sorted({standing.lease for standing in own}):
        await store.revoke(lease)


def _parting(standing: Standing, keys: Keys) -> Transaction:
    """In one revision, so that nobody takes it for a lease that was lost."""
    assert standing.entry is not None, "its boot was read in it"
    ended = standing.revision if standing.place is Place.LINE else standing.entry.ended
    entry = msgspec.structs.replace(standing.entry, ended=ended, parting=Parting.CRASHED)
    aside = f"{keys.prefix}{Place.ASIDE}/{standing.key.rpartition('/')[2]}.crashed"
    return Transaction(
        compare=(Comparison(key=standing.key, create_revision=standing.revision),),
        then=(Delete(key=standing.key), Put(key=aside, value=write_entry(entry), lease=standing.lease)),
    )
