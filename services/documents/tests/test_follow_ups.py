"""次にすること edited by the records office (FL-06): over the real service and PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from chassis import clock
from chassis.errors import DomainError
from kanketsu.documents.v1 import follow_ups_service_pb2 as pb
from kanketsu.event.v1 import envelope_pb2
from services.documents import loader
from services.documents.tests.conftest import CLASS, SAMPLES, House, Person
from services.documents.tests.test_view_classes import ARRIVAL

TITLE = "{年度}浄化槽設置整備事業補助金の額の確定について（伺い）"
LINE = {
    "after_kind": "draft",
    "after_words": "交付決定",
    "kind": "draft",
    "title": TITLE,
    "next_class_code": CLASS,
    "body_template_id": "",
}


def officer(house: House, staff_id: str = "S0016") -> Person:
    """Of the records office."""
    return house.person(staff_id, "P-020-01-05", roles=frozenset({"clerk", "records_officer"}))


async def refused(asked) -> DomainError:
    with pytest.raises(DomainError) as caught:
        await asked
    return caught.value


async def read(person: Person, class_code: str = CLASS) -> pb.FollowUpList:
    return (await person.call("GetFollowUps", class_code=class_code)).list


async def save(
    person: Person, version: int, *lines: object, class_code: str = CLASS, **given: object
) -> pb.FollowUpList:
    known = {"class_code": class_code, "expected_version": version} | given
    return (await person.call("SaveFollowUps", **known, follow_ups=lines)).list


def line(**given: str) -> pb.PlannedFollowUp:
    return pb.PlannedFollowUp(**(LINE | given))


async def offered(house: House, document_id: str) -> list[tuple[str, str]]:
    """(id, title) of what a member of the owner unit is offered upon a document."""
    found = (await house.colleague.call("ListRelated", document_id=document_id)).follow_ups
    return [(one.follow_up_id, one.title) for one in found]


async def saved(house: House, class_code: str = CLASS) -> list[envelope_pb2.Envelope]:
    return [one for one in await house.envelopes(class_code) if one.action == "follow_ups.saved"]


async def test_fl_06_what_is_edited_is_offered_at_once(house: House) -> None:
    """Added, put in another order, changed, taken away: each save is one event, and everybody is offered the list as it is."""
    person = officer(house)
    document = await house.decided(title="浄化槽補助金の交付決定について（伺い）")
    before = await read(person)
    made = await save(person, before.version, *before.follow_ups, line(), line(title="支出について（伺い）"))
    assert (made.version, made.edited_by, made.HasField("edited_at")) == (before.version + 1, "S0016", True)
    first, second = made.follow_ups[-2:]
    assert await read(person) == made
    shown = await offered(house, document.document_id)
    assert shown[-2:] == [
        (first.follow_up_id, "令和8年度浄化槽設置整備事業補助金の額の確定について（伺い）"),
        (second.follow_up_id, "支出について（伺い）"),
    ]
    second.after_words = "変更承認"
    made = await save(person, made.version, second, first)
    assert [one.follow_up_id for one in made.follow_ups] == [second.follow_up_id, first.follow_up_id]
    assert [one for one, _ in await offered(house, document.document_id)] == [first.follow_up_id]
    answer = await house.drafter.call(
        "RepeatDocument", document_id=document.document_id, follow_up_id=first.follow_up_id
    )
    assert answer.document.fields.title == "令和8年度浄化槽設置整備事業補助金の額の確定について（伺い）"
    made = await save(person, made.version)
    assert (list(made.follow_ups), await offered(house, document.document_id)) == ([], [])
    error = await refused(
        house.drafter.call("RepeatDocument", document_id=document.document_id, follow_up_id=first.follow_up_id)
    )
    assert [(one.field, one.problem) for one in error.fields] == [("follow_up_id", "UNKNOWN")]

    events = await saved(house)
    assert [one.aggregate_version for one in events] == [before.version + 1, before.version + 2, before.version + 3]
    assert [one.actor.staff_id for one in events] == ["S0016"] * 3
    assert [dict(one.detail) for one in events][1:] == [{"follow_ups": "2"}, {"follow_ups": "0"}]
    assert not any("補助金".encode() in one.SerializeToString() for one in events), "identifiers only"


async def test_fl_06_what_follows_a_receipt_is_offered_in_the_order_of_the_list(house: House) -> None:
    person = officer(house)
    title = "浄化槽補助金実績報告書"
    receipt = (await house.drafter.call("RegisterReceipt", **ARRIVAL, title=title, class_code=CLASS)).receipt
    version = (await read(person)).version
    lines = [
        line(after_kind="receipt", after_words="実績報告", title=f"第{place}の処理について（伺い）")
        for place in (2, 3, 1)
    ]
    await save(person, version, *lines)
    found = (await house.colleague.call("ListRelated", receipt_id=receipt.receipt_id)).follow_ups
    assert [one.title for one in found] == [one.title for one in lines]


async def test_fl_06_the_list_of_classes_says_how_much_each_holds(house: House) -> None:
    person = officer(house)
    other = "0403-02-02"
    await save(person, (await read(person, other)).version, line(), line(), class_code=other)
    answer = await person.call("ListFollowUpClasses")
    found = {one.file_plan_class.class_code: one for one in answer.classes}
    assert (found[other].follow_ups, found[other].edited_by) == (2, "S0016")
    assert {"0000-01-01", "1202-01-01"} <= set(found), "those of all units"
    record = await house.record(answer.access_record)
    assert (record.action, record.result_count) == ("class.listed", len(found))
    shown = await person.call("GetFollowUps", class_code=other)
    assert (await house.record(shown.access_record)).action == "follow_ups.read"


async def test_fl_06_nobody_but_the_records_office(house: House) -> None:
    """AC-01: the same refusal for a class that does not exist; refused attempts stand in the log."""
    manager = house.person("S0068", "P-040-03-01", roles=frozenset({"clerk", "records_manager"}))
    administrator = house.person("S0018", "P-020-01-01", roles=frozenset({"system_admin"}))
    before = await read(officer(house))
    for person in (house.drafter, manager, administrator, house.stranger):
        for class_code in (CLASS, "9999"):
            for asked in (
                person.call("ListFollowUpClasses"),
                read(person, class_code),
                save(person, before.version, line(), class_code=class_code),
            ):
                assert (await refused(asked)).reason == "NOT_PERMITTED"
    assert await read(officer(house)) == before
    denied = {one.action for one in await house.records() if one.outcome == envelope_pb2.OUTCOME_DENIED}
    assert {"follow_ups.read", "follow_ups.saved"} <= denied
    assert (await refused(read(officer(house), "9999"))).reason == "NOT_FOUND"
    assert (await refused(save(officer(house), 1, line(), class_code="9999"))).reason == "NOT_FOUND"


async def test_fl_06_a_wrong_line_is_named_and_nothing_is_written(house: House) -> None:
    person = officer(house)
    before = await read(person)
    events = len(await saved(house))
    wrong = [line(), line(title="", next_class_code="9999"), line(body_template_id="例文"), line(follow_up_id="N-1")]
    error = await refused(save(person, before.version, *wrong))
    assert [(one.field, one.problem) for one in error.fields] == [
        ("follow_ups.1.title", "REQUIRED"),
        ("follow_ups.1.next_class_code", "UNKNOWN"),
        ("follow_ups.2.body_template_id", "UNKNOWN"),
        ("follow_ups.3.follow_up_id", "UNKNOWN"),
    ]
    error = await refused(save(person, before.version, line(title="件名\x00")))
    assert [one.problem for one in error.fields] == ["INVALID_CHARACTER"]
    assert await read(person) == before
    assert len(await saved(house)) == events


async def test_fl_06_of_many_who_save_at_once_one_does(house: House) -> None:
    """Two officers, and more: one version is made, the others are told that they saw an older one."""
    before = await read(officer(house))
    people = [officer(house, f"S00{number}") for number in (16, 17, 19, 20, 21, 22)]
    tries = [save(one, before.version, line(title=f"{one.identity.staff_id}の案について（伺い）")) for one in people]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    (won,) = [one for one in answers if isinstance(one, pb.FollowUpList)]
    lost = [one for one in answers if isinstance(one, DomainError)]
    assert [one.reason for one in lost] == ["STALE_VERSION"] * 5
    assert {one.metadata["version"] for one in lost} == {str(before.version + 1)}
    assert await read(officer(house)) == won
    assert (await saved(house))[-1].actor.staff_id == won.edited_by


async def test_fl_06_the_same_request_again_is_done_once(house: House) -> None:
    person, request_id = officer(house), clock.new_id()
    before = await read(person)
    tries = [save(person, before.version, line(), request_id=request_id) for _ in range(4)]
    answers = await asyncio.gather(*tries)
    assert all(one == answers[0] for one in answers)
    assert (await read(person)).version == before.version + 1


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A copy of the sample city's tables."""
    folder = tmp_path / "city"
    (folder / "organisation").mkdir(parents=True)
    for name in (loader.UNITS, loader.CLASSES, loader.FOLDERS, loader.BODY_TEMPLATES, loader.FOLLOW_UPS):
        shutil.copy(SAMPLES / name, folder / name)
    return folder


async def test_fl_06_loading_the_file_plan_keeps_what_was_edited(house: House, city: Path) -> None:
    """The edited list stays and is named; the others follow the file; asked for, the file has the last word."""
    person, of_file = officer(house), "0201-01-01"
    edited = await save(person, (await read(person)).version, line())
    before = await read(person, of_file)
    rows = (city / loader.FOLLOW_UPS).read_text(encoding="utf-8").splitlines()
    rows = [rows[0], rows[1].replace("開示請求書", "公開請求書"), f"N-X,{CLASS},draft,,draft,ファイルの件名,{CLASS},"]
    (city / loader.FOLLOW_UPS).write_text("\n".join(rows) + "\n", encoding="utf-8")
    plan = loader.read(city)
    assert CLASS in await loader.load(house.pool, plan)
    assert await read(person) == edited
    followed = await read(person, of_file)
    assert (followed.version, followed.follow_ups[0].after_words) == (before.version + 1, "公開請求書")
    # Whoever had it open before it was loaded is told.
    assert (await refused(save(person, before.version, class_code=of_file))).reason == "STALE_VERSION"
    # The same once more makes no version.
    await loader.load(house.pool, plan)
    assert (await read(person, of_file)).version == followed.version

    assert await loader.load(house.pool, plan, edited_follow_ups_too=True) == []
    replaced = await read(person)
    assert [one.title for one in replaced.follow_ups] == ["ファイルの件名"]
    assert (replaced.version, replaced.edited_by, replaced.HasField("edited_at")) == (edited.version + 1, "", False)


async def test_fl_06_an_emptied_list_stays_empty_and_a_line_may_move_to_another_class(house: House, city: Path) -> None:
    """The file moves a line, by its id, out of a class whose edited list still has it."""
    person, of_file, other = officer(house), "0201-01-01", "0403-02-02"
    await loader.load(house.pool, loader.read(SAMPLES), edited_follow_ups_too=True)
    before = await read(person, of_file)
    await save(person, before.version, *before.follow_ups, line(), class_code=of_file)
    await save(person, (await read(person)).version)
    text = (city / loader.FOLLOW_UPS).read_text(encoding="utf-8")
    moved = text.replace(
        f"{before.follow_ups[0].follow_up_id},{of_file},", f"{before.follow_ups[0].follow_up_id},{other},"
    )
    (city / loader.FOLLOW_UPS).write_text(moved, encoding="utf-8")
    assert await loader.load(house.pool, loader.read(city)) == [of_file, CLASS]
    assert list((await read(person)).follow_ups) == []
    assert before.follow_ups[0] in (await read(person, of_file)).follow_ups
    assert before.follow_ups[0].follow_up_id in {one.follow_up_id for one in (await read(person, other)).follow_ups}


async def test_fl_06_an_edit_and_a_load_at_once_leave_one_whole_list(house: House, city: Path) -> None:
    """Whichever comes second sees the first: never lines of both."""
    person, of_file = officer(house), "0201-01-01"
    await loader.load(house.pool, loader.read(SAMPLES), edited_follow_ups_too=True)
    before = await read(person, of_file)
    text = (city / loader.FOLLOW_UPS).read_text(encoding="utf-8").replace("開示請求書", "公開請求書")
    (city / loader.FOLLOW_UPS).write_text(text, encoding="utf-8")
    plan = loader.read(city)
    loading = loader.load(house.pool, plan)
    answers = await asyncio.gather(
        loading, save(person, before.version, line(), class_code=of_file), return_exceptions=True
    )
    now = await read(person, of_file)
    if isinstance(answers[1], DomainError):
        assert answers[1].reason == "STALE_VERSION"
        assert now.follow_ups[0].after_words == "公開請求書"
    else:
        assert now == answers[1]
        assert of_file in answers[0]
