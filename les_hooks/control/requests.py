"""What the daemon does for the operator: one handler for each action of the control socket. For `serve` only.

Requests that change something leave two records in the audit: `operator.request`, which is on disk before anything is
done, and `operator.answer`, whether they succeed or not. Who may not ask for it leaves `operator.refused`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from les_hooks.audit import Action, Outcome
from les_hooks.control import report
from les_hooks.control.operator import Operator
from les_hooks.control.server import Caller, Handler, Streamer
from les_hooks.daemon import Node
from les_hooks.errors import ControlError, LesHooksError, PluginError
from les_hooks.members import Part
from les_hooks.serving import Bucket
from les_hooks.text import printable

__all__ = ["QUESTIONS", "Reload", "Requests"]

QUESTIONS: Final = frozenset({"status", "leader", "members", "plugins", "hooks", "plan", "maintenance", "watch"})
"""What changes nothing: for everybody whom the kernel lets in. `plugin` may change something, for all that we know."""

_REFUSALS: Final = 10
_REFUSAL_SECONDS: Final = 60.0
"""So many refusals are recorded at once, and then one in so many seconds: guests must not fill the disk."""

Reload = Callable[[], Awaitable[tuple[str, ...]]]
"""Reads the configuration anew, and returns the keys that changed; raises ConfigError where it cannot be used."""


class Requests:
    """The handlers over one node."""

    def __init__(self, node: Node, reload: Reload) -> None:
        self._node = node
        self._reload_node = reload
        operator = Operator(node)
        self._leaving: asyncio.Task[None] | None = None
        self._refusals, self._unrecorded = Bucket(_REFUSALS, _REFUSAL_SECONDS), 0
        self.handlers: Mapping[str, Handler] = {
            "status": self._status,
            "leader": self._leader,
            "members": self._members,
            "plugins": self._plugins,
            "hooks": self._hooks,
            "plugin": self._audited("plugin", self._plugin),
            "reload": self._audited("reload", self._reload),
            "plan": operator.plan,
            "maintenance": operator.maintenance,
            "step-down": self._audited("step-down", operator.step_down),
            "maintain": self._audited("maintain", operator.maintain),
            "end-maintenance": self._audited("end-maintenance", operator.end_maintenance),
            "transfer": self._audited("transfer", operator.transfer, failed=operator.failed),
            "leave": self._audited("leave", self._leave),
        }
        self.streams: Mapping[str, Streamer] = {"watch": self._watch}

    def refused(self, command: str, caller: Caller) -> None:
        """Record that somebody asked for what is not for him; the next record tells how many were left out."""
        if not self._refusals.take():
            self._unrecorded += 1
            return
        unrecorded, self._unrecorded = self._unrecorded, 0
        self._node.audit.record(
            Action.OPERATOR_REFUSED,
            Outcome.FAILURE,
            reason="it changes something, and this user may only ask",
            command=command,
            uid=caller.uid,
            pid=caller.pid,
            unrecorded=unrecorded,
        )

    def _audited(self, command: str, handler: Handler, *, failed: Callable[[Any], str] = lambda _answer: "") -> Handler:
        """The handler, with its records; `failed` says of an answer why it is none that was hoped for."""

        async def handle(arguments: Mapping[str, Any], caller: Caller) -> object:
            audit = self._node.audit
            asked = audit.record(
                Action.OPERATOR_REQUEST, command=command, uid=caller.uid, pid=caller.pid, arguments=dict(arguments)
            )
            await audit.on_disk()

            def answered(why: str) -> None:
                outcome = Outcome.FAILURE if why else Outcome.SUCCESS
                audit.record(
                    Action.OPERATOR_ANSWER,
                    outcome,
                    reason=why or None,
                    command=command,
                    uid=caller.uid,
                    pid=caller.pid,
                    request=asked,
                )

            try:
                answer = await handler(arguments, caller)
            except asyncio.CancelledError:
                answered("the daemon ended before it was done")
                raise
            except Exception as error:
                answered(str(error) if isinstance(error, LesHooksError) else repr(error))
                raise
            answered(failed(answer))
            return answer

        return handle

    # -- questions -----------------------------------------------------------------------------------------------------

    async def _status(self, _arguments: Mapping[str, Any], _caller: Caller) -> object:
        return await report.status(self._node)

    async def _leader(self, _arguments: Mapping[str, Any], _caller: Caller) -> object:
        return report.leadership(self._node)

    async def _members(self, _arguments: Mapping[str, Any], _caller: Caller) -> object:
        return report.members(self._node)

    async def _plugins(self, _arguments: Mapping[str, Any], _caller: Caller) -> object:
        return report.plugins(self._node)

    async def _hooks(self, _arguments: Mapping[str, Any], _caller: Caller) -> object:
        if self._node.config.cluster.role is Part.WITNESS:
            return []  # as it should be, where a plugin that is not loaded is a mistake elsewhere
        return await self._ask_plugin("scripts", "list", {})

    async def _watch(self, arguments: Mapping[str, Any], _caller: Caller) -> AsyncGenerator[object, None]:
        events = self._node.story.listen(after=0 if arguments.get("from_start") is True else None)
        # What stands, before what changes: the watcher knows from it that it misses nothing any more.
        yield report.leadership(self._node)
        async for event in events:
            yield msgspec.to_builtins(event)

    # -- changes -------------------------------------------------------------------------------------------------------

    async def _plugin(self, arguments: Mapping[str, Any], _caller: Caller) -> object:
        match arguments:
            case {"plugin": str(plugin), "action": str(action), "arguments": dict(given)}:
                return await self._ask_plugin(plugin, action, given)
            case _:
                raise ControlError("the request is malformed: it takes plugin, action and arguments")

    async def _ask_plugin(self, plugin: str, action: str, arguments: Mapping[str, Any]) -> object:
        node, name = self._node, printable(plugin)
        if plugin not in node.registry.loaded:
            why = next((f": {info.why}" for info in node.registry.infos() if info.name == plugin and info.why), "")
            raise ControlError(f"the plugin {name} is not loaded{why or '; `les plugins list` says why'}")
        timeout = node.plugins.settings[plugin].timeout
        result = await node.dispatcher.ask(plugin, "control", timeout, action=action, arguments=arguments)
        if result is None:
            raise ControlError(f"the plugin {name} takes no requests")
        if result.error:
            # A plugin that refuses has said so in words for people.
            raise ControlError(result.error.removeprefix(f"{PluginError.__name__}: "))
        try:
            return msgspec.to_builtins(result.value)
        except (TypeError, ValueError, RecursionError) as error:
            raise ControlError(f"the answer of the plugin {name} cannot be told as JSON: {error}") from error

    async def _reload(self, _arguments: Mapping[str, Any], _caller: Caller) -> object:
        return {"changed": list(await self._reload_node())}

    async def _leave(self, _arguments: Mapping[str, Any], _caller: Caller) -> object:
        # The answer goes out first: it must not wait for hooks, and the socket is gone when they have ended.
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._node.stop(), name="leave")
        return {"leaving": True}
