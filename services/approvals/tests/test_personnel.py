"""The personnel file: a readable difference, every bad line by its number, and a draft made of it."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import io
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import clock, db
from chassis.errors import DomainError
from kanketsu.approvals.v1 import reorganisation_service_pb2 as pb
from services.approvals.changes import commands, domain, personnel
from services.approvals.changes.personnel import HEADER, Problem
from services.approvals.tests.test_change_sets import TOWN

YEAR = clock.today().year
DAY = dt.date(YEAR + 1, 4, 1)


def text_of(rows, header=HEADER):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *rows])
    return out.getvalue()


def rows_of(organisation):
    """The file that says what is."""
    rows = []
    for (staff_id, post_id), row in sorted(organisation.appointments.items()):
        one = organisation.staff[staff_id]
        rows.append([staff_id, one.name, one.kana, one.login, one.email, post_id, row.kind])
    return rows


ROWS = rows_of(TOWN)


def test_the_file_that_says_what_is_changes_nothing():
    """Names with IVS and outside the BMP are compared as written (NM-01)."""
    found = personnel.compare(text_of(ROWS).encode(), TOWN)
    assert (found.problems, found.changes) == ([], [])
    assert personnel.compare(text_of(ROWS).encode("utf-8-sig"), TOWN).problems == [], "as spreadsheets write it"


def test_the_file_of_a_day_says_what_is_also_of_who_holds_no_post():
    """Taken out, edited in one line and compared: that line, and nobody leaves who is without a post."""
    idle = domain.StaffRow("S8", "森 =1+1", "モリ, 一", "mori", "mori@example.jp")
    town = dataclasses.replace(TOWN, staff={**TOWN.staff, "S8": idle})
    content = personnel.written(town)
    assert personnel.compare(content, town).changes == []
    edited = content.decode().replace("S8,森 =1+1", "S8,森 一")
    assert [(one.kind.value, one.name) for one in personnel.compare(edited.encode(), town).changes] == [
        ("staff_changes", "森 一")
    ]
    half = content.decode().replace("P-観,main", "P-観,")
    assert personnel.compare(half.encode(), town).problems == [Problem(2, "REQUIRED", "kind")]


def test_joins_moves_leaves_and_new_names():
    rows = [
        ["S1", "髙橋 一郎", "タカハシ イチロウ", "login.S1", "S1@example.jp", "P-商", "main"],
        ["S1", "髙橋 一郎", "タカハシ イチロウ", "login.S1", "S1@example.jp", "P-観", "acting"],
        ["S3", "葛󠄀城 葵", "カツラギ アオイ", "login.S3", "S3@example.jp", "P-員", "main"],
        ["S3", "葛󠄀城 葵", "カツラギ アオイ", "login.S3", "S3@example.jp", "P-商", "deputizing"],
        ["S1", "髙橋 一郎", "タカハシ イチロウ", "login.S1", "S1@example.jp", "P-員", "joint"],
        ["S9", "林 翔", "ハヤシ ショウ", "hayashi.sho", "hayashi@example.jp", "P-員", "concurrent"],
    ]
    found = personnel.compare(text_of(rows).encode(), TOWN)
    assert found.problems == []
    made, findings = domain.after(TOWN, found.changes)
    assert findings == []
    assert made.staff["S3"].name == "葛󠄀城 葵"
    assert "S2" not in made.staff
    assert {(row.staff_id, row.post_id, row.kind) for row in made.appointments.values()} == {
        (row[0], row[5], row[6]) for row in rows
    }
    assert {change.kind.value for change in found.changes} == {
        "staff_begins", "staff_changes", "staff_ends", "appointment_begins", "appointment_ends"
    }  # fmt: skip


FIRST = ["S1", "髙橋 一郎", "タカハシ イチロウ", "login.S1", "S1@example.jp", "P-観", "main"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", Problem(0, "EMPTY")),
        (text_of([]).encode(), Problem(0, "EMPTY")),
        (text_of(ROWS).encode("cp932", errors="replace"), Problem(0, "NOT_UTF8")),
        (text_of(ROWS, ["職員番号", *HEADER[1:]]).encode(), Problem(1, "WRONG_HEADER", ",".join(HEADER))),
        (b"x" * (personnel.MAX_BYTES + 1), Problem(0, "TOO_LARGE")),
        ((text_of(ROWS) + '"S9,x').encode(), Problem(5, "NOT_CSV")),
        (text_of([FIRST, FIRST[:6]]).encode(), Problem(3, "WRONG_CELLS", "6")),
        (text_of([FIRST, [*FIRST, ""]]).encode(), Problem(3, "WRONG_CELLS", "8")),
        (text_of([[*FIRST[:1], "", *FIRST[2:]]]).encode(), Problem(2, "REQUIRED", "name")),
        (text_of([[*FIRST[:1], "山\0田", *FIRST[2:]]]).encode(), Problem(2, "MALFORMED", "name")),
        (text_of([[*FIRST[:1], "長" * 201, *FIRST[2:]]]).encode(), Problem(2, "MALFORMED", "name")),
        (text_of([[*FIRST[:6], "本務"]]).encode(), Problem(2, "UNKNOWN_KIND", "本務")),
        (text_of([[*FIRST[:5], "P-無", "main"]]).encode(), Problem(2, "UNKNOWN_POST", "P-無")),
        (text_of([FIRST, FIRST]).encode(), Problem(3, "REPEATS_LINE", "2")),
        (
            text_of([FIRST, ["S1", "高橋 一郎", *FIRST[2:5], "P-員", "concurrent"]]).encode(),
            Problem(3, "DIFFERS_FROM_LINE", "2"),
        ),
        (text_of([FIRST, [*FIRST[:5], "P-員", "main"]]).encode(), Problem(3, "MAIN_TWICE", "S1")),
        (
            text_of([FIRST, ["S2", "岩﨑 千尋", "イ", "login.S2", "S2@example.jp", "P-観", "main"]]).encode(),
            Problem(3, "HELD_TWICE", "P-観"),
        ),
        (
            text_of([FIRST, ["S9", "林 翔", "ハヤシ", "login.S1", "x@example.jp", "P-員", "main"]]).encode(),
            Problem(3, "LOGIN_TWICE", "S9"),
        ),
    ],
)
def test_every_kind_of_bad_line_is_named_and_nothing_is_compared(content, problem):
    found = personnel.compare(content, TOWN)
    assert problem in found.problems
    assert found.changes == []


def test_all_bad_lines_are_named_at_once():
    rows = [FIRST, [*FIRST[:5], "P-無", "main"], ["", *FIRST[1:6], "王"], FIRST[:3]]
    found = personnel.compare(text_of(rows).encode(), TOWN)
    assert [(bad.line, bad.problem) for bad in found.problems] == [
        (3, "UNKNOWN_POST"), (4, "REQUIRED"), (4, "UNKNOWN_KIND"), (5, "WRONG_CELLS")
    ]  # fmt: skip


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_file_breaks_it(content):
    """Whatever is sent: a difference or problems, never both, never an error."""
    for sent in (content, text_of(ROWS).encode() + content):
        found = personnel.compare(sent, TOWN)
        assert not (found.problems and found.changes)


# --- over gRPC -----------------------------------------------------------------------------------


async def city_rows(city, day):
    async with db.connection(city.pool) as conn:
        return rows_of(await commands.projected(conn, day))


async def test_a_dry_run_then_a_draft_then_the_reshuffle(city):
    """A file of the whole city: the difference is shown, kept as a draft, reviewed by another, applied at midnight."""
    planner = await city.person("S0018")
    rows = await city_rows(city, DAY)
    same = await planner.call("ReadPersonnelFile", effective_on=DAY.isoformat(), content=text_of(rows).encode())
    assert (list(same.moves), list(same.bad_lines), list(same.vacant)) == ([], [], [])
    assert same.access_record
    rows = [row for row in rows if row[0] != "S0073"]
    for row in rows:
        if row[0] == "S0069":
            row[5] = "P-040-03-01"
        elif row[0] == "S0068":
            row[5] = "P-040-03-02"
    rows.append(["S9001", "葛󠄀城 葵", "カツラギ アオイ", "katsuragi.aoi", "katsuragi@example.jp", "P-040-03-06", "main"])
    content = text_of(rows).encode()
    answer = await planner.call("ReadPersonnelFile", effective_on=DAY.isoformat(), content=content)
    moves = {move.staff_id: move for move in answer.moves}
    assert {staff_id: move.kind for staff_id, move in moves.items()} == {
        "S0068": "moves", "S0069": "moves", "S0073": "leaves", "S9001": "joins"
    }  # fmt: skip
    was, will = moves["S0068"].before[0], moves["S0068"].after[0]
    assert (was.unit_name, was.title, will.title, will.kind) == ("環境政策室", "室長", "室長補佐", "main")
    before = await city.rows("SELECT count(*) FROM change_sets")
    drafted = await planner.call(
        "ImportPersonnelFile",
        request_id=clock.new_id(),
        title="令和9年4月1日付け人事異動",
        effective_on=DAY.isoformat(),
        content=content,
    )
    assert drafted.change_set.state == "draft"
    assert await city.rows("SELECT count(*) FROM change_sets") == [(before[0][0] + 1,)]
    await (await city.person("S0019")).call(
        "ReviewChangeSet",
        request_id=clock.new_id(),
        change_set_id=drafted.change_set.change_set_id,
        expected_version=1,
    )
    # The next file is compared with what is planned.
    again = await planner.call("ReadPersonnelFile", effective_on=DAY.isoformat(), content=content)
    assert list(again.moves) == []
    midnight = dt.datetime.combine(DAY, dt.time(), tzinfo=clock.JST)
    closed = await commands.apply_due(city.pool, midnight)
    assert [one.state for one in closed] == ["applied"]
    assert await city_rows(city, DAY) == sorted(rows, key=lambda row: (row[0], row[5]))


async def test_a_bad_line_refuses_the_import_and_keeps_nothing(city):
    planner = await city.person("S0018")
    rows = await city_rows(city, DAY)
    rows[3][5] = "P-999"
    before = await city.rows("SELECT count(*) FROM change_sets")
    with pytest.raises(DomainError) as caught:
        await planner.call(
            "ImportPersonnelFile",
            request_id=clock.new_id(),
            title="異動",
            effective_on=DAY.isoformat(),
            content=text_of(rows).encode(),
        )
    assert [(one.field, one.problem) for one in caught.value.fields] == [("content.5", "UNKNOWN_POST")]
    answer = await planner.call("ReadPersonnelFile", effective_on=DAY.isoformat(), content=text_of(rows).encode())
    assert list(answer.bad_lines) == [pb.BadLine(line=5, problem="UNKNOWN_POST", about="P-999")]
    assert await city.rows("SELECT count(*) FROM change_sets") == before


async def test_the_command_line_compares_and_imports(city, tmp_path):
    day = dt.date(YEAR + 2, 4, 1)
    rows = await city_rows(city, day)
    leaver = rows.pop()
    file = tmp_path / "personnel.csv"
    file.write_text(text_of(rows), encoding="utf-8")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "services.approvals", "personnel", *arguments, str(file), "--on", day.isoformat()],
            env=os.environ | {"KANKETSU_DATABASE_URL": city.where.app_url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    done = run("compare")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("joins 0, leaves 1, moves 0")
    assert f"leaves: {leaver[0]} {leaver[1]}: " in done.stdout
    assert await city.rows("SELECT count(*) FROM change_sets WHERE effective_on = %s", day) == [(0,)]
    done = run("import", "--title", "人事異動", "--author", "S0072")
    assert (done.returncode, "NOT_PERMITTED" in done.stderr) == (1, True)
    done = run("import", "--title", "人事異動", "--author", "S0018")
    assert (done.returncode, "to be reviewed by another person" in done.stdout) == (0, True), done.stderr
    kept = await city.rows("SELECT state, author FROM change_sets WHERE effective_on = %s", day)
    assert kept == [("draft", "S0018")]
    file.write_text(text_of([*rows, ["S1"]]), encoding="utf-8")
    done = run("compare")
    assert (done.returncode, f"line {len(rows) + 2}: WRONG_CELLS 1" in done.stdout) == (1, True)


# --- who held what -------------------------------------------------------------------------------


async def test_who_held_a_post_on_any_day_and_which_posts_somebody_held(city):
    """For ever, under the name the post had then; also of a unit that is gone."""
    person = await city.person("S0072")
    answer = await person.call("ListTenures", post_id="P-040-01-05", on="2026-03-31")
    assert [(one.staff_id, one.name, one.unit_name, one.title) for one in answer.tenures] == [
        ("S0073", (await city.rows("SELECT name FROM staff WHERE staff_id = 'S0073'"))[0][0], "戸籍住民異動室", "係員")
    ]
    assert answer.access_record
    gone = await person.call("ListTenures", post_id="P-050-04-01")
    assert [(one.unit_name, one.title, one.to) for one in gone.tenures] == [("観光推進室", "室長", "2026-04-01")]
    own = await person.call("ListTenures", staff_id="S0073")
    begun = [getattr(one, "from") for one in own.tenures]
    assert begun == sorted(begun, reverse=True)
    assert {"P-040-01-05", "P-040-03-06"} <= {one.post_id for one in own.tenures}
    assert not (await person.call("ListTenures", post_id="P-040-01-05", on="1999-04-01")).tenures
    for fields in ({}, {"post_id": "P", "staff_id": "S"}, {"post_id": "P", "on": "昨日"}, {"post_id": "P\0"}):
        with pytest.raises(DomainError) as caught:
            await person.call("ListTenures", **fields)
        assert caught.value.reason == "INVALID_FIELDS"


async def test_a_renamed_unit_leaves_the_old_name_to_the_old_days(city, owner):
    """改称: one appointment, two lines, each as it was called then."""
    await owner.execute("UPDATE units SET valid_to = '2026-10-01' WHERE unit_id = 'U-050-02'")
    await owner.execute(
        "INSERT INTO units (unit_id, parent_id, body, name, kana, symbol, sort_order, valid_from)"
        " SELECT unit_id, parent_id, body, '商工観光課', kana, symbol, sort_order, '2026-10-01' FROM units"
        " WHERE unit_id = 'U-050-02'"
    )
    person = await city.person("S0072")
    answer = await person.call("ListTenures", staff_id="S0082")
    lines = [(one.unit_name, getattr(one, "from"), one.to) for one in answer.tenures if one.post_id == "P-050-02-01"]
    assert lines == [("商工観光課", "2026-10-01", ""), ("商工観光室", "2025-04-01", "2026-10-01")]
    day_before = await person.call("ListTenures", post_id="P-050-02-01", on="2026-09-30")
    assert [one.unit_name for one in day_before.tenures] == ["商工観光室"]
