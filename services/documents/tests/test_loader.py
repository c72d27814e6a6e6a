"""Loading the file plan: all of it again and again, or nothing with line numbers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services.documents import loader
from services.documents.tests.conftest import SAMPLES, House


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A copy of the sample city's tables."""
    folder = tmp_path / "city"
    (folder / "organisation").mkdir(parents=True)
    for name in (loader.UNITS, loader.CLASSES, loader.FOLDERS, loader.BODY_TEMPLATES, loader.FOLLOW_UPS):
        shutil.copy(SAMPLES / name, folder / name)
    return folder


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def append(path: Path, line: str) -> int:
    """Add a line; its number."""
    edit(path, lambda text: text.rstrip("\n") + "\n" + line + "\n")
    return len(path.read_text(encoding="utf-8").splitlines())


def test_the_sample_city_is_good(city: Path) -> None:
    plan = loader.read(city)
    assert len(plan.units) > 60
    assert {f.class_code for f in plan.folders} <= {c.class_code for c in plan.classes}
    assert next(c for c in plan.classes if c.class_code == "0403-02-01").matter == "補助金交付"


@pytest.mark.parametrize(
    ("file", "line", "problem"),
    [
        (loader.UNITS, "U-999,U-000,mayor,室,シツ,,1,2023-04-01,", "symbol is empty"),
        (loader.UNITS, "U-000,,mayor,市,シ,箕,1,2023-04-01,", "already in line 2"),
        (loader.CLASSES, "X,a,b,c,U-404,通知,5,,open,none,false,dispose,unit", "unknown unit 'U-404'"),
        (loader.CLASSES, "X,a,b,c,,通知,5年,,open,none,false,dispose,unit", "retention '5年'"),
        (loader.CLASSES, "X,a,b,c,,通知,5,,公開,none,false,dispose,unit", "disclosure '公開'"),
        (loader.CLASSES, "X,a,b,c,,通知,5,,open,none,いいえ,dispose,unit", "paper_only 'いいえ'"),
        (loader.CLASSES, "X,a,b,c,,通知,5,,open,none,false,burn,unit", "after_expiry 'burn'"),
        (loader.CLASSES, "X,a,b,c,,通知,5,,open,none,false,dispose,everybody", "view_class 'everybody'"),
        (loader.CLASSES, "X,a,b", "number of cells"),
        (loader.FOLDERS, "F-X,U-040-03,2026,9999,綴", "unknown class '9999'"),
        (loader.FOLDERS, "F-X,U-040-03,2026,1202-01-01,綴", "belongs to U-120-02"),
        (loader.FOLDERS, "F-X,U-040-03,令和8,0403-02-01,綴", "fiscal_year '令和8'"),
        (loader.FOLDERS, "F-X,U-040-03,2026,0403-02-01,", "name is empty"),
        (loader.FOLDERS, "F-X,U-040-03,2026,0403-02-01,綴,余り", "number of cells"),
        (loader.BODY_TEMPLATES, "T-1,名,文", "body_template_id 'T-1'"),
        (loader.BODY_TEMPLATES, "019a0000-0000-7000-8000-000000000099,名,{氏名}", "body: UNKNOWN_PLACEHOLDER"),
        (loader.FOLLOW_UPS, "N-1,0403-02-01,draft,,draft,件名,9999,", "next_class_code '9999': UNKNOWN"),
        (loader.FOLLOW_UPS, "N-1,0403-02-01,起案,,draft,件名,0403-02-01,", "after_kind '起案': UNKNOWN"),
        (loader.FOLLOW_UPS, "N-1,0403-02-01,draft,,draft,,0403-02-01,", "title '': REQUIRED"),
        (loader.FOLLOW_UPS, "N-1,0403-02-01,draft,,draft,件名,0403-02-01,T-1", "body_template_id 'T-1': UNKNOWN"),
    ],
)
def test_each_problem_has_its_line(city: Path, file: Path, line: str, problem: str) -> None:
    number = append(city / file, line)
    with pytest.raises(loader.BadFiles) as caught:
        loader.read(city)
    (found,) = [p for p in caught.value.problems if f":{number}:" in p]
    assert problem in found
    assert file.name in found


def test_missing_columns_files_and_odd_bytes(city: Path) -> None:
    edit(city / loader.UNITS, lambda text: text.replace("symbol", "sign", 1))
    (city / loader.CLASSES).write_bytes("分類".encode("shift_jis"))
    (city / loader.FOLDERS).unlink()
    with pytest.raises(loader.BadFiles) as caught:
        loader.read(city)
    told = "\n".join(caught.value.problems)
    assert "columns are missing: symbol" in told
    assert "classes.csv: 'utf-8' codec" in told
    assert "folders.csv: [Errno 2]" in told


async def test_loading_again_changes_nothing_and_a_changed_class_keeps_filed_folders(house: House, city: Path) -> None:
    tables = ("units", "classes", "folders", "body_templates", "follow_ups")
    before = [await house.rows(f"SELECT to_jsonb(t)::text FROM {t} AS t ORDER BY 1") for t in tables]
    await loader.load(house.pool, loader.read(city))
    assert [await house.rows(f"SELECT to_jsonb(t)::text FROM {t} AS t ORDER BY 1") for t in tables] == before
    edit(city / loader.CLASSES, lambda text: text.replace("補助金交付,5,", "補助金交付,10,", 1))
    await loader.load(house.pool, loader.read(city))
    assert await house.rows("SELECT retention FROM classes WHERE class_code = '0403-02-01'") == [("10",)]
    assert await house.rows("SELECT DISTINCT retention FROM folders WHERE class_code = '0403-02-01'") == [("5",)]


async def test_a_changed_text_is_the_next_version_and_what_follows_is_replaced(house: House, city: Path) -> None:
    """FL-06: of a 例文 every version stays; a row that the list no longer has is offered no more."""
    edit(city / loader.BODY_TEMPLATES, lambda text: text.replace("照会への回答", "照会・依頼への回答", 1))
    edit(city / loader.FOLLOW_UPS, lambda text: "\n".join(text.splitlines()[:2]) + "\n")
    await loader.load(house.pool, loader.read(city))
    names = await house.rows(
        "SELECT version, name FROM body_templates WHERE body_template_id = '019a0000-0000-7000-8000-000000000006'"
        " ORDER BY version"
    )
    assert names == [(1, "照会への回答"), (2, "照会・依頼への回答")]
    assert await house.rows("SELECT follow_up_id FROM follow_ups") == [("N-0201-01-01-1",)]
    # Files that a city does not have change nothing.
    (city / loader.BODY_TEMPLATES).unlink()
    (city / loader.FOLLOW_UPS).unlink()
    await loader.load(house.pool, loader.read(city))
    assert await house.rows("SELECT follow_up_id FROM follow_ups") == [("N-0201-01-01-1",)]
