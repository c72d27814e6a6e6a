"""What people's hands do on the pages, counted in the browser itself: presses, fields typed into, sheets of paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

# A press is one of the pointer; choosing from a list or choosing files counts as one, however it is done. A field is
# counted once on each page that it is typed into.
_WATCH = """
(() => {
  if (window.kanketsuWatched) return;
  window.kanketsuWatched = true;
  const typed = new Set();
  addEventListener("pointerdown", (event) => { if (event.isTrusted) kanketsuHand("press"); }, true);
  addEventListener("change", (event) => { if (event.target.matches("select, input[type=file]")) kanketsuHand("press"); }, true);
  addEventListener("input", (event) => {
    const field = event.target;
    if (!field.matches("textarea, input[type=text], input:not([type])") || typed.has(field)) return;
    typed.add(field);
    kanketsuHand("field");
  }, true);
})();
"""


@dataclass
class Hand:
    """What was counted over all windows it watches; each window is another person's."""

    people: int = 0
    presses: int = 0
    fields: int = 0
    prints: int = 0

    def on(self, page: Page) -> Page:
        """Watch the window from now on; logging in is not part of any job."""
        self.people += 1
        page.context.expose_binding("kanketsuHand", lambda _, what: self._count(what))
        page.context.add_init_script(_WATCH)
        page.on("request", self._asked)
        page.evaluate(_WATCH)
        return page

    def _count(self, what: str) -> None:
        self.presses += what == "press"
        self.fields += what == "field"

    def _asked(self, request: Any) -> None:
        self.prints += request.is_navigation_request() and request.url.endswith("/print")
