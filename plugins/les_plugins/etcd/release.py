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
    # Its lease may have ended before.
    strays = tuple(Delete(key=stray.key) for stray in line.strays if stray.boot == seat.identity.boot)
    if strays:
        await store.transact(Transaction(then=strays))


def _parting(standing: Standing, keys: Keys) -> Transaction:
    """Its trace goes at the same revision, so that nobody takes the key for one that was lost."""
    assert standing.entry is not None, "its boot was read in it"
    # A wish of an earlier leadership would be a new one under a new key.
    entry = msgspec.structs.replace(standing.entry, parting=Parting.CRASHED, heir=None)
    aside = f"{keys.prefix}{Place.ASIDE}/{standing.name}.crashed"
    return Transaction(
        compare=(Comparison(key=standing.key, create_revision=standing.revision),),
        then=(
            Delete(key=standing.key),
            Delete(key=keys.trace(standing.name)),
            Put(key=aside, value=write_entry(entry), lease=standing.lease),
        ),
    )
