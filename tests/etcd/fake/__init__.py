"""An etcd in memory that behaves as 3.4 does, for tests on the virtual loop (`tests.virtual`).

    keyspace  revisions: keys, their history, and what compaction takes of it
    leases    leases, by the etcd's own clock
    server    the etcd: both together, watches, and what befalls it
    client    a Store for one node, and what befalls that

`tests/etcd/test_store.py` holds it to the same as a real etcd.
"""

from tests.etcd.fake.client import Client
from tests.etcd.fake.server import Etcd

__all__ = ["Client", "Etcd"]
