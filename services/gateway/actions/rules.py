"""専決規程: versions of decision rules, what the check finds, import and activation. For the records office."""

from __future__ import annotations

from kanketsu.approvals.v1 import decision_rules_service_pb2 as pb
from kanketsu.documents.v1 import follow_ups_service_pb2 as follow_ups_pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import View
from services.gateway.views import rules as views


async def file_plan(clients: Clients, caller: Caller) -> list[pb.PlannedMatter]:
    """Who may draft in which matter, of documents, for the check: approvals does not know the classes."""
    rpc = clients.follow_ups.rpc
    answer = await clients.follow_ups.ask(rpc.ListFollowUpClasses, follow_ups_pb.ListFollowUpClassesRequest(), caller)
    found = {(one.file_plan_class.unit_id, one.file_plan_class.matter) for one in answer.classes}
    return [pb.PlannedMatter(unit_id=unit, matter=matter) for unit, matter in sorted(found)]


async def versions(clients: Clients, caller: Caller, *, body: str = "") -> Answer:
    """Versions of a body, or of all; the latest first day first."""
    rpc = clients.rules.rpc
    answer = await clients.rules.ask(rpc.ListRuleVersions, pb.ListRuleVersionsRequest(body=body), caller)
    return page_of((views.rule_version(one) for one in answer.versions), "", answer.access_record)


async def version(clients: Clients, caller: Caller, rule_version_id: str) -> Answer:
    """One version with its rules, compared with the day before it begins, and checked."""
    rpc = clients.rules.rpc
    request = pb.GetRuleVersionRequest(rule_version_id=rule_version_id, file_plan=await file_plan(clients, caller))
    answer = await clients.rules.ask(rpc.GetRuleVersion, request, caller)
    body = views.rule_version(answer.version) | {
        "rules": [views.decision_rule(one) for one in answer.rules],
        "compared_with": answer.compared_with or None,
        "difference": views.rule_difference(answer.difference),
        "findings": [views.rule_finding(one) for one in answer.findings],
        "rules_csv": answer.rules_csv,
    }
    return Answer(body, answer.access_record)


async def findings(clients: Clients, caller: Caller, *, on: str = "", body: str = "") -> Answer:
    """What the check finds in the rules in force on an ISO date, today when empty."""
    rpc = clients.rules.rpc
    request = pb.ListRuleFindingsRequest(on=on, body=body, file_plan=await file_plan(clients, caller))
    answer = await clients.rules.ask(rpc.ListRuleFindings, request, caller)
    return page_of((views.rule_finding(one) for one in answer.findings), "", answer.access_record)


async def dry_run(
    clients: Clients, caller: Caller, *, body: str, title: str, valid_from: str, rules_csv: str
) -> Answer:
    """What the CSV would change and what the check finds in it, or what in it cannot be read; nothing is kept."""
    request = pb.ImportRuleVersionRequest(
        body=body,
        title=title,
        valid_from=valid_from,
        rules_csv=rules_csv,
        dry_run=True,
        file_plan=await file_plan(clients, caller),
    )
    answer = await clients.rules.ask(clients.rules.rpc.ImportRuleVersion, request, caller)
    return Answer(_assessed(answer) | {"flaws": [views.rule_flaw(one) for one in answer.flaws]})


async def import_version(
    clients: Clients, caller: Caller, *, body: str, title: str, valid_from: str, rules_csv: str, request_id: str
) -> Answer:
    """The CSV becomes a draft."""
    request = pb.ImportRuleVersionRequest(
        request_id=request_id,
        body=body,
        title=title,
        valid_from=valid_from,
        rules_csv=rules_csv,
        file_plan=await file_plan(clients, caller),
    )
    answer = await clients.rules.ask(clients.rules.rpc.ImportRuleVersion, request, caller)
    return Answer(views.rule_version(answer.version) | _assessed(answer))


async def activate(clients: Clients, caller: Caller, rule_version_id: str, version: int, request_id: str) -> Answer:
    """A draft of somebody else becomes what holds from its first day on."""
    request = pb.ActivateRuleVersionRequest(
        request_id=request_id, rule_version_id=rule_version_id, expected_version=version
    )
    answer = await clients.rules.ask(clients.rules.rpc.ActivateRuleVersion, request, caller)
    return Answer(views.rule_version(answer.version))


async def discard(clients: Clients, caller: Caller, rule_version_id: str, version: int, request_id: str) -> Answer:
    """A draft is dropped, or an activated version taken back before its first day."""
    request = pb.DiscardRuleVersionRequest(
        request_id=request_id, rule_version_id=rule_version_id, expected_version=version
    )
    answer = await clients.rules.ask(clients.rules.rpc.DiscardRuleVersion, request, caller)
    return Answer(views.rule_version(answer.version))


def _assessed(answer: pb.ImportRuleVersionResponse) -> View:
    return {
        "compared_with": answer.compared_with or None,
        "difference": views.rule_difference(answer.difference),
        "findings": [views.rule_finding(one) for one in answer.findings],
    }
