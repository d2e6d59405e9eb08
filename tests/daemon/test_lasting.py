"""Work of plugins that lasts as long as the node runs."""

import asyncio

from les_hooks.daemon.lasting import Lasting
from les_hooks.dispatch import CallResult, Overtaken
from les_hooks.dispatch.calls import CallOutcome
from tests.virtual import virtual


class Plugins:
    """Stands for a dispatcher: each call lasts until it is overtaken, or `seconds` where those are set."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.seconds: float | None = None

    async def ask(
        self, plugin: str, hook: str, timeout: float | None, overtaken: Overtaken | None = None, **_: object
    ) -> CallResult | None:
        assert (hook, timeout) == ("while_running", None)
        assert overtaken is not None
        self.begun.append(plugin)
        await asyncio.wait({overtaken}, timeout=self.seconds)
        self.ended.append(plugin)
        return CallResult(outcome=CallOutcome.FAILURE, seconds=self.seconds or 0.0, error="broken")


def lasting(plugins: Plugins, ends: list[tuple[str, str]]) -> Lasting:
    """One whose errors of its own fail the test; `ends` are those that nobody asked for."""

    def broken(error: BaseException) -> None:
        raise AssertionError from error

    return Lasting(plugins, "while_running", on_end=lambda *end: ends.append(end), on_broken=broken)


@virtual()
async def test_it_is_begun_once_and_ended_with_the_node() -> None:
    plugins, ends = Plugins(), list[tuple[str, str]]()
    works = lasting(plugins, ends)
    works.keep({"a": object(), "b": object()})
    await asyncio.sleep(100)
    await works.close()
    await works.close()
    assert (plugins.begun, sorted(plugins.ended)) == (["a", "b"], ["a", "b"])
    assert ends == []


@virtual()
async def test_a_reload_begins_anew_only_what_has_another_configuration_and_ends_what_is_gone() -> None:
    plugins, same = Plugins(), object()
    works = lasting(plugins, [])
    works.keep({"a": same, "b": object(), "c": object()})
    await asyncio.sleep(1)
    works.keep({"a": same, "b": object()})
    await asyncio.sleep(1)
    assert (plugins.begun, sorted(plugins.ended)) == (["a", "b", "c", "b"], ["b", "c"])
    await works.close()


@virtual()
async def test_work_that_ends_by_itself_is_said_and_begun_again_with_back_off() -> None:
    plugins, ends = Plugins(), list[tuple[str, str]]()
    plugins.seconds = 0.01
    works = lasting(plugins, ends)
    works.keep({"a": object()})
    await asyncio.sleep(4.5)
    assert len(plugins.begun) == 3
    assert set(ends) == {("a", "broken")}
    await works.close()
    await asyncio.sleep(100)
    assert len(plugins.begun) == 3
