"""係, 課 and 部 from the posts of a day (AC-02): who is beside whom, and what they are called by it."""

from __future__ import annotations

import datetime as dt

import pytest

from services.approvals.organisation.chart import Chart, Place
from services.approvals.tests.conftest import refused

PLACES = (
    # unit, above it, 部長, 課長
    ("U-00", "", False, False),
    ("U-60", "U-00", True, False),
    ("U-61", "U-60", False, True),
    ("U-611", "U-61", False, False),
    ("U-612", "U-61", False, False),
    ("U-62", "U-60", False, True),
    # 部付 without 課長: no 係 of anything.
    ("U-63", "U-60", False, False),
    # A 部 whose 部長 and a 課長 sit in it, and a 係-like unit below: the 部 is no 課.
    ("U-70", "U-00", True, True),
    ("U-71", "U-70", False, False),
    # An office without 部, and its 係.
    ("U-80", "U-00", False, True),
    ("U-81", "U-80", False, False),
)


@pytest.fixture
def chart() -> Chart:
    return Chart(Place(*row) for row in PLACES)


def test_ac_02_a_section_is_below_a_room_and_has_no_head_of_its_own(chart: Chart) -> None:
    assert {row[0] for row in PLACES if chart.is_section(row[0])} == {"U-611", "U-612", "U-81"}
    assert chart.of_room("U-611") == ("U-61", "U-611", "U-612") == chart.of_room("U-61")
    assert chart.of_room("U-63") == ("U-63",)


def test_ac_02_a_department_is_all_below_one_director(chart: Chart) -> None:
    assert set(chart.of_department("U-612")) == {"U-60", "U-61", "U-611", "U-612", "U-62", "U-63"}
    assert set(chart.of_department("U-71")) == {"U-70", "U-71"}
    assert set(chart.of_department("U-81")) == {"U-80", "U-81"}, "without a 部長 it is the 課"
    assert chart.of_department("U-00") == ("U-00",)


def test_ac_02_who_is_beside_whom(chart: Chart) -> None:
    """Of the 課 everybody is its member; of a 係 its people and the 所属長; of the city everybody."""

    def of(*units: str, headed: tuple[str, ...] = ()) -> set[str]:
        found = chart.principals(units, headed)
        assert len(found) == len(set(found))
        return {one for one in found if not one.startswith("department:")}

    assert of("U-611") == {"unit:U-61", "unit:U-612", "section:U-611", "city:all"}
    assert of("U-61") == {"unit:U-611", "unit:U-612", "city:all"}, "係 are for their own and the 所属長"
    assert of("U-61", headed=("U-61",)) == {
        "unit:U-611",
        "unit:U-612",
        "section:U-611",
        "section:U-612",
        "city:all",
    }
    assert of("U-62", headed=("U-62",)) == {"city:all"}
    assert of() == {"city:all"}
    # 兼務 is the union.
    assert of("U-611", "U-81") == {
        "unit:U-61",
        "unit:U-612",
        "unit:U-80",
        "section:U-611",
        "section:U-81",
        "city:all",
    }


def test_ac_02_a_room_answers_for_its_sections_and_a_department_for_no_room(chart: Chart) -> None:
    """AC-07: of a 係 nothing follows, nor of a 部, though a 課長 sits in it."""
    assert chart.sections_below(["U-61"]) == ["U-611", "U-612"]
    assert chart.sections_below(["U-61", "U-611", "U-80"]) == ["U-612", "U-81"]
    assert chart.sections_below(["U-00", "U-60", "U-611", "U-62", "U-63", "U-70", "U-99"]) == []


def test_units_nobody_knows_and_loops_end_the_walk() -> None:
    chart = Chart([Place("A", "B", False, False), Place("B", "A", False, False)])
    assert chart.room_of("A") == chart.department_of("A") == "A"
    assert chart.of_room("C") == chart.of_department("C") == ("C",)


async def test_ac_05_everybody_of_the_department_is_who_belongs_to_it_on_the_day(city) -> None:
    """環境政策室 is of 市民部: whoever is of that today."""
    drafter = await city.person("S0072")
    answer = await drafter.call("DescribePrincipals", principals=["department:U-040-03", "city:all"])
    of_department, of_city = answer.principals
    assert (of_department.label, of_city.label) == ("市民部の全職員", "全庁（全職員）")
    units = ["U-040", "U-040-01", "U-040-02", "U-040-03", "U-040-04"]
    rows = await city.rows(
        "SELECT DISTINCT a.staff_id FROM appointments AS a INNER JOIN posts AS p ON p.post_id = a.post_id"
        " WHERE p.unit_id = ANY(%s) AND a.valid_from <= %s AND %s < a.valid_to AND p.valid_to = 'infinity' ORDER BY 1",
        units,
        *[dt.datetime.now(dt.timezone(dt.timedelta(hours=9))).date()] * 2,
    )
    assert list(of_department.staff_ids) == [staff_id for (staff_id,) in rows]
    for staff_id in of_department.staff_ids:
        person = await city.person(staff_id)
        assert {f"department:{unit}" for unit in units} <= set(person.identity.principals)
    administrators = [one for (one,) in await city.rows("SELECT staff_id FROM roles WHERE role = 'system_admin'")]
    everybody = await city.rows("SELECT staff_id FROM staff WHERE valid_to = 'infinity' ORDER BY 1")
    carrying = []
    for (staff_id,) in everybody[:120]:
        person = await city.person(staff_id)
        assert ("city:all" in person.identity.principals) == (staff_id not in administrators)
        if "department:U-040-03" in person.identity.principals:
            carrying.append(staff_id)
    assert carrying == [one for one in of_department.staff_ids if one <= everybody[119][0]]


async def test_ac_08_to_who_administers_the_system_nothing_comes_from_beside_their_own_unit(city) -> None:
    """情報システム運用担当 is below 情報政策室, as a 係 is: its one member is the administrator and stays outside."""
    administrator, head = await city.person("S0051"), await city.holder("P-020-06-01")
    assert set(administrator.identity.principals) == {
        "staff:S0051",
        "post:P-020-09-01",
        "unit:U-020-09",
        "member:S0051@U-020-09",
        "section:U-020-09",
    }
    assert {"unit:U-020-09", "section:U-020-09"} <= set(head.identity.principals)
    answer = await head.call("DescribePrincipals", principals=["unit:U-020-06", "unit:U-020-09", "section:U-020-09"])
    room, own, section = (set(one.staff_ids) for one in answer.principals)
    assert "S0051" not in room
    assert own == room | {"S0051"}
    assert section == {head.identity.staff_id, "S0051"}


async def test_an_unknown_city_is_no_principal(city) -> None:
    person = await city.person("S0072")
    assert (await refused(person.call("DescribePrincipals", principals=["city:minoh"]))).reason == "INVALID_FIELDS"
    answer = await person.call("DescribePrincipals", principals=["section:U-040-03", "department:U-999", "section:U-9"])
    assert [list(one.staff_ids) for one in answer.principals] == [[], [], []], "環境政策室 is no 係"
