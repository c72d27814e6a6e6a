# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of the decision rules, for the records office: proto in, command or recorded reading, proto out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from chassis import clock, db, requests
from chassis.db import Pool
from chassis.errors import FieldViolation, invalid, not_found
from chassis.interceptors import identity
from chassis.outbox import Relay
from chassis.recorder import Access, Recorder, actor_of, digest_of, timestamp
from chassis.requests import Call
from kanketsu.approvals.v1 import decision_rules_service_pb2 as pb
from kanketsu.approvals.v1.decision_rules_service_pb2_grpc import DecisionRulesServiceServicer
from services.approvals import policy
from services.approvals.cases.envelopes import Cause, cause_of
from services.approvals.inputs import known_id
from services.approvals.organisation.domain import BODIES
from services.approvals.routes.domain import Rule
from services.approvals.rules import commands, domain, planned, store, table
from services.approvals.rules.checks import FilePlan, Finding, check
from services.approvals.rules.commands import Assessment
from services.approvals.rules.domain import MAX_TITLE, Difference, Version, VersionState
from services.approvals.rules.table import Flaw

A = TypeVar("A", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]


class RulesApi(DecisionRulesServiceServicer):
    """kanketsu.approvals.v1.DecisionRulesService."""

    def __init__(self, pool: Pool, relay: Relay, recorder: Recorder) -> None:
        self._pool = pool
        self._relay = relay
        self._recorder = recorder

    async def ListRuleVersions(
        self, request: pb.ListRuleVersionsRequest, context: Context
    ) -> pb.ListRuleVersionsResponse:
        """Every version, the latest first day first."""
        policy.require_records_office(identity().roles)
        async with db.connection(self._pool) as conn:
            versions = await store.list_versions(conn, _body(request.body, empty=True))
        record = await self._listed("rules.listed", "rule_version", [one.rule_version_id for one in versions])
        return pb.ListRuleVersionsResponse(versions=_spans(versions), access_record=record)

    async def GetRuleVersion(self, request: pb.GetRuleVersionRequest, context: Context) -> pb.GetRuleVersionResponse:
        """A version with its rules, compared and checked. NOT_FOUND."""
        policy.require_records_office(identity().roles)
        now = clock.now()
        async with db.connection(self._pool) as conn:
            version = await store.find_version(conn, known_id(request.rule_version_id))
            if version is None:
                raise not_found()
            rules = await store.rules_of(conn, version.rule_version_id)
            assessed = await commands.assess(
                conn, version.body, version.valid_from, rules, _plan(request.file_plan), now
            )
            listed = await store.list_versions(conn, version.body)
        record = await self._recorder.record(
            Access(
                actor=identity(),
                action="rules.viewed",
                object_type="rule_version",
                object_id=version.rule_version_id,
            )
        )
        return pb.GetRuleVersionResponse(
            version=next(one for one in _spans(listed) if one.rule_version_id == version.rule_version_id),
            rules=map(_rule, rules),
            compared_with=assessed.compared_with.rule_version_id if assessed.compared_with else "",
            difference=_difference(assessed.difference),
            findings=map(_finding, assessed.findings),
            rules_csv=table.written(rules),
            access_record=record,
        )

    async def ListRuleFindings(
        self, request: pb.ListRuleFindingsRequest, context: Context
    ) -> pb.ListRuleFindingsResponse:
        """What the check finds in what is in force on a day, in the organisation planned for it."""
        policy.require_records_office(identity().roles)
        day = _day(request.on, "on") if request.on else clock.today()
        async with db.connection(self._pool) as conn:
            rules = await store.rules_on(conn, _body(request.body, empty=True), day)
            findings = check(rules, await planned.organisation_on(conn, day), _plan(request.file_plan))
        record = await self._listed("rules.checked", "rule_finding", [finding.text for finding in findings])
        return pb.ListRuleFindingsResponse(findings=map(_finding, findings), access_record=record)

    async def ImportRuleVersion(
        self, request: pb.ImportRuleVersionRequest, context: Context
    ) -> pb.ImportRuleVersionResponse:
        """A CSV becomes a draft, or a dry run says what it would be."""
        caller, now = identity(), clock.now()
        policy.require_records_office(caller.roles)
        version = Version(
            clock.new_id(),
            _body(request.body),
            _title(request.title),
            _day(request.valid_from, "valid_from"),
            VersionState.DRAFT,
            caller.staff_id,
            now,
        )
        domain.require_future(version.valid_from, now.date())
        rules, flaws = table.parse(request.rules_csv, version.body)
        if request.dry_run:
            return await self._dry_run(version, rules, flaws, _plan(request.file_plan))
        if flaws:
            raise invalid(FieldViolation("rules_csv", "MALFORMED"))
        return await self._write(
            request,
            pb.ImportRuleVersionResponse,
            lambda call, cause: commands.import_version(
                self._pool,
                call,
                version,
                rules,
                _plan(request.file_plan),
                caller.roles,
                cause,
                lambda made, assessed: _imported(made, assessed).SerializeToString(),
            ),
        )

    async def ActivateRuleVersion(
        self, request: pb.ActivateRuleVersionRequest, context: Context
    ) -> pb.ActivateRuleVersionResponse:
        """By another person than who imported it, and only when nothing blocking is found."""
        caller = identity()
        return await self._write(
            request,
            pb.ActivateRuleVersionResponse,
            lambda call, cause: commands.activate_version(
                self._pool,
                call,
                known_id(request.rule_version_id),
                request.expected_version,
                caller.staff_id,
                caller.roles,
                cause,
                lambda made: pb.ActivateRuleVersionResponse(version=_version(made)).SerializeToString(),
                clock.now(),
            ),
        )

    async def DiscardRuleVersion(
        self, request: pb.DiscardRuleVersionRequest, context: Context
    ) -> pb.DiscardRuleVersionResponse:
        """A draft, or an activated version before its first day."""
        caller = identity()
        return await self._write(
            request,
            pb.DiscardRuleVersionResponse,
            lambda call, cause: commands.discard_version(
                self._pool,
                call,
                known_id(request.rule_version_id),
                request.expected_version,
                caller.staff_id,
                caller.roles,
                cause,
                lambda made: pb.DiscardRuleVersionResponse(version=_version(made)).SerializeToString(),
                clock.now(),
            ),
        )

    # --- shared by the methods ------------------------------------------------------------------

    async def _write(self, request: Any, answer: type[A], command: Callable[[Call, Cause], Awaitable[bytes]]) -> A:
        cause = cause_of(actor_of(identity()))
        response = await requests.carry_out(self._recorder, request, answer, lambda call: command(call, cause))
        self._relay.wake()
        return response

    async def _dry_run(
        self, version: Version, rules: Sequence[Rule], flaws: Sequence[Flaw], plan: FilePlan
    ) -> pb.ImportRuleVersionResponse:
        if flaws:
            return pb.ImportRuleVersionResponse(
                flaws=[pb.RuleFlaw(line=flaw.line, column=flaw.column, problem=flaw.problem) for flaw in flaws]
            )
        async with db.connection(self._pool) as conn:
            assessed = await commands.assess(conn, version.body, version.valid_from, rules, plan, version.imported_at)
        await self._listed("rules.compared", "rule_finding", [finding.text for finding in assessed.findings])
        answer = _imported(version, assessed)
        answer.ClearField("version")
        return answer

    async def _listed(self, action: str, object_type: str, shown: Sequence[str]) -> str:
        return await self._recorder.record(
            Access(
                actor=identity(),
                action=action,
                object_type=object_type,
                result_count=len(shown),
                result_digest=digest_of(*shown),
            )
        )


# --- proto → plain ------------------------------------------------------------------------------


def _body(text: str, *, empty: bool = False) -> str:
    if text not in BODIES and not (empty and not text):
        raise invalid(FieldViolation("body", "UNKNOWN"))
    return text


def _plan(classes: Iterable[pb.PlannedMatter]) -> FilePlan:
    return {(one.unit_id, one.matter) for one in classes}


def _day(text: str, field: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise invalid(FieldViolation(field, "NOT_A_DATE")) from None


def _title(text: str) -> str:
    if not text.strip():
        raise invalid(FieldViolation("title", "REQUIRED"))
    if len(text) > MAX_TITLE:
        raise invalid(FieldViolation("title", "TOO_LONG"))
    if not text.isprintable():
        raise invalid(FieldViolation("title", "CONTROL_CHARACTER"))
    return text


# --- plain → proto ------------------------------------------------------------------------------


def _spans(versions: Sequence[Version]) -> list[pb.RuleVersion]:
    """With the last day of each: where the next activated one of its body begins. Latest first day first."""
    ends: dict[str, dt.date] = {}
    made: list[pb.RuleVersion] = []
    for version in versions:
        made.append(_version(version))
        if version.state is VersionState.ACTIVATED:
            if version.body in ends:
                made[-1].valid_to = ends[version.body].isoformat()
            ends[version.body] = version.valid_from
    return made


def _version(version: Version) -> pb.RuleVersion:
    return pb.RuleVersion(
        rule_version_id=version.rule_version_id,
        body=version.body,
        title=version.title,
        valid_from=version.valid_from.isoformat(),
        state=version.state,
        imported_by=version.imported_by,
        imported_at=timestamp(version.imported_at),
        settled_by=version.settled_by,
        settled_at=timestamp(version.settled_at) if version.settled_at is not None else None,
        version=version.version,
    )


def _rule(rule: Rule) -> pb.DecisionRule:
    return pb.DecisionRule(
        rule_id=rule.rule_id,
        unit_id=rule.unit_id,
        matter=rule.matter,
        amount_min=rule.amount_min,
        amount_max=rule.amount_max,
        decision_class=rule.decision_class,
        concurrence_posts=rule.concurrence_posts,
        concurrence_after=rule.concurrence_after,
        review_posts=rule.review_posts,
        basis=rule.basis,
        concurrence_need=rule.concurrence_need,
        concurrence_order=rule.concurrence_order,
        provisional=rule.provisional,
    )


def _difference(found: Difference) -> pb.RuleDifference:
    return pb.RuleDifference(
        added=map(_rule, found.added),
        removed=map(_rule, found.removed),
        changed=[pb.RuleChange(before=_rule(before), after=_rule(after)) for before, after in found.changed],
    )


def _finding(finding: Finding) -> pb.RuleFinding:
    return pb.RuleFinding(
        problem=finding.problem,
        blocking=finding.blocking,
        matter=finding.matter,
        rule_ids=finding.rule_ids,
        unit_ids=finding.unit_ids,
        text=finding.text,
    )


def _imported(version: Version, assessed: Assessment) -> pb.ImportRuleVersionResponse:
    return pb.ImportRuleVersionResponse(
        version=_version(version),
        compared_with=assessed.compared_with.rule_version_id if assessed.compared_with else "",
        difference=_difference(assessed.difference),
        findings=map(_finding, assessed.findings),
    )
