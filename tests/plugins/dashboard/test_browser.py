"""The page in a browser: what it shows in each state, that it is kept up to date, and that everybody can read it."""

import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.cluster import until
from tests.plugins.dashboard.conftest import Open
from tests.plugins.dashboard.samples import HOSTILE, a_member, a_status, address, hostile, webhooks
from tests.plugins.dashboard.stage import Stage


def leading() -> dict[str, Any]:
    return a_status(own=0)


def following() -> dict[str, Any]:
    status = a_status()
    status["plugins"].append(
        webhooks(
            {"name": "pager", "state": "ok", "queued": 0, "failed": 0},
            {
                "name": "chat",
                "state": "failing",
                "queued": 41,
                "oldest_seconds": 731.0,
                "failed": 2,
                "error": "503 Service Unavailable",
            },
        )
    )
    return status


def nobody() -> dict[str, Any]:
    status = a_status(leader=None, leader_name=None)
    for member, place in zip(status["members"], status["succession"], strict=True):
        member |= {"role": "follower", "fit": False, "unfit": "unit nginx.service: is failed"}
        place["why"] = member["unfit"]
    return status


def unfit() -> dict[str, Any]:
    status = a_status(5, warnings=["the voter web-9 (10.0.0.9:4000) is not heard"])
    status["members"][1] |= {"fit": False, "unfit": "database: connection refused"}
    status["members"][3] |= {"direct": False}
    status["succession"][1]["why"] = "database: connection refused"
    status["audit"] |= {"degraded": "No space left on device", "dropped": 17}
    return status


def joining() -> dict[str, Any]:
    status = a_status(1, own=0)
    status["members"][0] |= {"role": "joining", "start_time": None}
    nothing = {"leader": None, "leader_name": None, "is_me": False, "authority": 0.0, "term": 0}
    return status | nothing | {"settled": False, "alone_in": 42.0, "role": "joining"}


STATES = {"leading": leading, "following": following, "nobody": nobody, "unfit": unfit, "joining": joining}
HEADLINES = {"nobody": "Nobody leads", "joining": "Looking for the others"}

PHONE = {"viewport": {"width": 360, "height": 740}}

# The contrast of every text with what is behind it, by the formula of WCAG 2; the worst ones, and below 4.5 all.
CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const found = parse(getComputedStyle(each).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const bad = [];
  let seen = 0;
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.getClientRects().length || element.closest("noscript, title")) continue;
    const style = getComputedStyle(element), svg = element.ownerSVGElement;
    let back = behind(element);
    if (svg && element.parentElement.matches(".dot")) {
      back = parse(getComputedStyle(element.parentElement.querySelector("circle")).fill);
    }
    const [one, other] = [light(parse(svg ? style.fill : style.color)), light(back)];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    seen += 1;
    const which = `${element.nodeName} ${element.getAttribute("class")} ${element.textContent}`;
    if (ratio < 4.5) bad.push(`${which}: ${ratio.toFixed(2)}`);
  }
  return [seen, bad];
}"""


def keep(page: Page, artefacts: Path, name: str) -> None:
    page.screenshot(path=artefacts / f"{name}.png", full_page=True)


def wide(page: Page) -> bool:
    """Whether the page scrolls sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@pytest.mark.parametrize("state", STATES)
def test_each_state_can_be_read_by_everybody(state: str, stage: Stage, open_page: Open, artefacts: Path) -> None:
    """Its headline is there, every text stands out from what is behind it, and nothing scrolls sideways."""
    stage.node.said = STATES[state]()
    page = open_page(stage.url)
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADLINES.get(state, "web-1 leads"))
    expect(page.locator("#live")).to_have_text(", live")
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width, device in ((1280, "desk"), (360, "phone")):
            page.set_viewport_size({"width": width, "height": 800})
            keep(page, artefacts, f"{state}-{device}-{scheme}")
            seen, bad = page.evaluate(CONTRAST)
            assert seen > 30
            assert bad == []
            assert not wide(page)


@pytest.mark.parametrize("options", [{}, PHONE], ids=["wide", "phone"])
def test_hostile_words_are_only_words(
    options: dict[str, Any], stage: Stage, open_page: Open, artefacts: Path, request: pytest.FixtureRequest
) -> None:
    """In the page as it comes, and in the page that the script turns into another."""
    page = open_page(stage.url, **options)
    expect(page.locator("#live")).to_have_text(", live")
    before = page.evaluate("document.querySelectorAll('*').length")
    stage.node.said = hostile()
    stage.node.said["leader"] = address(5)
    stage.tell()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x onerror=")
    keep(page, artefacts, f"hostile-{request.node.callspec.id}")
    assert page.evaluate("document.querySelectorAll('*').length") > before
    assert not wide(page)
    for _ in ("as the script made it", "as it was sent"):
        assert page.locator("img, iframe, object, [onerror], [style], main script").count() == 0
        assert not set("\u202e\u2066\x1b") & set(page.content())
        assert page.title() != "owned"
        page.reload()
    assert HOSTILE.split('"')[0] in page.get_by_role("heading", level=1).inner_text()


def test_without_a_script_the_page_is_complete(stage: Stage, open_page: Open) -> None:
    plain = open_page(stage.url, java_script_enabled=False)
    live = open_page(stage.url)
    expect(live.locator("#live")).to_have_text(", live")
    expect(plain.get_by_role("link", name="Look again")).to_be_visible()
    assert plain.locator("main").inner_text() == live.locator("main").inner_text()


def test_what_happens_is_shown_and_what_people_do_stays(stage: Stage, open_page: Open) -> None:
    """Focus, selection, what is open and the place in the page survive the next look."""
    page = open_page(stage.url, viewport={"width": 1280, "height": 500})
    expect(page.locator("#live")).to_have_text(", live")
    page.get_by_text("5 as a table").click()
    row = page.locator("tr[data-key='10.0.0.3:4000'] th")
    row.evaluate("each => getSelection().selectAllChildren(each)")
    page.locator("summary").focus()
    page.evaluate("scrollTo(0, 300)")
    stage.node.said = a_status(4, leader=address(1), leader_name="web-2", term=13)
    # The most senior is gone, so that every row but one moves up.
    stage.node.said["members"] = stage.node.said["members"][1:]
    stage.tell()
    expect(page.get_by_role("heading", level=1)).to_have_text("web-2 leads")
    expect(page.locator("tr[data-key='10.0.0.4:4000']")).to_be_visible()
    expect(page.locator("tr[data-key='10.0.0.1:4000']")).to_have_count(0)
    assert page.title() == "web-2 leads · web"
    assert page.locator("summary").evaluate("each => document.activeElement === each")
    assert page.locator("details").evaluate("each => each.open")
    assert page.evaluate("getSelection().toString()").startswith("web-3")
    assert page.evaluate("scrollY") == 300


def test_what_happens_right_after_somebody_looked_is_shown_as_soon(stage: Stage, open_page: Open) -> None:
    """What that one saw is shown to others for half a second."""
    page = open_page(stage.url)
    expect(page.locator("#live")).to_have_text(", live")
    page.wait_for_timeout(1200)  # the browser's own clock: then it would look at once
    assert page.request.get(stage.url).ok
    stage.node.said |= {"leader": address(2)}
    stage.tell()
    expect(page.get_by_role("heading", level=1)).to_have_text("web-3 leads", timeout=2000)


def test_only_a_new_leader_is_announced(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.url)
    expect(page.get_by_role("status")).to_have_text("web-1 leads")
    page.evaluate("""() => {
      window.announced = 0;
      const watch = new MutationObserver(() => { announced += 1; });
      watch.observe(document.querySelector("[role=status]"), { subtree: true, childList: true, characterData: true });
    }""")
    stage.node.said["time"] += 600.0
    stage.node.said["node"]["uptime"] += 600.0
    stage.tell()
    expect(page.locator("#as-of")).to_have_text(re.compile(r":25:\d\d$"))
    assert page.evaluate("announced") == 0
    stage.node.said |= {"leader": address(2)}
    stage.tell()
    expect(page.get_by_role("status")).to_have_text("web-3 leads")
    assert page.evaluate("announced") > 0


def test_a_node_that_is_gone_is_said_and_its_return_too(stage: Stage, open_page: Open, artefacts: Path) -> None:
    page = open_page(stage.url)
    expect(page.locator("#live")).to_have_text(", live")
    stage.stop()
    alert = page.get_by_role("alert")
    expect(alert).to_have_text(re.compile(r"^No answer from this node since \d\d:\d\d:\d\d\.$"), timeout=3000)
    assert page.locator("html.lost").count() == 1
    assert page.title().startswith("? ")
    assert page.evaluate(CONTRAST)[1] == []
    keep(page, artefacts, "lost")
    stage.node.said = a_status(leader=address(1), term=13)
    stage.start()
    expect(page.get_by_role("heading", level=1)).to_have_text("web-2 leads")
    expect(alert).to_be_hidden()
    expect(page.locator("#live")).to_have_text(", live")
    assert page.locator("html.lost").count() == 0


def test_a_node_that_hangs_is_noticed_within_seconds(stage: Stage, open_page: Open) -> None:
    """Its connections stay open, so that only the time tells."""
    page = open_page(stage.url)
    expect(page.locator("#live")).to_have_text(", live")
    stage.hanging = True
    expect(page.get_by_role("alert")).to_have_text(re.compile("^No answer"), timeout=7000)


def test_answers_that_stay_the_same_are_not_called_live(stage: Stage, open_page: Open) -> None:
    """As those of a cache in between: the node tells its time in each."""
    page = open_page(stage.url)
    expect(page.locator("#live")).to_have_text(", live")
    stage.node.began = None
    expect(page.get_by_role("alert")).to_have_text(re.compile("^Nothing new from this node since"), timeout=15_000)
    assert page.locator("html.lost").count() == 1
    stage.node.said["time"] += 60.0
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator("#live")).to_have_text(", live")


def test_a_fault_of_the_script_leaves_no_page_that_calls_itself_live(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.url)
    expect(page.locator("#live")).to_have_text(", live")
    page.evaluate("() => { window.fetch = () => new Promise(() => {}); }")  # as if it never came back
    expect(page.get_by_role("alert")).to_have_text(re.compile("^Nothing new from this node since"), timeout=15_000)


def test_who_has_logged_in_can_log_out(stage: Stage, open_page: Open) -> None:
    assert open_page(stage.url).get_by_role("button").count() == 0
    stage.node.said["http"] = {"url": stage.url, "token": True}
    until(lambda: b"/logout" in urllib.request.urlopen(stage.url).read(), "it is rendered anew")
    page = open_page(stage.url)
    stage.node.said["term"] = 77
    stage.tell()
    expect(page.locator(".figures")).to_contain_text("77")
    button = page.get_by_role("button", name="Log out")
    assert button.evaluate("each => [each.form.method, new URL(each.form.action).pathname]") == ["post", "/logout"]


def test_another_token_is_asked_for(stage: Stage, open_page: Open, artefacts: Path) -> None:
    page = open_page(stage.url)
    expect(page.locator("#live")).to_have_text(", live")
    stage.refusing = 401
    stage.tell()
    expect(page.get_by_role("alert")).to_have_text(re.compile("^This node wants its token again"))
    keep(page, artefacts, "token")
    page.get_by_role("link", name="Log in").click()
    expect(page.get_by_text("the token, please")).to_be_visible()


def test_an_error_of_the_node_is_told(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.url)
    stage.refusing = 503
    expect(page.get_by_role("alert")).to_have_text(re.compile(r"^This node answers with an error \(503\)"))


def test_another_page_in_its_place_is_not_shown(stage: Stage, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a proxy, say."""
    page = open_page(stage.url)
    expect(page.locator("#live")).to_have_text(", live")
    monkeypatch.setattr("les_plugins.dashboard.shared.render", lambda *_: "<html><h1>welcome to the hotel</h1></html>")
    stage.tell()
    expect(page.get_by_role("alert")).to_have_text(re.compile("^Something else answers"))
    monkeypatch.undo()
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_have_text("web-1 leads")


def test_a_page_that_nobody_sees_asks_for_nothing(stage: Stage, open_page: Open) -> None:
    """A browser allows a host six connections for all its tabs."""
    page = open_page(stage.url)
    expect(page.locator("#live")).to_have_text(", live")
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true}); \
        document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(hide, True)
    until(lambda: stage.streams == 0, "the stream is closed")
    expect(page.locator("#live")).to_have_text(", paused")
    before = stage.looks
    page.wait_for_timeout(3500)  # the browser's own clock: longer than between two looks
    assert stage.looks == before
    stage.node.said["term"] = 77
    page.evaluate(hide, False)
    expect(page.locator(".figures")).to_contain_text("77")
    until(lambda: stage.streams == 1, "the stream is open again")


def test_after_an_upgrade_the_page_takes_its_new_script(
    stage: Stage, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page(stage.url)
    expect(page.locator("#live")).to_have_text(", live")
    monkeypatch.setattr("les_plugins.dashboard.shared.VERSION", "another")
    with page.expect_event("load"):
        stage.tell()
    expect(page.locator("html[data-version=another]")).to_have_count(1)


def test_everything_is_reached_by_keyboard(stage: Stage, open_page: Open) -> None:
    """The first stop is past all that comes before, and every stop can be seen."""
    page = open_page(stage.url)
    stops = []
    for _ in range(6):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.textContent"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert (
            outline == "solid"
            or stops[-1].startswith("Skip")
            or page.evaluate("document.activeElement === document.body")
        )
    assert stops[:4] == ["Skip to who leads", "5 as a table", "status", "history"]
    page.reload()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to who leads")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.localName") == "main"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name="Leadership over the last day, the newest first")).to_be_visible()


def test_who_hears_the_page_gets_landmarks_and_tables(stage: Stage, open_page: Open) -> None:
    stage.node.said = unfit()
    page = open_page(stage.url)
    expect(page.locator("body")).to_match_aria_snapshot("""
      - link "Skip to who leads"
      - banner
      - main:
        - region "who leads":
          - status:
            - heading "web-1 leads" [level=1]
        - region "what needs attention":
          - list
        - region "Line of succession":
          - heading "Line of succession" [level=2]
          - table "Line of succession, the most senior first":
            - rowgroup:
              - row:
                - columnheader "member"
                - columnheader "waits for"
            - rowgroup:
              - row:
                - rowheader /web-1/
              - row:
                - rowheader /web-2 this node/
                - 'cell "database: connection refused"'
        - region "Links of this node":
          - img "3 of 4 other members have a direct link to this node"
        - region "Leadership over the last day":
          - img /5 leaderships in 24 hours/
        - region "Recent events"
        - region "Hooks"
        - region "Plugins"
        - region "This node"
      - contentinfo
    """)
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == 1
    assert page.locator("table:not(:has(> caption)), th:not([scope])").count() == 0


def test_whoever_wants_no_motion_sees_none(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.url, reduced_motion="reduce")
    moving = """all => all.map((each) => getComputedStyle(each))
      .filter((style) => style.animationName !== "none" || parseFloat(style.transitionDuration) > 0).length"""
    assert page.locator("body *").evaluate_all(moving) == 0


def test_with_many_members_the_page_is_no_wider(stage: Stage, open_page: Open, artefacts: Path) -> None:
    stage.node.said = a_status(20, own=4)
    stage.node.said["members"][12] = a_member(12, kind="original", direct=False)
    page = open_page(stage.url)
    keep(page, artefacts, "twenty")
    assert page.locator(".dot").count() == 20
    assert not wide(page)
