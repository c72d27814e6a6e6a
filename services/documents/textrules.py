"""Which characters and names are accepted: lengths, control and private-use characters, file names.

Pure. What is accepted is stored as typed, byte for byte; only the search key is ever folded (NM-01).
"""

from __future__ import annotations

import re
import unicodedata

MAX_FILE_NAME = 255
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Directional marks, embeddings, overrides and isolates: they make a name read as another one.
_BIDI = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_PRIVATE_USE = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]")
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,95}")


def length(text: str) -> int:
    """Characters as people count them: a base with a variation selector is one (NM-02)."""
    return len(_SELECTORS.sub("", text))


def shortened(text: str, limit: int) -> str:
    """The text on one line, at most `limit` characters of it and 「…」; a selector stays with its base (NM-02)."""
    text = " ".join(text.split())
    end = limit
    while _SELECTORS.match(text[end : end + 1]):
        end += 1
    return text if len(text) <= end else f"{text[:end]}…"


def problem_of(text: str, *, limit: int, lines: bool = False) -> str | None:
    """What is wrong with a text, as a word, or None. `lines` allows line feeds and tabs."""
    if length(text) > limit or len(text) > 2 * limit:
        return "TOO_LONG"
    allowed = "\n\t\r" if lines else ""
    if any(unicodedata.category(c) == "Cc" and c not in allowed for c in text) or _BIDI.search(text):
        return "INVALID_CHARACTER"
    # Characters only one computer knows are never stored silently (NM-03).
    if _PRIVATE_USE.search(text):
        return "PRIVATE_USE_CHARACTER"
    return None


def file_name(given: str) -> str:
    """The last component of the name as given; ValueError with a word when it cannot be a file's name (NM-05)."""
    name = re.split(r"[/\\]", given)[-1]
    if name.strip() in ("", ".", ".."):
        raise ValueError("REQUIRED")
    if len(name) > MAX_FILE_NAME:
        raise ValueError("TOO_LONG")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name) or _BIDI.search(name):
        raise ValueError("INVALID_CHARACTER")
    return name


def content_type(given: str) -> str:
    """`type/subtype`, without parameters; ValueError when it is something else."""
    plain = given.split(";", 1)[0].strip() or "application/octet-stream"
    if not _CONTENT_TYPE.fullmatch(plain):
        raise ValueError("INVALID")
    return plain.lower()


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its usual form; anything else names nothing of ours."""
    return _UUID.fullmatch(text) is not None
