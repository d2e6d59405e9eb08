"""What happens when a part of the node fails for good: the loop's exception handler hears of it.

Imports nothing of ours; whoever keeps a task or a callback that must not end reports through here. `les run` ends the
daemon then, because half a node is worse than none; a library user's loop logs it as it logs everything else.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

__all__ = ["failure_in", "report_failure", "watch_over"]

_PART = "les_hooks_part"


def report_failure(part: str, error: BaseException) -> None:
    """This part of the node has failed and does not go on. To be called in the loop."""
    context = {"message": f"{part} has failed, and does not go on", "exception": error, _PART: part}
    asyncio.get_running_loop().call_exception_handler(context)


def watch_over(task: "asyncio.Task[None]", part: str) -> None:
    """Report what the task raises, should it raise anything but its own cancellation."""

    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            report_failure(part, error)

    task.add_done_callback(ended)


def failure_in(context: Mapping[str, Any]) -> tuple[str, BaseException] | None:
    """The part and its error, if an exception handler's context is one of ours; None for all that is not."""
    return (context[_PART], context["exception"]) if _PART in context else None
