"""What completeness means, as pure rules: which alarms begin and end, and which counts agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something about completeness that is not as it must be."""

    kind: str
    # Which source, object, service or day.
    subject: str
    # The missing numbers, both included; 0 where numbers do not apply.
    first: int = 0
    last: int = 0

    def covers(self, other: Alarm) -> bool:
        """Whether the other one is this one still, or what remains of it."""
        return (
            (self.kind, self.subject) == (other.kind, other.subject)
            and self.first <= other.first
            and other.last <= self.last
        )


def changes(standing: Iterable[Alarm], found: Iterable[Alarm]) -> tuple[list[Alarm], list[Alarm]]:
    """(begun, ended): what is found and stands nowhere yet, and what stands and of which nothing is found any more.

    A gap that is filled in part goes on as the alarm it was until its last number is there.
    """
    standing, found = list(standing), list(found)
    begun = [one for one in found if not any(alarm.covers(one) for alarm in standing)]
    ended = [alarm for alarm in standing if not any(alarm.covers(one) for one in found)]
    return begun, ended


# --- the daily reconciliation -----------------------------------------------------------------------------------

# Answers that show content, and the actions under which the service records them before it answers.
RECORDED_AS: Mapping[str, tuple[str, ...]] = {
    "GetDocument": ("document.viewed", "document.printed", "document.exported"),
    "ListDocuments": ("document.listed", "document.searched"),
    "ReadAttachment": ("attachment.read", "attachment.downloaded"),
    "GetManifest": ("manifest.read",),
    "ListVersions": ("document.versions_viewed",),
    "GetMemo": ("memo.viewed",),
    "GetReceipt": ("receipt.viewed",),
    "ListReceipts": ("receipt.listed", "receipt.searched"),
}
KIND_OF = {action: kind for kind, actions in RECORDED_AS.items() for action in actions}
# What an answer is counted under that named no record.
UNRECORDED = "none"


@dataclass(frozen=True, slots=True)
class Count:
    """One process and one kind of answer, counted in three places that do not know of each other."""

    # "<service>.<instance>/<epoch>", or "none".
    source: str
    kind: str
    # Granted accesses in the log.
    recorded: int
    # Answers the gateway got.
    answered: int
    # Objects the blob client handed out of the store; 0 for what does not lie there.
    opened: int

    @property
    def agrees(self) -> bool:
        """Nothing was shown or opened without a record.

        Fewer than recorded is explained: the record comes first, and then the answer may be lost (a crash, a person who
        leaves, a gateway that is killed with its counts). More than recorded is explained by nothing.
        """
        return self.answered <= self.recorded and self.opened <= self.recorded


@dataclass(frozen=True, slots=True)
class Commitment:
    """What a service's database says of one of its epochs, and what the log has of it."""

    source: str
    committed: int
    # Highest number in the log, and how many numbers.
    last_seq: int
    seen: int

    @property
    def agrees(self) -> bool:
        """Everything that was committed is in the log."""
        return self.last_seq >= self.committed and self.seen == self.last_seq


def disagreements(counts: Iterable[Count], commitments: Iterable[Commitment]) -> dict[Alarm, str]:
    """What does not agree: the alarm, and the numbers in words for the leaf."""
    found = {
        Alarm("reconciliation.failed", f"{one.source} {one.kind}"): (
            f"recorded {one.recorded}, answered {one.answered}, opened {one.opened}"
        )
        for one in counts
        if not one.agrees
    }
    found |= {
        Alarm("reconciliation.failed", f"{one.source} records"): (
            f"committed {one.committed}, in the log {one.seen} up to number {one.last_seq}"
        )
        for one in commitments
        if not one.agrees
    }
    return found
