"""The process of a daemon: signals, the service manager, and the end when a part of the node fails. For `run` only."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from les_hooks.config import Config
from les_hooks.control.endpoint import check_place, control_of, group_id
from les_hooks.control.serve import serve_control
from les_hooks.daemon import Node
from les_hooks.daemon.reload import reload
from les_hooks.daemon.systemd import ServiceManager
from les_hooks.errors import ConfigError, ControlError
from les_hooks.events import EventKind
from les_hooks.failures import failure_in, watch_over
from les_hooks.http import check_files, serve_http

__all__ = ["Supervisor", "Watchdog", "describe"]

# What is asked of the service manager at a time while a start or an end goes on. How long either takes is the affair of
# the hooks, each of which has a limit of its own; a daemon that hangs asks no more.
_EXTENSION_SECONDS: Final = 30.0


class Watchdog:
    """Fed by the election: tells the service manager that it runs, and before that, that the start goes on."""

    def __init__(self, service: ServiceManager, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._clock = clock
        self._due = -1.0
        self._ready = False

    def ready(self, status: str) -> None:
        """The start is complete."""
        self._ready = True
        self._service.ready(status)

    def beat(self) -> None:
        """The election has turned once more. Cheap: most beats say nothing."""
        patience = self._service.watchdog_seconds
        now = self._clock()
        if now < self._due:
            return
        # A quarter, so that two messages may be lost.
        self._due = now + min(5.0, (patience or 20.0) / 4)
        if patience is not None:
            self._service.alive()
        if not self._ready:
            # A first node waits for the others for as long as it takes, and that is no failed start.
            self._service.extend(_EXTENSION_SECONDS)


class Supervisor:
    """Runs one node. `read` reads the configuration again, None where there is no file; `cleanup` is for the guard."""

    def __init__(
        self, config: Config, *, read: Callable[[], Config] | None, cleanup: Sequence[str], service: ServiceManager
    ) -> None:
        self._config = config
        self._read = read
        self._cleanup = cleanup
        self._service = service
        self._watchdog = Watchdog(service)
        self._entered = False
        self._stop_asked = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run until the node has left. Raises StartError."""
        loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        self._node = Node(self._config, cleanup=self._cleanup, on_beat=self._watchdog.beat)
        self._log = self._node.log
        loop.set_exception_handler(self._on_exception)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        # Before anything runs: a node that leads should not find out that nobody can ask it.
        control = self._config.control
        check_place(control.socket, state_dir=self._config.node.state_dir)
        group_id(control.socket, control_of(control.group))
        check_files(self._config)
        asking = self._spawn(self._ask_for_time(), "the service manager's clock")
        try:
            async with self._node as node:
                self._entered = True
                self._check_watchdog()
                async with serve_control(node, reload_with=self._reload), serve_http(node):
                    self._log.info("control-ready", socket=str(self._config.control.socket))
                    await self._tell_service()
                    await node.wait_stopped()
        except asyncio.CancelledError:
            if not self._stop_asked or self._entered:
                raise
            self._log.info("start-ended")
        finally:
            asking.cancel()

    # -- the service manager -------------------------------------------------------------------------------------------

    async def _tell_service(self) -> None:
        """Pass on what happens, until the node has stopped."""
        async for event in self._node.events():
            if event.kind is EventKind.STOPPING:
                self._service.stopping(f"leaving, was {describe(self._node)}")
                self._service.extend(_EXTENSION_SECONDS)
            elif event.kind is EventKind.STARTED:
                self._watchdog.ready(describe(self._node))
            elif self._node.view is not None:
                self._service.status(describe(self._node))

    async def _ask_for_time(self) -> None:
        """Ask for more time, again and again, as long as the start or the end goes on."""
        while True:
            if not self._entered or self._node.stopping:
                self._service.extend(_EXTENSION_SECONDS)
            await asyncio.sleep(_EXTENSION_SECONDS / 3)

    def _check_watchdog(self) -> None:
        patience, heartbeat = self._service.watchdog_seconds, self._config.timing.heartbeat
        if patience is not None and patience < 2 * heartbeat:
            self._log.warning("watchdog-too-short", watchdog_seconds=patience, heartbeat_seconds=heartbeat)

    # -- signals -------------------------------------------------------------------------------------------------------

    def _on_stop(self, number: signal.Signals) -> None:
        if self._stop_asked:
            self._log.critical("stopped-at-once", signal=number.name)
            _end()
        self._stop_asked = True
        self._log.info("signal-received", signal=number.name)
        if self._entered:
            self._spawn(self._node.stop(), "the end")
        elif self._main is not None:
            self._main.cancel()

    def _on_hangup(self) -> None:
        if self._entered:
            self._spawn(self._reload_quietly(), "the reload")
        else:
            self._log.warning("reload-ignored", reason="the node is just starting")

    async def _reload_quietly(self) -> None:
        try:
            changed = await self._reload()
        except ConfigError as error:
            self._log.error("reload-refused", problems=[str(problem) for problem in error.problems])
        except ControlError as error:
            self._log.error("reload-refused", problems=[error.why])
        else:
            self._log.info("reloaded", changed=list(changed))

    async def _reload(self) -> tuple[str, ...]:
        if self._read is None:
            raise ControlError("this node was started by flags alone, so there is no file to read; restart it instead")
        self._service.reloading()
        try:
            return await reload(self._node, self._read)
        finally:
            if self._node.chronicle.settled.is_set():
                self._service.ready(describe(self._node))

    # -- failures ------------------------------------------------------------------------------------------------------

    def _spawn(self, work: Any, part: str) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.create_task(work)
        watch_over(task, part)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _on_exception(self, _loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        failure = failure_in(context)
        if failure is not None:
            part, error = failure
            self._log.critical("daemon-failed", part=part, error=repr(error), exc_info=error)
            _end()
        self._log.error("unexpected-error", what=context["message"], exc_info=context.get("exception"))


def describe(node: Node) -> str:
    """The node in one line, as `systemctl status` shows it: `follower of a (10.0.0.1:4000), term 7, 3 members`."""
    view = node.view
    if view is None:
        return "joining"
    names = {member.address: member.name for member in view.members}
    if view.leading:
        role = "leader"
    elif view.leader is not None:
        role = f"follower of {names.get(view.leader, '?')} ({view.leader})"
    else:
        role = "no leader"
    return f"{role}, term {view.term}, {len(names)} member{'' if len(names) == 1 else 's'}"


def _end() -> None:
    """End this process without another step: half a node must not go on, and an orderly end could hang in the other.

    What it leaves behind is the guard's: it ends the groups of the scripts and runs `les cleanup`.
    """
    os._exit(1)
