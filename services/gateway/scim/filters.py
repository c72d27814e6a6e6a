"""Filters as directories send them: `attribute eq value`, joined by `and`. Pure.

Everything else of RFC 7644, 3.4.2.2 is refused (invalidFilter), never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Final

from services.gateway.errors import refusal
from services.gateway.scim.messages import bare

MAX_FILTER: Final = 1000
_TERM: Final = re.compile(r'\s*([A-Za-z][A-Za-z0-9:._-]*)\s+eq\s+("(?:[^"\\]|\\.)*"|true|false)\s*', re.I)
_AND: Final = re.compile(r"and\s", re.I)


def terms(text: str, known: Collection[str]) -> dict[str, str]:
    """Attribute (lower case) → value, "true" or "false" of `active`. SCIM_FILTER for an attribute that is not `known`, or one named twice."""
    found: dict[str, str] = {}
    place = 0
    while place < len(text) or not found:
        term = _TERM.match(text, place) if len(text) <= MAX_FILTER else None
        if term is None:
            raise refusal("SCIM_FILTER")
        name = bare(term[1])
        if name not in known or name in found:
            raise refusal("SCIM_FILTER")
        value = _truth(term[2]) if name == "active" else _text(term[2])
        found[name] = value
        place = term.end()
        if place < len(text):
            joined = _AND.match(text, place)
            if joined is None:
                raise refusal("SCIM_FILTER")
            place = joined.end()
            if place == len(text):
                raise refusal("SCIM_FILTER")
    return found


def _truth(text: str) -> str:
    if text.startswith('"'):
        raise refusal("SCIM_FILTER")
    return text.lower()


def _text(text: str) -> str:
    """Never empty: that would ask for everything."""
    try:
        value = json.loads(text) if text.startswith('"') else ""
        value.encode()
    except ValueError:
        value = ""
    if not value:
        raise refusal("SCIM_FILTER")
    return str(value)
