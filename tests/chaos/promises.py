"""What must be true whenever everything runs again, looked at from the databases, the broker and the log."""

from __future__ import annotations

import asyncio
from typing import Any

import nats

from tests.chaos.moments import NOT_NOW, SERVICES, eventually, one, rows
from tests.conftest import City


class Promises:
    """Of one city. Everything its people were ever served and refused counts."""

    def __init__(self, town: City) -> None:
        self._town = town

    def assert_kept(self) -> None:
        """All of them."""
        self.nothing_is_on_its_way()
        self.nothing_is_twice_or_missing_in_the_log()
        self.what_was_served_is_recorded()
        self.what_was_refused_was_clear()
        self.numbers_have_no_hole()
        self.documents_and_approvals_agree()
        self.nothing_was_given_up()

    def nothing_is_on_its_way(self) -> None:
        """Every event and record has reached everybody who must have it."""
        late = "SELECT count(*) FROM outbox WHERE created_at < now() - interval '1 second'"
        for service in SERVICES:
            eventually(lambda s=service: one(self._town, s, late) == 0, 90)

    def nothing_is_twice_or_missing_in_the_log(self) -> None:
        """One contiguous order; each event once; every number of every source, every version of every object."""
        count, events, last = rows(
            self._town, "audit", "SELECT count(*), count(DISTINCT event_id), max(leaf_index) FROM entries"
        )[0]
        assert count == events == last + 1
        twice = (
            "SELECT object_type, object_id, object_version FROM entries WHERE object_version IS NOT NULL"
            " GROUP BY object_type, object_id, object_version HAVING count(*) > 1"
        )
        assert rows(self._town, "audit", twice) == []
        sources: dict[str, Any] = {}

        def complete() -> bool:
            sources.update(self._town.person("auditor").get("/audit/sources"))
            return sources["gaps"] == [] and all(source["missing"] == [] for source in sources["items"])

        eventually(complete)

    def what_was_served_is_recorded(self) -> None:
        """Every X-Access-Record that somebody was given is a leaf of the log (I1)."""
        waiting = {record.partition("/")[2] for record in self._town.served}

        def recorded() -> bool:
            epochs, numbers = zip(*(record.split("/") for record in waiting), strict=True) if waiting else ((), ())
            known = rows(
                self._town,
                "audit",
                "SELECT epoch::text || '/' || seq FROM entries WHERE outcome = 'granted'"
                " AND (epoch, seq) IN (SELECT * FROM unnest(%s::uuid[], %s::bigint[]))",
                list(epochs),
                [int(number) for number in numbers],
            )
            waiting.difference_update(record for (record,) in known)
            return not waiting

        eventually(recorded)
        self._town.served.clear()

    def what_was_refused_was_clear(self) -> None:
        """Whatever was down: no answer but "not now" and "not yet", and each said why."""
        odd = [refusal for refusal in self._town.refused if refusal.status not in NOT_NOW or not refusal.reason]
        assert odd == []
        self._town.refused.clear()

    def numbers_have_no_hole(self) -> None:
        """1, 2, 3, … in every register and year, and the next one follows."""
        for register, numbers, following in rows(
            self._town,
            "documents",
            "SELECT register, array_agg(number ORDER BY number), min(next) FROM numbers"
            " JOIN registers USING (register, symbol, fiscal_year) GROUP BY register, symbol, fiscal_year",
        ):
            assert numbers == list(range(1, following)), register

    def documents_and_approvals_agree(self) -> None:
        """Every submission has one case, and what approvals decided is what documents shows."""
        ours = rows(self._town, "documents", "SELECT case_id::text, case_version, state FROM cases ORDER BY 1")
        theirs = rows(self._town, "approvals", "SELECT case_id::text, version, state FROM cases ORDER BY 1")
        assert ours == theirs
        submitted = rows(
            self._town, "documents", "SELECT case_id::text FROM documents WHERE case_id IS NOT NULL ORDER BY 1"
        )
        assert submitted == [(case_id,) for case_id, *_ in theirs]
        decided = rows(
            self._town, "documents", "SELECT case_id::text FROM documents WHERE state IN (6, 7, 8) ORDER BY 1"
        )
        assert decided == [(case_id,) for case_id, _, state in theirs if state == "decided"]

    def nothing_was_given_up(self) -> None:
        """A crash is no reason for dead letters."""

        async def dead_letters() -> int:
            async with await nats.connect(**self._town.stack.nats_options()) as client:
                return (await client.jetstream().stream_info("DEADLETTER")).state.messages

        assert asyncio.run(dead_letters()) == 0
