"""The bundled plugin `etcd`: a backend that has its leader from etcd. Loaded through its entry point.

    settings   what `[plugins.etcd]` can hold
    store      what this plugin asks of etcd: values and a protocol
    gateway    the same over HTTP, with `calls`, `endpoints`, `auth`, `transport`, `watching` and more
    entry      what stands in a node's key
    line       the keys in etcd's order
    hold       what a lease is worth to a leader, and until when
    inquest    whether a leader may still act whose key is gone
    candidate  what a node is by all that, with `vigil`, `tenure`, `twins` and `obstacles`; pure, as the four before it
    viewing    the same as a view
    keeper     the lease and the key
    watcher    what others do
    backend    all of it, as the daemon sees it; `health` and `report` say how it does
    release    the key of a process that died
    engine     makes the one, and does the other
    inspection what `les check` finds out

`docs/etcd.md` tells users of it.
"""

from collections.abc import Mapping, Sequence

import msgspec

from les_hooks import Context, hookimpl
from les_hooks.backends import Engine
from les_hooks.text import printable
from les_plugins.etcd.engine import EtcdEngine
from les_plugins.etcd.inspection import inspect
from les_plugins.etcd.settings import EtcdConfig

__all__ = ["EtcdConfig"]


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
    return {"etcd": EtcdEngine()}
