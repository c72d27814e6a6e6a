"""What may be done with a document beyond looking at it in the browser (AC-15).

Two rights, to take files out (ダウンロード) and to put the document on paper (印刷), each by the reasons for which somebody
sees the document (⚙). Who sees it at all is decided before, by the predicate of store.py; so a refusal here may say so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from chassis.errors import DomainError, Kind
from services.documents.domain import BREAK_GLASS, REASONS, SENSITIVE
from services.documents.store import ReadContext, ViewerRow

IN_BROWSER: Final = frozenset({"application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp", "text/plain"})
"""What a browser shows by itself. Any other file leaves the system when it is opened: that is a download, whatever was asked."""


OWNERS: Final = ("drafter", "owner_unit", "section", "designated", "records_manager")
"""Who works with it until it is disposed of."""
AT_WORK: Final = (*OWNERS, "route_step", "acted")
"""And the route. 供覧先 look at it, unless the city sets otherwise."""
READING: Final = (*OWNERS, "route_step")
"""And whose turn it is: a spreadsheet has to be opened to be decided on."""


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Reasons of `viewers` that give each right, and those that give it where personal information is sensitive (要配慮)."""

    download_for: Collection[str] = AT_WORK
    print_for: Collection[str] = AT_WORK
    sensitive_download_for: Collection[str] = READING
    sensitive_print_for: Collection[str] = OWNERS

    def may_download(self, context: ReadContext) -> bool:
        """Does one of the reader's reasons give the right to take files out?"""
        return _one_of(context, self.download_for, self.sensitive_download_for)

    def may_print(self, context: ReadContext) -> bool:
        """Does one of the reader's reasons give the right to put it on paper?"""
        return _one_of(context, self.print_for, self.sensitive_print_for)

    def beyond_looking(self, viewer: ViewerRow) -> tuple[bool, bool]:
        """Whether this right of a viewer lets them put it on paper, and take files out."""
        context = ReadContext([viewer.reason], "", "", viewer.personal_information)
        return self.may_print(context), self.may_download(context)

    def check_download(self, context: ReadContext) -> None:
        """DOWNLOAD_NOT_PERMITTED for who may only look."""
        if not self.may_download(context):
            raise DomainError(Kind.DENIED, "DOWNLOAD_NOT_PERMITTED", "the reader may look at it, not take files out")

    def check_print(self, context: ReadContext) -> None:
        """PRINT_NOT_PERMITTED for who may only look."""
        if not self.may_print(context):
            raise DomainError(Kind.DENIED, "PRINT_NOT_PERMITTED", "the reader may look at it, not print it")


def unknown_reasons(reasons: Iterable[str]) -> list[str]:
    """Those that nobody sees a document for; and 緊急閲覧, which is for looking whatever the city sets (AC-08)."""
    return [reason for reason in reasons if reason not in REASONS or reason == BREAK_GLASS]


def opened_as(purpose: str, content_type: str) -> str:
    """ "download" or "inline": what opening a file of this type for this purpose comes to."""
    shown = content_type.split(";")[0].strip().lower() in IN_BROWSER
    return "inline" if shown and purpose != "download" else "download"


def _one_of(context: ReadContext, usual: Collection[str], sensitive: Collection[str]) -> bool:
    allowed = sensitive if context.personal_information == SENSITIVE else usual
    return any(reason in allowed for reason in context.reasons)
