"""閲覧区分 whole (AC-02): 全庁, 部内, 課（室）内, 係内, 指定者のみ; of documents and of receipts."""

from __future__ import annotations

import itertools

import psycopg
import pytest

from chassis import db
from chassis.errors import DomainError
from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.documents import consumer, view_classes
from services.documents.tests.conftest import CLASS, House, Person, snapshot
from services.documents.tests.test_owners import begins, ends, moved, reorganised
from services.documents.tests.test_visibility import sees, viewers
from services.documents.view_classes import BY_WIDTH, CITY, DEPARTMENT, DESIGNATED, SECTION, UNIT, Limits

UNIT_ID = "U-040-03"
OPEN: dict[str, object] = {"personal_information": pb.PERSONAL_INFORMATION_NONE}
ARRIVAL = {
    "sender_kind": "citizen",
    "sender_name": "葛󠄀西 千代子",
    "received_on": "2026-11-20",
    "arrived_on": "2026-11-20",
    "backdated_reason": "導入前の収受簿からの移行登録",
    "medium": "counter",
}


async def allow(house: House, widest: int) -> None:
    """What the file plan says of the class (⚙)."""
    async with db.transaction(house.pool) as conn:
        await conn.execute("UPDATE classes SET view_class = %s WHERE class_code = %s", (int(widest), CLASS))


@pytest.fixture(autouse=True)
async def file_plan(house: House):
    """As it was, after each test."""
    yield
    await allow(house, UNIT)


def of_section(house: House) -> Person:
    """The drafter, where 環境政策室 is a 係 of a 課."""
    return house.person("S0072", "P-040-03-05", beside=[f"section:{UNIT_ID}"])


async def refused(asked) -> list[tuple[str, str]]:
    with pytest.raises(DomainError) as caught:
        await asked
    return [(one.field, one.problem) for one in caught.value.fields]


# --- the rule


def test_ac_02_the_widths_are_in_the_order_of_paper() -> None:
    assert [one.name for one in BY_WIDTH] == ["DESIGNATED", "SECTION", "UNIT", "DEPARTMENT", "CITY"]
    for one, other in itertools.product(BY_WIDTH, repeat=2):
        assert view_classes.wider(one, other) == (BY_WIDTH.index(one) > BY_WIDTH.index(other))


@pytest.mark.parametrize("widest", BY_WIDTH)
@pytest.mark.parametrize("personal_information", [1, 2, 3])
@pytest.mark.parametrize("in_section", [True, False])
def test_ac_02_what_may_be_chosen(widest: int, personal_information: int, in_section: bool) -> None:
    """Never wider than the class; 全庁 without personal information; 係内 of a 係. Something always may be."""
    limits = Limits(widest, personal_information, in_section)
    for chosen in BY_WIDTH:
        forbidden = (
            BY_WIDTH.index(chosen) > BY_WIDTH.index(widest)
            or (chosen == CITY and personal_information > 1)
            or (chosen == SECTION and not in_section)
        )
        assert bool(view_classes.problems(chosen, (), limits)) == forbidden
        usual = view_classes.widest_allowed(chosen, limits)
        assert not view_classes.problems(usual, (), limits)
        assert not view_classes.wider(usual, chosen)
        assert usual == chosen or forbidden


def test_ac_02_whoever_has_the_draft_is_named_once() -> None:
    """指定者のみ: who names themself has no second right, which would stay when the draft is somebody else's."""
    assert view_classes.rights(UNIT_ID, "S0072", DESIGNATED, ["S0072", "S0073"]) == [
        ("member:S0072@U-040-03", "drafter"),
        ("manager:U-040-03", "records_manager"),
        ("member:S0073@U-040-03", "designated"),
    ]


# --- documents


async def test_ac_02_a_section_is_seen_by_its_people_and_the_head(house: House) -> None:
    drafter = of_section(house)
    document = await drafter.submit(await drafter.draft(view_class=SECTION))
    assert await viewers(house, document.document_id) == {
        ("member:S0072@U-040-03", "drafter"),
        ("manager:U-040-03", "records_manager"),
        ("section:U-040-03", "section"),
    }
    # The 所属長 sits in the 課 above; a colleague of that 課 is no member of the 係.
    head = house.person("S0901", "P-040-99-01", beside=[f"unit:{UNIT_ID}", f"section:{UNIT_ID}"])
    of_room = house.person("S0902", "P-040-99-05", beside=[f"unit:{UNIT_ID}", f"department:{UNIT_ID}", "city:all"])
    for person in (drafter, house.person("S0073", "P-040-03-06", beside=[f"section:{UNIT_ID}"]), head):
        assert await sees(person, document.document_id)
    for person in (of_room, house.stranger):
        assert not await sees(person, document.document_id)


async def test_ac_02_where_the_unit_is_no_section_there_is_nobody_it_would_be_for(house: House) -> None:
    assert await refused(house.drafter.draft(view_class=SECTION)) == [("view_class", "NO_SECTION")]
    # The 係 ends while it is drafted: the drafter is told before it circulates.
    document = await of_section(house).draft(view_class=SECTION)
    assert await refused(house.drafter.submit(document)) == [("view_class", "NO_SECTION")]


async def test_ac_02_more_than_paper_only_where_the_city_says_so(house: House) -> None:
    """部内 and 全庁 are off until the file plan allows them for a class (⚙)."""
    for wide in (DEPARTMENT, CITY):
        assert await refused(house.drafter.draft(view_class=wide, **OPEN)) == [("view_class", "WIDER_THAN_PAPER")]
    await allow(house, DEPARTMENT)
    assert await refused(house.drafter.draft(view_class=CITY, **OPEN)) == [("view_class", "WIDER_THAN_PAPER")]
    assert (await house.drafter.draft(view_class=0, **OPEN)).fields.view_class == UNIT, "the usual one stays the usual"
    wide_draft = await house.drafter.draft(view_class=DEPARTMENT, **OPEN)
    # Taken back by the city before it circulates.
    await allow(house, UNIT)
    assert await refused(house.drafter.submit(wide_draft)) == [("view_class", "WIDER_THAN_PAPER")]


async def test_ac_02_a_department_is_whoever_is_beside_the_unit_on_the_day(house: House) -> None:
    await allow(house, DEPARTMENT)
    document = await house.circulating(view_class=DEPARTMENT)
    assert await viewers(house, document.document_id) == {
        ("unit:U-040-03", "owner_unit"),
        ("department:U-040-03", "department"),
    }
    neighbour = house.person("S0065", "P-040-02-05", beside=[f"department:{UNIT_ID}", "city:all"])
    assert await sees(neighbour, document.document_id)
    # AC-05: the same person from the day on which their unit, or the owner's, is of another 部.
    assert not await sees(house.person("S0065", "P-040-02-05", beside=["city:all"]), document.document_id)
    # AC-15: looking is all that it gives.
    shown = await neighbour.call("GetDocument", document_id=document.document_id)
    assert (shown.may_download, shown.may_print) == (False, False)


async def test_ac_02_the_whole_staff_sees_what_says_nothing_of_people(house: House) -> None:
    await allow(house, CITY)
    for personal in (pb.PERSONAL_INFORMATION_PERSONAL, pb.PERSONAL_INFORMATION_SENSITIVE):
        found = await refused(house.drafter.draft(view_class=CITY, personal_information=personal))
        assert found == [("view_class", "PERSONAL_INFORMATION")]
    document = await house.circulating(view_class=CITY, title="服務規律の確保について（通知）", **OPEN)
    anybody = house.person("S0160", "P-120-02-05", beside=["city:all"])
    assert await sees(anybody, document.document_id)
    assert await anybody.search("服務規律") == [document.document_id]
    assert not await sees(house.stranger, document.document_id)
    # Only from circulation on: a draft is the drafter's.
    draft = await house.drafter.draft(view_class=CITY, title="服務規律の確保について（案）", **OPEN)
    assert not await sees(anybody, draft.document_id)


async def test_ac_02_what_is_for_everybody_is_found_behind_the_newest(house: House, monkeypatch) -> None:
    """The word index knows it by a mark of its own, so that it is found however much is newer."""
    monkeypatch.setattr("services.documents.search_store._NEWEST", 2)
    await allow(house, CITY)
    wanted = await house.circulating(view_class=CITY, title="庁舎管理規則の改正について（通知）", **OPEN)
    for number in range(4):
        await house.circulating(view_class=CITY, title=f"第{number}号の通知について", **OPEN)
    anybody = house.person("S0160", "P-120-02-05", beside=["city:all"])
    assert await anybody.search("庁舎管理規則") == [wanted.document_id]
    assert await house.stranger.search("庁舎管理規則") == []


async def test_ac_02_a_repeated_document_is_never_wider_than_its_source(house: House) -> None:
    """引用起案 in a unit that is no 係, and in a class that allows less."""
    drafter = of_section(house)
    source = await drafter.submit(await drafter.draft(view_class=SECTION))
    answer = await house.drafter.call("RepeatDocument", document_id=source.document_id)
    assert answer.document.fields.view_class == DESIGNATED
    await allow(house, CITY)
    source = await house.circulating(view_class=CITY, **OPEN)
    await allow(house, UNIT)
    answer = await house.drafter.call("RepeatDocument", document_id=source.document_id)
    assert answer.document.fields.view_class == UNIT


# --- receipts


async def arrived(person: Person, **given: object) -> pb.Receipt:
    title = "太陽光発電設備設置補助金交付申請書"
    return (await person.call("RegisterReceipt", **({"title": title} | ARRIVAL | given))).receipt


async def finds(person: Person, receipt: pb.Receipt) -> bool:
    """Whether it is there for them; every way to it agrees (AC-03)."""
    answers = []
    for asked in ({"query": "太陽光"}, {"unit_id": UNIT_ID}, {"query": receipt.receipt_number}, {}):
        found = (await person.call("ListReceipts", **asked)).receipts
        answers.append(receipt.receipt_id in [one.receipt_id for one in found])
    refusals = []
    for asked in (
        person.call("GetReceipt", receipt_id=receipt.receipt_id),
        person.draft(receipt_ids=[receipt.receipt_id], folder_id="", class_code="", view_class=0),
    ):
        try:
            await asked
            answers.append(True)
        except DomainError as error:
            refusals.append(error.reason)
            answers.append(False)
    assert refusals in ([], ["NOT_FOUND", "INVALID_FIELDS"])
    assert len(set(answers)) == 1, answers
    return answers[0]


async def test_ac_02_a_receipt_is_for_whom_its_class_names(house: House) -> None:
    registrar = of_section(house)
    manager = house.person("S0068", "P-040-03-01", roles=frozenset({"records_manager"}))
    of_its_section = house.person("S0073", "P-040-03-06", beside=[f"section:{UNIT_ID}"])
    people = {"registrar": registrar, "colleague": house.colleague, "section": of_its_section, "manager": manager}
    people["chief"] = house.chief
    for given, expected in (
        ({}, {"registrar", "colleague", "section", "manager", "chief"}),
        ({"view_class": SECTION}, {"registrar", "section", "manager"}),
        ({"view_class": DESIGNATED}, {"registrar", "manager"}),
        ({"view_class": DESIGNATED, "designated": ["S0070"]}, {"registrar", "manager", "chief"}),
    ):
        receipt = await arrived(registrar, **given)
        assert receipt.view_class == given.get("view_class", UNIT)
        assert {name for name, person in people.items() if await finds(person, receipt)} == expected, given
        assert not await finds(house.stranger, receipt)
        # AC-05: who registered it, from the day on which they are somewhere else.
        assert not await finds(house.person("S0072", "P-120-02-05"), receipt)


async def test_ac_02_a_receipt_is_never_for_more_than_paper_has(house: House) -> None:
    await allow(house, CITY)
    for wide in (DEPARTMENT, CITY):
        assert await refused(arrived(house.drafter, view_class=wide)) == [("view_class", "UNKNOWN")]
    assert (await arrived(house.drafter, class_code=CLASS)).view_class == UNIT
    assert await refused(arrived(house.drafter, view_class=SECTION)) == [("view_class", "NO_SECTION")]
    assert await refused(arrived(house.drafter, designated=["S0070"])) == [("designated", "MISMATCH")]
    found = await refused(arrived(house.drafter, view_class=DESIGNATED, designated=["S0070@U-040-03"]))
    assert found == [("designated", "MALFORMED")]
    await allow(house, DESIGNATED)
    assert (await arrived(house.drafter, class_code=CLASS)).view_class == DESIGNATED
    assert await refused(arrived(house.drafter, class_code=CLASS, view_class=UNIT)) == [("view_class", "TOO_WIDE")]


async def test_ac_02_a_draft_is_not_wider_than_its_receipt_without_the_drafter_being_told(house: House) -> None:
    receipt = await arrived(house.drafter, view_class=DESIGNATED, designated=["S0070", "S0073"])
    usual = await house.drafter.draft(receipt_ids=[receipt.receipt_id], view_class=0)
    assert (usual.fields.view_class, usual.wider_than_receipts) == (DESIGNATED, False), "what is not chosen is narrow"
    wider = await house.drafter.draft(receipt_ids=[receipt.receipt_id], view_class=UNIT)
    assert wider.wider_than_receipts
    assert (await house.drafter.see(wider.document_id)).wider_than_receipts
    for designated, told in ((["S0070"], False), (["S0069", "S0070"], True)):
        given = {"view_class": DESIGNATED, "designated": designated}
        draft = await house.drafter.draft(receipt_ids=[receipt.receipt_id], **given)
        assert draft.wider_than_receipts == told, designated
    open_receipt = await arrived(house.drafter)
    assert not (await house.drafter.draft(receipt_ids=[open_receipt.receipt_id])).wider_than_receipts


async def log_of(house: House, document: pb.Document) -> list[dict[str, str]]:
    """What stands in the log of each of its 回議開始."""
    envelopes = await house.envelopes(document.document_id)
    return [dict(one.detail) for one in envelopes if one.action == "document.submitted"]


async def test_ac_02_wider_than_a_receipt_circulates_only_when_that_is_confirmed(house: House) -> None:
    """Refused and nothing issued until it is confirmed; the confirmation stands in history and log, without content."""
    receipt = await arrived(house.drafter, view_class=DESIGNATED, designated=["S0070"])
    draft = await house.drafter.draft(receipt_ids=[receipt.receipt_id], view_class=UNIT)
    numbers = await house.rows("SELECT count(*) FROM numbers WHERE register = 'draft'")
    for given in ({}, {"wider_than_receipts_confirmed": False}, {"replacement": ""}):
        with pytest.raises(DomainError) as caught:
            await house.drafter.submit(draft, **given)
        assert (caught.value.reason, caught.value.fields) == ("WIDER_THAN_RECEIPTS", ())
    assert (await house.drafter.see(draft.document_id)).state == pb.DOCUMENT_STATE_DRAFTING
    assert await house.rows("SELECT count(*) FROM numbers WHERE register = 'draft'") == numbers
    document = await house.drafter.submit(draft, wider_than_receipts_confirmed=True)
    (detail,) = await log_of(house, document)
    assert detail["wider_than_receipts"] == "confirmed"
    history = (await house.drafter.call("ListHistory", document_id=document.document_id)).events
    assert [one.detail["wider_than_receipts"] for one in history if one.action == "document.submitted"] == ["confirmed"]


async def test_ac_02_a_confirmation_is_of_one_circulation(house: House) -> None:
    """After 差戻し it is asked again; where nothing is wider it is not asked, and not said in the log."""
    receipt = await arrived(house.drafter, view_class=DESIGNATED, designated=["S0070"])
    draft = await house.drafter.draft(receipt_ids=[receipt.receipt_id], view_class=UNIT)
    document = await house.drafter.submit(draft, wider_than_receipts_confirmed=True)
    await house.announce("CaseClosed", snapshot(document, 2, "sent_back"))
    with pytest.raises(DomainError) as caught:
        await house.drafter.submit(document)
    assert caught.value.reason == "WIDER_THAN_RECEIPTS"
    known = {
        "document_id": document.document_id,
        "expected_version": (await house.drafter.see(document.document_id)).version,
    }
    narrow = pb.DraftFields(view_class=pb.VIEW_CLASS_DESIGNATED, designated=["S0070"])
    await house.drafter.call("UpdateDraft", **known, fields=narrow, changed=["view_class", "designated"])
    again = await house.drafter.submit(document, wider_than_receipts_confirmed=True)
    assert [one.get("wider_than_receipts") for one in await log_of(house, again)] == ["confirmed", None]


async def test_ac_02_only_whose_draft_it_is_confirms(house: House) -> None:
    """A colleague, who may see neither, is told nothing of a receipt by trying."""
    receipt = await arrived(house.drafter, view_class=DESIGNATED)
    draft = await house.drafter.draft(receipt_ids=[receipt.receipt_id], view_class=UNIT)
    known = {"document_id": draft.document_id, "expected_version": draft.version, "route_plan_id": "r"}
    for confirmed in (False, True):
        with pytest.raises(DomainError) as caught:
            await house.colleague.call("SubmitDocument", **known, wider_than_receipts_confirmed=confirmed)
        assert caught.value.reason == "NOT_FOUND"


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE classes SET view_class = 0 WHERE class_code = '{CLASS}'",
        f"UPDATE classes SET view_class = 6 WHERE class_code = '{CLASS}'",
        "UPDATE documents SET view_class = -1, version = version + 1 WHERE document_id = '{draft}'",
        "UPDATE documents SET view_class = 6, version = version + 1 WHERE document_id = '{draft}'",
        "UPDATE receipts SET viewers = '{{}}' WHERE receipt_id = '{receipt}'",
        "UPDATE receipts SET view_class = 0 WHERE receipt_id = '{receipt}'",
        "UPDATE receipts SET view_class = 4 WHERE receipt_id = '{receipt}'",
    ],
)
async def test_ac_02_the_database_keeps_no_class_that_is_none(house: House, statement: str) -> None:
    """Nor a receipt that is for nobody."""
    named = {"draft": (await house.drafter.draft()).document_id, "receipt": (await arrived(house.drafter)).receipt_id}
    async with await psycopg.AsyncConnection.connect(house.where.owner_url) as conn:
        await conn.execute("SET search_path = documents")
        # What forbids every change of a receipt would be first.
        await conn.execute("ALTER TABLE receipts DISABLE TRIGGER guard")
        with pytest.raises(psycopg.errors.CheckViolation):
            await conn.execute(statement.format(**named).encode())
        await conn.rollback()


async def test_ac_02_whom_a_receipt_is_for_never_changes_but_with_its_unit(house: House) -> None:
    """Not with the application's role; with its owner's the trigger refuses it."""
    receipt = await arrived(house.drafter)
    change = f"UPDATE receipts SET view_class = 2, version = version + 1 WHERE receipt_id = '{receipt.receipt_id}'"
    for url, refusal in (
        (house.where.app_url, psycopg.errors.InsufficientPrivilege),
        (house.where.owner_url, psycopg.errors.IntegrityConstraintViolation),
    ):
        async with await psycopg.AsyncConnection.connect(url) as conn:
            await conn.execute("SET search_path = documents")
            with pytest.raises(refusal):
                await conn.execute(change.encode())
            await conn.rollback()


async def test_ac_02_a_takeover_moves_whom_things_are_for(house: House) -> None:
    """RT-10: afterwards 部内 is the 部 of the unit that took over, in lists and in the word index; so with receipts.

    The last of this file: the unit ends.
    """
    await allow(house, DEPARTMENT)
    document = await house.circulating(view_class=DEPARTMENT, title="低公害車の共同利用について（伺い）")
    receipt = await arrived(of_section(house), view_class=DESIGNATED, designated=["S0073"])
    old = house.person("S0065", "P-040-02-05", beside=[f"department:{UNIT_ID}"])
    new = house.person("S0021", "P-020-01-05", beside=["department:U-900-01"])
    assert (await sees(old, document.document_id), await sees(new, document.document_id)) == (True, False)
    news = reorganised(begins("U-900-01", "箕環新"), ends(UNIT_ID, "U-900-01"), version=1)
    await consumer.follow_directory(house.service, news)
    await moved(house)
    assert (await sees(old, document.document_id), await sees(new, document.document_id)) == (False, True)
    assert await new.search("低公害車") == [document.document_id]
    assert await old.search("低公害車") == []
    marks = await house.rows(
        "SELECT array_agg(w.lexeme ORDER BY w.lexeme) FROM document_texts AS t, unnest(t.search) AS w"
        " WHERE t.document_id = %s AND starts_with(w.lexeme, %s)",
        document.document_id,
        "\x02",
    )
    assert marks == [(["\x02U-900-01", "\x02department:U-900-01"],)]
    rows = await house.rows("SELECT viewers FROM receipts WHERE receipt_id = %s", receipt.receipt_id)
    assert set(rows[0][0]) == {"member:S0072@U-900-01", "manager:U-900-01", "member:S0073@U-900-01"}
    named = house.person("S0073", "P-900-01-05")
    assert receipt.receipt_id in [one.receipt_id for one in (await named.call("ListReceipts")).receipts]
    assert list((await house.colleague.call("ListReceipts")).receipts) == []
