"""Listeners: each hears everything, none is waited for."""

import asyncio

import pytest

from les_hooks.daemon.story import Story
from les_hooks.errors import ControlError
from tests.telling import an_event


async def test_every_listener_hears_every_event_from_its_call_on() -> None:
    story = Story()
    first = story.listen()
    one, two = an_event("elected"), an_event("demoted")
    story.tell(one)
    second = story.listen()
    story.tell(two)
    story.end()
    assert [event async for event in first] == [one, two]
    assert [event async for event in second] == [two]


async def test_who_asks_for_the_start_hears_what_was_told_before_even_when_it_is_over() -> None:
    story = Story()
    events = [an_event("elected"), an_event("demoted")]
    for event in events:
        story.tell(event)
    early = story.listen(after=0)
    story.end()
    assert [event async for event in early] == events
    assert [event async for event in story.listen(after=0)] == events
    assert [event async for event in story.listen()] == []


async def test_a_listener_that_is_too_slow_hears_what_it_has_room_for_and_is_told_so() -> None:
    story = Story()
    slow, event = story.listen(), an_event("elected")
    for _ in range(1200):
        story.tell(event)
    assert [await anext(slow) for _ in range(1000)] == [event] * 1000
    with pytest.raises(ControlError, match="too slow: more than 1000 events were waiting"):
        await anext(slow)


async def test_a_listener_waits_for_the_next_event_and_may_leave() -> None:
    story, event = Story(), an_event("elected")
    listener = story.listen()
    waiting = asyncio.create_task(anext(listener))
    await asyncio.sleep(0)
    story.tell(event)
    assert await waiting == event
    await listener.aclose()
    story.tell(event)
    with pytest.raises(StopAsyncIteration):
        await anext(listener)
