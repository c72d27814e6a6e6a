"""The search key: text folded so that what people mean the same is the same (NM-01, NM-02).

NFKC, variation selectors away, kanji variants to one form, kana and dashes to one form. Only this
key is folded, never what is stored. Both a text and what is searched for pass through `fold`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import jntajis

# Prefix of a lexeme that is no text: the owner unit, and whom 部内 and 全庁 add to it.
UNIT_MARK = "\x02"
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_SPACE = re.compile(r"[ \t\r\f\v\u3000]+")
_DASHES = "-‐‑‒–—―−ー－ｰ〜~"
_SMALL = dict(zip("ァィゥェォッャュョヮヵヶ", "アイウエオツヤユヨワカケ", strict=True))
# What the tables of characters keep apart and people do not; also forms that JIS level 1 has twice.
_EXPLICIT = {
    **dict(zip("髙﨑邉邊齋齊斎嶋嶌龍冨濵曾德瀨槇", "高崎辺辺斉斉斉島島竜富浜曽徳瀬槙", strict=True)),
    **dict.fromkeys(_DASHES, "ー"),
}
_SCHEMES = jntajis.MJShrinkSchemeCombo(15)


def fold(text: str) -> str:
    """The key of a text. Lines stay lines; spaces inside a line become one."""
    plain = _SELECTORS.sub("", unicodedata.normalize("NFKC", _SELECTORS.sub("", text)))
    folded = "".join(map(_fold_character, plain.casefold()))
    return "\n".join(line for line in (_SPACE.sub(" ", line).strip() for line in folded.split("\n")) if line)


@lru_cache(maxsize=32768)
def _fold_character(character: str) -> str:
    if character in _EXPLICIT:
        return _EXPLICIT[character]
    if character == "\x00":
        return " "
    code = ord(character)
    if 0x3041 <= code <= 0x3096:
        character = chr(code + 0x60)
    character = _SMALL.get(character, character)
    return _shrink(character) if _is_kanji(code) else character


def _is_kanji(code: int) -> bool:
    return 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF


def _shrink(character: str) -> str:
    """The form of JIS level 1 that the character table of the administration leads to, else itself."""
    seen = {character}
    current = character
    while not _is_level_one(current):
        candidates = [c for c in jntajis.mj_shrink_candidates(current, _SCHEMES) if c not in seen and len(c) == 1]
        if not candidates:
            break
        current = next((c for c in candidates if _is_level_one(c)), candidates[0])
        seen.add(current)
    return _EXPLICIT.get(current, current if _is_level_one(current) else min(seen))


def _is_level_one(character: str) -> bool:
    try:
        encoded = character.encode("euc_jp")
    except UnicodeEncodeError:
        return False
    # Rows 16 to 47 of JIS X 0208.
    return len(encoded) == 2 and 0xB0 <= encoded[0] <= 0xCF


def lexemes(key: str, marks: Iterable[str] = ()) -> list[str]:
    """What the index holds of a folded text: every pair of neighbours, and the last character of each word."""
    found: set[str] = {UNIT_MARK + mark for mark in marks}
    for word in key.split():
        found.update(word[i : i + 2] for i in range(len(word)))
    return sorted(found)


def words(query: str) -> list[str]:
    """The folded words that all have to occur; at most ten."""
    return fold(query).split()[:10]


def ts_query(found: Iterable[str], unit: str = "") -> str:
    """A tsquery text: all pairs of all words (a single character as the beginning of a pair), and the unit's mark."""
    terms = [_quoted(UNIT_MARK + unit)] if unit else []
    for word in found:
        if len(word) == 1:
            terms.append(_quoted(word) + ":*")
        else:
            terms.extend(_quoted(word[i : i + 2]) for i in range(len(word) - 1))
    return " & ".join(dict.fromkeys(terms))


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def like(word: str) -> str:
    """A LIKE pattern for texts that contain the folded word."""
    return "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def number(text: str) -> str:
    """A number as it is written in its register: half-width digits, no spaces."""
    return "".join(unicodedata.normalize("NFKC", text).split())
