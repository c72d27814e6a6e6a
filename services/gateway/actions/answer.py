"""What every action gives back, and what writes need from a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from services.gateway.errors import invalid
from services.gateway.views import View, number_of


class Answer(NamedTuple):
    """The body to send or draw, and the access record that stands for having shown it."""

    body: View
    # "<source>/<epoch>/<seq>", "" where nothing recorded was shown.
    access_record: str = ""

    @property
    def version(self) -> int:
        """The version of the thing in the body; its ETag."""
        return int(self.body["version"])


def page_of(items: Iterable[View], next_cursor: str, access_record: str, **more: object) -> Answer:
    """A list: items, the cursor of the rest or null, never a total (AC-03)."""
    return Answer({"items": list(items), "next_cursor": next_cursor or None, **more}, access_record)


def enum_of(names: Mapping[int, str], field: str, word: str) -> Any:
    """The enum value of a word, as protobuf takes it."""
    try:
        return number_of(names, word)
    except KeyError:
        raise invalid(field, "UNKNOWN") from None
