"""One browser for the tests of the page, and a place for their screenshots."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.needs import need_program
from tests.plugins.dashboard.stage import Stage

# Told to the test by the page: what the policy has kept it from.
_WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window. It keeps a loop running, so that no asynchronous test can stand in such a module."""
    chromium = need_program("chromium")
    with sync_playwright() as playwright:
        # Its sandbox does not work for root, and the only pages that it sees are ours.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A server of the page."""
    with Stage() as stage:
        yield stage


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a page; `options` are those of a context. At the end no error may be in its console, nor a violation."""
    opened: list[Page] = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # A daemon that is not there makes the browser say so.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    def open_page(url: str, **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})  # type: ignore[arg-type]  # as given
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.add_init_script(_WATCH_POLICY)
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        opened.append(page)
        return page

    yield open_page
    for page in opened:
        if page.evaluate("typeof violations") != "undefined":
            complaints += page.evaluate("violations")
        page.context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots are kept: `$LES_ARTEFACTS`, or a temporary folder."""
    named = os.environ.get("LES_ARTEFACTS")
    folder = Path(named) / "dashboard" if named else tmp_path_factory.mktemp("artefacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
