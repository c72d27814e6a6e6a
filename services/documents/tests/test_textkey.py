"""The search key: what people mean the same is the same (NM-01, NM-02)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.documents import textkey

JAPANESE = st.text(
    st.characters(codec="utf-8", categories=("Ll", "Lu", "Lo", "Nd", "Po", "Zs", "Mn", "So", "Pd", "Lm")), max_size=60
)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("ｱｲｳ", "アイウ"),
        ("ｱｲｳ", "あいう"),
        ("ﾊﾞ", "バ"),
        ("１２３", "123"),
        ("ＡＢＣ", "abc"),
        ("高島", "髙島"),
        ("宮崎", "宮﨑"),
        ("渡辺", "渡邉"),
        ("渡辺", "渡邊"),
        ("斉藤", "齋藤"),
        ("斉藤", "齊藤"),
        ("斉藤", "斎藤"),
        ("神", "\ufa19"),
        ("葛西", "葛\U000e0100西"),
        ("吉野", "𠮷野"),
        ("浜", "濱"),
        ("浜", "濵"),
        ("国", "國"),
        ("データ", "デ－タ"),
        ("データ", "ﾃﾞｰﾀ"),
        ("(株)", "㈱"),
        ("キャンプ", "きゃんぷ"),
        ("ガ", "か\u3099"),
        ("a b", "a　  b"),
    ],
)
def test_the_same_in_other_characters_is_the_same(typed: str, stored: str) -> None:
    assert textkey.fold(typed) == textkey.fold(stored)


@pytest.mark.parametrize(("one", "other"), [("環境", "環状"), ("ハ", "バ"), ("一", "ー"), ("山", "川"), ("上", "下")])
def test_what_is_different_stays_different(one: str, other: str) -> None:
    assert textkey.fold(one) != textkey.fold(other)


def test_common_characters_are_left_alone() -> None:
    text = "令和八年度合併処理浄化槽設置整備事業補助金の交付決定について"
    assert textkey.fold(text).replace("ノ", "の").startswith("令和八年度合併処理浄化槽設置整備事業補助金")


@given(JAPANESE)
def test_folding_twice_is_folding_once(text: str) -> None:
    once = textkey.fold(text)
    assert textkey.fold(once) == once


@given(JAPANESE)
def test_composed_and_decomposed_names_meet(text: str) -> None:
    assert textkey.fold(unicodedata.normalize("NFD", text)) == textkey.fold(unicodedata.normalize("NFC", text))


@given(JAPANESE, st.integers(0, 59), st.integers(1, 8))
def test_every_piece_of_a_word_has_its_pairs_in_the_index(text: str, start: int, length: int) -> None:
    key = textkey.fold(text)
    found = set(textkey.lexemes(key))
    for word in key.split():
        piece = word[start : start + length]
        if len(piece) >= 2:
            assert {piece[i : i + 2] for i in range(len(piece) - 1)} <= found
        elif piece:
            assert any(lexeme.startswith(piece) for lexeme in found)


def test_a_query_is_quoted_whatever_it_contains() -> None:
    assert textkey.ts_query(["o'", "a\\b"], "U-040") == "'\x02U-040' & 'o''' & 'a\\\\' & '\\\\b'"
    assert textkey.ts_query(["環"]) == "'環':*"
    assert textkey.like("50%_\\") == "%50\\%\\_\\\\%"
