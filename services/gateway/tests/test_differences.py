"""What a 差替え changed, as the page shows it (AP-30)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.pages import differences


def version(files: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "fields": {"title": "補助金の交付決定について（伺い）", "amount": "332000", "urgent": False} | fields,
        "attachments": [{"attachment_id": key, "file_name": name} for key, name in (files or {}).items()],
    }


def test_only_what_changed_is_shown_in_words_of_the_form() -> None:
    before = version({"a": "同意書.pdf", "b": "図面.pdf"}, disclosure="open", urgent=False)
    after = version({"b": "図面.pdf", "c": "同意書（訂正）.pdf"}, disclosure="partial", urgent=True, amount="300000")
    rows = [(row["label"], row["pieces"]) for row in differences.between(before, after)]
    assert [label for label, _ in rows] == ["公開区分", "金額", "至急", "添付", "添付"]
    assert rows[3:] == [("添付", [("removed", "同意書.pdf")]), ("添付", [("added", "同意書（訂正）.pdf")])]
    assert "".join(text for kind, text in rows[1][1] if kind != "removed") == "300,000円"
    assert differences.between(before, before) == []


def test_a_letter_that_changed_stands_alone() -> None:
    assert differences.pieces("髙橋様邸", "高橋様邸") == [
        ("removed", "髙"),
        ("added", "高"),
        ("same", "橋様邸"),
    ]


@given(st.text("あいう\n髙𠮷", max_size=40), st.text("あいう\n髙𠮷", max_size=40), st.booleans())
def test_both_texts_can_be_read_from_the_pieces(old: str, new: str, long: bool) -> None:
    """Nothing is lost or invented, by letters and by lines."""
    if long:
        old, new = old + "行\n" * 1_000, new + "行\n" * 1_000
    found = differences.pieces(old, new)
    assert "".join(text for kind, text in found if kind != "added") == old
    assert "".join(text for kind, text in found if kind != "removed") == new
