"""What must hold between values, or of a value once it is complete. For the loader.

Each rule says nothing where a value that it needs was refused: None stands for that.
"""

import ipaddress
import os
from pathlib import Path

from les_hooks.config.addresses import UNIX, is_loopback, listen_address
from les_hooks.config.backend import check_backend
from les_hooks.config.check import Checker
from les_hooks.config.derive import Values
from les_hooks.config.quorum import FRAMES_PER_FAILURE, check_quorum, in_words
from les_hooks.config.tables import PEERS
from les_hooks.config.toml_text import KeyPath, excerpt, toml_string
from les_hooks.members import Address, parse_address

__all__ = ["check_rules"]

# sun_path has 108 bytes, of which the last is 0.
_LONGEST_SOCKET = 107
_ALL_ADDRESSES = frozenset({"0.0.0.0", "::"})  # noqa: S104 - only compared with


def check_rules(values: Values, checker: Checker) -> None:
    """Note every rule that the values break."""
    if values["cluster.backend"] == PEERS:
        _protected(values, checker)
        _reachable(values["node.advertise"], values["cluster.seeds"], values["cluster.voters"], checker)
    else:
        check_backend(values, checker)
    _no_secret_itself(values["security.secret_file"], checker)
    _each_once(_VOTERS, values["cluster.voters"], checker)
    if values["cluster.seeds"] != values["cluster.voters"]:  # otherwise it has been said
        _each_once(_SEEDS, values["cluster.seeds"], checker)
    _often_enough(values["timing.heartbeat"], values["timing.failure"], checker)
    if values["cluster.backend"] in (None, PEERS):
        check_quorum(values, checker)
    _short_enough(values["control.socket"], checker)
    _short_enough(_socket_of(values["http.listen"]), checker, _LISTEN, example="unix:/run/les/http.sock")
    _guarded(values["http.listen"], values["http.token_file"], checker)
    if values["cluster.backend"] == PEERS:
        _apart(values["http.listen"], values["node.bind"], checker)
    _named(values["http.hosts"], checker)


def _protected(values: Values, checker: Checker) -> None:
    bind = values["node.bind"]
    if bind is None or is_loopback(listen_address(bind)[0]):
        return
    # A secret or certificates that were refused are meant to be in force: their own problem is enough.
    given = checker.source.table.get("security", {})
    meant = isinstance(given, dict) and ("secret_file" in given or "tls" in given)
    if meant or values["security.insecure"] is not False or values["security.secret_file"] is not None:
        return
    checker.refuse(
        ("node", "bind"),
        f"{toml_string(bind)} can be reached from other hosts, and whoever reaches it can take part and become the "
        "leader. Run `les secret new /etc/les/secret`, copy the file to every node and add the line "
        "'secret_file = \"/etc/les/secret\"' under [security]; or make certificates with `les ca init` and "
        "`les ca issue`, for [security.tls]; or, where only hosts that you trust reach it, add 'insecure = true' there",
    )


def _no_secret_itself(path: Path | None, checker: Checker) -> None:
    # Everything else that is said of a path repeats it.
    if path is not None and path.name.startswith(_MARK) and len(path.name) >= _SECRET_LENGTH:
        checker.refuse(
            _SECRET_FILE,
            "holds a secret itself, which does not belong here: write it into a file that only its owner can read, and "
            "name that; and since others may have seen it, replace it (`les secret rotate`)",
        )


def _reachable(
    advertise: Address | None,
    seeds: tuple[Address, ...] | None,
    voters: tuple[Address, ...] | None,
    checker: Checker,
) -> None:
    if advertise is None or not is_loopback(listen_address(advertise)[0]):
        return
    # What a host name stands for is not known here.
    for what, key, others in (("voter", _VOTERS, voters), ("seed", _SEEDS, seeds)):
        far = [other for other in others or () if _is_ip(other) and not is_loopback(listen_address(other)[0])]
        if far:
            checker.refuse(
                ("node", "advertise"),
                f"{toml_string(advertise)} means another host to the {what} {toml_string(far[0])}; "
                f"set bind, or advertise, to the address that the {what}s reach this node at",
                place=checker.source.first_set(_ADVERTISE, _BIND, key),
            )
            return


def _each_once(key: KeyPath, addresses: tuple[Address, ...] | None, checker: Checker) -> None:
    for index, address in enumerate(addresses or ()):
        if address in (addresses or ())[:index]:
            checker.refuse((*key, index), f"{toml_string(address)} is listed twice; is another node meant?")


def _often_enough(heartbeat: float | None, failure: float | None, checker: Checker) -> None:
    # The margin forgives what binary fractions lose: a third of 0.3 is less than 0.1.
    if heartbeat is None or failure is None or heartbeat * FRAMES_PER_FAILURE <= failure * (1 + 1e-9):
        return
    said = in_words(heartbeat)
    enough = in_words(round(heartbeat * FRAMES_PER_FAILURE, 9))
    checker.refuse(
        ("timing", "heartbeat"),
        f"{said} is more than a third of failure, {in_words(failure)}; "
        f"heartbeat = {said} and failure = {enough} would do",
        place=checker.source.first_set(("timing", "heartbeat"), ("timing", "failure")),
    )


def _short_enough(
    path: Path | None, checker: Checker, key: KeyPath = ("control", "socket"), example: str = "/run/les/control.sock"
) -> None:
    size = len(os.fsencode(path)) if path else 0
    if size > _LONGEST_SOCKET:
        checker.refuse(
            key,
            f"the path of the socket has {size} bytes, and a Unix socket's has at most {_LONGEST_SOCKET}; "
            f'set {key[-1]} to a shorter one, such as "{example}"',
            place=checker.source.first_set(key, ("node", "state_dir")),
        )


def _socket_of(listen: str | None) -> Path | None:
    return Path(listen.removeprefix(UNIX)) if listen is not None and listen.startswith(UNIX) else None


def _guarded(listen: str | None, token_file: Path | None, checker: Checker) -> None:
    if listen is None or listen.startswith(UNIX) or token_file or is_loopback(listen_address(Address(listen))[0]):
        return
    checker.refuse(
        ("http", "listen"),
        f"{toml_string(listen)} can be reached from other hosts, and the page tells who leads and why: set token_file "
        "to a file that holds a token (`openssl rand -hex 32` makes one), or listen on 127.0.0.1 behind a proxy",
    )


def _apart(listen: str | None, bind: Address | None, checker: Checker) -> None:
    if listen is None or listen.startswith(UNIX) or bind is None:
        return
    (host, port), (node_host, node_port) = listen_address(Address(listen)), listen_address(bind)
    if port and port == node_port and (host == node_host or {host, node_host} & _ALL_ADDRESSES):
        checker.refuse(
            _LISTEN, f"{toml_string(listen)} is where the nodes talk, {toml_string(bind)}; choose another port"
        )


def _named(hosts: tuple[str, ...] | None, checker: Checker) -> None:
    for index, host in enumerate(hosts or ()):
        try:
            parse_address(f"{host}:1")
        except ValueError:
            why = 'is no host name; write it without scheme, port and path, such as "les.example.org"'
            checker.refuse(("http", "hosts", index), f"{excerpt(host)} {why}")


def _is_ip(address: Address) -> bool:
    try:
        ipaddress.ip_address(listen_address(address)[0])
    except ValueError:
        return False
    return True


# As `les secret new` makes them.
_MARK, _SECRET_LENGTH = "les_", 40
_SECRET_FILE: KeyPath = ("security", "secret_file")
_LISTEN: KeyPath = ("http", "listen")
_ADVERTISE: KeyPath = ("node", "advertise")
_BIND: KeyPath = ("node", "bind")
_SEEDS: KeyPath = ("cluster", "seeds")
_VOTERS: KeyPath = ("cluster", "voters")
