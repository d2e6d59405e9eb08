"""Where the listener is: an address or a Unix socket, and whether it can be had. Imported by this package and `cli`."""

import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from les_hooks.config import Config
from les_hooks.config.addresses import UNIX, is_loopback, listen_address
from les_hooks.control.endpoint import Endpoint, Purpose, check_place
from les_hooks.http.tokens import read_token
from les_hooks.members import Address, join_host_port
from les_hooks.serving import Door, cannot_listen

__all__ = ["Place", "check_files", "check_port"]

_KEY: Final = "[http] listen"
# The group may connect: for a proxy, which is put into it.
_PURPOSE: Final = Purpose(name="http socket", key=_KEY, mode=0o660)
# What the kernel keeps for one that does not read; without a bound that is megabytes for each.
_SEND_BUFFER_BYTES: Final = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`[http] listen`: a `path`, or else a host and a port, where 0 is any."""

    path: Path | None = None
    host: str = ""
    port: int = 0

    @classmethod
    def of(cls, listen: str) -> "Place":
        """Take it apart."""
        if listen.startswith(UNIX):
            return cls(path=Path(listen.removeprefix(UNIX)))
        host, port = listen_address(Address(listen))
        return cls(host=host, port=port)

    @property
    def is_local(self) -> bool:
        """Whether only who is on this host can reach it."""
        return self.path is not None or is_loopback(self.host)

    @property
    def url(self) -> str:
        """What people call it."""
        return f"{UNIX}{self.path}" if self.path is not None else f"http://{join_host_port(self.host, self.port)}/"

    async def open(self, door: Door) -> "Opened":
        """Listen there from now on. Raises StartError."""
        if self.path is not None:
            endpoint = Endpoint(self.path, _PURPOSE)
            door.adopt(endpoint.listener)
            door.listen()
            return Opened(door, endpoint, self.url)
        await door.bind(_KEY, self.host, self.port)
        for each in door.sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        port = door.sockets[0].getsockname()[1]
        door.listen()
        return Opened(door, None, replace(self, port=port).url)


class Opened:
    """A place that is listened at; `url` is what people call it."""

    def __init__(self, door: Door, endpoint: Endpoint | None, url: str) -> None:
        self.url = url
        self._door = door
        self._endpoint = endpoint

    def close(self) -> None:
        """Take no more connections."""
        self._door.stop()
        if self._endpoint is not None:
            self._endpoint.remove()


def check_files(config: Config) -> None:
    """Raise StartError where the token cannot be used, or no socket be made."""
    http = config.http
    if http.listen is None:
        return
    path = Place.of(http.listen).path
    if path is not None:
        check_place(path, state_dir=config.node.state_dir, purpose=_PURPOSE)
    if http.token_file is not None:
        read_token(http.token_file)


def check_port(listen: str | None) -> None:
    """Raise StartError where the port of `[http] listen` cannot be had at this moment."""
    place = None if listen is None else Place.of(listen)
    if place is None or place.path is not None:
        return
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind((place.host, place.port))
    except OSError as error:
        raise cannot_listen(_KEY, place.host, place.port, error) from error
