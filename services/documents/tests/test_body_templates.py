"""例文: whose they are, their versions, and what is filled in at use."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from chassis import clock, wareki
from chassis.errors import DomainError, Kind
from services.documents.bodies.domain import BodyTemplate, Scope, checked, filled
from services.documents.tests.conftest import House, Person
from services.documents.tests.test_drafts import refused

TEMPLATE = BodyTemplate(
    "t-1", 1, Scope.PERSONAL, "S0072", "交付決定", "{相手方}から申請がありました。", "S0072", dt.datetime.now(dt.UTC)
)


def test_words_in_braces_are_filled_in() -> None:
    """NB-12: a template names nobody, the draft does."""
    body = "{件名}、{相手方}、{年度}、{日付}、{記}"
    day = dt.date(2019, 5, 1)
    assert (
        filled(body, "補助金について", "髙﨑 邦夫", day)
        == "補助金について、髙﨑 邦夫、令和元年度、令和元年5月1日、{記}"
    )
    # What is not known yet stays for the drafter to see.
    assert filled("{相手方}から", "", "", day) == "{相手方}から"
    # What is filled in is not looked at again.
    assert filled("{件名}", "{相手方}", "髙﨑 邦夫", day) == "{相手方}"


@pytest.mark.parametrize(
    ("changed", "field", "problem"),
    [
        ({"name": " "}, "name", "REQUIRED"),
        ({"name": "あ" * 61}, "name", "TOO_LONG"),
        ({"body": "\n"}, "body", "REQUIRED"),
        ({"body": "{氏名}様"}, "body", "UNKNOWN_PLACEHOLDER"),
        ({"body": "\x07"}, "body", "INVALID_CHARACTER"),
    ],
)
def test_a_template_that_says_nothing_or_too_much(changed: dict[str, str], field: str, problem: str) -> None:
    with pytest.raises(DomainError) as caught:
        checked(replace(TEMPLATE, **changed))
    assert [(f.field, f.problem) for f in caught.value.fields] == [(field, problem)]


async def save(person: Person, **given: object) -> object:
    """A template of this person's."""
    values = {"scope": "personal", "name": "交付決定", "body": "{相手方}から{年度}の申請がありました。"} | given
    return (await person.call("SaveBodyTemplate", **values)).template


def clerk(house: House, *roles: str) -> Person:
    return house.person("S0072", "P-040-03-05", roles=frozenset({"clerk", *roles}))


def colleague(house: House) -> Person:
    return house.person("S0073", "P-040-03-06", roles=frozenset({"clerk"}))


async def test_each_keeps_its_own(house: House) -> None:
    """FL-06: one's own, a unit's by its records manager, the city's by the records office; used by whom they are for."""
    own = await save(clerk(house), name="私の例文")
    unit = await save(clerk(house, "records_manager"), name="室の例文", scope="unit", unit_id="U-040-03")
    city = await save(clerk(house, "records_officer"), name="市の例文", scope="city")
    for scope, unit_id in (("unit", "U-040-03"), ("city", "")):
        error = await refused(save(clerk(house), scope=scope, unit_id=unit_id))
        assert (error.kind, error.reason) == (Kind.DENIED, "NOT_PERMITTED")
    error = await refused(save(clerk(house, "records_manager"), scope="unit", unit_id="U-120-02"))
    assert error.reason == "NOT_PERMITTED"

    async def names(person: Person) -> set[str]:
        answer = await person.call("ListBodyTemplates")
        assert (await house.record(answer.access_record)).action == "body_template.listed"
        return {one.name for one in answer.templates} & {"私の例文", "室の例文", "市の例文"}

    assert await names(clerk(house)) == {"私の例文", "室の例文", "市の例文"}
    assert await names(colleague(house)) == {"室の例文", "市の例文"}
    assert await names(house.stranger) == {"市の例文"}
    # AC-03: another's is not there, not even to be filled in or let go.
    for method, given in (
        ("ReadBodyTemplate", {}),
        ("RetireBodyTemplate", {"expected_version": 1}),
        ("SaveBodyTemplate", {"expected_version": 1, "name": "別", "body": "別"}),
    ):
        for one in (own, unit):
            error = await refused(house.stranger.call(method, body_template_id=one.body_template_id, **given))
            assert error.kind is Kind.NOT_FOUND
    error = await refused(
        colleague(house).call("RetireBodyTemplate", body_template_id=city.body_template_id, expected_version=1)
    )
    assert error.reason == "NOT_PERMITTED"


async def test_every_version_is_kept(house: House) -> None:
    """The next version counts, the one before stays; who saw another version is told so."""
    person = clerk(house)
    first = await save(person)
    changed = {"body_template_id": first.body_template_id, "name": "交付決定", "body": "改めた例文。{日付}"}
    second = (await person.call("SaveBodyTemplate", expected_version=1, **changed)).template
    assert (second.version, second.scope) == (2, "personal")
    error = await refused(person.call("SaveBodyTemplate", expected_version=1, **changed))
    assert error.reason == "STALE_VERSION"
    answer = await person.call("ReadBodyTemplate", body_template_id=first.body_template_id, title="件名")
    assert answer.body == f"改めた例文。{wareki.format_date(clock.today())}"
    await person.call("RetireBodyTemplate", body_template_id=first.body_template_id, expected_version=2)
    error = await refused(person.call("ReadBodyTemplate", body_template_id=first.body_template_id))
    assert error.kind is Kind.NOT_FOUND
    rows = await house.rows(
        "SELECT version, body, retired FROM body_templates WHERE body_template_id = %s ORDER BY version",
        first.body_template_id,
    )
    assert rows == [(1, first.body, False), (2, changed["body"], False), (3, changed["body"], True)]
    events = await house.envelopes(first.body_template_id)
    assert [event.action for event in events] == [
        "body_template.saved",
        "body_template.saved",
        "body_template.retired",
    ]
    assert all("交付決定" not in str(event) and "例文" not in event.payload.decode() for event in events)
