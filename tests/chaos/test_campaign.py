"""A campaign of kills while records flow: at the end the log is complete, verifiable, and what the sources hold (I2, I8).

Killed are sources (recorder, relay, receipts), replicas of audit (consumers, sequencer), NATS, PostgreSQL and the object
store, in an order thrown with a fixed seed. KANKETSU_TEST_KILLS says how many; a release is tried with 500 and more.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from services.audit.completeness import chains
from services.audit.completeness.chains import Chain
from services.audit.entry import decode
from tests.chaos.campaign import Books, calm, engines, eventually, head_of, migrate, place_of, verifiable
from tests.chaos.lives import Lives

__all__ = ["engines"]
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("KANKETSU_TEST_KILLS", "100"))
SEED = 20260401
# What is killed, and how often of a hundred.
TARGETS = {"audit-1": 27, "audit-2": 27, "source-1": 15, "source-2": 15, "nats": 8, "postgres": 7, "store": 1}


async def test_a_campaign_of_kills_leaves_a_complete_log(engines: Stack, tmp_path: Path) -> None:
    await migrate(engines)
    books, dice, acknowledged = Books(engines), random.Random(SEED), tmp_path / "acknowledged"
    heads: set[bytes] = set()
    with Lives(place_of(engines, acknowledged), tmp_path / "lives.log") as lives:
        for name in TARGETS:
            if "-" in name:
                lives.start(name)
        eventually(lambda: books.one("audit", "SELECT count(*) FROM entries") > 20)
        for _ in range(KILLS):
            # How long everything lives before the next blow.
            time.sleep(dice.uniform(0.02, 0.35))
            target = dice.choices(list(TARGETS), list(TARGETS.values()))[0]
            if "-" in target:
                lives.kill(target)
                lives.start(target)
            else:
                engines.kill(target)
                engines.start_one(target)
            heads |= head_of(engines)
        calm(lives, books, "source-1", "source-2")
    complete(books, acknowledged)
    assert len(heads) > 5
    verifiable(books, engines, heads, tmp_path / "log")


def complete(books: Books, acknowledged: Path) -> None:
    """Every record and event is there, once, in one order."""
    count, events, last = books.rows(
        "audit", "SELECT count(*), count(DISTINCT event_id), max(leaf_index) FROM entries"
    )[0]
    assert count == events == last + 1
    # Whatever was acknowledged to a reader or writer is a leaf (I1).
    told = set(acknowledged.read_text("utf-8").split())
    known = {one for (one,) in books.rows("audit", "SELECT epoch::text || '/' || seq FROM entries WHERE seq > 0")}
    known |= {one for (one,) in books.rows("audit", "SELECT event_id::text FROM entries WHERE seq IS NULL")}
    assert len(told) > KILLS
    assert told <= known, sorted(told - known)[:5]
    # Each source's numbers are exactly those its own database says it wrote.
    theirs = dict(books.rows("documents", "SELECT epoch::text, last_seq FROM record_epochs WHERE last_seq > 0"))
    ours = books.rows(
        "audit", "SELECT epoch::text, count(*), max(seq) FROM entries WHERE epoch IS NOT NULL GROUP BY epoch"
    )
    assert {epoch: n for epoch, n, _ in ours} == {epoch: top for epoch, _, top in ours} == theirs
    # And they are what it wrote: they lead to every chain value that it stated.
    for epoch in theirs:
        rows = books.rows("audit", f"SELECT seq, leaf FROM entries WHERE epoch = '{epoch}' ORDER BY seq")
        assert chains.follow(Chain(), [(seq, decode(leaf)) for seq, leaf in rows])[1] == []
    # Each object's versions are exactly those it has.
    versions = dict(books.rows("documents", "SELECT object_id, version FROM campaign WHERE version > 0"))
    seen = books.rows(
        "audit",
        "SELECT object_id, count(DISTINCT object_version), max(object_version) FROM entries"
        " WHERE object_version IS NOT NULL GROUP BY object_id",
    )
    assert {one: n for one, n, _ in seen} == {one: top for one, _, top in seen} == versions
