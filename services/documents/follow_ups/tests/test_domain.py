"""次にすること, pure (FL-06): which lines there may be, and how a list is edited."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace

import pytest

from chassis.errors import DomainError
from services.documents.follow_ups import domain
from services.documents.follow_ups.domain import FollowUp, FollowUpList

NOW = dt.datetime(2026, 11, 28, 10, 0, tzinfo=dt.UTC)
CLASSES = {"0403-02-01", "0403-02-02"}
TEMPLATES = {"019a0000-0000-7000-8000-000000000003"}
LINE = FollowUp(
    follow_up_id="N-1",
    class_code="0403-02-01",
    after_kind="draft",
    after_words="交付決定",
    kind="draft",
    title="{年度}浄化槽補助金の額の確定について（通知）",
    next_class_code="0403-02-01",
    body_template_id="",
)
OTHER = replace(
    LINE, follow_up_id="N-2", after_kind="receipt", after_words="実績報告", title="補助金の額の確定について（伺い）"
)
LIST = FollowUpList(class_code="0403-02-01", version=3, follow_ups=(LINE, OTHER), edited_by="", edited_at=None)


def edit(*wanted: FollowUp, before: FollowUpList = LIST, expected: int = 3) -> FollowUpList:
    numbers = itertools.count(1)
    return domain.edited(
        before,
        expected,
        wanted,
        classes=CLASSES,
        templates=TEMPLATES,
        new_id=lambda: f"new-{next(numbers)}",
        by="S0016",
        now=NOW,
    )


def refused(*wanted: FollowUp, before: FollowUpList = LIST, expected: int = 3) -> DomainError:
    with pytest.raises(DomainError) as caught:
        edit(*wanted, before=before, expected=expected)
    return caught.value


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"body_template_id": next(iter(TEMPLATES)), "after_words": ""}, []),
        ({"title": ""}, [("title", "REQUIRED")]),
        ({"title": "　"}, [("title", "REQUIRED")]),
        ({"title": "あ" * 101}, [("title", "TOO_LONG")]),
        ({"title": "{年度}" + "あ" * 94}, []),
        ({"title": "{年度}" + "あ" * 95}, [("title", "TOO_LONG")]),
        ({"title": "二行\nの件名"}, [("title", "INVALID_CHARACTER")]),
        ({"after_words": "あ" * 101}, [("after_words", "TOO_LONG")]),
        ({"after_kind": "起案"}, [("after_kind", "UNKNOWN")]),
        ({"kind": ""}, [("kind", "REQUIRED")]),
        ({"after_kind": "receipt", "kind": "receipt"}, [("kind", "MISMATCH")]),
        ({"next_class_code": "9999"}, [("next_class_code", "UNKNOWN")]),
        ({"class_code": "9999"}, [("class_code", "UNKNOWN")]),
        ({"body_template_id": "T-1"}, [("body_template_id", "UNKNOWN")]),
    ],
)
def test_fl_06_what_is_wrong_with_a_line(given: dict[str, str], expected: list[tuple[str, str]]) -> None:
    found = domain.problems(replace(LINE, **given), CLASSES, TEMPLATES)
    assert [(one.field, one.problem) for one in found] == expected


def test_fl_06_a_list_is_added_to_changed_ordered_and_taken_from() -> None:
    new = replace(LINE, follow_up_id="", title="補助金の支出について（伺い）")
    made = edit(OTHER, replace(LINE, after_words="交付の決定"), new, replace(new, title="完了検査について（報告）"))
    assert [one.follow_up_id for one in made.follow_ups] == ["N-2", "N-1", "new-1", "new-2"]
    assert made.follow_ups[1].after_words == "交付の決定"
    assert (made.version, made.edited_by, made.edited_at) == (4, "S0016", NOW)
    assert edit(before=made, expected=4).follow_ups == ()


def test_fl_06_who_saw_another_version_changes_nothing() -> None:
    for expected in (0, 2, 4):
        error = refused(OTHER, expected=expected)
        assert (error.reason, error.metadata) == ("STALE_VERSION", {"version": "3"})


def test_fl_06_every_wrong_line_is_named_by_its_place() -> None:
    error = refused(LINE, replace(OTHER, title=""), replace(LINE, follow_up_id="", kind="通知", next_class_code=""))
    assert [(one.field, one.problem) for one in error.fields] == [
        ("follow_ups.1.title", "REQUIRED"),
        ("follow_ups.2.next_class_code", "REQUIRED"),
        ("follow_ups.2.kind", "UNKNOWN"),
    ]


def test_fl_06_a_line_of_another_list_and_one_line_twice_are_refused() -> None:
    error = refused(LINE, replace(LINE, after_words="変更"), replace(LINE, follow_up_id="N-9"))
    assert [(one.field, one.problem) for one in error.fields] == [
        ("follow_ups.1.follow_up_id", "TWICE"),
        ("follow_ups.2.follow_up_id", "UNKNOWN"),
    ]
    error = refused(*[replace(LINE, follow_up_id="")] * (domain.MAX_FOLLOW_UPS + 1))
    assert [(one.field, one.problem) for one in error.fields] == [("follow_ups", "TOO_MANY")]


def test_fl_06_a_line_whose_template_is_gone_does_not_hold_up_the_others() -> None:
    """It stays as it is, may be taken away, and is checked as soon as it is touched."""
    gone = replace(LINE, body_template_id="019a0000-0000-7000-8000-0000000000ff")
    before = replace(LIST, follow_ups=(gone, OTHER))
    assert edit(OTHER, gone, before=before).follow_ups == (OTHER, gone)
    assert edit(OTHER, before=before).follow_ups == (OTHER,)
    error = refused(replace(gone, after_words="変更"), before=before)
    assert [(one.field, one.problem) for one in error.fields] == [("follow_ups.0.body_template_id", "UNKNOWN")]


def test_fl_06_the_event_says_which_and_not_what() -> None:
    fact = domain.changed(LIST)
    assert fact.values == {"class_code": "0403-02-01", "follow_up_ids": ["N-1", "N-2"]}
    assert fact.detail == {"follow_ups": "2"}
