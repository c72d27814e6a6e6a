"""What the gateway's canary said it read, compared with the records of it that arrived. Pure.

A round is announced (`canary.announced`), read, and told of (`canary.returned`: action → the record that the answer
named). Both go straight from the gateway into the log; the records of the readings come from other processes on the way
that everybody's take. All of a round's leaves have its name as session.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.audit.completeness.domain import Alarm
from services.audit.entry import RECORD_PATTERN, Leaf

READER = "service:canary"
ANNOUNCED, RETURNED = "canary.announced", "canary.returned"
# A missing record is an alarm as long as it is missing; everything else of the canary is judged for an hour.
JUDGED = dt.timedelta(hours=1)
# No round lasts longer, whatever hangs.
ROUND = dt.timedelta(minutes=10)
# Seconds. No interval is longer, whatever the gateway says.
LONGEST_INTERVAL = 300
# Rounds that may fail before it counts as silent.
MISSED = 3


def answered(leaves: Iterable[Leaf]) -> list[Alarm]:
    """Each record that an answer named, as the alarm that it is while it is not in the log."""
    return [
        _missing(leaf, action, record)
        for leaf in leaves
        if _is_own(leaf, RETURNED)
        for action, record in leaf.detail.items()
        if action != "interval"
    ]


def _missing(told: Leaf, action: str, record: str) -> Alarm:
    match = RECORD_PATTERN.fullmatch(record)
    if match is None:
        # There is nothing to look for.
        return Alarm("canary.missing", f"gateway.{told.instance}/{told.epoch} {action} none")
    seq = int(match["seq"])
    return Alarm("canary.missing", f"{match['source']}/{match['epoch']} {action} {told.session_id}", seq, seq)


class Reading(NamedTuple):
    """What must be in the log: under this number of this epoch a record of the canary, of this action and round."""

    epoch: str
    seq: int
    action: str
    session: str


def reading(alarm: Alarm) -> Reading:
    """What a `canary.missing` with a number misses."""
    place, action, session = alarm.subject.rsplit(" ", 2)
    return Reading(place.rpartition("/")[2], alarm.first, action, session)


def is_there(one: Reading, leaves: Iterable[Leaf | None]) -> bool:
    """Whether one of the leaves under its number is this record: None cannot be read. The leaf counts, not the columns
    that repeat it."""
    wanted = (READER, one.action, one.session)
    return any(leaf is not None and (leaf.staff_id, leaf.action, leaf.session_id) == wanted for leaf in leaves)


def misused(leaves: Sequence[Leaf], since: dt.datetime) -> list[Alarm]:
    """Records since then under the canary's name that it did not make: of a round that was never announced, or more than
    the answers of a round that returned. The leaves begin a round earlier."""
    announced = {leaf.session_id for leaf in leaves if _is_own(leaf, ANNOUNCED)}
    told = {leaf.session_id: leaf.detail for leaf in leaves if _is_own(leaf, RETURNED)}
    found = []
    for leaf in leaves:
        if leaf.time < since or _is_own(leaf, ANNOUNCED) or _is_own(leaf, RETURNED):
            continue
        record = f"{leaf.service}.{leaf.instance}/{leaf.epoch}/{leaf.seq}"
        answers = told.get(leaf.session_id, {})
        if leaf.session_id not in announced or answers.get(leaf.action, record) != record:
            subject = f"{record.rpartition('/')[0]} {leaf.action}" if leaf.seq else f"{leaf.service}.{leaf.action}"
            found.append(Alarm("canary.misused", subject, leaf.seq, leaf.seq))
    return found


def silent(gateways: Mapping[str, tuple[str, dt.datetime]], leaves: Iterable[Leaf], now: dt.datetime) -> list[Alarm]:
    """Gateways (epoch → name, since when) whose canary has not returned for three of its intervals."""
    newest = {leaf.epoch: leaf for leaf in leaves if _is_own(leaf, RETURNED)}
    found = []
    for epoch, (name, since) in gateways.items():
        heard, interval = since, LONGEST_INTERVAL
        if epoch in newest:
            heard, interval = newest[epoch].time, _interval(newest[epoch].detail.get("interval", ""))
        if now - heard > MISSED * dt.timedelta(seconds=interval):
            found.append(Alarm("canary.silent", name))
    return found


def _interval(text: str) -> int:
    """What the gateway says, if that is a number and short enough."""
    return min(int(text), LONGEST_INTERVAL) if text.isascii() and text.isdigit() else LONGEST_INTERVAL


def _is_own(leaf: Leaf, action: str) -> bool:
    """Whether the gateway said this of its canary."""
    return (leaf.service, leaf.action) == ("gateway", action)
