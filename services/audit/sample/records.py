"""A city's days in the log: records and events as the services would send them, the same for the same seed.

Everything goes the way of real records: protobuf messages as they travel, `intake`, `entry`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from chassis import clock, recorder
from kanketsu.event.v1 import envelope_pb2
from services.audit import intake
from services.audit.entry import Leaf

FIRST_DAY = dt.date(2026, 4, 1)
OPENS, OFFICE_HOURS = dt.time(8, 30), dt.timedelta(hours=8, minutes=45)
_MOST = 48
_BEAT = dt.timedelta(seconds=60)
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)

GRANTED, DENIED = envelope_pb2.OUTCOME_GRANTED, envelope_pb2.OUTCOME_DENIED
_PURPOSES = ("窓口照会", "起案の参考", "議会答弁の準備", "監査対応", "決裁の確認", "開示請求の検討")
_FOLDERS = ("総務課 文書管理", "市民課 住民異動", "道路課 占用許可", "子育て支援課 保育所", "財政課 予算編成")
_READING = {
    "gateway": ("session.login", "session.logout", "audit.read"),
    "documents": ("document.viewed", "document.viewed", "document.viewed", "document.downloaded", "document.printed"),
    "approvals": ("case.viewed", "case.viewed", "case.listed"),
}
_CHANGES = {
    "documents": ("document.created", "document.updated", "document.submitted", "attachment.added"),
    "approvals": ("case.started", "case.approved", "case.decided"),
}


@dataclass(slots=True)
class _Source:
    """A process of a service: one epoch after the other."""

    service: str
    instance: str
    epoch: str = ""
    seq: int = 0
    chain: str = ""
    seen: dt.datetime = _NEVER


class City:
    """Makes `entries` leaves over `days` days from `FIRST_DAY`, in the order in which they would be appended."""

    def __init__(self, seed: int, entries: int, days: int) -> None:
        self._random = Random(seed)  # noqa: S311 - the same log for the same seed is what is wanted
        self._entries = entries
        self._days = days
        self._versions: dict[str, int] = {}
        self._objects = [self._id(self._at(0)) for _ in range(997)]
        self._staff = [
            envelope_pb2.Actor(
                staff_id=f"S{number:04d}",
                post_id=f"P-{number % 40:03d}-01",
                unit_id=f"U-{number % 40:03d}",
                terminal=f"10.{number % 40}.{number % 7}.{number % 250 + 1}",
                session_id=self._id(self._at(0)),
            )
            for number in range(1, 401)
        ]
        self._sources = [
            _Source(service, f"{service}-{replica}")
            for service in ("gateway", "documents", "approvals")
            for replica in (0, 1)
        ]

    def leaves(self) -> Iterator[list[Leaf]]:
        """Batches of leaves, together exactly as many as asked for."""
        made = 0
        while made < self._entries:
            batch = self._next(self._at(made), self._entries - made)
            made += len(batch)
            yield batch

    def _at(self, made: int) -> dt.datetime:
        """When the next batch is recorded: office hours, filled evenly."""
        share = made * self._days / max(1, self._entries)
        day = FIRST_DAY + dt.timedelta(days=int(share))
        return dt.datetime.combine(day, OPENS, clock.JST) + OFFICE_HOURS * (share % 1)

    def _next(self, now: dt.datetime, left: int) -> list[Leaf]:
        """At most `left` leaves. The last ones end what still runs: a source that fell silent would be a finding."""
        running = [source for source in self._sources if source.epoch]
        spare = left - len(running)
        if not spare:
            return self._end(running[0], "epoch.close", now)
        if spare == 1:
            # Who opens an epoch needs a second one for its end.
            return self._events("documents", now, 1)
        return self._batch(now, spare)

    def _batch(self, now: dt.datetime, most: int) -> list[Leaf]:
        chance = self._random.random()
        if chance < 0.12:
            return self._events(self._random.choice(("documents", "approvals")), now, most)
        source = self._random.choice(self._sources)
        if not source.epoch:
            return self._sent(source, [self._open(source, now)])
        if source.seen.date() != now.date():
            # Restarted in the night, or crashed.
            return self._end(source, "epoch.recovered" if chance > 0.9 else "epoch.close", now)
        if now - source.seen > _BEAT and chance > 0.8:
            return self._sent(source, [self._own(source, "epoch.heartbeat", now)])
        count = min(most, self._random.randint(1, _MOST))
        return self._sent(source, [self._record(source, source.seq + 1 + number, now) for number in range(count)])

    # --- access records

    def _sent(self, source: _Source, records: list[envelope_pb2.AccessRecord]) -> list[Leaf]:
        """A batch as it travels, and what the audit service makes of it."""
        for record in records:
            source.chain = recorder.chain_after(source.chain, record)
        source.seq, source.seen = (
            records[-1].seq,
            records[-1].occurred_at.ToDatetime(tzinfo=dt.UTC).astimezone(clock.JST),
        )
        batch = envelope_pb2.AccessRecordBatch(
            batch_id=records[0].event_id,
            service=source.service,
            instance=source.instance,
            epoch=source.epoch,
            records=records,
            chain=source.chain,
        )
        return intake.leaves_of_parcel(envelope_pb2.AccessRecordParcel(batches=[batch]).SerializeToString())

    def _record(self, source: _Source, seq: int, now: dt.datetime) -> envelope_pb2.AccessRecord:
        chosen = self._random
        now += dt.timedelta(microseconds=chosen.randrange(2_000_000))
        action = chosen.choice(_READING[source.service])
        record = envelope_pb2.AccessRecord(
            seq=seq,
            event_id=self._id(now),
            occurred_at=recorder.timestamp(now),
            actor=chosen.choice(self._staff),
            action=action,
            object_type=action.partition(".")[0],
            outcome=GRANTED,
            trace_id=f"{chosen.getrandbits(128):032x}",
        )
        kind = chosen.random()
        if source.service == "documents":
            record.object_id = chosen.choice(self._objects)
            if kind < 0.04:
                record.outcome, record.reason = DENIED, "NOT_FOUND"
            elif kind < 0.16:
                self._search(record, "document.searched" if kind < 0.1 else "document.listed")
            elif kind < 0.4:
                record.detail["purpose"] = chosen.choice(_PURPOSES)
            else:
                record.version_digest = f"{chosen.getrandbits(256):064x}"
        elif action.endswith("listed"):
            self._search(record, action)
        elif action == "session.login" and kind < 0.05:
            record.action, record.outcome, record.reason = "session.denied", DENIED, "UNKNOWN_STAFF"
        return record

    def _search(self, record: envelope_pb2.AccessRecord, action: str) -> None:
        record.action, record.object_id = action, ""
        record.query_digest = f"{self._random.getrandbits(256):064x}"
        record.result_count = self._random.randrange(50)
        record.result_digest = f"{self._random.getrandbits(256):064x}"

    def _open(self, source: _Source, now: dt.datetime) -> envelope_pb2.AccessRecord:
        source.epoch, source.seq, source.chain = self._id(now), 0, ""
        return self._own(source, "epoch.open", now)

    def _end(self, source: _Source, action: str, now: dt.datetime) -> list[Leaf]:
        leaves = self._sent(source, [self._own(source, action, now)])
        source.epoch = ""
        return leaves

    def _own(self, source: _Source, action: str, now: dt.datetime) -> envelope_pb2.AccessRecord:
        return envelope_pb2.AccessRecord(
            seq=source.seq + 1,
            event_id=self._id(now),
            occurred_at=recorder.timestamp(now),
            actor=envelope_pb2.Actor(staff_id=f"service:{source.service}"),
            action=action,
            object_type="epoch",
            object_id=source.epoch,
            outcome=GRANTED,
            detail={"last_seq": str(source.seq), "chain": source.chain},
        )

    # --- events

    def _events(self, service: str, now: dt.datetime, most: int) -> list[Leaf]:
        """At most so many changes, each to another object."""
        found = []
        for object_id in self._random.sample(self._objects, min(most, self._random.randint(1, _MOST // 4))):
            action = self._random.choice(_CHANGES[service])
            version = self._versions[object_id + service] = self._versions.get(object_id + service, 0) + 1
            envelope = envelope_pb2.Envelope(
                event_id=self._id(now),
                type=f"kanketsu.{service}.v1.Sample",
                action=action,
                producer=service,
                aggregate="document" if service == "documents" else "case",
                aggregate_id=object_id,
                aggregate_version=version,
                occurred_at=recorder.timestamp(now),
                actor=self._random.choice(self._staff),
                detail={"folder": self._random.choice(_FOLDERS)},
            )
            found.append(intake.leaf_of_event(envelope_pb2.Envelope.FromString(envelope.SerializeToString())))
        return found

    def _id(self, now: dt.datetime) -> str:
        """A UUIDv7 of this moment."""
        digits = f"{int(now.timestamp() * 1000):012x}7{self._random.getrandbits(12):03x}"
        digits += f"{0x8000000000000000 | self._random.getrandbits(62):016x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
