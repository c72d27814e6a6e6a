"""Loading a city: all or nothing, again and again, every problem with file and line."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys

import pytest

from chassis import clock
from services.approvals.organisation import load, tables
from services.approvals.tests.conftest import SAMPLES

TODAY = dt.date(2026, 11, 23)


@pytest.fixture
def folder(tmp_path):
    """A copy of the sample city's tables, to be spoiled."""
    for name in tables.COLUMNS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(SAMPLES / name, tmp_path / name)
    return tmp_path


def change(folder, name, old, new):
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def line_of(folder, name, text):
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def test_the_sample_city_has_no_problems():
    city = tables.read(SAMPLES, TODAY)
    assert city.problems == []
    assert len(city["staff"]) > 60


UNITS, POSTS, STAFF = "organisation/units.csv", "organisation/posts.csv", "organisation/staff.csv"
APPOINTMENTS, RULES = "organisation/appointments.csv", "decision_rules.csv"


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        (UNITS, "U-010-01,U-010,mayor", "U-010-01,U-777,mayor", "unknown unit U-777"),
        (UNITS, "U-010-01,U-010,mayor", "U-010-01,U-010,emperor", "body: emperor is none of"),
        (UNITS, "秘書室,ヒショシツ", ",ヒショシツ", "name is empty"),
        (UNITS, "U-010,U-000,mayor", "U-010,U-010-01,mayor", "unit U-010 is below itself"),
        (POSTS, "P-010-01-01,U-010-01,室長,head", "P-010-01-01,U-010-01,室長,boss", "rank: boss is none of"),
        (POSTS, "P-010-01-03,U-010-01", "P-010-01-01,U-010-01", "the post overlaps line"),
        (STAFF, "S0002,柏木 俊夫", "service:canary,柏木 俊夫", "staff_id: service:canary is the name of a service"),
        (STAFF, "S0002,柏木 俊夫", "S0001,柏木 俊夫", "the staff member overlaps line"),
        (STAFF, "kashiwagi.toshio,", "makimura.takayuki,", "the login overlaps line"),
        (APPOINTMENTS, "S0003,P-000-00-03,main,2023-04-01,", "S0003,P-000-00-03,main,2023-02-30,", "is not a date"),
        (
            APPOINTMENTS,
            "S0003,P-000-00-03,main,2023-04-01,",
            "S0003,P-000-00-03,main,2023-04-01,2023-04-01",
            "valid_to",
        ),
        (
            APPOINTMENTS,
            "S0003,P-000-00-03,main,",
            "S0002,P-000-00-03,main,",
            "main appointment of this person overlaps",
        ),
        (APPOINTMENTS, "S0003,P-000-00-03,main,", "S0003,P-000-00-02,main,", "the appointment to this post overlaps"),
        (APPOINTMENTS, "S0003,P-000-00-03,main,2023-04-01", "S0003,P-000-00-03,main,2020-04-01", "is longer than"),
        (APPOINTMENTS, "S0003,P-000-00-03", "S0003,P-777", "unknown post P-777"),
        (APPOINTMENTS, "S0003,P-000-00-03", "S7777,P-000-00-03", "unknown staff member S7777"),
        ("organisation/roles.csv", "S0005,records_manager", "S0005,king", "role: king is none of"),
        (
            "organisation/absences.csv",
            "2026-11-26T17:15:00+09:00",
            "2026-11-26T17:15:00",
            "is not a time with an offset",
        ),
        ("organisation/absences.csv", "2026-11-26T17:15:00+09:00", "2026-11-01T17:15:00+09:00", "to_at is not after"),
        ("organisation/substitutes.csv", "P-010-02-01,2,", "P-010-02-01,1,", "the substitute repeats line"),
        ("organisation/substitutes.csv", "P-010-02-01,2,", "P-010-02-01,0,", "order begins with 1"),
        (
            "organisation/substitutes.csv",
            "P-010-02-01,2,P-010-02-03",
            "P-010-02-01,2,P-010-02-01",
            "its own substitute",
        ),
        (RULES, "補助金交付,0,1000000,head", "補助金交付,0,1000001,head", "が等しく当てはまります"),
        (RULES, "補助金交付,0,1000000,head", "補助金交付,2000000,1000000,head", "amount_max is below amount_min"),
        (RULES, "補助金交付,0,1000000,head", "補助金交付,0,百万,head", "is not a number"),
        (RULES, "P-020-04-01,head,,2026-04-01", "P-020-04-01,,,2026-04-01", "concurrence_after is empty"),
        (RULES, "P-020-04-01,head,,2026-04-01", "P-020-99-01,head,,2026-04-01", "unknown post P-020-99-01"),
        (
            RULES,
            "fire,,予算要求,,,deputy_director",
            "fire,,予算要求,,,director",
            "上に部長の職がありません",
        ),
    ],
)
def test_each_problem_is_named_with_file_and_line(folder, name, old, new, problem):
    change(folder, name, old, new)
    city = tables.read(folder, TODAY)
    hits = [line for line in city.problems if problem in line and line.startswith(f"{name}:")]
    assert hits, city.problems[:5]
    assert all(int(line.split(":")[1]) > 1 for line in hits)


def test_all_problems_are_found_at_once(folder):
    change(folder, UNITS, "mayor,秘書室", "mayer,秘書室")
    change(folder, STAFF, "S0003,岩﨑 千尋", "S0003,")
    change(folder, APPOINTMENTS, "S0002,P-000-00-02,main", "S0002,P-000-00-02,mein")
    problems = tables.read(folder, TODAY).problems
    assert {problem.split(":")[0] for problem in problems} == {UNITS, STAFF, APPOINTMENTS}
    assert f"{UNITS}:{line_of(folder, UNITS, 'mayer,秘書室')}: body: mayer is none of" in "\n".join(problems)


def test_malformed_files_are_named(folder):
    (folder / UNITS).unlink()
    change(folder, POSTS, "post_id,unit_id", "id,unit")
    change(folder, STAFF, "S0003,岩﨑 千尋,", "S0003,岩﨑 千尋,余分,")
    (folder / RULES).write_bytes((folder / RULES).read_text(encoding="utf-8").encode("cp932"))
    problems = tables.read(folder, TODAY).problems
    assert len(problems) == 4
    assert problems[0].startswith(f"{UNITS}: cannot be read")
    assert problems[1].startswith(f"{POSTS}:1: the header must be post_id")
    assert problems[2] == f"{STAFF}:{line_of(folder, STAFF, '余分')}: 8 cells instead of 7"
    assert problems[3].startswith(f"{RULES}: cannot be read")


async def fresh(migrated_database, open_pool):
    where = await migrated_database("approvals")
    return where, await open_pool(where, statement_timeout_ms=60_000)


async def count(pool, table):
    async with pool.connection() as conn:
        cursor = await conn.execute(f"SELECT count(*) FROM {table}".encode())
        return (await cursor.fetchone())[0]


async def test_loading_twice_changes_nothing(migrated_database, open_pool):
    _, pool = await fresh(migrated_database, open_pool)
    first = await load.load(pool, SAMPLES)
    assert first["staff"] == await count(pool, "staff")
    assert first["substitutes"] == await count(pool, "substitutes")
    assert first["decision_rules"] == 13, "one version of each body, a second of the mayor's in 2026"
    assert await count(pool, "outbox") == 14, "one DirectoryChanged, and one DecisionRulesChanged of each version"
    assert set((await load.load(pool, SAMPLES)).values()) == {0}
    assert await count(pool, "outbox") == 14


async def test_a_reshuffle_in_the_file_closes_the_old_and_begins_the_new(migrated_database, open_pool, folder):
    """AC-05: nothing is deleted; who held the post before stays known."""
    _, pool = await fresh(migrated_database, open_pool)
    await load.load(pool, folder)
    before = await count(pool, "appointments")
    change(folder, APPOINTMENTS, "S0068,P-040-03-01,main,2023-04-01,", "S0068,P-040-03-01,main,2023-04-01,2027-04-01")
    with (folder / APPOINTMENTS).open("a", encoding="utf-8") as file:
        file.write("S0069,P-040-03-01,acting,2027-04-01,\n")
    change(folder, "organisation/substitutes.csv", "P-040-03-01,2,P-040-03-03\n", "")
    changed = await load.load(pool, folder)
    assert (changed["appointments"], changed["substitutes"], changed["staff"]) == (2, 1, 0)
    assert await count(pool, "appointments") == before + 1
    async with pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT staff_id, nullif(valid_to, 'infinity') FROM appointments WHERE post_id = 'P-040-03-01' ORDER BY 1"
        )
        assert await cursor.fetchall() == [("S0068", dt.date(2027, 4, 1)), ("S0069", None)]
        cursor = await conn.execute(
            "SELECT place, valid_to = %s FROM substitutes WHERE post_id = 'P-040-03-01' ORDER BY 1", (clock.today(),)
        )
        assert await cursor.fetchall() == [(1, False), (2, True)]
    assert await count(pool, "outbox") == 15


async def test_a_file_that_contradicts_what_is_loaded_is_refused_whole(migrated_database, open_pool, folder):
    _, pool = await fresh(migrated_database, open_pool)
    await load.load(pool, folder)
    change(folder, STAFF, "S0003,岩﨑 千尋", "S0003,岩崎 千尋")
    # The same unit from another day on, while the loaded one is still open.
    change(folder, UNITS, "箕統,30,2023-04-01,", "箕統,30,2024-04-01,")
    with pytest.raises(load.Refused) as caught:
        await load.load(pool, folder)
    assert "units: contradicts what is loaded" in caught.value.problems[0]
    async with pool.connection() as conn:
        cursor = await conn.execute("SELECT name FROM staff WHERE staff_id = 'S0003'")
        assert await cursor.fetchone() == ("岩﨑 千尋",), "nothing of it was loaded"


async def test_an_absence_that_somebody_ended_stays_ended(migrated_database, open_pool):
    _, pool = await fresh(migrated_database, open_pool)
    await load.load(pool, SAMPLES)
    async with pool.connection() as conn:
        await conn.execute("UPDATE absences SET to_at = from_at WHERE staff_id = 'S0175'")
    assert (await load.load(pool, SAMPLES))["absences"] == 0


async def test_the_command_loads_and_reports(migrated_database, open_pool, folder):
    where, pool = await fresh(migrated_database, open_pool)
    command = [sys.executable, "-m", "services.approvals", "load", str(folder)]
    environment = os.environ | {"KANKETSU_DATABASE_URL": where.app_url, "KANKETSU_TENANT": "minoh"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "staff: 231 changed" in done.stdout
    change(folder, UNITS, "mayor,秘書室", "mayer,秘書室")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "refused, nothing was loaded" in done.stderr
    assert "organisation/units.csv:4: body: mayer" in done.stderr
    assert await count(pool, "staff") == 231


async def test_a_file_may_list_substitutes_by_matter(migrated_database, open_pool, folder):
    """AP-13: with the column `matter`, empty for all that have no list of their own; a file of before has none."""
    _, pool = await fresh(migrated_database, open_pool)
    await load.load(pool, folder)
    path = folder / "organisation/substitutes.csv"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    own = "P-040-03-01,1,P-040-03-03,占用許可"
    text = "\n".join([f"{header},matter", *(f"{line}," for line in lines), own, ""])
    path.write_text(text, encoding="utf-8")
    assert (await load.load(pool, folder))["substitutes"] == 1
    async with pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT matter, place, substitute_post_id FROM substitutes WHERE post_id = 'P-040-03-01' ORDER BY 1, 2"
        )
        assert await cursor.fetchall() == [
            ("", 1, "P-040-03-02"),
            ("", 2, "P-040-03-03"),
            ("占用許可", 1, "P-040-03-03"),
        ]
    path.write_text(text + own + "\n", encoding="utf-8")
    assert any("the substitute repeats line" in one for one in tables.read(folder, TODAY).problems)
