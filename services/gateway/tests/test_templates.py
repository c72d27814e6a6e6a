"""Rules every template keeps: nothing inline, nothing from outside, every form guarded, every filter total."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from chassis import wareki
from services.gateway.pages import vocabulary
from services.gateway.pages.forms import Form, day_values
from services.gateway.pages.rendering import HERE, environment

TEMPLATES = sorted((HERE / "templates").rglob("*.html"))
STYLES = (HERE / "static" / "app.css").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=TEMPLATES, ids=lambda path: path.stem)
def template(request: pytest.FixtureRequest) -> str:
    path: Path = request.param
    return path.read_text(encoding="utf-8")


def test_nothing_is_inline_and_nothing_comes_from_outside(template: str) -> None:
    """The CSP allows neither; a template that needs either would look broken only in production."""
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", template)
    assert not re.search(r"<script(?![^>]*src=)", template)
    assert not re.search(r"(src|href|action)=[\"'](https?:)?//", template)


def test_every_posting_form_is_guarded(template: str) -> None:
    """CSRF token and idempotency key travel with every form that changes something."""
    for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", template, re.DOTALL):
        assert re.search(r"d\.(guard|token)\(csrf_token", form)


def test_nothing_is_disabled_or_cut(template: str) -> None:
    """UI-06: explain instead of disabling; never truncate what people type."""
    assert not re.search(r"\s(disabled|maxlength|readonly)\b", template)


def test_styles_load_nothing_from_outside() -> None:
    assert set(re.findall(r"url\(([^)]*)\)", STYLES)) == {'"chevron.svg"'}
    assert "@import" not in STYLES


def test_every_template_compiles() -> None:
    made = environment()
    for path in TEMPLATES:
        made.get_template(path.relative_to(HERE / "templates").as_posix())


def test_filters_show_missing_values_as_a_dash_and_escape_the_rest() -> None:
    made = environment()
    line = "{{ day | day }}{{ day | day_full }}{{ day | day_short }}{{ day | moment }}{{ day | moment_short }}"
    assert made.from_string(line).render(day=None) == "―" * 5
    assert made.from_string("{{ name | or_dash }}").render(name="<b>") == "&lt;b&gt;"
    assert made.from_string("{{ day | day_full }}").render(day="2026-11-23") == (
        '令和8年11月23日<wbr><span class="nowrap">（2026-11-23）</span>'
    )
    assert made.from_string("{{ n | size }}").render(n=104_857_600) == "100 MB"
    assert made.from_string("{{ n | surname }}").render(n="葛\U000e0100城 拓也") == "葛\U000e0100城"
    assert made.from_string("{{ n | word(vocabulary.MEDIA) }}").render(n="pigeon") == "pigeon"


def test_words_that_need_a_reason_are_known_acts() -> None:
    assert vocabulary.ACTIONS.keys() >= vocabulary.ACTIONS_WITH_REASON


def test_a_form_reads_what_it_shows() -> None:
    form = Form(day_values("due_on", date(2026, 11, 23)) | {"body": " 一行目\r\n二行目 "})
    assert form.day("due_on") == "2026-11-23"
    assert form.text("body") == "一行目\n二行目"
    assert form.day("received_on") == ""
    assert not form.errors
    form.day("received_on", missing="収受日を入力してください。")
    form.required("title", "件名を入力してください。")
    assert form.errors == {"received_on": "収受日を入力してください。", "title": "件名を入力してください。"}
    wrong = Form({"from": "きのう"})
    assert wrong.filter_day("from") == ""
    assert wareki.HOW_TO_WRITE in wrong.errors["from"]
