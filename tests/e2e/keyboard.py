"""A person with a keyboard and no mouse: Tab until the thing has the focus, seen by its ring, then keys."""

from __future__ import annotations

import re

from playwright.sync_api import Page

# More stops than any page has.
MOST_STOPS = 250

_FOCUSED = """() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const labels = [...(element.labels ?? [])].map(label => label.innerText).join(" ");
  const group = element.closest("fieldset")?.querySelector("legend")?.innerText ?? "";
  return {
    tag: element.tagName.toLowerCase(),
    type: element.type ?? "",
    name: [group, element.getAttribute("aria-label") ?? (labels || element.innerText || element.value || "")].join(" "),
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 3,
  };
}"""


class Keyboard:
    """Keys on one page. Every stop on the way must show where the focus is."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def to(self, name: str, tag: str) -> None:
        """Tab to the element of this kind whose name contains `name` (a legend counts)."""
        seen = []
        for _ in range(MOST_STOPS):
            self.page.keyboard.press("Tab")
            stop = self.page.evaluate(_FOCUSED)
            told = re.sub(r"\s+", " ", stop["name"]).strip()
            seen.append(f"{stop['tag']} {told[:40]}")
            assert stop["ring"] or stop["tag"] == "body", f"no focus ring on {seen[-1]}"
            if stop["tag"] == tag and name in told:
                return
        raise AssertionError(f"no {tag} named {name} within {MOST_STOPS} stops: {seen[-30:]}")

    def write(self, name: str, text: str, tag: str = "input") -> None:
        """Replace what stands in a field."""
        self.to(name, tag)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def pick(self, group: str, downs: int = 0) -> None:
        """A radio button: the first one, or so many arrows further."""
        self.to(group, "input")
        self.page.keyboard.press("Space")
        for _ in range(downs):
            self.page.keyboard.press("ArrowDown")

    def choose(self, name: str, beginning: str) -> None:
        """An option of a select, with arrows."""
        self.to(name, "select")
        for _ in range(MOST_STOPS):
            self.page.keyboard.press("ArrowDown")
            if self.page.evaluate("document.activeElement.selectedOptions[0].text").startswith(beginning):
                return
        raise AssertionError(f"no option of {name} begins with {beginning}")

    def go(self, name: str, tag: str = "a") -> None:
        """Follow a link or press a button."""
        self.to(name, tag)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
