"""What etcd's gateway is asked, as its JSON. Pure; private to `etcd`.

Keys and values travel in base64 and numbers of 64 bits as texts.
"""

from typing import Any

import msgspec

from les_plugins.etcd.store import Comparison, Delete, Operation, Put, Range, Transaction

__all__ = ["write_authenticate", "write_grant", "write_lease", "write_range", "write_transaction", "write_watch"]


def write_grant(ttl: int) -> bytes:
    """Ask for a lease of so many seconds; etcd chooses its number."""
    return _encoded({"TTL": str(ttl)})


def write_lease(lease: int) -> bytes:
    """Name a lease, to whichever of its paths."""
    return _encoded({"ID": str(lease)})


def write_authenticate(user: str, password: str) -> bytes:
    """Ask for a token."""
    return _encoded({"name": user, "password": password})


def write_range(asked: Range) -> bytes:
    """Ask for keys; without a word of it, etcd reads through the quorum."""
    return _encoded(_range(asked))


def write_transaction(transaction: Transaction) -> bytes:
    """All of it at one revision."""
    return _encoded(
        {
            "compare": [_comparison(each) for each in transaction.compare],
            "success": [_operation(each) for each in transaction.then],
            "failure": [_operation(each) for each in transaction.otherwise],
        }
    )


def write_watch(prefix: str, revision: int) -> bytes:
    """Open a watch of all keys that begin so, from that revision on."""
    asked = {"start_revision": str(revision), "prev_kv": True, "progress_notify": True}
    return _encoded({"create_request": _keys(prefix, prefix=True) | asked})


def _encoded(message: dict[str, Any]) -> bytes:
    return msgspec.json.encode(message)


def _keys(key: str, *, prefix: bool) -> dict[str, Any]:
    name = key.encode()
    if not name:
        raise ValueError("the empty key is none of ours")
    # UTF-8 has no byte of 255, so that the last one has a successor.
    return {"key": name, "range_end": name[:-1] + bytes([name[-1] + 1])} if prefix else {"key": name}


def _range(asked: Range) -> dict[str, Any]:
    message = _keys(asked.key, prefix=asked.prefix)
    if asked.min_mod_revision:
        message["min_mod_revision"] = str(asked.min_mod_revision)
    if asked.limit:
        message["limit"] = str(asked.limit)
    if asked.keys_only:
        message["keys_only"] = True
    return message


def _comparison(comparison: Comparison) -> dict[str, Any]:
    key = _keys(comparison.key, prefix=False)
    return key | {"target": "CREATE", "result": "EQUAL", "create_revision": str(comparison.create_revision)}


def _operation(operation: Operation) -> dict[str, Any]:
    match operation:
        case Put():
            put = _keys(operation.key, prefix=False) | {"value": operation.value}
            return {"request_put": put | ({"lease": str(operation.lease)} if operation.lease else {})}
        case Delete():
            return {"request_delete_range": _keys(operation.key, prefix=False)}
        case Range():
            return {"request_range": _range(operation)}
