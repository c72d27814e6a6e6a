"""The system's Chromium with the network closed, and people who use it. Every page visited is watched.

A visit that loads anything from elsewhere, breaks the content security policy, throws in its script or is answered
with a 5xx fails its test at the end.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    StorageState,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests import chromium
from tests.conftest import PLAN, City
from tests.e2e import journey

AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
# Nothing but this machine can be reached, and the browser itself asks for nothing.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)
DESK: ViewportSize = {"width": 1366, "height": 900}
# How long a page may take to show what it has to: patience with a busy machine, never what a test is about.
PATIENCE_MS = 15_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder need a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def launch(playwright: Playwright) -> Iterator[Callable[[], Browser]]:
    """Starts a browser process of its own; all are closed at the end."""
    path = os.environ.get("KANKETSU_TEST_CHROMIUM") or chromium.find()
    if path is None:
        pytest.skip("BROWSER TESTS SKIPPED: no Chromium on this system (apt-get install chromium fonts-noto-cjk)")
    started: list[Browser] = []

    def start() -> Browser:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        started.append(browser)
        return browser

    yield start
    for browser in started:
        browser.close()


@pytest.fixture(scope="session")
def browser(launch: Callable[[], Browser]) -> Browser:
    return launch()


@dataclass
class Watch:
    """What must not happen while people visit."""

    home: str
    issuer: str
    problems: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        page.on("request", lambda request: self._asked(request.url))
        page.on("response", lambda response: self._answered(response.status, response.url))
        page.on("pageerror", lambda error: self.problems.append(f"script failed: {error}"))
        page.on("console", lambda message: self._said(message.text))
        page.on("dialog", lambda dialog: self._opened(dialog))

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        inside = f"{parts.scheme}://{parts.netloc}" in (self.home, self.issuer)
        # The PDF viewer is part of the browser.
        if not inside and parts.scheme not in ("data", "blob", "about", "chrome-extension", "chrome"):
            self.problems.append(f"asked elsewhere: {url}")

    def _answered(self, status: int, url: str) -> None:
        if status >= 500:
            self.problems.append(f"answered {status}: {url}")

    def _said(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.problems.append(text)

    def _opened(self, dialog: Any) -> None:
        if dialog.type != "beforeunload":
            self.problems.append(f"a script of the content ran: {dialog.message}")
        dialog.accept()


Visit = Callable[..., Page]


@pytest.fixture
def watch(city: City) -> Iterator[Watch]:
    watching = Watch(_origin(city.stack.url), _origin(city.stack.issuer))
    yield watching
    assert watching.problems == []


@pytest.fixture(scope="session")
def logins() -> dict[str, StorageState]:
    """The cookies of who has logged in, by login: a visit goes on with them as long as the session lasts."""
    return {}


@pytest.fixture
def visit(city: City, browser: Browser, watch: Watch, logins: dict[str, StorageState]) -> Iterator[Visit]:
    """`visit("clerk", path="/receipts")`: that person's own browser window, logged in and there.

    `within` is another browser process, `script=False` switches script off, `viewport` is the window.
    """
    contexts: list[BrowserContext] = []

    def open_window(
        role: str,
        path: str = "/",
        *,
        within: Browser | None = None,
        script: bool = True,
        viewport: ViewportSize | None = None,
        **options: Any,
    ) -> Page:
        login = login_of(role)
        context = (within or browser).new_context(
            locale="ja-JP",
            timezone_id="Asia/Tokyo",
            java_script_enabled=script,
            viewport=viewport or DESK,
            storage_state=logins.get(login),
            **options,
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        context.on("page", watch.follow)
        page = context.new_page()
        page.goto(f"{city.stack.url}{path}")
        if not page.get_by_role("button", name="ログアウト").is_visible():
            log_in(page, login)
            logins[login] = context.storage_state()
        return page

    yield open_window
    for context in contexts:
        context.close()


@pytest.fixture
def title() -> str:
    """A title that no other test uses; as it stands in the README for pictures."""
    return journey.TITLE if os.environ.get("KANKETSU_TEST_PICTURES") else f"{journey.TITLE}{uuid.uuid4().hex[:6]}"


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """Keeps a picture for the README where KANKETSU_TEST_PICTURES names a folder (docs/img)."""
    folder = os.environ.get("KANKETSU_TEST_PICTURES")

    def keep(page: Page, name: str) -> None:
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png")

    return keep


@pytest.fixture
def busy(city: City) -> Callable[[], None]:
    """For pictures only: the chief's desk as it is on an ordinary day."""

    def fill() -> None:
        if os.environ.get("KANKETSU_TEST_PICTURES"):
            for number, subject in enumerate(journey.ORDINARY_DAY):
                city.circulating(title=subject, urgent=number == 3)

    return fill


def login_of(role: str) -> str:
    """The login of a role of the walkthrough, or the login itself."""
    return str(PLAN["people"][role]["login"]) if role in PLAN["people"] else role


def log_in(page: Page, login: str) -> None:
    """On the login page of the sample staff."""
    page.get_by_label("氏名またはログイン名").fill(login)
    page.get_by_role("button", name="ログイン").first.click()
    page.get_by_role("button", name="ログアウト").wait_for()


def findings(page: Page) -> list[str]:
    """What axe finds serious or critical on the page as it stands."""
    page.evaluate(AXE)
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{found['id']} ({found['impact']}): {node['html'][:200]}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
