"""Who sees what: one predicate, and nothing that hints at the rest (I5, AC-01, AC-03, AC-10, AC-11)."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from chassis import clock
from chassis.errors import DomainError, Kind
from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.documents import store
from services.documents.tests.conftest import House, Person, fields, snapshot

ABSENT = "0190d5a0-0000-7000-8000-000000000000"
UNIT = "unit:U-040-03"


async def sees(person: Person, document_id: str) -> bool:
    """Whether GetDocument shows it; every other way to it must agree."""
    answers = [document_id in await person.search(document_ids=[document_id])]
    for method in ("GetDocument", "ListViewers", "ListHistory"):
        refusal = None
        try:
            await person.call(method, document_id=document_id)
        except DomainError as error:
            refusal = (error.kind, error.reason)
        assert refusal in (None, (Kind.NOT_FOUND, "NOT_FOUND"))
        answers.append(refusal is None)
    assert len(set(answers)) == 1
    return answers[0]


async def viewers(house: House, document_id: str) -> set[tuple[str, str]]:
    """Live rights."""
    rows = await house.rows(
        "SELECT principal, reason FROM viewers WHERE document_id = %s AND (valid_to IS NULL OR valid_to > now())",
        document_id,
    )
    return set(rows)


async def everything(person: Person, document_id: str, attachment_id: str) -> list[tuple[str, str, str, str]]:
    """What every RPC that names a document answers."""
    known = {"document_id": document_id, "expected_version": 1}
    calls = {
        "GetDocument": person.call("GetDocument", document_id=document_id),
        "ListViewers": person.call("ListViewers", document_id=document_id),
        "ListHistory": person.call("ListHistory", document_id=document_id),
        "GetManifest": person.call("GetManifest", document_id=document_id),
        "UpdateDraft": person.call("UpdateDraft", **known, changed=["title"], fields=fields()),
        "DeleteDraft": person.call("DeleteDraft", **known),
        "SubmitDocument": person.call("SubmitDocument", **known, route_plan_id="r"),
        "EnforceDocument": person.call(
            "EnforceDocument", **known, enforced_on="2026-11-23", method="post", addressee="a", collated_by="S1"
        ),
        "CompleteDocument": person.call("CompleteDocument", **known),
        "AnnotateDocument": person.call("AnnotateDocument", **known, text="x"),
        "RemoveAttachment": person.call("RemoveAttachment", **known, attachment_id=attachment_id),
        "ReadAttachment": person.read(document_id, attachment_id),
        "UploadAttachment": person.upload(document_id, b"x"),
    }
    answers = []
    for name, call in calls.items():
        with pytest.raises(DomainError) as caught:
            await call
        error = caught.value
        answers.append((name, error.kind.value, error.reason, f"{error.message}{error.fields}{error.metadata}"))
    return answers


async def test_hidden_and_absent_are_the_same_answer_everywhere(house: House) -> None:
    draft = await house.drafter.draft()
    attachment = (await house.drafter.upload(draft.document_id, b"secret")).attachment
    completed = await house.completed()
    absent = await everything(house.stranger, ABSENT, ABSENT)
    assert {kind for _, kind, _, _ in absent} == {"NOT_FOUND"}
    assert await everything(house.stranger, draft.document_id, attachment.attachment_id) == absent
    assert await everything(house.stranger, completed.document_id, ABSENT) == absent
    assert await everything(house.stranger, "../../etc/passwd", "1 OR 1=1") == absent


async def test_a_draft_is_the_drafters_alone(house: House) -> None:
    draft = await house.drafter.draft()
    assert await sees(house.drafter, draft.document_id)
    for person in (
        house.colleague,
        house.chief,
        house.stranger,
        house.person("S0001", roles=frozenset({"system_admin"})),
    ):
        assert not await sees(person, draft.document_id)


async def test_from_circulation_on_the_unit_owns_it_and_leavers_lose_it(house: House) -> None:
    document = await house.circulating()
    assert await viewers(house, document.document_id) == {(UNIT, "owner_unit")}
    assert await sees(house.colleague, document.document_id)
    # AP-42: the drafter after a transfer.
    assert not await sees(house.person("S0072", "P-120-02-05"), document.document_id)
    assert not await sees(house.stranger, document.document_id)


async def test_a_designated_document_is_for_those_it_names_and_for_who_answers_for_the_unit(house: House) -> None:
    """AC-02 指定者のみ: within the unit the drafter, the 文書管理責任者 and whom it names; AC-05: only while they belong to it."""
    document = await house.circulating(view_class=pb.VIEW_CLASS_DESIGNATED, designated=["S0073"])
    manager = house.person("S0068", "P-040-03-01", roles=frozenset({"records_manager"}))
    assert await viewers(house, document.document_id) == {
        ("member:S0072@U-040-03", "drafter"),
        ("member:S0073@U-040-03", "designated"),
        ("manager:U-040-03", "records_manager"),
    }
    for person in (house.drafter, house.colleague, manager):
        assert await sees(person, document.document_id)
    elsewhere = "P-120-02-05"
    for person in (
        house.chief,
        house.person("S0068", "P-040-03-01"),
        house.person("S0072", elsewhere),
        house.person("S0073", elsewhere),
        house.person("S0068", elsewhere, roles=frozenset({"records_manager"})),
        house.stranger,
    ):
        assert not await sees(person, document.document_id)
    # The route sees it as it sees any other.
    await house.announce("CaseOpened", snapshot(document, 1, "circulating", active=["P-040-03-03"]))
    assert await sees(house.chief, document.document_id)


async def test_naming_somebody_of_another_unit_gives_them_nothing(house: House) -> None:
    """AC-02: electronic approval adds no viewer; what is outside the unit goes by 供覧 (AC-12)."""
    document = await house.circulating(view_class=pb.VIEW_CLASS_DESIGNATED, designated=["S0199"])
    assert not await sees(house.person("S0199", "P-120-02-05"), document.document_id)


async def test_a_class_says_how_wide_a_document_may_be_and_the_drafter_may_narrow_it(house: House) -> None:
    """AC-02: only narrower; what is not chosen is that of the class."""
    usual = await house.drafter.draft(view_class=0)
    assert usual.fields.view_class == pb.VIEW_CLASS_UNIT
    clerk = house.person("S0030", "P-020-03-05")
    hiring: dict[str, object] = {"class_code": "0203-01-01", "folder_id": ""}
    document = await clerk.draft(**hiring, view_class=0)
    assert document.fields.view_class == pb.VIEW_CLASS_DESIGNATED
    with pytest.raises(DomainError) as caught:
        await clerk.draft(**hiring, view_class=pb.VIEW_CLASS_UNIT)
    assert [(one.field, one.problem) for one in caught.value.fields] == [("view_class", "TOO_WIDE")]
    for wrong, problem in (
        ({"view_class": 9}, ("view_class", "UNKNOWN")),
        ({"designated": ["S0073"]}, ("designated", "MISMATCH")),
        ({"view_class": 2, "designated": ["S0073@U-040-03"]}, ("designated", "MALFORMED")),
        ({"view_class": 2, "designated": [f"S{n:04}" for n in range(51)]}, ("designated", "TOO_MANY")),
    ):
        with pytest.raises(DomainError) as caught:
            await house.drafter.draft(**wrong)
        assert [(one.field, one.problem) for one in caught.value.fields] == [problem]


async def test_who_sees_it_follows_the_view_class_of_the_next_submission_and_not_before(house: House) -> None:
    """AC-02, AP-30: a document sent back may be narrowed; what was given ends with the new circulation."""
    document = await house.circulating()
    case = snapshot(document, 2, "sent_back", reason="閲覧区分を改めてください。")
    await house.announce("CaseClosed", case)
    back = await house.drafter.see(document.document_id)
    given = fields(view_class=pb.VIEW_CLASS_DESIGNATED)
    await house.drafter.call(
        "UpdateDraft",
        document_id=back.document_id,
        expected_version=back.version,
        changed=["view_class"],
        fields=given,
    )
    assert await sees(house.colleague, document.document_id)
    await house.drafter.submit(back)
    assert not await sees(house.colleague, document.document_id)
    assert await sees(house.drafter, document.document_id)


@pytest.mark.parametrize("change", ["view_class = 1", "designated = '{S0001}'"])
async def test_the_view_class_of_a_circulating_document_cannot_be_changed_with_the_applications_role(
    house: House, change: str
) -> None:
    """AC-02, LC-14: not by SQL either."""
    document = await house.circulating(view_class=pb.VIEW_CLASS_DESIGNATED)
    async with await psycopg.AsyncConnection.connect(house.where.app_url) as conn:
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="may not change"):
            await conn.execute(
                f"UPDATE documents.documents SET {change}, version = version + 1 WHERE document_id = %s".encode(),
                (document.document_id,),
            )


async def test_a_step_gives_a_view_while_it_is_active_and_who_acted_keeps_it_until_completion(house: House) -> None:
    document = await house.circulating(enforcement_required=False)
    first, second = house.person("S0026", "P-020-04-01"), house.person("S0031", "P-020-05-01")
    successor = house.person("S0027", "P-020-04-01")
    await house.announce("CaseOpened", snapshot(document, 1, "circulating", active=["P-020-04-01"]))
    assert await sees(first, document.document_id)
    # AP-40: the step belongs to the post, whoever holds it today. AC-11: waiting steps see nothing.
    assert await sees(successor, document.document_id)
    assert not await sees(second, document.document_id)

    await house.announce("StepActivated", snapshot(document, 3, "circulating", active=["P-020-05-01"], acted=["S0026"]))
    assert await sees(first, document.document_id)
    assert not await sees(successor, document.document_id)
    assert await sees(second, document.document_id)

    await house.announce("CaseDecided", snapshot(document, 5, "decided", acted=["S0026", "S0031"]))
    decided = await house.drafter.see(document.document_id)
    assert await sees(first, document.document_id)
    await house.drafter.call("CompleteDocument", document_id=document.document_id, expected_version=decided.version)
    assert not await sees(first, document.document_id)
    assert not await sees(second, document.document_id)
    assert await sees(house.colleague, document.document_id)
    # The rows tell who could see it when, for ever.
    rows = await house.rows(
        "SELECT principal, reason, valid_to IS NULL FROM viewers WHERE document_id = %s", document.document_id
    )
    assert set(rows) == {
        ("member:S0072@U-040-03", "drafter", False),
        (UNIT, "owner_unit", True),
        ("post:P-020-04-01", "route_step", False),
        ("staff:S0026", "acted", False),
        ("post:P-020-05-01", "route_step", False),
        ("staff:S0031", "acted", False),
    }


@pytest.mark.parametrize("state", ["sent_back", "withdrawn", "rejected", "refused"])
async def test_open_steps_lose_the_view_on_every_way_out(house: House, state: str) -> None:
    document = await house.circulating()
    waiting, acted = house.person("S0031", "P-020-05-01"), house.person("S0026", "P-020-04-01")
    await house.announce("StepActivated", snapshot(document, 2, "circulating", active=["P-020-05-01"], acted=["S0026"]))
    assert await sees(waiting, document.document_id)
    # Even if the announcement still lists the open step.
    await house.announce("CaseClosed", snapshot(document, 3, state, active=["P-020-05-01"], acted=["S0026"]))
    assert not await sees(waiting, document.document_id)
    assert await sees(acted, document.document_id)


async def test_post_viewing_goes_on_after_completion_and_ends_with_it(house: House) -> None:
    document = await house.circulating(enforcement_required=False)
    absent = house.person("S0069", "P-090-02-02")
    due = snapshot(document, 4, "decided", active=["P-090-02-02"], acted=["S0068"])
    await house.announce("CaseDecided", due)
    current = await house.drafter.see(document.document_id)
    done = (
        await house.drafter.call("CompleteDocument", document_id=document.document_id, expected_version=current.version)
    ).document
    assert await sees(absent, document.document_id)
    await house.announce("PostViewed", snapshot(document, 5, "decided", acted=["S0068", "S0069"]))
    assert not await sees(absent, document.document_id)
    # 後閲 does not touch the completed document.
    assert (await house.drafter.see(document.document_id)).version == done.version


async def test_old_and_repeated_announcements_change_nothing(house: House) -> None:
    document = await house.circulating()
    newer = snapshot(document, 5, "circulating", acted=["S0026"], active=["P-020-05-01"])
    event_id = clock.new_id()
    await house.announce("StepActivated", newer, event_id=event_id)
    after = await viewers(house, document.document_id)
    await house.announce("StepActivated", newer, event_id=event_id)
    await house.announce("CaseOpened", snapshot(document, 1, "circulating", active=["P-020-04-01"]))
    await house.announce("CaseClosed", snapshot(document, 4, "sent_back"))
    assert await viewers(house, document.document_id) == after
    assert (await house.drafter.see(document.document_id)).state == pb.DOCUMENT_STATE_CIRCULATING


async def test_a_withdrawn_number_is_cancelled_never_reused(house: House) -> None:
    document = await house.circulating()
    await house.announce("CaseClosed", snapshot(document, 2, "withdrawn"))
    rows = await house.rows(
        "SELECT n.written, c.reason FROM numbers AS n JOIN number_cancellations AS c USING (register, symbol, fiscal_year, number)"
        " WHERE n.issued_to = %s",
        document.document_id,
    )
    assert rows == [(document.draft_number, "withdrawn")]


async def test_viewers_say_who_and_why(house: House) -> None:
    document = await house.circulating()
    await house.announce("CaseOpened", snapshot(document, 1, "circulating", active=["P-040-03-03"]))
    answer = await house.chief.call("ListViewers", document_id=document.document_id)
    assert [(v.principal, v.reason, v.step_id) for v in answer.viewers] == [
        (UNIT, "owner_unit", ""),
        ("post:P-040-03-03", "route_step", "step-P-040-03-03"),
    ]
    # AC-15, with the rights that the city's settings give.
    assert all(v.may_print and v.may_download for v in answer.viewers)
    assert (await house.record(answer.access_record)).action == "document.viewers_read"


async def test_ac_10_viewers_are_exactly_those_that_paper_would_have(house: House) -> None:
    """Everybody of the sample city × documents in every state, against the set that the rules give."""
    people = [
        house.person(f"S{n:04}", f"P-{unit}-{seat:02}")
        for n, (unit, seat) in enumerate(
            ((unit, seat) for unit in ("010-01", "020-04", "040-03", "120-02", "130-11") for seat in (1, 3, 5)),
            start=200,
        )
    ]
    route = people[3], people[4]
    posts = [next(iter(p.identity.posts)) for p in route]
    document = await house.circulating()
    steps = [
        (snapshot(document, 1, "circulating", active=[posts[0]]), {route[0].identity.staff_id}),
        (
            snapshot(document, 2, "circulating", active=[posts[1]], acted=[route[0].identity.staff_id]),
            {p.identity.staff_id for p in route},
        ),
        (
            snapshot(document, 3, "decided", acted=[p.identity.staff_id for p in route]),
            {p.identity.staff_id for p in route},
        ),
    ]
    owners = {p.identity.staff_id for p in people if "U-040-03" in p.identity.units}
    for announced, on_route in steps:
        await house.announce("StepActivated", announced)
        seeing = {p.identity.staff_id for p in people if await sees(p, document.document_id)}
        assert seeing == owners | on_route


async def test_receipts_are_seen_by_their_unit(house: House) -> None:
    given = {
        "sender_kind": "citizen",
        "sender_name": "葛\U000e0100西 千代子",
        "received_on": "2026-11-20",
        "arrived_on": "2026-11-20",
        "backdated_reason": "導入前の収受簿からの移行登録",
        "medium": "counter",
    }
    mine = (await house.drafter.call("RegisterReceipt", title="太陽光発電設備設置補助金交付申請書", **given)).receipt
    draft = await house.drafter.draft(receipt_ids=[mine.receipt_id])
    shown = (await house.colleague.call("GetReceipt", receipt_id=mine.receipt_id)).receipt
    assert shown.sender_name == "葛\U000e0100西 千代子"
    # The draft made from it is still the drafter's alone.
    assert list(shown.document_ids) == []
    own = (await house.drafter.call("GetReceipt", receipt_id=mine.receipt_id)).receipt
    assert list(own.document_ids) == [draft.document_id]
    for receipt_id in (mine.receipt_id, ABSENT, "x"):
        with pytest.raises(DomainError) as caught:
            await house.stranger.call("GetReceipt", receipt_id=receipt_id)
        assert caught.value.reason == "NOT_FOUND"
    listed = (await house.colleague.call("ListReceipts", query="太陽光")).receipts
    assert [(r.receipt_id, r.sender_name) for r in listed] == [(mine.receipt_id, "")]
    assert list((await house.stranger.call("ListReceipts", query="太陽光")).receipts) == []
    assert list((await house.stranger.call("ListReceipts", unit_id="U-040-03")).receipts) == []
    with pytest.raises(DomainError) as caught:
        await house.stranger.call("RegisterReceipt", title="x", unit_id="U-040-03", **given)
    assert [f.field for f in caught.value.fields] == ["unit_id"]


async def test_the_file_plan_of_other_units_is_not_shown(house: House) -> None:
    classes = (await house.stranger.call("ListClasses")).classes
    assert {c.unit_id for c in classes} == {"", "U-120-02"}
    folders = (await house.stranger.call("ListFolders")).folders
    assert {f.unit_id for f in folders} == {"U-120-02"}


async def test_readers_who_ask_at_the_same_moment_see_each_only_their_own(house: House) -> None:
    """Their questions go to the database in one statement (chassis.shared_read); their rights must not mix."""
    drafts = [await house.drafter.draft() for _ in range(3)]
    circulating = [await house.circulating() for _ in range(3)]
    all_six, circulated = {d.document_id for d in (*drafts, *circulating)}, {d.document_id for d in circulating}
    admin = house.person("S0001", roles=frozenset({"system_admin"}))
    rights = [(house.drafter, all_six), (house.colleague, circulated), (house.stranger, set()), (admin, set())]
    questions = [(person, seen, document_id) for document_id in sorted(all_six) for person, seen in rights] * 5
    # Whoever asks first must not lend the others their rights, so everybody is first once.
    for turn in range(len(rights)):
        asked = questions[turn:] + questions[:turn]
        answers = await asyncio.gather(
            *(person.call("GetDocument", document_id=document_id) for person, _, document_id in asked),
            return_exceptions=True,
        )
        for (_, seen, document_id), answer in zip(asked, answers, strict=True):
            if document_id in seen:
                assert answer.document.document_id == document_id
            else:
                assert isinstance(answer, DomainError), "somebody else's document was shown"
                assert answer.kind is Kind.NOT_FOUND


async def test_a_shared_read_walks_from_each_question_to_its_document_by_index(house: House) -> None:
    """Whatever the size of the tables: with 3,000 documents the planner would rather read them all for a few."""
    document = await house.circulating()
    async with await psycopg.AsyncConnection.connect(house.where.superuser_url) as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute("SET LOCAL search_path = documents")
        columns = await (
            await conn.execute(
                "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
                " WHERE table_schema = 'documents' AND table_name = 'documents'"
                " AND column_name NOT IN ('document_id', 'draft_number', 'case_id')"
            )
        ).fetchone()
        assert columns is not None
        copies = (
            f"INSERT INTO documents (document_id, draft_number, {columns[0]})"
            f" SELECT uuidv7(), '', {columns[0]} FROM documents, generate_series(1, 3000) WHERE document_id = %s"
        )
        await conn.execute(copies.encode(), (document.document_id,))
        await conn.execute("ANALYZE documents")
        statement = f"EXPLAIN (GENERIC_PLAN) {store._VIEWS.replace('%(asked)s', '$1::jsonb')}"
        plan = "\n".join(line for (line,) in await (await conn.execute(statement.encode())).fetchall())
        await conn.rollback()
    assert "Index Scan using documents_pkey on documents" in plan, plan
    assert "Index Cond: (document_id = q.document_id)" in plan, plan
    # A file plan of some dozen classes may well be read whole, and is when autovacuum has just counted it.
    assert "Seq Scan on documents" not in plan, plan
