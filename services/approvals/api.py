"""The servicer: proto in, command or read, proto out. No rules, no SQL; the RPCs of each noun stand in its folder.

Every read is recorded before it is answered, except who somebody is (`organisation/api.py`).
"""

from __future__ import annotations

from chassis.interceptors import Policy, Refusal
from kanketsu.approvals.v1.approvals_service_pb2_grpc import ApprovalsServiceServicer
from services.approvals.cases.api import CasesApi
from services.approvals.circulations.api import CirculationsApi
from services.approvals.deadlines.api import DeadlinesApi
from services.approvals.inbox.api import InboxApi
from services.approvals.organisation.api import OrganisationApi
from services.approvals.routes.api import RoutesApi

POLICY = Policy(
    service="approvals",
    callers={
        "kanketsu.approvals.v1.ApprovalsService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.DecisionRulesService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.RouteTemplatesService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.ReorganisationService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.ProvisioningService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.NoticesService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.MembershipService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.WalkAroundService": frozenset({"gateway"}),
        "kanketsu.approvals.v1.VendorsService": frozenset({"gateway"}),
    },
    refusals={
        "ResolveActor": Refusal("actor.resolved", "staff"),
        "DescribePrincipals": Refusal("directory.described", "directory"),
        "ListUnits": Refusal("directory.listed", "unit"),
        "ListPosts": Refusal("directory.listed", "post", "unit_id"),
        "ListStaff": Refusal("directory.listed", "staff", "unit_id"),
        "ListPresence": Refusal("presence.listed", "staff"),
        "RegisterAbsence": Refusal("absence.registered", "staff", "staff_id"),
        "EndAbsence": Refusal("absence.ended", "absence", "absence_id"),
        "ListAbsences": Refusal("absence.listed", "absence", "staff_id"),
        "PlanRoute": Refusal("route.planned", "document"),
        "DescribeDecider": Refusal("case.explained", "case", "case_id"),
        "ListInbox": Refusal("inbox.listed", "step"),
        "CountInbox": Refusal("inbox.listed", "step"),
        "ListOverdue": Refusal("step.listed", "step"),
        "GetCase": Refusal("case.viewed", "case", "case_id"),
        "ListCases": Refusal("case.history_read", "document", "document_id"),
        "ActOnStep": Refusal("step.acted", "case", "case_id"),
        "RecallCase": Refusal("case.recalled", "case", "case_id"),
        "WithdrawCase": Refusal("case.withdrawn", "case", "case_id"),
        "ReplaceVersion": Refusal("case.taken_back", "case", "case_id"),
        "CirculateCase": Refusal("case.circulated", "case", "case_id"),
        "AskSubstitute": Refusal("case.substitute_asked", "case", "case_id"),
        "AskPullUp": Refusal("case.pull_up_asked", "case", "case_id"),
        "AddSeat": Refusal("case.seat_added", "case", "case_id"),
        "RegisterWalkAround": Refusal("case.decision_registered", "case", "case_id"),
        "ListRuleVersions": Refusal("rules.listed", "rule_version"),
        "GetRuleVersion": Refusal("rules.viewed", "rule_version", "rule_version_id"),
        "ListRuleFindings": Refusal("rules.checked", "rule_finding"),
        "ImportRuleVersion": Refusal("rules.imported", "rule_version"),
        "ActivateRuleVersion": Refusal("rules.activated", "rule_version", "rule_version_id"),
        "DiscardRuleVersion": Refusal("rules.discarded", "rule_version", "rule_version_id"),
        "ListRouteTemplates": Refusal("template.listed", "route_template"),
        "SaveRouteTemplate": Refusal("template.saved", "route_template", "route_template_id"),
        "RetireRouteTemplate": Refusal("template.retired", "route_template", "route_template_id"),
        "ListAccounts": Refusal("account.listed", "staff", "staff_id"),
        "GetAccount": Refusal("account.viewed", "staff", "staff_id"),
        "CreateAccount": Refusal("account.begun", "staff", "staff_id"),
        "ChangeAccount": Refusal("account.changed", "staff", "staff_id"),
        "ListMemberships": Refusal("membership.listed", "unit", "unit_id"),
        "GetMembership": Refusal("membership.viewed", "unit", "unit_id"),
        "ChangeMembership": Refusal("membership.changed", "unit", "unit_id"),
        "DraftChangeSet": Refusal("change_set.drafted", "change_set"),
        "ReviewChangeSet": Refusal("change_set.reviewed", "change_set", "change_set_id"),
        "UndoChangeSet": Refusal("change_set.undone", "change_set", "change_set_id"),
        "GetChangeSet": Refusal("change_set.viewed", "change_set", "change_set_id"),
        "ListChangeSets": Refusal("change_set.listed", "change_set"),
        "ReadChanges": Refusal("directory.compared", "change_set"),
        "GetPersonnelFile": Refusal("directory.exported", "staff"),
        "ReadPersonnelFile": Refusal("directory.compared", "staff"),
        "ImportPersonnelFile": Refusal("change_set.drafted", "change_set"),
        "ListStrandedSteps": Refusal("case.listed", "step"),
        "ReassignStep": Refusal("step.moved", "step", "step_id"),
        "ListTenures": Refusal("directory.listed", "staff", "staff_id"),
        "ListSubstitutes": Refusal("directory.listed", "post", "post_id"),
        "ListNotices": Refusal("notice.listed", "notice"),
        "MarkNoticesRead": Refusal("notice.read", "notice"),
        "GetNoticeChoices": Refusal("notice_choices.viewed", "notice_choices"),
        "ChooseNotices": Refusal("notice_choices.changed", "notice_choices"),
        "ListNewNotices": Refusal("notice.presented", "notice"),
        "GetEscalationList": Refusal("escalation.viewed", "unit", "unit_id"),
        "SaveEscalationList": Refusal("escalation.saved", "unit", "unit_id"),
        "DescribeMembers": Refusal("directory.listed", "unit", "unit_id"),
        "ListVendors": Refusal("vendor.listed", "vendor"),
        "RegisterVendor": Refusal("vendor.registered", "vendor"),
        "RequestWindow": Refusal("maintenance.requested", "vendor", "vendor_id"),
        "ConfirmWindow": Refusal("maintenance.confirmed", "maintenance_window", "window_id"),
        "EndWindow": Refusal("maintenance.ended", "maintenance_window", "window_id"),
    },
)


class Api(OrganisationApi, RoutesApi, InboxApi, DeadlinesApi, CasesApi, CirculationsApi, ApprovalsServiceServicer):
    """kanketsu.approvals.v1.ApprovalsService."""
