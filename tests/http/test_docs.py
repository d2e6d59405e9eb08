"""`docs/http.md` has every page and every limit as the code does."""

import re
from pathlib import Path

import pytest

from les_hooks.http import connection, events, gate, listener, tokens
from les_hooks.http.api import api_routes
from les_hooks.http.events import EventStream
from les_hooks.http.gate import Gate
from les_hooks.http.login import login_routes
from les_hooks.http.openapi import description_route
from les_hooks.http.report import Report
from les_hooks.http.tokens import TokenFile
from tests.http.lone import Lone, lone, token_file

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text()


async def paths(at: Lone) -> set[str]:
    """All paths of the engine's own pages."""
    stream = EventStream(lambda after: at.node.story.listen(after=after), at.node.log)
    tokens_of = TokenFile(token_file(at.node.config.node.state_dir), at.node.log)
    own = Gate(hosts=(), tokens=tokens_of, cookie="x", log=at.node.log)
    pages = api_routes(at.node, Report(at.node), stream)
    found = (*pages, description_route(dict, own.cookie), *login_routes(own, lambda _path: True))
    await stream.close()
    return {page.path for page in found}


async def test_every_page_is_there_with_whether_it_needs_a_token(tmp_path: Path) -> None:
    rows = re.findall(r"^\| (`/[^|]*`) \| (yes|no) \|", PAGE, re.MULTILINE)
    told = {path: word == "yes" for paths, word in rows for path in re.findall("`([^`]*)`", paths)}
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        posts = {"/logout"}
        found = {
            path: (await at.head(path, method="POST" if path in posts else "GET"))[0] not in (401, 404) for path in told
        }
        assert found == told
        assert set(told) == await paths(at)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (r"connections \| (\d+) ", listener._LIMITS.connections),
        (r"(\d+) beside the streams", listener._LIMITS.strangers),
        (r"(\d+) of them from one address", listener._LIMITS.at_once),
        (r"from one address (\d+) at once", listener._LIMITS.source.burst),
        (r"and (\d+) a second, from all", listener._LIMITS.source.per_second),
        (r"from all together (\d+) and", listener._LIMITS.everybody.burst),
        (r"from all together \d+ and (\d+);", listener._LIMITS.everybody.per_second),
        (r"streams \| (\d+) ", events._MOST_STREAMS),
        (r"At most (\d+) listen", events._MOST_STREAMS),
        (r"remembers (\d+) events", events._REMEMBERED),
        (r"comment comes after (\d+) seconds", events._BEAT_SECONDS),
        (r"within (\d+) ms are sent", events._PACE_SECONDS * 1000),
        (r"head of a request \| (\d+) s", connection.LIMITS["keepalive_timeout"]),
        (r"a line of (\d+) KiB", connection.LIMITS["max_line_size"] / 1024),
        (r", (\d+) headers", connection.LIMITS["max_headers"]),
        (r"its body \| (\d+) KiB", listener._MOST_BODY_BYTES / 1024),
        (r"answer \| (\d+) s", listener._HANDLER_SECONDS),
        (r"(\d+) s for the whole connection", connection.CONNECTION_SECONDS),
        (r"at least (\d+) characters", tokens._LEAST_CHARACTERS),
        (r"for (\d+) hours", tokens.SESSION_SECONDS / 3600),
    ],
)
def test_every_limit_is_the_one_of_the_code(words: str, value: float) -> None:
    found = re.search(words, PAGE)
    assert found is not None
    assert float(found[1]) == value


def test_the_login_is_where_the_page_says() -> None:
    assert f"`{gate.LOGIN}`" in PAGE
