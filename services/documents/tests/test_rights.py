"""AC-15: to take files out and to print are rights of their own, by the reason for which somebody sees the document."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from chassis.errors import DomainError, Kind
from chassis.settings import SettingsError, load
from kanketsu.documents.v1 import documents_service_pb2 as pb
from kanketsu.event.v1 import envelope_pb2
from services.documents import rights
from services.documents.domain import BREAK_GLASS, REASONS, SENSITIVE
from services.documents.rights import Rights
from services.documents.settings import Settings
from services.documents.store import ReadContext, ViewerRow
from services.documents.tests.conftest import House, Person, snapshot

PDF, WORD = "%PDF-1.7 回覧".encode(), "PK 回覧".encode()
WORD_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
OWNING = {"drafter", "owner_unit", "section", "designated", "records_manager"}
WORKING = {*OWNING, "route_step", "acted"}
# Who decides on it has to open what no browser shows, also where it is sensitive.
READING = {*OWNING, "route_step"}


def context(*reasons: str, personal_information: int = 1) -> ReadContext:
    return ReadContext(reasons, "U-040-03", "0203-01-02", personal_information)


# --- the rule


def test_each_viewer_is_shown_with_what_their_reason_gives() -> None:
    """AC-15: the same rights as for a reader with that reason alone, 要配慮 or not."""
    now = dt.datetime.now(dt.UTC)
    for reason, personal_information in itertools.product(REASONS, (1, SENSITIVE)):
        viewer = ViewerRow("unit:U-040-03", reason, now, None, "", personal_information)
        read = context(reason, personal_information=personal_information)
        assert Rights().beyond_looking(viewer) == (Rights().may_print(read), Rights().may_download(read))


@pytest.mark.parametrize("personal_information", [0, 1, 2, SENSITIVE])
@pytest.mark.parametrize("count", range(len(REASONS) + 1))
def test_every_set_of_reasons_has_its_rights(count: int, personal_information: int) -> None:
    """AC-15: of several reasons the widest counts; 要配慮 leaves printing to the owner unit."""
    sensitive = personal_information == SENSITIVE
    for reasons in itertools.combinations(REASONS, count):
        read = context(*reasons, personal_information=personal_information)
        assert Rights().may_download(read) == bool((READING if sensitive else WORKING) & set(reasons))
        assert Rights().may_print(read) == bool((OWNING if sensitive else WORKING) & set(reasons))


@pytest.mark.parametrize("name", sorted(Rights.__dataclass_fields__))
def test_each_setting_is_about_its_own_right_and_documents(name: str) -> None:
    """AC-15 ⚙: what one of the four gives, the other three do not."""
    nobody = dict.fromkeys(Rights.__dataclass_fields__, ())
    city = Rights(**(nobody | {name: ("circulation",)}))
    given = {
        "download_for": city.may_download(context("circulation")),
        "print_for": city.may_print(context("circulation")),
        "sensitive_download_for": city.may_download(context("circulation", personal_information=SENSITIVE)),
        "sensitive_print_for": city.may_print(context("circulation", personal_information=SENSITIVE)),
    }
    assert given == {right: right == name for right in given}


# Something for every setting that has no default.
ENVIRONMENT = {
    f"KANKETSU_{one.name.upper()}": "x"
    for one in dataclasses.fields(Settings)
    if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
}


def test_a_reason_that_does_not_exist_is_refused_at_the_start() -> None:
    """A typing error must neither open nor close anything unseen."""
    assert load(Settings, ENVIRONMENT).rights() == Rights()
    given = {"KANKETSU_DOWNLOAD_FOR": "owner_unit, circulation", "KANKETSU_SENSITIVE_PRINT_FOR": ""}
    assert load(Settings, ENVIRONMENT | given).rights() == Rights(
        download_for=("owner_unit", "circulation"), sensitive_print_for=()
    )
    given = {"KANKETSU_DOWNLOAD_FOR": "owner_unit,circulatoin", "KANKETSU_SENSITIVE_PRINT_FOR": "all"}
    with pytest.raises(SettingsError) as caught:
        load(Settings, ENVIRONMENT | given).rights()
    assert [problem.partition(" is none of")[0] for problem in caught.value.problems] == [
        "KANKETSU_DOWNLOAD_FOR: 'circulatoin'",
        "KANKETSU_SENSITIVE_PRINT_FOR: 'all'",
    ]


def test_ac_08_no_setting_makes_break_glass_more_than_looking_or_longer_than_a_day() -> None:
    assert load(Settings, ENVIRONMENT).most_break_glass_hours() == 4
    assert load(Settings, ENVIRONMENT | {"KANKETSU_BREAK_GLASS_HOURS": "24"}).most_break_glass_hours() == 24
    for hours in ("0", "25", "-1"):
        with pytest.raises(SettingsError):
            load(Settings, ENVIRONMENT | {"KANKETSU_BREAK_GLASS_HOURS": hours}).most_break_glass_hours()
    for name in Rights.__dataclass_fields__:
        with pytest.raises(SettingsError):
            load(Settings, ENVIRONMENT | {f"KANKETSU_{name.upper()}": "drafter,break_glass"}).rights()


@pytest.mark.parametrize(
    ("content_type", "shown"),
    [
        ("application/pdf", True),
        ("text/plain; charset=shift_jis", True),
        ("IMAGE/PNG", True),
        ("text/html", False),
        ("image/svg+xml", False),
        (WORD_TYPE, False),
        ("", False),
    ],
)
def test_what_no_browser_shows_is_a_download_whatever_was_asked(content_type: str, shown: bool) -> None:
    assert rights.opened_as("download", content_type) == "download"
    for purpose in ("inline", ""):
        assert rights.opened_as(purpose, content_type) == ("inline" if shown else "download")


# --- over gRPC


@dataclass
class Shown:
    """A circulating document that one more person sees, for one reason."""

    document_id: str
    pdf: str
    word: str
    reader: Person


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=[2, SENSITIVE], ids=["personal", "sensitive"])
async def files(house: House, request: pytest.FixtureRequest) -> tuple[pb.Document, str, str, int]:
    """A circulating document with a file that browsers show and one that they do not."""
    draft = await house.drafter.draft(personal_information=request.param)
    pdf = (await house.drafter.upload(draft.document_id, PDF)).attachment.attachment_id
    word = (await house.drafter.upload(draft.document_id, WORD, "回答案.docx", WORD_TYPE)).attachment.attachment_id
    return await house.drafter.submit(draft), pdf, word, request.param


async def seen_for(house: House, files: tuple[pb.Document, str, str, int], reason: str) -> Shown:
    """Somebody of another bureau, who sees it for this reason and no other."""
    document, pdf, word, sensitive = files
    staff_id = f"S9{sensitive}{REASONS.index(reason):02}"
    await house.rows(
        "INSERT INTO viewers (document_id, principal, reason, valid_from) VALUES (%s, %s, %s, now()) RETURNING 1",
        document.document_id,
        f"staff:{staff_id}",
        reason,
    )
    return Shown(document.document_id, pdf, word, house.person(staff_id, "P-120-02-05"))


async def denied(house: House, asked: Person, call: str, shown: Shown, **given: Any) -> envelope_pb2.AccessRecord:
    """The record of a refusal."""
    before = len(await house.records())
    with pytest.raises(DomainError) as caught:
        if call == "read":
            await asked.read(shown.document_id, **given)
        else:
            await asked.call("GetDocument", document_id=shown.document_id, **given)
    (record,) = (await house.records())[before:]
    assert record.outcome == envelope_pb2.OUTCOME_DENIED
    assert (caught.value.kind, caught.value.reason) == (Kind.DENIED, record.reason)
    assert record.actor.staff_id == asked.identity.staff_id
    return record


@pytest.mark.parametrize("reason", [one for one in REASONS if one != BREAK_GLASS])
async def test_reasons_and_rights(house: House, files: tuple[pb.Document, str, str, int], reason: str) -> None:
    """AC-15: every reason lets look; printing, exporting and downloading are given or refused, and recorded as such."""
    shown = await seen_for(house, files, reason)
    reader, sensitive = shown.reader, files[3] == SENSITIVE
    downloads = reason in (READING if sensitive else WORKING)
    prints = reason in (OWNING if sensitive else WORKING)
    looked = await reader.call("GetDocument", document_id=shown.document_id)
    assert (looked.may_download, looked.may_print) == (downloads, prints)
    header, content = await reader.read(shown.document_id, shown.pdf)
    assert content == PDF
    assert (await house.record(header.access_record)).action == "attachment.read"
    refusals = {
        "print": ("document.printed", "PRINT_NOT_PERMITTED"),
        "export": ("document.exported", "DOWNLOAD_NOT_PERMITTED"),
    }
    for purpose, (action, why) in refusals.items():
        if prints if purpose == "print" else downloads:
            answer = await reader.call("GetDocument", document_id=shown.document_id, purpose=purpose)
            assert (await house.record(answer.access_record)).action == action
        else:
            record = await denied(house, reader, "document", shown, purpose=purpose)
            assert (record.action, record.object_id, record.reason) == (action, shown.document_id, why)
    parts: tuple[dict[str, Any], ...] = (
        {"purpose": "download"},
        {"purpose": "download", "offset": 2, "length": 3},
        {"purpose": "inline"},
    )
    for given, file, action in zip(
        parts, (shown.pdf, shown.pdf, shown.word), ("downloaded", "downloaded", "read"), strict=True
    ):
        if downloads:
            header, content = await reader.read(shown.document_id, file, **given)
            assert content == (PDF, PDF[2:5], WORD)[parts.index(given)]
            assert (await house.record(header.access_record)).action == "attachment.downloaded"
        else:
            record = await denied(house, reader, "read", shown, attachment_id=file, **given)
            assert (record.action, record.object_id) == (f"attachment.{action}", file)
            assert record.reason == "DOWNLOAD_NOT_PERMITTED"


async def test_the_city_may_let_whom_it_was_circulated_to_take_files(
    house: House, files: tuple[pb.Document, str, str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """AC-15 ⚙: a 供覧先 is refused, the setting changed, and is served; printing stays as it was."""
    document, pdf, word, sensitive = files
    neighbour = house.person(f"S8{sensitive}", "P-120-02-05")
    await house.rows(
        "INSERT INTO viewers (document_id, principal, reason, valid_from) VALUES (%s, %s, 'circulation', now())"
        " RETURNING 1",
        document.document_id,
        f"staff:S8{sensitive}",
    )
    shown = Shown(document.document_id, pdf, word, neighbour)
    await denied(house, neighbour, "read", shown, attachment_id=pdf, purpose="download")
    wider = (*rights.AT_WORK, "circulation")
    monkeypatch.setattr(house.api, "_rights", Rights(download_for=wider, sensitive_download_for=wider))
    assert (await neighbour.read(document.document_id, pdf, purpose="download"))[1] == PDF
    looked = await neighbour.call("GetDocument", document_id=document.document_id)
    assert (looked.may_download, looked.may_print) == (True, False)
    await denied(house, neighbour, "document", shown, purpose="print")


async def test_who_sees_nothing_learns_nothing_of_rights(
    house: House, files: tuple[pb.Document, str, str, int]
) -> None:
    """AC-03, AC-15: the refusal of a right is only for who may see; for all others there is nothing."""
    document, pdf, _, _ = files
    for purpose in ("print", "export"):
        with pytest.raises(DomainError) as caught:
            await house.stranger.call("GetDocument", document_id=document.document_id, purpose=purpose)
        assert (caught.value.kind, caught.value.reason) == (Kind.NOT_FOUND, "NOT_FOUND")
    with pytest.raises(DomainError) as caught:
        await house.stranger.read(document.document_id, pdf, purpose="download")
    assert (caught.value.kind, caught.value.reason) == (Kind.NOT_FOUND, "NOT_FOUND")


async def test_whom_a_case_shows_it_to_sees_it_as_circulated_until_completion(house: House) -> None:
    """AC-15, AP-10: a step of 供覧 gives the reason of 供覧, before its confirmation and after, and nothing after 完結."""
    document = await house.circulating(enforcement_required=False)
    for acted, principal in ((False, "post:P-040-02-01"), (True, "staff:S0065")):
        case = snapshot(document, 2 + acted, "circulating", acted=["S0070"])
        lease = case.leases.add(step_id="shown", principal=principal, acted=acted, circulation=True)
        getattr(lease, "from").CopyFrom(getattr(case.leases[0], "from"))
        await house.announce("StepMoved", case)
        assert await live(house, document.document_id) >= {(principal, "circulation"), ("staff:S0070", "acted")}
    case = snapshot(document, 9, "decided", acted=["S0070", "S0068"])
    lease = case.leases.add(step_id="shown", principal="staff:S0065", acted=True, circulation=True)
    getattr(lease, "from").CopyFrom(case.decided_at)
    await house.announce("CaseDecided", case)
    assert ("staff:S0065", "circulation") in await live(house, document.document_id)
    await house.drawn()
    await house.locked()
    current = await house.drafter.see(document.document_id)
    await house.drafter.call("CompleteDocument", document_id=document.document_id, expected_version=current.version)
    assert {reason for _, reason in await live(house, document.document_id)} == {"owner_unit"}


async def live(house: House, document_id: str) -> set[tuple[str, str]]:
    """The rights that hold now."""
    rows = await house.rows(
        "SELECT principal, reason FROM viewers WHERE document_id = %s AND (valid_to IS NULL OR valid_to > now())",
        document_id,
    )
    return {(row[0], row[1]) for row in rows}
