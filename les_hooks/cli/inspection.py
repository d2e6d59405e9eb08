"""What `les check` looks at beyond the configuration: the host, the addresses, and what plugins say. For `check`."""

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from les_hooks.config import NO_HOOKS, PEERS, Config, Quorum
from les_hooks.control.client import call
from les_hooks.control.endpoint import check_place
from les_hooks.daemon.electorate import check_change, electorate_of
from les_hooks.daemon.hooks import Hooks
from les_hooks.daemon.state import STATE_FILE, VOTERS_FILE
from les_hooks.daemon.stored import load_state, load_voters
from les_hooks.errors import ControlError, StartError
from les_hooks.hookspecs import Note
from les_hooks.http import check_files, check_port
from les_hooks.http.place import Place
from les_hooks.members import Part, parse_address
from les_hooks.plugins import PluginState
from les_hooks.security import only_in_the_unit
from les_hooks.starter import RUNTIME, InstalledUnit

__all__ = ["Finding", "address_findings", "host_findings", "plugin_findings", "refusal", "vote_findings"]

_ASK_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that an operator should know of; with `problem` it would be skipped or refused."""

    area: str
    what: str
    message: str
    problem: bool = True


async def plugin_findings(config: Config, bench: Hooks) -> list[Finding]:
    """What keeps plugins from being loaded, and what those that are complain about."""
    found = [
        Finding(area="plugins", what=info.name, message=info.why)
        for info in bench.registry.infos()
        if info.state is PluginState.FAILED and info.name in config.plugins
    ]
    if config.cluster.role is Part.WITNESS:
        found.append(Finding(area="plugins", what="none is loaded", message=NO_HOOKS, problem=False))
    found += _idle_engines(config, bench)
    for name in bench.registry.loaded:
        result = await bench.dispatcher.ask(name, "validate", config.plugins[name].timeout)
        if result is None:
            continue
        if result.error:
            found.append(Finding(area="plugins", what=name, message=f"cannot be checked: {result.error}"))
        elif isinstance(result.value, list | tuple):
            found += [
                Finding(area="plugins", what=name, message=str(line), problem=not isinstance(line, Note))
                for line in result.value
            ]
    return found


def _idle_engines(config: Config, bench: Hooks) -> Iterator[Finding]:
    """Who could say who leads, and was configured, and is not asked: the nodes of such a file never meet."""
    backend = config.cluster.backend
    for name in (each.plugin for each in bench.registry.implementations("backends") if each.plugin != backend):
        message = (
            f'does nothing, as leaders come from backend = "{backend}"; set backend = "{name}" under [cluster], or '
            f"take out [plugins.{name}]"
        )
        yield Finding(area="plugins", what=name, message=message)


def vote_findings(config: Config) -> Iterator[Finding]:
    """How long a leader has to demote, once too few voters answer it."""
    if config.cluster.quorum is Quorum.MAJORITY and config.cluster.role is Part.MEMBER:
        lease = config.timing.lease
        message = (
            f"the demote hooks of a leader that is cut off are told to end after {lease / 4:.3g} s, and are gone after "
            f"{lease / 3:.3g} s, a quarter and a third of timing.lease"
        )
        yield Finding(area="configuration", what="votes", message=message, problem=False)


def address_findings(config: Config) -> Iterator[Finding]:
    """Whether the port can be had, and whether the names of nodes lead anywhere."""
    if config.cluster.backend != PEERS:
        # Nobody listens or is dialed: advertise is but a name, and what the backend asks is its own to look at.
        yield from _page_port(config)
        return
    yield from _port(config)
    yield from _page_port(config)
    advertise = config.node.advertise
    host, _ = parse_address(advertise)
    try:
        hosts = _resolve(host)
    except OSError as error:
        yield Finding(area="addresses", what=f"advertise {advertise}", message=f"cannot be looked up: {_words(error)}")
    else:
        if not any(map(_is_ours, hosts)):
            message = "is no address of this host, which is right only behind a translation of addresses"
            yield Finding(area="addresses", what=f"advertise {advertise}", message=message, problem=False)
    for seed in config.cluster.seeds:
        try:
            _resolve(parse_address(seed)[0])
        except OSError as error:
            yield Finding(area="addresses", what=f"seed {seed}", message=f"cannot be looked up: {_words(error)}")
    if not config.cluster.seeds:
        message = "there are none, so this node waits until another introduces itself"
        yield Finding(area="addresses", what="seeds", message=message, problem=False)


def host_findings(config: Config, unit: InstalledUnit | None = None) -> Iterator[Finding]:
    """Whether this user could write what the node must; `unit` is this node's."""
    folders = {"state_dir": config.node.state_dir, "audit": config.log.audit.parent}
    for what, folder in folders.items():
        reason = _why_not_writable(folder)
        if reason:
            yield Finding(area="files", what=f"{what} {folder}", message=reason)
    control = partial(check_place, config.control.socket, state_dir=config.node.state_dir)
    looks: tuple[tuple[Path | None, Callable[[], object]], ...] = (
        (config.control.socket, control),
        (config.http.token_file, partial(check_files, config)),
    )
    for file, look in looks:
        try:
            look()
        except StartError as error:
            yield refusal(error, file)
    yield from _source(config.source)
    # A user that exists only while the unit runs owns the folder then, and nobody can be asked to run this as that one.
    if unit is None or not unit.dynamic or os.geteuid() != 0:
        yield from _state_directory(config.node.state_dir)
    yield from _state(config)
    yield from _voters(config)
    yield from _other_daemon(config)


def _comes_with_the_unit(file: Path) -> bool:
    """Whether systemd makes its folder when it starts the unit, which does not run now."""
    return only_in_the_unit(file) or (file.is_relative_to(RUNTIME) and not file.parent.exists())


def refusal(error: StartError, file: Path | None) -> Finding:
    """What a node would not start with; `file` may be a credential, which there is in its unit alone."""
    if file is not None and str(file) in error.what and _comes_with_the_unit(file):
        message = "was not looked at: systemd makes it when it starts the unit"
        return Finding(area="files", what=error.what, message=message, problem=False)
    return Finding(area="files", what=error.what, message=f"{error.why}; {error.advice}")


def _source(file: Path | None) -> Iterator[Finding]:
    """Whether somebody else could have the daemon run what they like."""
    if file is not None and file.exists() and file.stat().st_mode & stat.S_IWOTH:
        message = f"can be written by anybody, and says what the daemon runs; run `chmod o-w {file}`"
        yield Finding(area="files", what=str(file), message=message)


def _state_directory(folder: Path) -> Iterator[Finding]:
    """What the daemon asks of the folder that it remembers in, beyond that it can be written."""
    try:
        status = folder.stat()
    except OSError:
        return  # it is made at the first start, or has been complained of above
    reason = ""
    if status.st_uid != os.geteuid():
        reason = f"belongs to uid {status.st_uid}; run this, and the daemon, as its owner"
    elif status.st_mode & stat.S_IWOTH:
        reason = f"can be written by anybody; run `chmod o-w {folder}`"
    if reason:
        yield Finding(area="files", what=f"state_dir {folder}", message=reason)


def _state(config: Config) -> Iterator[Finding]:
    """Whether what the node remembers can be read back."""
    try:
        load_state(config.node.state_dir / STATE_FILE)
    except StartError as error:
        yield Finding(area="files", what=error.what, message=f"{error.why}; {error.advice}")


def _voters(config: Config) -> Iterator[Finding]:
    """Whether the voters are too many steps away from those that elected the last leader."""
    electorate, file = electorate_of(config), config.node.state_dir / VOTERS_FILE
    try:
        if electorate is not None:
            check_change(electorate, load_voters(file), str(file))
    except StartError as error:
        yield Finding(area="files", what=error.what, message=f"{error.why}; {error.advice}")


def _other_daemon(config: Config) -> Iterator[Finding]:
    """Whether the control socket is another node's, as when two files name the same state directory."""
    answer = _daemon(config)
    if not answer:
        return
    theirs, ours = answer["node"], config.node
    if (theirs["name"], theirs["address"]) == (ours.name, ours.advertise):
        return
    who = f"{theirs['name']} ({theirs['address']}, process {theirs['pid']})"
    source = answer["config"]["source"]
    changed = config.source is not None and source == str(config.source.absolute())
    if changed:
        message = f"the daemon {who} was started before this file was changed; its next start makes it this node"
    else:
        message = (
            f"another node answers there: {who}, and this file is of {ours.name} ({ours.advertise}); "
            "give each a [node] state_dir of its own"
        )
    what = f"control socket {config.control.socket}"
    yield Finding(area="files", what=what, message=message, problem=not changed)


def _port(config: Config) -> Iterator[Finding]:
    host, port = config.node.listen
    what = f"bind {config.node.bind}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE and (name := _own_daemon(config)):
            message = f"is held by the daemon {name}, which is this node's own"
            yield Finding(area="addresses", what=what, message=message, problem=False)
        else:
            yield Finding(area="addresses", what=what, message=_words(error))


def _page_port(config: Config) -> Iterator[Finding]:
    try:
        check_port(config.http.listen)
    except StartError as error:
        page = (_daemon(config) or {}).get("http") or {}
        if page.get("url") != Place.of(str(config.http.listen)).url:
            yield Finding(area="addresses", what=f"[http] {error.what}", message=f"{error.why}; {error.advice}")


def _own_daemon(config: Config) -> str:
    answer = _daemon(config)
    if not answer or answer["node"]["address"] != config.node.advertise:
        return ""
    return f"{answer['node']['name']} (process {answer['node']['pid']})"


def _daemon(config: Config) -> Any:
    """What the daemon says at the control socket of this file, None where nobody answers."""
    try:
        return call(config.control.socket, "status", timeout=_ASK_SECONDS)
    except ControlError:
        return None


def _resolve(host: str) -> list[str]:
    # The system's own limit applies: five seconds for each of its name servers, by default.
    return [str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def _is_ours(host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as attempt:
            attempt.bind((host, 0))
    except OSError:
        return False
    return True


def _why_not_writable(folder: Path) -> str:
    """Why this process could not write in the folder, or make it; empty where it could."""
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        return f"{nearest} is no folder"
    if not os.access(nearest, os.W_OK | os.X_OK, effective_ids=True):
        verb = "be written in" if nearest == folder else f"be made, for {nearest} cannot be written in"
        return f"cannot {verb} by uid {os.geteuid()}; run this as the user of the daemon, or change its owner"
    return ""


def _words(error: OSError) -> str:
    return error.strerror or str(error)
