"""The rules of documents as pure functions, and the state machine under every order of events."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chassis.errors import DomainError
from services.documents import domain, manifest, receipts, view_classes
from services.documents.cases import domain as case_domain
from services.documents.cases.domain import CaseSnapshot, Lease
from services.documents.domain import (
    Class,
    Document,
    Enforcement,
    Fields,
    Folder,
    Number,
    State,
)
from services.documents.manifest import AttachmentEntry
from services.documents.receipts import Arrival

JST = dt.timezone(dt.timedelta(hours=9))
NOW = dt.datetime(2026, 11, 23, 10, 0, tzinfo=JST)
TODAY = NOW.date()
DIGEST = "a" * 64
CLASS = Class(
    class_code="0403-02-01",
    large="環境",
    middle="補助金",
    small="浄化槽",
    unit_id="U-040-03",
    matter="補助金交付",
    retention="5",
    basis="",
    disclosure=2,
    personal_information=2,
    paper_only=False,
)
FOLDER = Folder(
    folder_id="F-1", unit_id="U-040-03", fiscal_year=2026, class_code="0403-02-01", name="令和8年度綴", retention="5"
)
CONTENT = Fields(
    title="浄化槽設置整備事業補助金の交付決定について（伺い）",
    body="伺います。",
    folder_id="F-1",
    class_code="0403-02-01",
    decision_class="head",
    disclosure=2,
    personal_information=2,
    view_class=1,
    amount=332_000,
    enforcement_required=True,
    enforcement_planned_on=dt.date(2026, 11, 30),
)
SENT = Enforcement(enforced_on=TODAY, method="post", addressee="申請者", collated_by="S0071")


def draft(content: Fields = CONTENT) -> Document:
    return domain.create("d", content, drafter="S0072", post_id="P-040-03-05", unit_id="U-040-03", now=NOW)[0]


def number(register: str, n: int = 1) -> Number:
    return Number(register=register, symbol="箕市", fiscal_year=2026, number=n)


def submitted(document: Document, case_id: str = "c1") -> Document:
    return domain.submit(
        document,
        case_id=case_id,
        route_plan_id="r",
        replacement="",
        version_digest=DIGEST,
        number=None if document.draft_number else number("draft"),
        matter="補助金交付",
        wider_than_receipts=False,
        opinions_key=b"",
        now=NOW,
    )[0]


def case(state: str, version: int = 1, case_id: str = "c1", **given: Any) -> CaseSnapshot:
    values: dict[str, Any] = {
        "case_id": case_id,
        "document_id": "d",
        "case_version": version,
        "state": state,
        "version_digest": DIGEST,
        "leases": (),
        "decisions": (),
        "decided_at": NOW if state == "decided" else None,
        "decided_by": "S0068" if state == "decided" else "",
        "reason": "",
    }
    return CaseSnapshot(**(values | given))


def decided(content: Fields = CONTENT) -> Document:
    return case_domain.follow_case(submitted(draft(content)), case("decided"), NOW)[0]


def problems(error: DomainError) -> dict[str, str]:
    return {f.field: f.problem for f in error.fields}


# ---------------------------------------------------------------- fields


@pytest.mark.parametrize(
    ("given_fields", "expected"),
    [
        ({"title": ""}, {"title": "REQUIRED"}),
        ({"title": "　"}, {"title": "REQUIRED"}),
        ({"title": "あ" * 10_000}, {"title": "TOO_LONG"}),
        ({"title": "改\n行"}, {"title": "INVALID_CHARACTER"}),
        ({"body": "あ" * 100_001}, {"body": "TOO_LONG"}),
        ({"body": "\x00"}, {"body": "INVALID_CHARACTER"}),
        ({"decision_class": "mayor"}, {"decision_class": "UNKNOWN"}),
        ({"enforcement_method": "fax"}, {"enforcement_method": "UNKNOWN"}),
        ({"amount": -1}, {"amount": "OUT_OF_RANGE"}),
        ({"amount": 10**16}, {"amount": "OUT_OF_RANGE"}),
        ({"disclosure": 4}, {"disclosure": "UNKNOWN"}),
        ({"personal_information": -1}, {"personal_information": "UNKNOWN"}),
        ({"receipt_ids": tuple(map(str, range(21)))}, {"receipt_ids": "TOO_MANY"}),
        ({"title": "", "decision_class": "x"}, {"title": "REQUIRED", "decision_class": "UNKNOWN"}),
    ],
)
def test_each_wrong_field_is_named(given_fields: dict[str, Any], expected: dict[str, str]) -> None:
    with pytest.raises(DomainError) as caught:
        domain.check_fields(replace(CONTENT, **given_fields))
    assert problems(caught.value) == expected


def test_a_class_of_another_unit_does_not_exist() -> None:
    for class_ in (None, replace(CLASS, unit_id="U-120-02")):
        with pytest.raises(DomainError) as caught:
            domain.check_filing(CONTENT, "U-040-03", class_, FOLDER)
        assert problems(caught.value) == {"class_code": "UNKNOWN"}


def test_a_folder_gives_its_class_and_the_class_its_defaults() -> None:
    bare = Fields(title="件名", folder_id="F-1")
    filed = domain.check_filing(bare, "U-040-03", CLASS, FOLDER)
    assert (filed.class_code, filed.disclosure, filed.personal_information) == ("0403-02-01", 2, 2)


def test_paper_only_classes_refuse_text() -> None:
    with pytest.raises(DomainError) as caught:
        domain.check_filing(CONTENT, "U-040-03", replace(CLASS, paper_only=True), FOLDER)
    assert caught.value.reason == "PAPER_ONLY"
    domain.check_filing(replace(CONTENT, body=""), "U-040-03", replace(CLASS, paper_only=True), FOLDER)


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"body": ""}, "body"),
        ({"decision_class": ""}, "decision_class"),
        ({"disclosure": 0}, "disclosure"),
        ({"personal_information": 0}, "personal_information"),
        ({"enforcement_planned_on": None}, "enforcement_planned_on"),
    ],
)
def test_lc_04_names_what_is_missing(changes: dict[str, Any], missing: str) -> None:
    document = draft(replace(CONTENT, **changes))
    with pytest.raises(DomainError) as caught:
        domain.check_complete_for_circulation(document, CLASS, FOLDER, "route")
    assert caught.value.reason == "INCOMPLETE"
    assert problems(caught.value) == {missing: "REQUIRED"}


def test_lc_04_needs_class_folder_and_route() -> None:
    with pytest.raises(DomainError) as caught:
        domain.check_complete_for_circulation(draft(), None, None, "")
    assert set(problems(caught.value)) == {"class_code", "folder_id", "route_plan_id"}


def test_no_planned_day_is_needed_when_nothing_is_sent() -> None:
    content = replace(CONTENT, enforcement_required=False, enforcement_planned_on=None)
    domain.check_complete_for_circulation(draft(content), CLASS, FOLDER, "route")


# ---------------------------------------------------------------- after the decision


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"enforced_on": TODAY - dt.timedelta(days=1)}, {"enforced_on": "TOO_EARLY"}),
        ({"enforced_on": TODAY + dt.timedelta(days=1)}, {"enforced_on": "IN_FUTURE"}),
        ({"enforced_on": None}, {"enforced_on": "REQUIRED"}),
        ({"collated_by": ""}, {"collated_by": "REQUIRED"}),
        ({"addressee": ""}, {"addressee": "REQUIRED"}),
        ({"method": ""}, {"method": "REQUIRED"}),
        ({"method": "pigeon"}, {"method": "UNKNOWN"}),
    ],
)
def test_lc_06_and_lc_07(changes: dict[str, Any], expected: dict[str, str]) -> None:
    with pytest.raises(DomainError) as caught:
        domain.check_enforceable(decided(), replace(SENT, **changes), TODAY)
    assert problems(caught.value) == expected


def test_the_day_of_the_decision_is_a_japanese_day() -> None:
    late = dt.datetime(2026, 11, 22, 15, 30, tzinfo=dt.UTC)
    document = replace(decided(), decided_at=late)
    assert domain.check_enforceable(document, SENT, TODAY) == TODAY
    with pytest.raises(DomainError):
        domain.check_enforceable(document, replace(SENT, enforced_on=dt.date(2026, 11, 22)), TODAY)


def test_what_is_not_to_be_sent_is_not_sent_and_completes_on_the_day_of_decision() -> None:
    document = decided(replace(CONTENT, enforcement_required=False))
    with pytest.raises(DomainError) as caught:
        domain.check_enforceable(document, SENT, TODAY)
    assert caught.value.reason == "WRONG_STATE"
    assert domain.completion_day(document, None, TODAY) == TODAY


def test_what_is_to_be_sent_is_sent_before_it_completes() -> None:
    with pytest.raises(DomainError) as caught:
        domain.completion_day(decided(), None, TODAY)
    assert caught.value.reason == "WRONG_STATE"


@pytest.mark.parametrize(
    ("day", "problem"), [(TODAY - dt.timedelta(days=1), "TOO_EARLY"), (TODAY + dt.timedelta(days=1), "IN_FUTURE")]
)
def test_completion_is_between_sending_and_today(day: dt.date, problem: str) -> None:
    document, _ = domain.enforce(decided(), SENT, number("dispatch"), TODAY, NOW)
    with pytest.raises(DomainError) as caught:
        domain.completion_day(document, day, TODAY)
    assert problems(caught.value) == {"completed_on": problem}


def test_fl_04_the_folder_is_of_the_year_of_completion() -> None:
    document = decided(replace(CONTENT, enforcement_required=False))
    with pytest.raises(DomainError) as caught:
        domain.complete(document, TODAY, replace(FOLDER, fiscal_year=2025), CLASS, NOW)
    assert problems(caught.value) == {"folder_id": "WRONG_YEAR"}


def test_fl_03_the_folder_gives_the_retention() -> None:
    document = decided(replace(CONTENT, enforcement_required=False))
    filed, _ = domain.complete(document, TODAY, replace(FOLDER, retention="10"), CLASS, NOW)
    assert (filed.retention, filed.retention_until) == ("10", dt.date(2037, 3, 31))


@pytest.mark.parametrize("chosen", view_classes.BY_WIDTH)
@pytest.mark.parametrize("widest", view_classes.BY_WIDTH)
def test_ac_02_the_class_of_the_folder_admits_the_view_class(chosen: int, widest: int) -> None:
    """Narrower than the class allows is filed; wider is not, and nothing of the document is changed."""
    document = decided(replace(CONTENT, enforcement_required=False, view_class=chosen))
    class_ = replace(CLASS, class_code="other", view_class=widest)
    folder = replace(FOLDER, class_code="other")
    if view_classes.BY_WIDTH.index(chosen) <= view_classes.BY_WIDTH.index(widest):
        filed, _ = domain.complete(document, TODAY, folder, class_, NOW)
        assert (filed.content.class_code, filed.content.view_class) == ("other", chosen)
    else:
        with pytest.raises(DomainError) as caught:
            domain.complete(document, TODAY, folder, class_, NOW)
        assert caught.value.reason == "VIEW_CLASS_NOT_ADMITTED"


def test_what_circulated_is_not_filed_where_content_is_on_paper() -> None:
    """Decision 13, also where the class was made so while the document circulated."""
    document = decided(replace(CONTENT, enforcement_required=False))
    with pytest.raises(DomainError) as caught:
        domain.complete(document, TODAY, FOLDER, replace(CLASS, paper_only=True), NOW)
    assert caught.value.reason == "PAPER_ONLY"


def test_i4_a_decision_about_another_text_is_not_taken() -> None:
    with pytest.raises(DomainError) as caught:
        case_domain.follow_case(submitted(draft()), case("decided", version_digest="b" * 64), NOW)
    assert caught.value.reason == "CONTENT_DAMAGED"


def test_a_refused_case_gives_the_document_back_with_the_reason() -> None:
    document, facts = case_domain.follow_case(submitted(draft()), case("refused", reason="PLAN_MISMATCH"), NOW)
    assert document.state is State.SENT_BACK
    assert [(f.action, f.detail["reason"]) for f in facts] == [("document.sent_back", "PLAN_MISMATCH")]


def test_an_unknown_state_of_a_case_is_refused() -> None:
    with pytest.raises(DomainError):
        case_domain.follow_case(submitted(draft()), case("paused"), NOW)


# ---------------------------------------------------------------- leases

OPEN = Lease(step_id="s2", principal="post:P-040-03-01", acted=False, since=NOW)
ACTED = Lease(step_id="s1", principal="staff:S0070", acted=True, since=NOW)


@pytest.mark.parametrize(
    ("case_state", "document_state", "expected"),
    [
        ("circulating", State.CIRCULATING, {"s1", "s2"}),
        ("decided", State.DECIDED, {"s1", "s2"}),
        ("decided", State.ENFORCED, {"s1", "s2"}),
        # 後閲 is still open after 完結 (decision 2); who acted loses the view (decision 3).
        ("decided", State.COMPLETED, {"s2"}),
        ("sent_back", State.SENT_BACK, {"s1"}),
        ("withdrawn", State.WITHDRAWN, {"s1"}),
        ("rejected", State.REJECTED, {"s1"}),
        ("refused", State.SENT_BACK, {"s1"}),
    ],
)
def test_leases_end_on_every_way_out(case_state: str, document_state: State, expected: set[str]) -> None:
    found = case_domain.leases_in_force(case(case_state, leases=(ACTED, OPEN)), document_state)
    assert {lease.step_id for lease in found} == expected


# ---------------------------------------------------------------- receipts

ARRIVAL = Arrival(
    title="浄化槽設置整備事業補助金交付申請書",
    sender_kind="citizen",
    sender_name="髙﨑 邦夫",
    sender_reference="",
    received_on=TODAY,
    arrived_on=TODAY,
    medium="post",
    unit_id="U-040-03",
    due_on=None,
    class_code="",
    backdated_reason="",
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"arrived_on": TODAY + dt.timedelta(days=1)}, {"arrived_on": "IN_FUTURE", "received_on": "TOO_EARLY"}),
        (
            {"received_on": TODAY - dt.timedelta(days=2), "arrived_on": TODAY - dt.timedelta(days=3)},
            {"backdated_reason": "REQUIRED"},
        ),
        ({"received_on": None}, {"received_on": "REQUIRED"}),
        ({"sender_kind": "alien"}, {"sender_kind": "UNKNOWN"}),
        ({"medium": ""}, {"medium": "REQUIRED"}),
        ({"due_on": TODAY - dt.timedelta(days=1)}, {"due_on": "TOO_EARLY"}),
        ({"class_code": "9999"}, {"class_code": "UNKNOWN"}),
        ({"title": "あ" * 101}, {"title": "TOO_LONG"}),
    ],
)
def test_lc_01(changes: dict[str, Any], expected: dict[str, str]) -> None:
    with pytest.raises(DomainError) as caught:
        receipts.check_arrival(replace(ARRIVAL, **changes), None, TODAY)
    assert problems(caught.value) == expected


def test_a_backdated_receipt_with_a_reason_is_taken() -> None:
    friday = TODAY - dt.timedelta(days=3)
    receipts.check_arrival(
        replace(ARRIVAL, received_on=friday, arrived_on=friday, backdated_reason="閉庁日のため"), None, TODAY
    )


# ---------------------------------------------------------------- digests

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
FIELDS = st.builds(
    Fields,
    title=TEXTS,
    body=TEXTS,
    counterparty=TEXTS,
    amount=st.none() | st.integers(0, 10**15),
    enforcement_planned_on=st.none() | st.dates(),
    receipt_ids=st.lists(TEXTS, max_size=3).map(tuple),
    urgent=st.booleans(),
)
FILES = st.lists(
    st.builds(
        AttachmentEntry,
        attachment_id=TEXTS,
        file_name=TEXTS,
        content_type=st.just("application/pdf"),
        size=st.integers(0, 2**40),
        sha256=st.just("b" * 64),
    ),
    max_size=3,
)
SALT = b"s" * 32


@given(FIELDS, FILES, FIELDS, FILES)
def test_a_version_digest_stands_for_exactly_one_version(
    one: Fields, files: list[AttachmentEntry], other: Fields, others: list[AttachmentEntry]
) -> None:
    first = manifest.version_content("d", 1, one, files, SALT)
    second = manifest.version_content("d", 1, other, others, SALT)
    assert (manifest.digest(first) == manifest.digest(second)) == ((one, files) == (other, others))
    # Anybody can compute it again from the JSON.
    assert rfc8785.dumps(json.loads(first)) == first


@given(FIELDS)
def test_the_salt_keeps_equal_texts_apart(content: Fields) -> None:
    one = manifest.version_content("d", 1, content, [], SALT)
    assert manifest.digest(one) != manifest.digest(manifest.version_content("d", 1, content, [], b"t" * 32))
    assert manifest.digest(one) != manifest.digest(manifest.version_content("d", 2, content, [], SALT))


def test_a_digest_that_must_never_change() -> None:
    content = manifest.version_content("0190d5a0-0000-7000-8000-000000000000", 1, CONTENT, [], bytes(32))
    assert manifest.digest(content) == "6cc246843b7cdb715a4ba4af10cb8a71792a1931a2c1219770d3381870534ccb"


# ---------------------------------------------------------------- every order of events


class Life(RuleBasedStateMachine):
    """Whatever happens in whatever order: versions are contiguous, nothing decided changes, nothing completed moves."""

    def __init__(self) -> None:
        super().__init__()
        self.document = draft()
        self.facts = 1
        self.case_version = 0
        self.cases = 0
        self.decided_content: Fields | None = None
        self.frozen: Document | None = None

    def take(self, result: tuple[Document, list[domain.Fact]]) -> None:
        before = self.document
        self.document, facts = result
        self.facts += len(facts)
        assert before.state is not State.COMPLETED

    def attempt(self, action: str) -> None:
        """What the state forbids is refused and changes nothing."""
        before, refusal = self.document, ""
        try:
            if action == "edit":
                self.take(domain.edit(before, replace(before.content, body="直しました。"), NOW))
            elif action == "attach":
                document, late, facts = domain.attach(before, "a", paper=False, count=0, now=NOW)
                assert late == (before.state in (State.DECIDED, State.ENFORCED))
                self.take((document, facts))
            elif action == "detach":
                self.take(domain.detach(before, "a", NOW))
            elif action == "annotate":
                self.take(domain.annotate(before, "n", "追記します。", NOW))
            elif action == "submit":
                domain.check_complete_for_circulation(before, CLASS, FOLDER, "route")
                self.cases += 1
                self.case_version = 0
                had_number = before.draft_number
                result = domain.submit(
                    before,
                    case_id=f"c{self.cases}",
                    route_plan_id="r",
                    replacement="",
                    version_digest=DIGEST,
                    number=None if had_number else number("draft"),
                    matter="補助金交付",
                    wider_than_receipts=False,
                    opinions_key=b"",
                    now=NOW,
                )
                self.take(result)
                assert not had_number or self.document.draft_number == had_number
            elif action == "enforce":
                domain.check_enforceable(before, SENT, TODAY)
                self.take(domain.enforce(before, SENT, number("dispatch"), TODAY, NOW))
            elif action == "complete":
                day = domain.completion_day(before, None, TODAY)
                filed, _ = domain.complete(before, day, FOLDER, CLASS, NOW)
                self.take(domain.completed(filed, "e" * 64))
            elif action == "delete":
                assert [f.action for f in domain.delete(before)] == ["document.deleted"]
                assert before.state is State.DRAFTING
                assert not before.has_circulated
        except DomainError as error:
            refusal = error.reason
        if refusal:
            assert refusal in ("WRONG_STATE", "IMMUTABLE", "INCOMPLETE")
            assert (refusal == "IMMUTABLE") == (before.state is State.COMPLETED)
            assert self.document is before

    @rule(action=st.sampled_from(["edit", "attach", "detach", "annotate", "enforce", "complete", "delete"]))
    def somebody_tries(self, action: str) -> None:
        self.attempt(action)

    @rule()
    def submit(self) -> None:
        self.attempt("submit")

    @precondition(lambda self: self.cases > 0)
    @rule(
        state=st.sampled_from(["circulating", "sent_back", "refused", "withdrawn", "rejected", "decided"]),
        which=st.integers(1, 5),
    )
    def approvals_announces(self, state: str, which: int) -> None:
        before = self.document
        announced = case(state, 1, f"c{min(which, self.cases)}")
        self.document, facts = case_domain.follow_case(before, announced, NOW)
        self.facts += len(facts)
        if facts:
            assert before.state is State.CIRCULATING
            assert announced.case_id == before.case_id
        else:
            assert self.document == before

    @invariant()
    def versions_are_contiguous(self) -> None:
        assert self.document.version == self.facts

    @invariant()
    def the_decided_text_is_the_kept_text(self) -> None:
        if self.document.decided_at is not None:
            self.decided_content = self.decided_content or self.document.content
            assert self.document.content == self.decided_content
            assert self.document.version_digest == DIGEST

    @invariant()
    def completed_is_for_ever(self) -> None:
        if self.frozen is not None:
            assert self.document == self.frozen
        if self.document.state is State.COMPLETED:
            self.frozen = self.document

    @invariant()
    def a_digest_means_the_text_is_the_frozen_one(self) -> None:
        assert bool(self.document.version_digest) == (
            self.document.has_circulated and self.document.revision == self.document.frozen_revision
        )


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
