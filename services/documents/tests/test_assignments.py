"""引継ぎ (AC-16, AP-42): a leaver's documents come to the 所属長, who takes them over or gives them to a member."""

from __future__ import annotations

import pytest

from chassis import clock
from chassis.errors import DomainError
from kanketsu.documents.v1 import documents_service_pb2 as pb
from kanketsu.documents.v1 import events_pb2
from services.documents.tests.conftest import House, Person, snapshot

UNIT = "U-040-03"
HEAD, CHIEF, COLLEAGUE, LEAVER = "S0068", "S0070", "S0073", "S0072"
REASON = "葛󠄀城主事の異動に伴う引継ぎ"


@pytest.fixture
def head(house: House) -> Person:
    return house.person(HEAD, "P-040-03-01")


@pytest.fixture
def moved(house: House) -> Person:
    """The drafter, who works for 観光推進室 from today."""
    return house.person(LEAVER, "P-050-04-05")


def attest(house: House, *members: str, **claims: object) -> str:
    """Approvals' word about 環境政策室, as if the drafter had left it."""
    good = {
        "ten": "minoh",
        "unit": UNIT,
        "heads": [HEAD],
        "members": list(members or (HEAD, CHIEF, COLLEAGUE)),
        "iat": int(clock.now().timestamp()),
    }
    return house.attesting.sign(good | claims)


async def assign(house: House, by: Person, document: pb.Document, assignee: str, **given: object):
    values = {"attestation": attest(house), "reason": REASON, "expected_version": document.version} | given
    return await by.call("AssignDocument", document_id=document.document_id, assignee=assignee, **values)


async def reason_of(awaitable) -> str:
    with pytest.raises(DomainError) as caught:
        await awaitable
    return caught.value.reason


async def listed(house: House, by: Person, **given: object) -> list[str]:
    answer = await by.call("ListUnattended", **({"attestation": attest(house)} | given))
    return [one.document_id for one in answer.documents]


async def test_ac_16_a_leaver_has_nothing_left_of_their_draft(house: House, moved: Person) -> None:
    """AP-42, AC-05: also who only moved to another unit neither sees nor changes it from that day on."""
    draft = await house.drafter.draft()
    returned = await house.circulating()
    await house.announce("CaseClosed", snapshot(returned, 2, "sent_back"))
    gone = house.person(LEAVER)
    for person in (moved, gone):
        assert draft.document_id not in await person.search()
        for document in (draft, returned):
            wanted = {"document_id": document.document_id, "expected_version": document.version}
            calls = [
                person.call("GetDocument", document_id=document.document_id),
                person.call("UpdateDraft", fields=pb.DraftFields(title="別の件名"), changed=["title"], **wanted),
                person.call("SubmitDocument", route_plan_id=clock.new_id(), **wanted),
                person.call("DeleteDraft", **wanted),
                person.call("ListHistory", document_id=document.document_id),
                person.upload(document.document_id, b"%PDF-1.7"),
                assign(house, person, document, COLLEAGUE),
            ]
            assert {await reason_of(one) for one in calls} == {"NOT_FOUND"}


async def test_ac_16_the_head_assigns_and_the_assignee_completes(house: House, head: Person, moved: Person) -> None:
    """From the leaver's draft to 完結; the drafter of document, 鑑 and manifest stays who drafted it."""
    draft = await house.drafter.draft(enforcement_required=False)
    assert draft.document_id in await listed(house, head)
    assert await reason_of(head.see(draft.document_id)) == "NOT_FOUND", "listed by number, not shown"
    await assign(house, head, draft, COLLEAGUE)
    assert draft.document_id not in await listed(house, head)
    assert await reason_of(head.see(draft.document_id)) == "NOT_FOUND", "AC-10: it is the colleague's draft now"
    taken = await house.colleague.see(draft.document_id)
    assert (taken.drafter, taken.assignee) == (LEAVER, COLLEAGUE)
    viewers = (await house.colleague.call("ListViewers", document_id=draft.document_id)).viewers
    assert [(one.principal, one.reason) for one in viewers] == [(f"member:{COLLEAGUE}@{UNIT}", "drafter")]

    await house.colleague.call(
        "UpdateDraft",
        document_id=draft.document_id,
        expected_version=taken.version,
        fields=pb.DraftFields(subtitle="再提出"),
        changed=["subtitle"],
    )
    circulating = await house.colleague.submit(taken)
    told = events_pb2.DocumentSubmitted.FromString((await house.envelopes(draft.document_id))[-1].payload)
    assert (told.drafter, told.assignee) == (LEAVER, COLLEAGUE)
    await house.decide(circulating)
    await house.drawn()
    await house.locked()
    decided = await house.colleague.see(draft.document_id)
    done = await house.colleague.call(
        "CompleteDocument", document_id=draft.document_id, expected_version=decided.version
    )
    assert (done.document.state, done.document.drafter, done.document.assignee) == (
        pb.DOCUMENT_STATE_COMPLETED,
        LEAVER,
        COLLEAGUE,
    )
    manifest = (await house.colleague.call("GetManifest", document_id=draft.document_id)).manifest.decode()
    assert f'"drafter":"{LEAVER}"' in manifest
    assert f'"assignee":"{COLLEAGUE}"' in manifest
    assert await reason_of(moved.see(draft.document_id)) == "NOT_FOUND"


async def test_ap_42_an_assignment_is_on_record_and_its_reason_stays_with_the_document(
    house: House, head: Person
) -> None:
    draft = await house.drafter.draft()
    await assign(house, head, draft, HEAD)
    events = (await head.call("ListHistory", document_id=draft.document_id)).events
    assert (events[-1].action, events[-1].staff_id) == ("document.assigned", HEAD)
    assert dict(events[-1].detail) == {"assignee": HEAD, "previous": LEAVER, "reason": REASON}
    envelope = (await house.envelopes(draft.document_id))[-1]
    assert dict(envelope.detail) == {"assignee": HEAD, "previous": LEAVER}
    assert "引継ぎ" not in envelope.SerializeToString().decode("utf-8", "replace")
    waits = await house.rows("SELECT awaits FROM outbox WHERE event_id = %s", envelope.event_id)
    assert set(waits[0][0]) == {"audit", "approvals"}
    # The head passes on what is their own, although they have not left.
    taken = await head.see(draft.document_id)
    await assign(house, head, taken, COLLEAGUE)
    assert await reason_of(head.see(draft.document_id)) == "NOT_FOUND"


async def test_ac_10_nobody_else_assigns_and_nobody_else_gains_a_view(house: House, head: Person) -> None:
    """A present member's draft is theirs: for the head it does not even exist (AC-03)."""
    draft, shared = await house.drafter.draft(), await house.circulating()
    present = attest(house, HEAD, CHIEF, COLLEAGUE, LEAVER)
    assert draft.document_id not in await listed(house, head, attestation=present)
    assert await reason_of(assign(house, head, draft, HEAD, attestation=present)) == "NOT_FOUND"
    assert await reason_of(assign(house, head, shared, HEAD, attestation=present)) == "STILL_IN_CHARGE"
    assert await reason_of(assign(house, house.colleague, draft, COLLEAGUE)) == "NOT_FOUND"
    assert await reason_of(assign(house, house.colleague, shared, COLLEAGUE)) == "NOT_PERMITTED"
    assert await reason_of(house.colleague.call("ListUnattended", attestation=attest(house))) == "NOT_PERMITTED"
    other = attest(house, unit="U-050-04")
    assert await reason_of(assign(house, head, draft, HEAD, attestation=other)) == "NOT_FOUND"
    assert await listed(house, head, attestation=other) == []
    for assignee, reason in (("S0160", REASON), (LEAVER, REASON), ("", REASON), (COLLEAGUE, " ")):
        assert await reason_of(assign(house, head, draft, assignee, reason=reason)) == "INVALID_FIELDS"
    assert await reason_of(assign(house, head, draft, COLLEAGUE, expected_version=9)) == "STALE_VERSION"
    done = await house.completed()
    assert await reason_of(assign(house, head, done, COLLEAGUE)) == "IMMUTABLE"


async def test_only_approvals_word_counts(house: House, head: Person) -> None:
    """Forged, old, of another municipality, without its claims: MEMBERSHIP_UNPROVEN, and nothing has changed."""
    draft = await house.drafter.draft()
    claims = {"ten": "minoh", "unit": UNIT, "heads": [HEAD], "members": [HEAD]}
    now = int(clock.now().timestamp())
    bad = [
        "",
        house.identities.sign(claims | {"iat": now}),
        attest(house, iat=now - 120),
        attest(house, iat=now + 120),
        attest(house, ten="ikeda"),
        attest(house, heads=HEAD),
    ]
    for attestation in bad:
        assert await reason_of(assign(house, head, draft, HEAD, attestation=attestation)) == "MEMBERSHIP_UNPROVEN"
        assert await reason_of(head.call("ListUnattended", attestation=attestation)) == "MEMBERSHIP_UNPROVEN"
    assert (await house.drafter.see(draft.document_id)).assignee == LEAVER


async def test_the_same_request_is_one_assignment_whenever_membership_was_attested(house: House, head: Person) -> None:
    draft, request_id = await house.drafter.draft(), clock.new_id()
    moment = int(clock.now().timestamp())
    answers = [
        await assign(
            house, head, draft, COLLEAGUE, request_id=request_id, attestation=attest(house, iat=moment - seconds)
        )
        for seconds in (0, 3)
    ]
    assert answers[0] == answers[1]


async def test_pages_of_the_list(house: House, head: Person) -> None:
    drafts = [(await house.drafter.draft()).document_id for _ in range(3)]
    seen: list[str] = []
    cursor = ""
    for _ in range(100):
        answer = await head.call("ListUnattended", attestation=attest(house), limit=2, cursor=cursor)
        seen += [one.document_id for one in answer.documents]
        cursor = answer.next_cursor
        if not cursor:
            break
    assert [one for one in seen if one in drafts] == drafts[::-1]
    assert (await house.record(answer.access_record)).action == "document.listed"


async def test_ac_02_a_document_for_designated_people_is_the_assignees_and_no_colleagues(
    house: House, head: Person, moved: Person
) -> None:
    """AC-10: 指定者のみ goes from the leaver to the 担当者; neither the head nor anybody else of the unit sees it for that."""
    document = await house.circulating(view_class=pb.VIEW_CLASS_DESIGNATED)
    left = next(
        one
        for one in (await head.call("ListUnattended", attestation=attest(house))).documents
        if one.document_id == document.document_id
    )
    assert await reason_of(head.see(document.document_id)) == "NOT_FOUND"
    await assign(house, head, document, COLLEAGUE, expected_version=left.version)
    assert (await house.colleague.see(document.document_id)).assignee == COLLEAGUE
    for person in (head, house.chief, house.drafter, moved):
        assert await reason_of(person.see(document.document_id)) == "NOT_FOUND"
