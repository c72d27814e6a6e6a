"""Versions of the 専決規程: imported, looked at, activated by somebody else, in force from their day (AP-02)."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from chassis import clock, db
from chassis.errors import DomainError
from kanketsu.approvals.v1 import events_pb2
from services.approvals.organisation import load, tables
from services.approvals.rules import table
from services.approvals.tests.conftest import SAMPLES
from services.approvals.tests.test_load import change

# The two records officers of the sample city.
OFFICER, COLLEAGUE = "S0018", "S0019"
LATER = (clock.today() + dt.timedelta(days=200)).isoformat()


async def in_force(city, body="fire"):
    """The CSV of what holds today."""
    officer = await city.person(OFFICER)
    versions = (await officer.call("ListRuleVersions", body=body)).versions
    current = next(one for one in versions if one.state == "activated" and one.valid_from <= clock.today().isoformat())
    return (await officer.call("GetRuleVersion", rule_version_id=current.rule_version_id)).rules_csv


async def imported(city, rules_csv, *, by=OFFICER, body="fire", valid_from=LATER, dry_run=False, title="改正"):
    officer = await city.person(by)
    return await officer.call(
        "ImportRuleVersion",
        request_id=clock.new_id(),
        body=body,
        title=title,
        valid_from=valid_from,
        rules_csv=rules_csv,
        dry_run=dry_run,
    )


async def settle(city, method, version, *, by=COLLEAGUE, expected=None):
    officer = await city.person(by)
    answer = await officer.call(
        method,
        request_id=clock.new_id(),
        rule_version_id=version.rule_version_id,
        expected_version=expected or version.version,
    )
    return answer.version


async def refused(awaitable):
    with pytest.raises(DomainError) as caught:
        await awaitable
    return caught.value


async def decided_by(city, **facts):
    """(class, rule) of a route planned today in 消防."""
    drafter = await city.holder("P-090-02-05")
    plan = await city.plan(drafter, clock.new_id(), unit_id="U-090-02", **facts)
    return plan.decision_class, plan.rule_id


async def test_the_file_of_a_version_gives_the_version_back(city):
    text = await in_force(city)
    rules, flaws = table.parse(text, "fire")
    assert flaws == []
    assert table.written(rules) == text
    assert len(rules) == 16


async def test_a_dry_run_shows_the_difference_and_keeps_nothing(city):
    before = await city.rows("SELECT count(*) FROM rule_versions")
    text = (await in_force(city)).replace("契約締結,0,500000,head", "契約締結,0,700000,head")
    text = text.replace("契約締結,500001,", "契約締結,700001,").replace("R-SB-011", "R-SB-911")
    answer = await imported(city, text, dry_run=True)
    assert [one.rule_id for one in answer.difference.added] == ["R-SB-911"]
    assert [one.rule_id for one in answer.difference.removed] == ["R-SB-011"]
    changed = [(one.before.rule_id, one.before.amount_max, one.after.amount_max) for one in answer.difference.changed]
    assert changed == [("R-SB-008", 500_000, 700_000), ("R-SB-009", 5_000_000, 5_000_000)]
    assert not [one for one in answer.findings if one.blocking]
    assert answer.compared_with
    assert not answer.HasField("version")
    assert await city.rows("SELECT count(*) FROM rule_versions") == before
    assert [r.actor.staff_id for r in await city.records("rules.compared")][-1] == OFFICER


async def test_every_cell_that_cannot_be_read_is_named(city):
    good = await in_force(city)
    text = good.replace("契約締結,0,500000,head", "契約締結,0,五十万,boss").replace("R-SB-002", "R-SB-001")
    answer = await imported(city, text + "余分,な,行\n", dry_run=True)
    lines = good.splitlines()
    number = next(index for index, line in enumerate(lines, start=1) if line.startswith("R-SB-008"))
    assert [(flaw.line, flaw.column, flaw.problem) for flaw in answer.flaws] == [
        (3, "rule_id", "TWICE"),
        (number, "decision_class", "UNKNOWN"),
        (number, "amount_max", "OUT_OF_RANGE"),
        (len(lines) + 1, "", "WRONG_CELLS"),
    ]
    error = await refused(imported(city, text))
    assert [(field.field, field.problem) for field in error.fields] == [("rules_csv", "MALFORMED")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "WRONG_HEADER"),
        (",".join(table.COLUMNS) + "\n", "REQUIRED"),
        (",".join(table.COLUMNS) + '\nR-1,,通知,,,head,,,,"閉じない\n', "MALFORMED"),
        (",".join(table.COLUMNS) + "\nR-1,,通知,9,8,head,,,,規程,,,\n", "NOT_AFTER_FROM"),
        (",".join(table.COLUMNS) + "\nR-1,,通知,,,head,P-1,,,規程,,,\n", "REQUIRED"),
        (",".join(table.COLUMNS) + "\nR-1,,通知,,,head,,,, ,,,\n", "REQUIRED"),
    ],
)
def test_what_is_wrong_with_a_file(text, problem):
    rules, flaws = table.parse(text, "mayor")
    assert rules == []
    assert [flaw.problem for flaw in flaws] == [problem]


async def test_another_officer_activates_and_the_rules_hold_from_that_day(city):
    """AP-02: today's drafts keep today's rules; the version begins by its date; all of it is in the log."""
    text = (await in_force(city)).replace("予算要求,,,deputy_director", "予算要求,,,body_head")
    draft = (await imported(city, text)).version
    assert (draft.state, draft.version, draft.imported_by) == ("draft", 1, OFFICER)
    error = await refused(settle(city, "ActivateRuleVersion", draft, by=OFFICER))
    assert error.reason == "SAME_PERSON"
    assert (await refused(settle(city, "ActivateRuleVersion", draft, expected=7))).reason == "STALE_VERSION"
    active = await settle(city, "ActivateRuleVersion", draft)
    assert (active.state, active.version, active.settled_by) == ("activated", 2, COLLEAGUE)
    assert (await refused(settle(city, "ActivateRuleVersion", active))).reason == "RULES_SETTLED"
    listed = (await (await city.person(OFFICER)).call("ListRuleVersions", body="fire")).versions
    assert [(one.state, one.valid_from, one.valid_to) for one in listed if one.state == "activated"] == [
        ("activated", LATER, ""),
        ("activated", "2023-04-01", LATER),
    ]
    assert await decided_by(city, matter="予算要求") == ("deputy_director", "R-SB-015")

    second = (await imported(city, text, by=COLLEAGUE)).version
    assert (await refused(settle(city, "ActivateRuleVersion", second, by=OFFICER))).reason == "RULES_DAY_TAKEN"
    undone = await settle(city, "DiscardRuleVersion", active, by=OFFICER)
    assert undone.state == "discarded"
    events = await city.envelopes(active.rule_version_id)
    assert [(e.action, e.aggregate_version, e.actor.staff_id) for e in events] == [
        ("rules.imported", 1, OFFICER),
        ("rules.activated", 2, COLLEAGUE),
        ("rules.discarded", 3, OFFICER),
    ]
    assert events_pb2.DecisionRulesChanged.FromString(events[1].payload).valid_from == LATER
    await settle(city, "DiscardRuleVersion", second, by=OFFICER)


async def test_a_version_of_today_decides_what_is_drafted_from_now_on(city):
    """AP-02: a case keeps its rule, a plan that was not submitted does not; what is in force cannot be taken back."""
    drafter, document_id, late_id = await city.holder("P-110-03-05"), clock.new_id(), clock.new_id()
    facts = {"unit_id": "U-110-03", "matter": "照会回答"}
    before = await city.plan(drafter, document_id, **facts)
    case_id = await city.submit(drafter, before, document_id, **facts)
    late = await city.plan(drafter, late_id, **facts)
    text = (await in_force(city, "water")).replace("R-SD-001,,照会回答,,,head", "R-SD-101,,照会回答,,,director")
    draft = (await imported(city, text, body="water", valid_from=clock.today().isoformat())).version
    active = await settle(city, "ActivateRuleVersion", draft)
    after = await city.plan(drafter, clock.new_id(), **facts)
    assert (before.rule_id, after.rule_id, after.decision_class) == ("R-SD-001", "R-SD-101", "director")
    case = await drafter.see(case_id)
    assert (case.state, case.rule_id, case.decision_class) == ("circulating", "R-SD-001", "head")
    outdated = await drafter.see(await city.submit(drafter, late, late_id, **facts))
    assert (outdated.state, outdated.reason) == ("refused", "PLAN_OUTDATED")
    versions = await city.rows(
        "SELECT rule_version_id::text FROM route_plans WHERE route_plan_id = %s", after.route_plan_id
    )
    assert versions == [(active.rule_version_id,)]
    assert (await refused(settle(city, "DiscardRuleVersion", active))).reason == "RULES_SETTLED"


async def test_a_version_with_blocking_findings_is_not_activated(city):
    """AP-01: nobody may be left without a decider."""
    text = (await in_force(city)).replace("予算要求,,,deputy_director", "予算要求,,,director")
    draft = (await imported(city, text)).version
    officer = await city.person(COLLEAGUE)
    seen = await officer.call("GetRuleVersion", rule_version_id=draft.rule_version_id)
    assert [(one.problem, one.rule_ids) for one in seen.findings if one.blocking] == [("no_decider", ["R-SB-015"])]
    error = await refused(settle(city, "ActivateRuleVersion", draft))
    assert (error.reason, error.metadata["findings"]) == ("RULES_BLOCKED", "1")
    assert (await settle(city, "DiscardRuleVersion", draft)).state == "discarded"


async def test_nobody_else_reads_or_writes_them(city):
    clerk = await city.person("S0072")
    for method, fields in [
        ("ListRuleVersions", {}),
        ("GetRuleVersion", {"rule_version_id": clock.new_id()}),
        ("ListRuleFindings", {}),
        ("ImportRuleVersion", {"request_id": "1", "body": "fire", "title": "改正", "valid_from": LATER}),
        ("ActivateRuleVersion", {"request_id": "2", "rule_version_id": clock.new_id()}),
        ("DiscardRuleVersion", {"request_id": "3", "rule_version_id": clock.new_id()}),
    ]:
        error = await refused(clerk.call(method, **fields))
        assert (error.kind.value, error.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED"), method


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"body": "emperor"}, ("body", "UNKNOWN")),
        ({"title": " "}, ("title", "REQUIRED")),
        ({"title": "改" * 101}, ("title", "TOO_LONG")),
        ({"valid_from": "令和9年"}, ("valid_from", "NOT_A_DATE")),
        ({"valid_from": "2023-04-01"}, ("valid_from", "PAST")),
    ],
)
async def test_bad_fields_are_named(city, fields, problem):
    error = await refused(imported(city, "", **fields))
    assert [(field.field, field.problem) for field in error.fields] == [problem]


async def test_the_same_import_is_done_once(city):
    officer, text = await city.person(OFFICER), await in_force(city)
    fields = {"body": "fire", "title": "二度", "valid_from": LATER, "rules_csv": text}
    one = await officer.call("ImportRuleVersion", request_id="import-twice", **fields)
    two = await officer.call("ImportRuleVersion", request_id="import-twice", **fields)
    assert one.version.rule_version_id == two.version.rule_version_id
    await settle(city, "DiscardRuleVersion", one.version)


async def test_the_check_of_a_day_says_what_is_vacant(city, owner):
    officer = await city.person(OFFICER)
    assert [one.text for one in (await officer.call("ListRuleFindings", body="hospital")).findings] == []
    await owner.execute("UPDATE appointments SET valid_to = current_date WHERE post_id = 'P-130-11-01'")
    try:
        found = (await officer.call("ListRuleFindings", body="hospital")).findings
        assert {one.problem for one in found} == {"vacant"}
        assert "病院経営室長" in found[0].text
        earlier = await officer.call("ListRuleFindings", body="hospital", on="2025-04-01")
        assert [one.text for one in earlier.findings] == []
    finally:
        await owner.execute("UPDATE appointments SET valid_to = 'infinity' WHERE post_id = 'P-130-11-01'")


async def test_the_application_cannot_change_the_rules_of_a_version(city):
    """Its role may only settle a version."""
    for statement in (
        "UPDATE version_rules SET decision_class = 'head'",
        "DELETE FROM version_rules",
        "UPDATE rule_versions SET valid_from = current_date",
        "DELETE FROM rule_versions",
    ):
        with pytest.raises(Exception, match="InsufficientPrivilege"):
            await city.rows(statement)


async def test_a_loaded_file_replaces_the_version_of_the_same_day(migrated_database, open_pool, tmp_path):
    for name in tables.COLUMNS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    where = await migrated_database("approvals")
    pool = await open_pool(where, statement_timeout_ms=60_000)
    await load.load(pool, tmp_path)
    change(tmp_path, "decision_rules.csv", "fire,,予算要求,,,deputy_director", "fire,,予算要求,,,body_head")
    assert (await load.load(pool, tmp_path))["decision_rules"] == 1
    async with pool.connection() as conn:
        cursor = await conn.execute("SELECT state, version FROM rule_versions WHERE body = 'fire' ORDER BY state")
        assert await cursor.fetchall() == [("activated", 1), ("discarded", 2)]
        cursor = await conn.execute("SELECT decision_class FROM decision_rules WHERE rule_id = 'R-SB-015'")
        assert await cursor.fetchall() == [("body_head",)]

    command = [sys.executable, "-m", "services.approvals", "check-rules", "--on", "2026-11-27"]
    environment = os.environ | {"KANKETSU_DATABASE_URL": where.app_url, "KANKETSU_TENANT": "minoh"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("2026-11-27 現在の定め191件：不可0件")
    classes = tmp_path / "classes.csv"
    classes.write_bytes((SAMPLES / "classes.csv").read_bytes())
    with classes.open("a", encoding="utf-8") as file:
        file.write("0000-09-99,庶務,広聴,市民の声,,広聴,1,規程,open,none,false,dispose,unit\n")
    planned = [*command, "--body", "fire", "--classes", str(classes)]
    done = subprocess.run(planned, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if "定めがない所属" in line] == [
        "注意　「広聴」（消防長）の定めがない所属があります。起案：総務室、予防室 ほか2所属"
    ]
    async with pool.connection() as conn:
        await conn.execute("UPDATE posts SET valid_to = '2026-11-01' WHERE post_id = 'P-090-00-01'")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "不可　R-SB-015「予算要求」（執行機関の長の決裁）：上に執行機関の長の職がありません。" in done.stdout


async def test_rules_loaded_with_days_become_versions(empty_database, open_pool, tmp_path):
    """The migration: on every day the same rules hold as before."""
    ours = Path(__file__).parents[1] / "migrations"
    folder = tmp_path / "approvals" / "migrations"
    folder.mkdir(parents=True)
    for path in sorted(ours.glob("*.sql"))[:2]:
        shutil.copy(path, folder)
    where = empty_database("approvals")
    await db.migrate(where.owner_url, "approvals", [db.CHASSIS_MIGRATIONS, folder])
    async with await psycopg.AsyncConnection.connect(where.owner_url, autocommit=True) as conn:
        await conn.execute("SET search_path = approvals")
        for rule_id, body, low, first, last in (
            ("R-1", "mayor", 0, "2023-04-01", "2026-04-01"),
            ("R-2", "mayor", 1, "2024-04-01", "infinity"),
            ("R-1", "mayor", 2, "2026-04-01", "infinity"),
            ("R-3", "fire", 3, "2023-04-01", "2025-04-01"),
        ):
            await conn.execute(
                "INSERT INTO decision_rules (rule_id, body, matter, amount_min, decision_class, valid_from, valid_to,"
                " basis) VALUES (%s, %s, '契約締結', %s, 'head', %s, %s, '規程')",
                (rule_id, body, low, first, last),
            )
    days = [dt.date(year, 4, 1) + dt.timedelta(days=offset) for year in range(2023, 2028) for offset in (-1, 0)]
    query = (
        "SELECT body, rule_id, amount_min FROM decision_rules WHERE valid_from <= %s AND %s < valid_to ORDER BY 1, 2"
    )
    pool = await open_pool(where)

    async def held():
        async with pool.connection() as conn:
            return {day: await (await conn.execute(query, (day, day))).fetchall() for day in days}

    before = await held()
    await db.migrate(where.owner_url, "approvals", [db.CHASSIS_MIGRATIONS, ours])
    assert await held() == before
    assert before[dt.date(2024, 4, 1)] == [("fire", "R-3", 3), ("mayor", "R-1", 0), ("mayor", "R-2", 1)]
