"""What the command line says about decision rules, to whoever runs the service: no names of persons, no documents."""

from __future__ import annotations

import csv
import datetime as dt
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chassis import clock, db
from chassis.db import Connection
from chassis.errors import DomainError
from chassis.settings import Secret
from services.approvals.cases import store as cases
from services.approvals.routes import questions, why
from services.approvals.routes.domain import Facts
from services.approvals.rules import planned, store
from services.approvals.rules.checks import check


async def check_rules(database_url: Secret, body: str, on: dt.date, classes: Path | None) -> int:
    """Print what the check finds in the rules in force on a day; 1 when something of it blocks, else 0.

    `classes`: the file plan as documents loads it (classes.csv), for matters of a unit without a rule.
    """
    plan = _file_plan(classes) if classes is not None else set()
    async with _connected(database_url) as conn:
        rules = await store.rules_on(conn, body, on)
        findings = check(rules, await planned.organisation_on(conn, on), plan)
    for finding in findings:
        sys.stdout.write(f"{'不可' if finding.blocking else '注意'}　{finding.text}\n")
    blocking = sum(finding.blocking for finding in findings)
    sys.stdout.write(f"{on.isoformat()} 現在の定め{len(rules)}件：不可{blocking}件、注意{len(findings) - blocking}件\n")
    return 1 if blocking else 0


def _file_plan(classes: Path) -> set[tuple[str, str]]:
    with classes.open(encoding="utf-8-sig", newline="") as file:
        return {(row["unit_id"], row["matter"]) for row in csv.DictReader(file)}


async def explain_facts(database_url: Secret, facts: Facts, on: dt.date) -> int:
    """Print why a draft with these facts would have its decider on a day, and what would change it; 1 for nobody."""
    now = dt.datetime.combine(on, clock.now().timetz())
    async with _connected(database_url) as conn:
        try:
            found, units = await questions.of_facts(conn, facts, now)
        except DomainError as error:
            sys.stderr.write(f"{error.reason}: {error.message}\n")
            return 1
    return _say([*why.reasons(found, units), *why.changes(found)])


async def explain_case(database_url: Secret, case_id: str) -> int:
    """Print why a case has its decider, by the rules and the organisation of the day it was drafted; 1 without one."""
    now = clock.now()
    async with _connected(database_url) as conn:
        found = await cases.load(conn, case_id, now.date(), now)
        explained = await questions.of_case(conn, *found) if found is not None else None
    if explained is None:
        sys.stderr.write("no such case\n")
        return 1
    explanation, units = explained
    return _say([*why.reasons(explanation, units), *why.changes(explanation)])


def _say(sentences: list[str]) -> int:
    sys.stdout.write("".join(f"{sentence}\n" for sentence in sentences))
    return 0


@asynccontextmanager
async def _connected(database_url: Secret) -> AsyncIterator[Connection]:
    pool = db.open_pool(database_url, "approvals", size=2)
    await pool.open(wait=True)
    try:
        async with db.connection(pool) as conn:
            yield conn
    finally:
        await pool.close()
