"""The sample city is sound, holds what the demo and the walkthrough need, and the checker sees faults.

Faults are put into copies of single rows; the committed files are never written.
"""

from __future__ import annotations

import dataclasses
import hashlib
import unicodedata
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pypdfium2
import pytest

from samples.minoh.check import TODAY, check
from samples.minoh.city import City, in_force, read_city, read_table
from samples.minoh.routes import build_route, is_absent

FOLDER = Path(__file__).parents[1]
FILES = FOLDER / "files"


@pytest.fixture(scope="module")
def city() -> City:
    return read_city(FOLDER)


def document(city: City, key: str) -> dict[str, Any]:
    return next(d for d in city.documents if d["key"] == key)


def route(city: City, key: str) -> list[list[str]]:
    """Post ids per group."""
    _, steps = build_route(city, document(city, key), TODAY)
    groups = sorted({step.group for step in steps})
    return [[step.post_id for step in steps if step.group == group] for group in groups]


def test_the_sample_city_is_sound(city: City) -> None:
    assert check(city) == []


def test_the_city_has_every_body_and_enough_of_everything(city: City) -> None:
    assert len([s for s in city.staff if in_force(s, TODAY.date())]) >= 80
    assert len({u["body"] for u in city.units}) == 12
    assert len(city.documents) >= 15
    assert {d["state"] for d in city.documents} == {
        "draft",
        "circulating",
        "sent_back",
        "withdrawn",
        "decided",
        "enforced",
        "completed",
    }
    actions = {act["action"] for d in city.documents for act in d["acts"]}
    assert actions == {"approve", "concur", "dissent", "decide", "hold", "send_back", "withdraw", "post_view"}
    assert any(c["paper_only"] == "true" for c in city.classes)


@pytest.mark.parametrize(
    "characters",
    ["髙", "\ufa11", "邉", "邊", "齋", "德", "濵", "\ufa19", "\U00020bb7", "\u845b\U000e0100"],
    ids=lambda characters: "_".join(f"{ord(character):04X}" for character in characters),
)
def test_rare_characters_of_names_are_kept_as_typed(city: City, characters: str) -> None:
    assert any(characters in person["name"] for person in city.staff)


def test_some_file_names_are_decomposed_and_some_are_rare(city: City) -> None:
    names = [a["name"] for d in city.documents for a in d["attachments"]]
    decomposed = [n for n in names if unicodedata.normalize("NFC", n) != n and set(n) & {"\u3099", "\u309a"}]
    assert len(decomposed) >= 3
    assert any("髙" in n for n in names)
    assert any("\ufa11" in n for n in names)


def test_the_people_of_the_main_job_exist_and_differ(city: City) -> None:
    today = TODAY.date()
    unit = {p["rank"]: city.holder(p["post_id"], today) for p in city.posts if p["unit_id"] == "U-040-03"}
    assert set(unit) == {"member", "chief", "deputy_head", "head"}
    assert None not in unit.values()
    assert len(set(unit.values())) == 4
    # The walkthrough registers this absence itself.
    assert not any(row["staff_id"] == unit["deputy_head"] for row in city.absences)
    boatrace = [p for p in city.posts if p["unit_id"] == "U-120-02" and p["rank"] == "member"]
    assert all(city.holder(p["post_id"], today) for p in boatrace)
    assert sum(is_absent(city, row["staff_id"], TODAY) for row in city.absences) >= 3


def test_roles_sit_where_they_belong(city: City) -> None:
    today = TODAY.date()

    def units_of(role: str) -> set[str]:
        people = [r["staff_id"] for r in city.roles if r["role"] == role and in_force(r, today)]
        return {post["unit_id"] for person in people for post in city.posts_of(person, today)}

    assert units_of("records_officer") == {"U-020-01"}
    assert "U-140-03" in units_of("audit_officer")
    # The administrator's unit owns no class and no document, so it opens no content (AC-08).
    (office,) = units_of("system_admin")
    assert not any(row["unit_id"] == office for row in city.classes + city.folders + city.documents)


def test_people_move_leave_and_hold_several_posts(city: City) -> None:
    kinds = {row["kind"] for row in city.appointments}
    assert kinds == {"main", "concurrent", "acting"}
    before, after = date(2026, 3, 31), date(2026, 4, 1)
    moved = [
        s["staff_id"]
        for s in city.staff
        if (old := city.posts_of(s["staff_id"], before))
        and (new := city.posts_of(s["staff_id"], after))
        and old[0]["unit_id"] != new[0]["unit_id"]
    ]
    assert "S0073" in moved
    leavers = [s for s in city.staff if s["valid_to"] and s["valid_to"] <= TODAY.date().isoformat()]
    assert leavers
    assert any(row["valid_from"] > TODAY.date().isoformat() for row in city.appointments)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        # 室長決裁
        ("johkaso-03", [["P-040-03-03"], ["P-040-03-02"], ["P-040-03-01"]]),
        # 部長決裁 + 並列合議
        (
            "sokutei-01",
            [
                ["P-040-03-03"],
                ["P-040-03-02"],
                ["P-040-03-01"],
                ["P-020-04-01", "P-020-05-01"],
                ["P-040-00-02"],
                ["P-040-00-01"],
            ],
        ),
        # 市長決裁 + 合議 + 法規審査
        (
            "kihon-01",
            [
                ["P-040-03-03"],
                ["P-040-03-02"],
                ["P-040-03-01"],
                ["P-020-04-01"],
                ["P-040-00-02"],
                ["P-040-00-01"],
                ["P-020-02-01"],
                ["P-020-00-01"],
                ["P-000-00-03"],
                ["P-000-00-01"],
            ],
        ),
        # 病院: 事務局長 → 病院事業管理者
        ("ct-01", [["P-130-11-03"], ["P-130-11-02"], ["P-130-11-01"], ["P-130-10-01"], ["P-130-00-01"]]),
        # 競艇: 局長 → 公営企業管理者
        ("taikosho-01", [["P-120-02-03"], ["P-120-02-02"], ["P-120-02-01"], ["P-120-00-02"], ["P-120-00-01"]]),
        # 水道: 室長
        ("kyusui-118", [["P-110-02-03"], ["P-110-02-02"], ["P-110-02-01"]]),
        # 次長: a rule of one unit
        ("senyo-40", [["P-070-02-03"], ["P-070-02-02"], ["P-070-02-01"], ["P-070-00-02"]]),
    ],
)
def test_the_rules_give_the_routes_of_the_regulations(city: City, key: str, expected: list[list[str]]) -> None:
    assert route(city, key) == expected


def test_the_managers_of_two_bodies_are_one_person(city: City) -> None:
    assert city.holder("P-110-00-01", TODAY.date()) == city.holder("P-120-00-01", TODAY.date()) is not None


def change(table: str, **changes: str) -> Callable[[City], City]:
    """A fault in the first row of a table."""

    def broken(city: City) -> City:
        rows = [dict(row) for row in getattr(city, table)]
        rows[0] |= changes
        return dataclasses.replace(city, **{table: rows})

    return broken


def change_document(key: str, **changes: Any) -> Callable[[City], City]:
    def broken(city: City) -> City:
        documents = deepcopy(city.documents)
        next(d for d in documents if d["key"] == key).update(changes)
        return dataclasses.replace(city, documents=documents)

    return broken


def nobody_heads_the_environment_room(city: City) -> City:
    left = [row for row in city.appointments if row["post_id"] != "P-040-03-01"]
    return dataclasses.replace(city, appointments=left)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (change("classes", retention="7"), "retention 7"),
        (change("units", parent_id="U-999"), "no parent U-999"),
        (change("posts", rank="king"), "rank king"),
        (change("appointments", valid_to="2023-04-01"), "ends before it begins"),
        (change("appointments", post_id="P-000-00-02"), "held by S0001 and S0002 at once"),
        (change("appointments", valid_from="2020-04-01"), "outside the time of"),
        (change("folders", class_code="9999-99-99"), "unknown class or unit"),
        (change("staff", login="kashiwagi.toshio"), "login kashiwagi.toshio twice"),
        (change("decision_rules", valid_to=""), "both cover the same amount"),
        (nobody_heads_the_environment_room, "nobody decides as head for U-040-03"),
        (change_document("johkaso-03", drafter="S0196"), "has no post in U-040-03"),
        (change_document("johkaso-03", amount=20000000), "head is below body_head"),
        (change_document("johkaso-03", class_code="0207-01-01"), "folder or class"),
        (
            change_document("johkaso-03", title="髙﨑邦夫への補助金について（伺い）", counterparty="髙﨑 邦夫"),
            "the title names",
        ),
        (change_document("johkaso-03", state="circulating"), "the acts lead to decided"),
        (change_document("johkaso-03", acts=[{"actor": "S0069", "action": "approve"}]), "waits for ['S0070']"),
        (change_document("johkaso-03", acts=[{"actor": "S0070", "action": "decide"}]), "not possible on a step"),
        (change_document("shinryo-07", acts=[{"actor": "S0207", "action": "send_back"}]), "comment is mandatory"),
        (
            change_document(
                "johkaso-03", attachments=[{"file": "bills.pdf", "name": "図.png", "content_type": "image/png"}]
            ),
            "bills.pdf is application/pdf, not image/png",
        ),
    ],
)
def test_the_checker_names_the_fault(city: City, fault: Callable[[City], City], expected: str) -> None:
    assert any(expected in problem for problem in check(fault(city)))


def test_a_short_row_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "folders.csv").write_text("folder_id,unit_id,fiscal_year,class_code,name\nF-1,U-010,2026\n", "utf-8")
    with pytest.raises(ValueError, match=r"folders\.csv:2"):
        read_table(tmp_path, "folders.csv")


def test_the_minutes_are_byte_exact() -> None:
    digest = hashlib.sha256((FILES / "minutes-2022-08-16.txt").read_bytes()).hexdigest()
    assert digest == "eff8a1466ce8e1cd6fced70e790821a58a4d77c51ac20044df3105534a6aa314"


def test_pdf_text_can_be_read_and_scans_are_pictures_only() -> None:
    def text(name: str) -> str:
        pdf = pypdfium2.PdfDocument(FILES / name)
        return "".join(pdf[number].get_textpage().get_text_bounded() for number in range(len(pdf)))

    assert "髙﨑" in text("application-johkaso.pdf")
    for scanned in FILES.glob("*-scan.pdf"):
        assert text(scanned.name).strip() == ""
        page = pypdfium2.PdfDocument(scanned)[0].render().to_pil().convert("L")
        assert page.getextrema()[0] < 120, f"{scanned.name} is blank"


def test_office_files_open() -> None:
    for file in FILES.glob("*.docx"):
        assert any(paragraph.text for paragraph in docx.Document(str(file)).paragraphs)
    for file in FILES.glob("*.xlsx"):
        assert openpyxl.load_workbook(file).active is not None


def test_files_are_all_used_and_small(city: City) -> None:
    used = {a["file"] for item in city.documents + city.receipts for a in item["attachments"]}
    stored = {file.name for file in FILES.iterdir()}
    assert used == stored
    assert sum(file.stat().st_size for file in FILES.iterdir()) < 6 * 1024 * 1024
