"""docs/security.md against the code: each number is the one that is in force."""

import re
from pathlib import Path

import pytest

from les_hooks.backends.peers import link, server
from les_hooks.security import NONCE_BYTES, ca, certificate, secret

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (r"(\d+) strangers at once and", server._LIMITS.at_once),
        (r"and (\d+) new connections a second", server._LIMITS.source.per_second),
        (r"\((\d+) in a burst\) from one source", server._LIMITS.source.burst),
        (r"of all sources\s+(\d+) strangers", server._LIMITS.strangers),
        (r"and (\d+) new ones a second", server._LIMITS.everybody.per_second),
        (r"new ones a second \((\d+) in a burst\)", server._LIMITS.everybody.burst),
        (r"A member gets (\d+) frames a second", link._FRAMES.per_second),
        (r"frames a second read \((\d+) in a burst\)", link._FRAMES.burst),
        (r"(\d+) random bits", 8 * secret._NEW_BYTES),
        (r"one line of (\d+) to", secret._LEAST_CHARACTERS),
        (r"to (\d+) plain characters", secret._MOST_CHARACTERS),
        (r"nonces are (\d+) random bytes", NONCE_BYTES),
        (r"certificates for (\d+) days", ca.NODE_DAYS),
        (r"From (\d+) days before its end", certificate.WARN_SECONDS / 86400),
    ],
)
def test_every_number_is_the_one_of_the_code(words: str, value: float) -> None:
    found = re.search(words, PAGE)
    assert found is not None
    assert float(found[1]) == value
