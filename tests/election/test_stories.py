"""The stories that matter, told in `stories/`: commands, and what follows from each.

`LES_REGENERATE=1` writes them anew; read the difference before you commit it.
"""

import os
from pathlib import Path

import pytest

from tests.election.sim.stories import tell_again

STORIES = sorted((Path(__file__).parent / "stories").glob("*.txt"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_story_goes_as_it_is_told(path: Path) -> None:
    text = path.read_text()
    told = tell_again(text)
    if os.environ.get("LES_REGENERATE"):
        path.write_text(told)
    assert told == path.read_text(), "it went otherwise; if that is right, LES_REGENERATE=1 tells it anew"
    assert len(STORIES) >= 10
