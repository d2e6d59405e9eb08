"""What `les check` finds out about etcd before a node is started: each endpoint is asked, and nothing is changed.

Private to `etcd`.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from les_hooks import Note, StartError
from les_hooks.config.addresses import is_loopback
from les_hooks.security import load_private, only_in_the_unit
from les_plugins.etcd.entry import Keys, Place
from les_plugins.etcd.gateway import Gateway
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.store import Comparison, Delete, Put, Range, StoreError, Transaction
from les_plugins.etcd.tls import load_context

__all__ = ["inspect"]

_ATTEMPT_SECONDS: Final = 3.0
# With the wait for a token, which etcd may take its time for.
_LIMIT_SECONDS: Final = 8.0

# What no key was ever created at, so that a comparison with it fails.
_NEVER: Final = 2**62

_OLDEST: Final = (3, 4)
_SAFE: Final = (3, 4, 31)
_ORDINARY_TTL_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What an endpoint has said: why it is of no use, empty where it is of use; and which etcd it is of."""

    url: str
    why: str = ""
    version: str = ""
    cluster_id: int = 0


async def inspect(config: EtcdConfig, cluster: str) -> list[str]:
    """Complaints and notes, a line each. Bounded in time."""
    complaints, unseen = [], []
    for what, file in _private(config):
        if only_in_the_unit(file):
            unseen.append(Note(f"{what} {file}: was not looked at: systemd makes it when it starts the unit"))
            continue
        try:
            load_private(file, f"{what} {file}", "let the daemon's user read it")
        except StartError as error:
            complaints.append(str(error))
    try:
        if not unseen:
            await asyncio.to_thread(load_context, config)
    except StartError as error:
        if str(error) not in complaints:
            complaints.append(str(error))
    if complaints or unseen:
        # All of them are needed before etcd can be asked as the daemon will.
        return [*complaints, *unseen, *_notes(config, ())]
    found = await asyncio.gather(*(_ask(url, config, cluster) for url in config.endpoints))
    return [*_complaints(found), *_notes(config, found)]


def _private(config: EtcdConfig) -> Iterator[tuple[str, Path]]:
    files = {"password_file": config.password_file, "key_file": config.key_file}
    yield from ((what, file) for what, file in files.items() if file is not None)


async def _ask(url: str, config: EtcdConfig, cluster: str) -> _Found:
    """Ask this endpoint alone whether it does all that a node wants of it."""
    store = Gateway(msgspec.structs.replace(config, endpoints=(url,)), attempt=_ATTEMPT_SECONDS)
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            done = await store.transact(_probe(Keys(config.prefix, cluster)))
            await store.learned()
        version = next((each["version"] for each in store.status()), None)
        return _Found(url=url, version=str(version or ""), cluster_id=done.header.cluster_id)
    except StoreError as error:
        return _Found(url=url, why=error.why.removeprefix(f"{url}: "))
    except TimeoutError:
        return _Found(url=url, why=f"no answer within {_LIMIT_SECONDS:g} s")
    finally:
        await store.close()


def _probe(keys: Keys) -> Transaction:
    """Through the quorum, and by all rights that a node needs; it writes nothing, as what it compares never holds."""
    key = f"{keys.prefix}{Place.ASIDE}/check"
    return Transaction(
        compare=(Comparison(key=key, create_revision=_NEVER),),
        then=(Put(key=key, value=b"", lease=0), Delete(key=f"{key}.1")),
        otherwise=(Range(key=keys.prefix, prefix=True, limit=1, keys_only=True),),
    )


def _complaints(found: Sequence[_Found]) -> Iterator[str]:
    known = next((each for each in found if each.cluster_id), None)
    for each in found:
        if each.why:
            yield f"{each.url}: {each.why}"
        elif known is not None and each.cluster_id != known.cluster_id:
            yield (
                f"{each.url}: belongs to another etcd than {known.url} (clusters {each.cluster_id:x} and "
                f"{known.cluster_id:x}): all endpoints must be of one, or there are two leaders"
            )
        elif (number := _number(each.version)) and number < _OLDEST:
            yield f"{each.url}: is etcd {each.version}; les-hooks wants 3.4 or later"


def _notes(config: EtcdConfig, found: Sequence[_Found]) -> Iterator[Note]:
    old = sorted({each.version for each in found if _OLDEST <= _number(each.version) < _SAFE})
    if old:
        yield Note(
            f"etcd {' and '.join(old)} can take away leases that are renewed, which 3.4.31 mends: no second leader "
            "comes of it, but the next one then may wait for as long as ttl"
        )
    if config.ttl < _ORDINARY_TTL_SECONDS:
        yield Note(
            f"ttl: etcd gives no lease shorter than one and a half of its election timeouts; whether it gives "
            f"{config.ttl:g} s is known once the node has one, and `les status` warns if not"
        )
    open_to = [url for url in config.endpoints if url.startswith("http:") and not _is_here(url)]
    if open_to and config.username is not None:
        yield Note(f"the password goes to {', '.join(open_to)} for everybody on the way to read: use https")
    elif open_to:
        yield Note(
            f"whoever reaches {', '.join(open_to)} can make itself the leader, unless a firewall keeps others out: "
            "etcd asks for no certificate there, and this node has no user"
        )


def _is_here(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _number(version: str) -> tuple[int, ...]:
    """`3.4.23` as numbers; none for what is no version."""
    match = re.match(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", version)
    return tuple(int(part) for part in match.groups() if part is not None) if match else ()
