"""組織改編 under load: 20,000 open steps follow the successor of their post while others go on approving."""

from __future__ import annotations

import asyncio
import datetime as dt
import statistics
import time

import psycopg

from chassis import clock
from tests.load import cases
from tests.load.bench import Bench
from tests.load.http import p95
from tests.load.report import Row, budget

OPEN_STEPS = 20_000
# The post that ends, the one that takes over, and where its holder goes: of 商工観光室 and not of the sample job.
ENDING, SUCCESSOR, NEXT = "P-050-02-02", "P-050-02-01", "P-050-02-05"
PAUSE_SECONDS = 0.25
# More than fit into the time of the move: none of it is without an act beside it.
ACTS = 500
ALONE = 40
AUTHOR, REVIEWER = "miyake.hideki", "miyazaki.sakura"
# The service looks for what is due once a minute.
PATIENCE_SECONDS = 300


async def reorganise(bench: Bench) -> list[Row]:
    """How long until the last step has moved, how an act on another case fares meanwhile, and when views have followed.

    The clock runs from the moment the change set is applied: until then every act is refused as REORGANISING, at midnight
    for the one transaction that applies it (`changes/midnight.py`), which is not measured here.
    """
    document_id, case_id = await asyncio.to_thread(cases.waiting_case, bench, 0)
    await asyncio.to_thread(cases.act_of, bench, (document_id, case_id))
    queue = await cases.cases_to_approve(bench, ACTS)
    alone = await cases.approve_all(bench, queue[:ALONE], clients=1, pause=PAUSE_SECONDS)
    del queue[:ALONE]
    url = bench.stack.database_url("postgres")
    await cases.copy_case(url, case_id, OPEN_STEPS, _COPIED, post_id=_WAITS_THERE)
    await asyncio.to_thread(_plan_for_today, bench, url)

    await _until(url, _STILL_THERE, below=OPEN_STEPS)
    began = time.perf_counter()
    acting = asyncio.create_task(cases.approve_all(bench, queue, clients=1, pause=PAUSE_SECONDS))
    await _until(url, _STILL_THERE, below=1)
    moved = time.perf_counter() - began
    if not queue:
        raise RuntimeError(f"{ACTS} acts were over before the last step had moved: take more")
    # What is left in the queue is not of this measurement.
    queue.clear()
    meanwhile = await acting
    await _until(url, _NOT_FOLLOWED, below=1)
    followed = time.perf_counter() - began
    steps = f"{OPEN_STEPS} open steps"
    return [
        budget("reorganisation: until every step has moved", moved, "s", 60, least=False, note=steps),
        Row("reorganisation: until every view has followed", followed, "s", note=steps),
        Row(
            "reorganisation: act median on another case meanwhile ÷ before",
            statistics.median(meanwhile) / statistics.median(alone),
            "",
            note=f"p95 {p95(meanwhile):.0f} ms, before {p95(alone):.0f} ms, {len(meanwhile)} acts",
        ),
        Row("reorganisation: longest act meanwhile", max(meanwhile), "ms", note=f"before {max(alone):.0f} ms"),
    ]


_COPIED = ("documents.documents", "documents.cases", "approvals.cases", "approvals.steps")
_WAITS_THERE = f"CASE WHEN o.state = 'active' THEN '{ENDING}' ELSE o.post_id END"
_STILL_THERE = f"SELECT count(*) FROM approvals.steps WHERE post_id = '{ENDING}' AND state = 'active'"
# Each case got a new version when its step moved.
_NOT_FOLLOWED = (
    "SELECT count(*) FROM documents.cases AS d JOIN approvals.step_moves AS m USING (case_id)"
    f" JOIN approvals.cases AS a USING (case_id) WHERE m.from_post = '{ENDING}' AND d.case_version < a.version"
)


async def _until(superuser_url: str, count: str, *, below: int) -> None:
    async with await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as conn:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            row = await (await conn.execute(count.encode())).fetchone()
            if row is not None and row[0] < below:
                return
            await asyncio.sleep(0.1)
    raise RuntimeError(f"not within {PATIENCE_SECONDS} s: {count}")


def _plan_for_today(bench: Bench, superuser_url: str) -> None:
    """A change set that two people made and reviewed for tomorrow, and tomorrow is here."""
    author, reviewer = bench.person(AUTHOR), bench.person(REVIEWER)
    tomorrow = clock.today() + dt.timedelta(days=1)
    holders = author.get("/tenures", post=ENDING, on=tomorrow.isoformat())["items"]
    changes = [{"kind": "post_ends", "post_id": ENDING, "successor": SUCCESSOR}] + [
        {"kind": "appointment_begins", "staff_id": one["staff_id"], "post_id": NEXT, "appointment": "main"}
        for one in holders
    ]
    made = author.post(
        "/change-sets", {"title": "室長補佐の廃止", "effective_on": tomorrow.isoformat(), "changes": changes}
    )
    reviewer.post(f"/change-sets/{made['id']}/review", {}, etag='"1"')
    with psycopg.connect(superuser_url, autocommit=True) as conn:
        conn.execute(
            "UPDATE approvals.change_sets SET effective_on = %s WHERE change_set_id = %s", (clock.today(), made["id"])
        )
