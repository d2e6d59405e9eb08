"""Serving the control socket of a node: for `les run`, and for programs that hold a node themselves."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial

from les_hooks.config import Config
from les_hooks.control.endpoint import control_of
from les_hooks.control.requests import QUESTIONS, Reload, Requests
from les_hooks.control.server import ControlServer
from les_hooks.daemon import Node, load_config
from les_hooks.daemon.reload import reload
from les_hooks.errors import ControlError
from les_hooks.plugins import Registry

__all__ = ["serve_control"]


@contextlib.asynccontextmanager
async def serve_control(node: Node, *, reload_with: Reload | None = None) -> AsyncIterator[None]:
    """Answer the `les` commands for a node that has been entered, inside the block.

        async with Node(config) as node, serve_control(node):
            ...

    `les leave` stops the node; `await node.wait_stopped()` tells. `reload_with` is what `les reload` does; by default
    it reads the file of the node's configuration again. Raises StartError where the socket cannot be made.
    """
    requests = Requests(node, reload_with or partial(reload, node, partial(_read_again, node)))
    server = ControlServer(
        requests.handlers, requests.streams, questions=QUESTIONS, on_refused=requests.refused, log=node.log
    )
    control = node.config.control
    await server.start(control.socket, control_of(control.group))
    try:
        yield
    finally:
        await server.close()


def _read_again(node: Node) -> Config:
    source = node.config.source
    if source is None:
        raise ControlError("this node was started without a file, so there is none to read again; restart it instead")
    # A registry of its own: what is only looked at must not be loaded into the node's.
    return load_config(source, registry=Registry())
