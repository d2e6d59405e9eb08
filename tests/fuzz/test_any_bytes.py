"""Of any bytes at all, of nearly right ones, and of all that was ever worth trying: what the oracles say holds."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from les_hooks import wire
from les_hooks.election.frames import Frame
from tests.fuzz import BOUNDED
from tests.fuzz.corpus import corpus_of
from tests.fuzz.mutation import mutated
from tests.fuzz.oracles import ORACLES
from tests.fuzz.seeds import SEEDS
from tests.fuzz.strategies import frames


def _spliced(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one piece of them cut out, doubled or exchanged."""
    begin, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    piece = chance.choice((b"", data[begin:end] * 2, chance.randbytes(min(end - begin, 8)), b"9" * 5000, b"\xff\x00"))
    return data[:begin] + piece + data[end:]


@pytest.mark.parametrize("name", ORACLES)
def test_what_was_worth_trying_once_still_holds(name: str) -> None:
    for data in corpus_of(name):
        ORACLES[name](data)


@pytest.mark.parametrize("name", ORACLES)
@BOUNDED
@given(st.data())
def test_it_holds_of_any_bytes(name: str, data: st.DataObject) -> None:
    ORACLES[name](data.draw(st.binary(max_size=400)))


@pytest.mark.parametrize("name", ORACLES)
@BOUNDED
@given(st.data())
def test_it_holds_of_what_is_nearly_right(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(list(SEEDS[name])))
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    ORACLES[name](b"\n".join(mutated(line, chance) for line in seed.split(b"\n")))
    ORACLES[name](_spliced(seed, chance))


@BOUNDED
@given(frames, st.integers(0, 2**32))
def test_it_holds_of_frames_with_a_value_exchanged(frame: Frame, seed: int) -> None:
    ORACLES["frame"](mutated(wire.encode(frame), random.Random(seed)))


@settings(BOUNDED, max_examples=60)
@given(st.binary(min_size=200, max_size=1500))
def test_no_story_of_liars_breaks_the_machine(story: bytes) -> None:
    """See `script`; the other tests here tell short ones."""
    ORACLES["machine"](story)


def test_each_oracle_has_something_to_begin_with() -> None:
    assert set(SEEDS) == set(ORACLES)
    assert all(SEEDS.values())
