"""A minute of the loss that `python -m tests.bench loss` bears for longer: packets are lost, and nothing follows."""

from collections import Counter

import pytest

from tests.bench import loss
from tests.needs import need_netns, need_program


@pytest.mark.timeout(240)
def test_every_twentieth_packet_lost_moves_no_leadership_in_either_mode() -> None:
    """Default timing, twelve clusters side by side: what is lost is sent again long before anybody is missed."""
    need_netns()
    need_program("nft")
    tolls = loss.run(Counter(members=6, majority=6), seconds=60.0, percent=5)
    assert len(tolls) == 12
    assert [toll.news for toll in tolls if toll.fail_overs] == []
    assert [toll.overlap_seconds for toll in tolls] == [0.0] * 12
