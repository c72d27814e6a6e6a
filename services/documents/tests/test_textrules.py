"""Names and texts: what is accepted is kept as typed, what could deceive is refused (NM-02, NM-03, NM-05)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.documents import textrules


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("申請書（髙﨑邦夫）.pdf", "申請書（髙﨑邦夫）.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\fakepath\\見積書.xlsx", "見積書.xlsx"),
        ("a/b\\c/d.txt", "d.txt"),
        ("ファイル名 に 空白.pdf", "ファイル名 に 空白.pdf"),
        ("\U000e0100", "\U000e0100"),
        ("..pdf", "..pdf"),
    ],
)
def test_the_last_component_is_the_name(given_name: str, kept: str) -> None:
    assert textrules.file_name(given_name) == kept


@pytest.mark.parametrize(
    ("given_name", "problem"),
    [
        ("", "REQUIRED"),
        (".", "REQUIRED"),
        ("..", "REQUIRED"),
        ("folder/", "REQUIRED"),
        ("x\\..", "REQUIRED"),
        ("　", "REQUIRED"),
        ("申請\u202efdp.exe", "INVALID_CHARACTER"),
        ("申請\u2066書.pdf", "INVALID_CHARACTER"),
        ("申請\u200f書.pdf", "INVALID_CHARACTER"),
        ("改\n行.pdf", "INVALID_CHARACTER"),
        ("零\x00.pdf", "INVALID_CHARACTER"),
        ("あ" * 252 + ".pdf", "TOO_LONG"),
    ],
)
def test_names_that_deceive_are_refused(given_name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        textrules.file_name(given_name)


@given(st.text(max_size=300))
def test_a_name_is_kept_byte_for_byte_or_refused(text: str) -> None:
    try:
        kept = textrules.file_name(text)
    except ValueError:
        return
    assert text.endswith(kept)
    assert "/" not in kept
    assert "\\" not in kept


def test_decomposed_names_stay_decomposed() -> None:
    name = unicodedata.normalize("NFD", "がくどう保育申込書.pdf")
    assert textrules.file_name(name) == name


def test_variation_selectors_do_not_count() -> None:
    assert textrules.length("葛\U000e0100西") == 2
    assert textrules.problem_of("葛\U000e0100" * 100, limit=100) is None
    assert textrules.problem_of("あ" * 101, limit=100) == "TOO_LONG"
    assert textrules.problem_of("あ" * 10_000, limit=100) == "TOO_LONG"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("改\n行", "INVALID_CHARACTER"),
        ("\x00", "INVALID_CHARACTER"),
        ("\u202e", "INVALID_CHARACTER"),
        ("\ue000", "PRIVATE_USE_CHARACTER"),
        ("\U00100000", "PRIVATE_USE_CHARACTER"),
    ],
)
def test_control_and_private_characters_are_refused(text: str, problem: str) -> None:
    assert textrules.problem_of(text, limit=100) == problem


def test_bodies_have_lines() -> None:
    assert textrules.problem_of("記\n\n1\t332,000円", limit=100, lines=True) is None


@pytest.mark.parametrize("kind", ["application/pdf", "text/plain", "image/svg+xml", "application/vnd.ms-excel"])
def test_content_types(kind: str) -> None:
    assert textrules.content_type(kind) == kind
    assert textrules.content_type(f"{kind.upper()}; charset=utf-8") == kind


@pytest.mark.parametrize("kind", ["pdf", "a/b/c", "テキスト/plain", "text/<script>", "/", "text/"])
def test_other_content_types_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="INVALID"):
        textrules.content_type(kind)


def test_no_content_type_is_bytes() -> None:
    assert textrules.content_type("") == "application/octet-stream"
