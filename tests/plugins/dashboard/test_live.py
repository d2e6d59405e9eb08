"""The page over real daemons: a fail-over watched live, a daemon that comes back, and a token."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.cluster import Cluster, Daemon, free_ports
from tests.plugins.dashboard.conftest import Open

_TOKEN = "a-token-that-is-long-enough-to-be-one"


class Watched(Cluster):
    """Daemons that each have a page."""

    def __init__(self, folder: Path, count: int, more: str = "") -> None:
        super().__init__(folder, count)
        self.ports = dict(zip((daemon.name for daemon in self.daemons), free_ports(count), strict=True))
        for daemon in self.daemons:
            listen = f'[http]\nlisten = "127.0.0.1:{self.ports[daemon.name]}"\n'
            daemon.config.write_text(daemon.config.read_text() + listen + more)

    def page(self, daemon: Daemon) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self.ports[daemon.name]}/"


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Watched]:
    """Three nodes, one of which leads."""
    with Watched(tmp_path, 3) as cluster:
        cluster.wait_leader()
        yield cluster


def test_a_fail_over_is_watched_live(three: Watched, open_page: Open, artefacts: Path) -> None:
    """The leader is killed, and the page of a follower shows the next one, without being loaded again."""
    leader = three.wait_leader()
    follower = next(daemon for daemon in three.daemons if daemon is not leader)
    page = open_page(three.page(follower))
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{leader.name} leads")
    expect(page.locator("#live")).to_have_text(", live")
    page.evaluate("window.still = true")
    leader.kill()
    following = three.wait_leader()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{following.name} leads", timeout=3000)
    expect(page.get_by_role("region", name="Recent events")).to_contain_text(f"{leader.name} is lost")
    expect(page.locator("tbody tr[data-key]").first).to_contain_text(following.name)
    page.screenshot(path=artefacts / "fail-over.png", full_page=True)
    assert page.evaluate("window.still")


def test_a_daemon_that_comes_back_is_shown_as_it_is_then(three: Watched, open_page: Open) -> None:
    leader = three.wait_leader()
    daemon = next(each for each in three.daemons if each is not leader)
    page = open_page(three.page(daemon))
    expect(page.locator("#live")).to_have_text(", live")
    facts = page.get_by_role("region", name="This node", exact=True)
    expect(facts).to_contain_text(f"pid {daemon.status()['node']['pid']}")
    daemon.signal(signal.SIGTERM)
    daemon.ended()
    expect(page.get_by_role("alert")).to_have_text(re.compile("^No answer from this node since"), timeout=5000)
    daemon.start()
    three.wait_leader()
    expect(facts).to_contain_text(f"pid {daemon.status()['node']['pid']}")
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{leader.name} leads")
    expect(page.locator("#live")).to_have_text(", live")


def test_with_a_token_the_page_is_behind_a_login(tmp_path: Path, open_page: Open) -> None:
    """And says so where the token is another one later."""
    file = tmp_path / "token"
    file.write_text(_TOKEN)
    file.chmod(0o600)
    with Watched(tmp_path, 1, f'token_file = "{file}"\n') as cluster:
        cluster.wait_leader()
        page = open_page(cluster.page(cluster.daemons[0]))
        page.locator("input[type=password]").fill(_TOKEN)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("a leads")
        expect(page.locator("#live")).to_have_text(", live")
        file.write_text(_TOKEN[::-1])
        alert = page.get_by_role("alert")
        expect(alert).to_have_text(re.compile("^This node wants its token again"))
        expect(alert.get_by_role("link", name="Log in")).to_have_attribute("href", "/login")
