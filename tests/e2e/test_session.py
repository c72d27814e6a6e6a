"""UI-06: a login that is about to end says so and can go on; what was typed is never lost."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import nats
from playwright.sync_api import Page, expect

from tests.conftest import City
from tests.e2e import journey
from tests.e2e.conftest import Visit, findings, log_in, login_of
from tests.patience import until

IDLE_MINUTES = 30
TEXT = "標記の件について、下記のとおり交付を決定してよろしいか伺います。"


def stored(city: City, page: Page, change: Callable[[dict[str, Any]], None] | None) -> None:
    """The session of the window as the gateway keeps it, changed; ended without a change."""
    cookie = next(one["value"] for one in page.context.cookies() if one["name"].endswith("sid"))
    key = hashlib.sha256(cookie.encode()).hexdigest()

    async def write() -> None:
        async with await nats.connect(**city.stack.nats_options()) as client:
            store = await client.jetstream().key_value("sessions")
            entry = await store.get(key)
            if change is None:
                await store.delete(key)
                return
            session = json.loads(entry.value or b"")
            change(session)
            await store.update(key, json.dumps(session).encode(), last=entry.revision)

    # Playwright's own loop runs in this thread.
    with ThreadPoolExecutor(1) as beside:
        beside.submit(asyncio.run, write()).result()
    # The gateway remembers a session for seconds.
    until(lambda: left(city, page) < 300)


def left(city: City, page: Page) -> int:
    """Seconds of the login, as the page itself asks for them; 0 when it is over."""
    answer = page.request.get(f"{city.stack.url}/session")
    return int(answer.json()["seconds"]) if answer.ok else 0


def test_the_login_goes_on_and_typed_text_stays(city: City, visit: Visit, title: str, picture: Any) -> None:
    """UI-06: warned before the end, extended by a press; after the end the same page saves once the person is back."""
    page = visit("clerk")
    page.clock.install()
    page.goto(f"{city.stack.url}/documents/new")
    banner = page.locator("[data-session]")
    expect(banner).to_be_hidden()
    journey.box(page, "件名").fill(title)
    journey.box(page, "伺い文").fill(TEXT)

    def unused(session: dict[str, Any]) -> None:
        session["seen"] -= (IDLE_MINUTES - 4) * 60

    stored(city, page, unused)
    page.clock.fast_forward(f"{IDLE_MINUTES - 4}:00")
    expect(page.get_by_role("alert")).to_contain_text("分でログアウトされます")
    assert findings(page) == []
    picture(page, "session_warning")
    journey.press(page, "続ける")
    expect(banner).to_be_hidden()
    expect(journey.box(page, "伺い文")).to_have_value(TEXT)

    stored(city, page, None)
    page.clock.fast_forward(f"{IDLE_MINUTES + 1}:00")
    expect(page.get_by_role("alert")).to_contain_text("ログアウトされました")
    journey.press(page, "一時保存")
    expect(page.get_by_role("alert")).to_contain_text("入力したものはこの画面に残っています")
    picture(page, "session_over")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="別のタブでログインする").click()
    other = opened.value
    other.wait_for_load_state()
    if not other.get_by_role("heading", name="ログインしました").count():
        log_in(other, login_of("clerk"))
    expect(other.get_by_role("heading", name="ログインしました")).to_be_visible()
    journey.press(page, "この画面で続ける")
    expect(banner).to_be_hidden()
    journey.press(page, "一時保存")
    journey.told(page, "保存しました。")
    expect(journey.box(page, "伺い文")).to_have_value(TEXT)
