"""Everything completeness writes: alarms as they begin and end, and the daily reconciliation. One transaction each."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chassis import clock, telemetry
from chassis.db import Connection, Pool, transaction
from services.audit import commands as log_commands
from services.audit import store as log_store
from services.audit.completeness import canary, chains, domain, store
from services.audit.completeness.domain import Alarm
from services.audit.completeness.store import Place
from services.audit.entry import UUID_PATTERN, EntryError, Leaf, decode

log = logging.getLogger(__name__)

# One transaction watches at a time, whichever replica's; one database is one municipality.
WATCH_LOCK = 0x57415443
# Kind of alarm → the leaf when it begins.
BEGIN_ACTIONS = {
    "source.gap": "source.gap_found",
    "object.gap": "object.gap_found",
    "source.overdue": "source.overdue",
    "outbox.overdue": "outbox.overdue",
    "source.altered": "source.alteration_found",
    "log.altered": "log.alteration_found",
    "canary.missing": "canary.missing",
    "canary.misused": "canary.misused",
    "canary.silent": "canary.silent",
}
# And when it ends. What was altered on its way, or stands under the canary's name, is in the log for good, and so is its
# alarm.
END_ACTIONS = {
    "source.gap": "source.gap_filled",
    "object.gap": "object.gap_filled",
    "source.overdue": "source.heard",
    "outbox.overdue": "outbox.emptied",
    "log.altered": "log.alteration_gone",
    "canary.missing": "canary.found",
    "canary.silent": "canary.heard",
}
# Kinds of which a look finds all that there are.
WATCHED = (
    *("source.gap", "object.gap", "source.overdue", "outbox.overdue"),
    *("canary.missing", "canary.misused", "canary.silent"),
)
RECONCILIATION = "reconciliation.failed"
# A service reports every five minutes what its outbox holds; an older report says nothing any more.
REPORT_LIFETIME = dt.timedelta(minutes=15)
# Disagreements and findings spelled out in the leaf; all of them are alarms.
SPELLED_OUT = 20
# Places of one log that become alarms: beyond that it is destroyed, and one alarm more says nothing.
MOST_FOUND = 100


# Records compared with their chain in one transaction, and at one look: some 30 million a day.
CHAIN_STEP = 500
CHAIN_LOOK = 7_500
# What a report may count: more is no number of a service.
_COUNT = re.compile("[0-9]{1,12}", re.ASCII)


@dataclass
class Noticed:
    """Since when this process has seen what is not as it must be. What passes by itself within `grace` is no alarm: a
    message is on its way. Lost with the process: then it takes as long again."""

    grace: dt.timedelta
    _since: dict[Alarm, dt.datetime] = field(default_factory=dict)

    def lasting(self, found: Iterable[Alarm], now: dt.datetime) -> list[Alarm]:
        """Those that have been there for the time of grace."""
        self._since = {alarm: self._since.get(alarm, now) for alarm in found}
        return [alarm for alarm, since in self._since.items() if now - since >= self.grace]


async def watch(
    pool: Pool, noticed: Noticed, silence: dt.timedelta, now: dt.datetime
) -> tuple[list[Alarm], list[Alarm]]:
    """Look once; returns (begun, ended), each of which is a row and a leaf when this returns.

    Crash before the commit: neither, and the next look finds the same. Nothing is done while another replica looks.
    UNAVAILABLE NOT_RECORDED if there is something before the log may be written.
    """
    async with transaction(pool) as conn:
        if not await store.try_lead(conn, WATCH_LOCK):
            return [], []
        standing = await store.standing(conn, WATCHED)
        found = [
            *await store.source_gaps(conn),
            *await store.object_gaps(conn),
            *await store.overdue_sources(conn, now - silence),
            *await _overdue_outboxes(conn, now),
            *await _about_the_canary(conn, standing, now),
        ]
        lasting = noticed.lasting(found, now)
        begun, _ = domain.changes(standing, lasting)
        # What is found still stands, whether this process has seen it for long or not.
        _, ended = domain.changes([one for one in standing if one.kind in END_ACTIONS], found)
        if begun or ended:
            await _announce(conn, begun, ended, now)
    _count(begun, ended)
    return begun, ended


async def follow_chains(pool: Pool, now: dt.datetime) -> list[Alarm]:
    """Compare the records of each source in the log with the chain values that it stated; returns the alarms that began.

    A source with a missing number is compared when that is there; until then the gap is the alarm. At most CHAIN_LOOK
    records; the next look goes on.
    """
    async with transaction(pool) as conn:
        epochs = await store.to_follow(conn)
    begun: list[Alarm] = []
    room = CHAIN_LOOK
    for epoch in epochs:
        taken = CHAIN_STEP
        while taken == CHAIN_STEP and room > 0:
            altered, taken = await _follow_chain(pool, epoch, now)
            begun += altered
            room -= taken
    return begun


async def _follow_chain(pool: Pool, epoch: str, now: dt.datetime) -> tuple[list[Alarm], int]:
    """One step along one source; returns the alarms that began and how many records were compared. Crash before the
    commit: neither alarm nor progress, and the next look finds the same."""
    async with transaction(pool) as conn:
        if not await store.try_lead(conn, WATCH_LOCK):
            return [], 0
        name, chain = await store.chain_of(conn, epoch)
        records = await store.records_after(conn, epoch, chain.seq, CHAIN_STEP)
        chain, spans = chains.follow(chain, [(seq, _readable(leaf)) for seq, leaf in records])
        begun = [Alarm("source.altered", name, first, last) for first, last in spans]
        # The coordinator first, as everybody who appends takes it before the rows of sources.
        if begun:
            await _announce(conn, begun, [], now)
        await store.save_chain(conn, epoch, chain)
    _count(begun, [])
    return begun, len(records)


def _readable(entry: bytes) -> Leaf | None:
    """The leaf that these bytes are; None for what is none. That is damage: it is told each time somebody comes upon it,
    the daily check names its place, and what else there is to look at is looked at all the same."""
    try:
        return decode(entry)
    except EntryError as error:
        log.error("the log is damaged: a leaf cannot be read", extra={"error": str(error)})
        telemetry.count("log.damaged")
        return None


async def _overdue_outboxes(conn: Connection, now: dt.datetime) -> list[Alarm]:
    """Services whose newest report says that rows have waited ten minutes to be confirmed."""
    newest: dict[str, str] = {}
    for entry in await store.recent_reports(conn, now - REPORT_LIFETIME):
        leaf = _readable(entry)
        if leaf is not None and leaf.object_id == "committed":
            newest[leaf.service] = leaf.detail.get("outbox_overdue", "0")
    return [Alarm("outbox.overdue", service) for service, rows in sorted(newest.items()) if rows != "0"]


async def _about_the_canary(conn: Connection, standing: Iterable[Alarm], now: dt.datetime) -> list[Alarm]:
    """Records of its readings that are not in the log, records under its name that it did not make, and its silence."""
    since = now - canary.JUDGED
    told = await store.leaves_of(conn, canary.READER, since - canary.ROUND)
    leaves = [leaf for leaf in map(_readable, told) if leaf is not None]
    answered = [*canary.answered(leaves), *(one for one in standing if one.kind == "canary.missing" and one.first)]
    numbered = {one: canary.reading(one) for one in answered if one.first}
    records = await store.records_at(conn, [(one.epoch, one.seq) for one in numbered.values()])
    there = {one for one, reading in numbered.items() if canary.is_there(reading, map(_readable, records[reading[:2]]))}
    missing = [one for one in answered if one not in there]
    return [
        *dict.fromkeys(missing),
        *canary.misused(leaves, since),
        *canary.silent(await store.serving_gateways(conn), leaves, now),
    ]


async def _announce(
    conn: Connection, begun: Sequence[Alarm], ended: Sequence[Alarm], now: dt.datetime, results: Sequence[Leaf] = ()
) -> None:
    """Alarms as rows and leaves, and the leaves that say how they were found. UNAVAILABLE NOT_RECORDED before the log
    may be written."""
    head = await log_store.lock_coordinator(conn)
    if not (head.compared and head.log_year):
        raise log_commands.not_compared()
    await store.begin(conn, begun, now)
    await store.end(conn, ended, now)
    leaves = [*results, *(_leaf(BEGIN_ACTIONS[one.kind], one, now) for one in begun)]
    leaves += [_leaf(END_ACTIONS[one.kind], one, now) for one in ended]
    await log_commands.add(conn, head, leaves)


def _count(begun: Iterable[Alarm], ended: Iterable[Alarm]) -> None:
    """As metrics, after the commit."""
    for one in begun:
        telemetry.count("alarms.begun", kind=one.kind)
    for one in ended:
        telemetry.count("alarms.ended", kind=one.kind)


def _leaf(action: str, alarm: Alarm, now: dt.datetime) -> Leaf:
    numbers = {"first": str(alarm.first), "last": str(alarm.last)} if alarm.last else {}
    return Leaf(
        event_id=clock.new_id(),
        time=now,
        action=action,
        service="audit",
        staff_id="service:audit",
        object_type="alarm",
        object_id=alarm.subject,
        detail=numbers,
    )


# --- the daily check of the log ----------------------------------------------------------------------------------


@dataclass
class Findings:
    """What a check found of one log: the first hundred places, and how many findings there were."""

    origin: str
    leaves: int = 0
    count: int = 0
    by_place: dict[str, str] = field(default_factory=dict)

    def add(self, place: str, problem: str) -> None:
        """One finding; of each place the first is kept."""
        self.count += 1
        if len(self.by_place) < MOST_FOUND:
            self.by_place.setdefault(place, problem)


async def note_check(pool: Pool, findings: Findings, now: dt.datetime) -> tuple[list[Alarm], list[Alarm]]:
    """The result of a check as a leaf, each place as an alarm; returns the alarms that (begun, ended).

    Crash before the commit: as if it had not been checked. UNAVAILABLE NOT_RECORDED before the log may be written.
    """
    found = [Alarm("log.altered", f"{findings.origin} {place}") for place in findings.by_place]
    async with transaction(pool) as conn:
        standing = await store.standing(conn, ["log.altered"])
        begun, ended = domain.changes([one for one in standing if one.subject.split()[0] == findings.origin], found)
        if len(found) == MOST_FOUND:
            # What is not among the first may be there all the same.
            ended = []
        await _announce(conn, begun, ended, now, [_checked(findings, now)])
    telemetry.count("log.checks", outcome="failed" if findings.count else "done")
    _count(begun, ended)
    return begun, ended


def _checked(findings: Findings, now: dt.datetime) -> Leaf:
    detail = {"leaves": str(findings.leaves), "findings": str(findings.count)}
    for number, (place, problem) in enumerate(list(findings.by_place.items())[:SPELLED_OUT], start=1):
        detail[f"finding.{number}"] = f"{place}: {problem}"
    return Leaf(
        event_id=clock.new_id(),
        time=now,
        action="log.checked",
        service="audit",
        staff_id="service:audit",
        object_type="log",
        object_id=findings.origin,
        outcome="failed" if findings.count else "granted",
        detail=detail,
    )


# --- the daily reconciliation -----------------------------------------------------------------------------------


async def reconcile_if_due(pool: Pool, settle: dt.timedelta, now: dt.datetime) -> bool | None:
    """Once on each Japanese day; None when it was done today already."""
    async with transaction(pool) as conn:
        last = await store.last_reconciliation(conn)
    if last.done_at is not None and last.done_at.astimezone(clock.JST).date() == now.astimezone(clock.JST).date():
        return None
    return await reconcile(pool, settle, now)


async def reconcile(pool: Pool, settle: dt.timedelta, now: dt.datetime) -> bool:
    """Compare what was recorded, answered and opened, and what was committed; returns whether all agree.

    Reports older than `settle` are counted, and all records: what a report speaks of has had that time to arrive. The
    result is a leaf, each disagreement an alarm. Crash before the commit: nothing was counted, and the next run counts
    the same. Two at once: the second waits and finds nothing new.
    """
    async with transaction(pool) as conn:
        await store.be_patient(conn)
        last = await store.lock_reconciliation(conn)
        records = await _count_records(conn, Place(last.records_year, last.records_index))
        reports = await _count_reports(conn, Place(last.reports_year, last.reports_index), now - settle)
        found = domain.disagreements(await store.disagreeing_counts(conn), await store.disagreeing_commitments(conn))
        begun, ended = domain.changes(await store.standing(conn, [RECONCILIATION]), found)
        totals = await store.totals(conn)
        head = await log_store.lock_coordinator(conn)
        if not (head.compared and head.log_year):
            raise log_commands.not_compared()
        await store.begin(conn, begun, now)
        await store.end(conn, ended, now)
        await log_commands.add(conn, head, [_result(found, totals, now)])
        await store.save_reconciliation(conn, records, reports, now, agreed=not found)
    telemetry.count("reconciliations", outcome="failed" if found else "done")
    _count(begun, ended)
    return not found


async def _count_records(conn: Connection, after: Place) -> Place:
    """Granted accesses since then; returns up to where."""
    last = await store.last_leaf(conn)
    recorded: Counter[tuple[str, str]] = Counter()
    for epoch, action, amount in await store.granted_between(conn, after, last, list(domain.KIND_OF)):
        recorded[epoch, domain.KIND_OF[action]] += amount
    await store.add_counts(conn, {key: (amount, 0, 0) for key, amount in recorded.items()})
    return max(after, last)


async def _count_reports(conn: Connection, after: Place, until: dt.datetime) -> Place:
    """Reports since then, up to the first that is younger than `until`; returns up to where."""
    answered: Counter[tuple[str, str]] = Counter()
    opened: Counter[tuple[str, str]] = Counter()
    claims: dict[str, tuple[str, int]] = {}
    for log_year, leaf_index, entry in await store.reports_after(conn, after):
        leaf = _readable(entry)
        if leaf is not None and leaf.time >= until:
            break
        after = Place(log_year, leaf_index)
        if leaf is None or leaf.outcome != "granted":
            # Nothing is known of it, or it was refused to the process that made it.
            continue
        for name, number in leaf.detail.items():
            if not _COUNT.fullmatch(number):
                continue
            if leaf.object_id == "answered":
                epoch, _, kind = name.partition(".")
                answered[epoch, kind] += int(number)
            elif leaf.object_id == "opened":
                opened[leaf.epoch, "ReadAttachment"] += int(number)
            elif leaf.object_id == "committed" and UUID_PATTERN.fullmatch(name):
                claims[name] = (leaf.service, max(int(number), claims.get(name, ("", 0))[1]))
    await store.add_counts(conn, {key: (0, answered[key], opened[key]) for key in {*answered, *opened}})
    await store.add_commitments(conn, claims)
    return after


def _result(found: Mapping[Alarm, str], totals: Mapping[str, tuple[int, int, int]], now: dt.datetime) -> Leaf:
    """Totals since counting began, and the first disagreements in words."""
    detail = {
        f"{kind}.{name}": str(amount)
        for kind, amounts in totals.items()
        for name, amount in zip(("recorded", "answered", "opened"), amounts, strict=True)
    }
    detail["disagreements"] = str(len(found))
    for number, (alarm, words) in enumerate(list(found.items())[:SPELLED_OUT], start=1):
        detail[f"disagreement.{number}"] = f"{alarm.subject}: {words}"
    return Leaf(
        event_id=clock.new_id(),
        time=now,
        action="reconciliation.failed" if found else "reconciliation.done",
        service="audit",
        staff_id="service:audit",
        object_type="reconciliation",
        object_id=now.astimezone(clock.JST).date().isoformat(),
        outcome="failed" if found else "granted",
        detail=detail,
    )
