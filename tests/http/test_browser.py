"""The login in a real browser: the strict policy lets through what it needs, and nobody has to have scripts."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright, expect

from les_plugins import dashboard
from tests.http.lone import TOKEN, lone, token_file
from tests.needs import need_program


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["127.0.0.1", "les.example.org"])
async def test_a_person_opens_the_page_and_leaves_it(tmp_path: Path, name: str) -> None:
    """Over plain HTTP a browser tells less of where a request comes from than it does on loopback."""
    chromium = need_program("chromium")
    options = ["--no-sandbox", "--host-resolver-rules=MAP les.example.org 127.0.0.1"]
    key: dict[str, Any] = {"token_file": str(token_file(tmp_path)), "hosts": ["les.example.org"]}
    async with (
        lone(tmp_path, dashboard, **key) as at,
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=chromium, args=options) as browser,
        await browser.new_context() as context,
    ):
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        url = at.url.replace("127.0.0.1", name)
        await page.goto(url)
        assert page.url == f"{url}/login?next=/"
        assert await page.locator("input:visible").count() == 1
        await page.get_by_label("The token of this listener").fill(TOKEN)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.locator("#live")).to_have_text(", live")
        assert page.url == f"{url}/"
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("button", name="Log in")).to_be_visible()
        assert await context.cookies() == []
        await page.goto(url)
        assert page.url == f"{url}/login?next=/"
        assert complaints == []


@pytest.mark.timeout(60)
async def test_a_person_logs_in_and_out_again(tmp_path: Path) -> None:
    chromium = need_program("chromium")
    async with (
        lone(tmp_path, token_file=str(token_file(tmp_path))) as at,
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
        await browser.new_context(java_script_enabled=False) as context,
    ):
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(f"{at.url}/api/v1/history")
        assert page.url == f"{at.url}/login?next=/api/v1/history"
        field = page.get_by_label("The token of this listener")
        assert await field.evaluate("field => getComputedStyle(field).display") == "block"  # the style is applied
        assert complaints == []

        await field.fill("not it")
        await page.get_by_role("button").click()
        assert await page.get_by_role("alert").inner_text() == "This is not the token."
        await page.get_by_label("The token of this listener").fill(TOKEN)
        await page.get_by_label("The token of this listener").press("Enter")
        assert page.url == f"{at.url}/api/v1/history"
        assert '"term":1' in await page.content()

        (cookie,) = await context.cookies()
        assert (cookie.get("httpOnly"), cookie.get("sameSite"), cookie.get("path")) == (True, "Strict", "/")
        await context.request.post(f"{at.url}/logout", max_redirects=0)
        assert await context.cookies() == []
        assert [text for text in complaints if "401" not in text] == []  # it notes the wrong token
