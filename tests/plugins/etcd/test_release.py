"""What is said of a process that died, on an etcd in memory."""

import asyncio
from random import Random

import structlog

from les_hooks.backends import Identity, Seat
from les_hooks.members import Part
from les_plugins.etcd.entry import Entry, Parting, Place, read_entry, write_entry
from les_plugins.etcd.release import release_keys
from les_plugins.etcd.store import ChangeKind, Put, Transaction
from tests.etcd.fake import Client, Etcd
from tests.plugins.etcd.stage import KEYS, address, boot, entry
from tests.virtual import virtual


async def _told_of(dead: Entry) -> list[Entry]:
    """What others read of a process with this in its key, once it was released."""
    client = Client(Etcd(asyncio.get_running_loop().time, Random(1)), "a")
    lease = (await client.grant(5)).lease
    key = KEYS.name(Place.LINE, lease, 1)
    await client.transact(Transaction(then=(Put(key=key, value=write_entry(dead), lease=lease),)))
    identity = Identity(address=dead.address, name=dead.name, version="1", boot=dead.boot, part=Part.MEMBER)
    log = structlog.get_logger()
    seat = Seat(identity=identity, cluster="web", hold=1.0, heartbeat=0.5, config=None, term=0, log=log)
    told: list[Entry] = []

    async def listen() -> None:
        async with client.watch(KEYS.prefix, 3) as batches:
            async for batch in batches:
                told.extend(read_entry(each.kv.value) for each in batch.changes if each.kind is ChangeKind.PUT)

    listener = asyncio.create_task(listen())
    await release_keys(seat, KEYS, client)
    await asyncio.sleep(1.0)
    listener.cancel()
    return told


@virtual()
async def test_it_crashed_and_its_wishes_die_with_it() -> None:
    dead = entry("a", heir=address("c"))
    (last,) = await _told_of(dead)
    assert (last.boot, last.parting) == (boot("a"), Parting.CRASHED)
    assert last.heir is None, "under a key that is new, a wish would pass for a new one"
