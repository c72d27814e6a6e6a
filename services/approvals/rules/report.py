"""What the command line says about decision rules, to whoever runs the service: no names of persons, no documents."""

from __future__ import annotations

import datetime as dt
import sys

from chassis import clock, db
from chassis.settings import Secret
from services.approvals.rules import store
from services.approvals.rules.checks import check


async def check_rules(database_url: Secret, body: str, on: dt.date) -> int:
    """Print what the check finds in the rules in force on a day; 1 when something of it blocks, else 0."""
    pool = db.open_pool(database_url, "approvals", size=2)
    await pool.open(wait=True)
    try:
        async with db.connection(pool) as conn:
            rules = await store.rules_on(conn, body, on)
            findings = check(rules, await store.organisation_on(conn, on, clock.now()))
    finally:
        await pool.close()
    for finding in findings:
        sys.stdout.write(f"{'不可' if finding.blocking else '注意'}　{finding.text}\n")
    blocking = sum(finding.blocking for finding in findings)
    sys.stdout.write(f"{on.isoformat()} 現在の定め{len(rules)}件：不可{blocking}件、注意{len(findings) - blocking}件\n")
    return 1 if blocking else 0
