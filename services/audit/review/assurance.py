"""What the log tells of its own month: whether it was complete, and who outside vouches for it. Pure.

From leaves alone where there are any, so that whoever has the log finds the same. No process, object or person is named.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.audit.review.domain import Record, days_of, month_span

AGREED, DISAGREED = "reconciliation.done", "reconciliation.failed"
CHECKED = "log.checked"


@dataclass(frozen=True, slots=True)
class AlarmSpan:
    """An alarm from its beginning to its end; `until` is None while it stands."""

    kind: str
    # Whose records.
    service: str
    # Missing numbers; 0 where numbers do not apply.
    numbers: int
    since: dt.datetime
    until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Completeness:
    """Days on which the counts were compared, and the alarms of the month."""

    agreed: Sequence[dt.date]
    disagreed: Sequence[dt.date]
    not_compared: Sequence[dt.date]
    alarms: Sequence[AlarmSpan]


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a whole log, as its leaf says."""

    at: dt.datetime
    origin: str
    leaves: int
    findings: int


def completeness(
    month: str,
    records: Sequence[Record],
    begun: Mapping[str, str],
    ended: Mapping[str, str],
    opened_on: dt.date,
    today: dt.date,
) -> Completeness:
    """Of a month, from the log's leaves about alarms and reconciliations in their order.

    `begun` and `ended`: action → kind of alarm. A day counts as not compared when the log was there (`opened_on`) and
    the day is over. Of a day compared more than once the last time counts.
    """
    compared = {one.object_id: one.action for one in records if one.action in (AGREED, DISAGREED)}
    days = [day for day in days_of(month) if opened_on <= day]
    by_action: dict[str, list[dt.date]] = {AGREED: [], DISAGREED: [], "": []}
    for day in days:
        action = compared.get(day.isoformat(), "")
        if action or day < today:
            by_action[action].append(day)
    begins, ends = month_span(month)
    alarms = [
        one
        for one in [*_alarms(records, begun, ended), *_disagreements(records)]
        if one.since < ends and (one.until is None or begins <= one.until)
    ]
    alarms.sort(key=lambda one: (one.since, one.kind, one.service))
    return Completeness(by_action[AGREED], by_action[DISAGREED], by_action[""], alarms)


def _alarms(records: Iterable[Record], begun: Mapping[str, str], ended: Mapping[str, str]) -> list[AlarmSpan]:
    standing: dict[tuple[str, ...], dt.datetime] = {}
    spans: list[AlarmSpan] = []
    for one in records:
        kind = begun.get(one.action) or ended.get(one.action)
        if kind is None:
            continue
        key = (kind, one.object_id, one.detail.get("first", ""), one.detail.get("last", ""))
        if one.action in begun:
            standing.setdefault(key, one.at)
        elif key in standing:
            spans.append(_span(key, standing.pop(key), one.at))
    return spans + [_span(key, since, None) for key, since in standing.items()]


def _span(key: tuple[str, ...], since: dt.datetime, until: dt.datetime | None) -> AlarmSpan:
    kind, subject, first, last = key
    # Of a log the subject is its name; of everything else it begins with the service.
    service = "audit" if kind.startswith("log.") else subject.partition(".")[0]
    return AlarmSpan(kind, service, int(last) - int(first) + 1 if last else 0, since, until)


def _disagreements(records: Iterable[Record]) -> list[AlarmSpan]:
    """From the first comparison that failed to the next one that agreed."""
    spans: list[AlarmSpan] = []
    since: dt.datetime | None = None
    for one in records:
        if one.action == DISAGREED and since is None:
            since = one.at
        elif one.action == AGREED and since is not None:
            spans.append(AlarmSpan(DISAGREED, "", 0, since, one.at))
            since = None
    return spans if since is None else [*spans, AlarmSpan(DISAGREED, "", 0, since, None)]


def last_check(month: str, origin: str, records: Iterable[Record]) -> Check | None:
    """The newest check of a log, written in the month or since; None if there was none."""
    begins, _ = month_span(month)
    made = [one for one in records if (one.action, one.object_id) == (CHECKED, origin) and begins <= one.at]
    if not made:
        return None
    newest = max(made, key=lambda one: (one.at, one.place))
    leaves, findings = (int(newest.detail.get(name, "0")) for name in ("leaves", "findings"))
    return Check(newest.at, newest.object_id, leaves, findings)
