"""Who may do what: every permission of this service, as functions that raise or answer.

Organisation facts come in as values read in the same transaction. What a case admits at all is in
`cases.domain`; here stands who may do it, from which post, and who may see it.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from chassis.errors import DomainError, Kind, not_found
from services.approvals.cases import acts, additions, consecutive, pull_up, walk_around
from services.approvals.cases import domain as cases
from services.approvals.cases.domain import Act, Action, Case, CaseState, CityRules, Hall, Signature, Step
from services.approvals.members.domain import Membership
from services.approvals.organisation.chart import Chart
from services.approvals.organisation.domain import LINE, Absence, AbsenceReason, HeldPost, Holder, Seat, Unit
from services.approvals.routes.domain import StepKind
from services.approvals.templates.domain import Scope, Template
from services.approvals.vendors.domain import ROLE as VENDOR_ROLE

# The gateway's own identity: it asks who somebody is before there is an identity of theirs.
GATEWAY = "service:gateway"
RECEIPT_LIFETIME = dt.timedelta(hours=12)
# Clocks of one cluster differ by less than this.
_LEEWAY = dt.timedelta(seconds=5)


@dataclass(frozen=True)
class Receipt:
    """A verified read receipt: this person was served this version of this document."""

    document_id: str
    version_digest: str
    staff_id: str
    tenant: str
    # The access record of that reading.
    record: str
    issued_at: dt.datetime


@dataclass(frozen=True)
class Reader:
    """Who asks to see, as signed by the gateway."""

    staff_id: str
    posts: Mapping[str, str]

    @property
    def units(self) -> frozenset[str]:
        """Units of the posts held."""
        return frozenset(self.posts.values())


def require_gateway(staff_id: str) -> None:
    """ResolveActor answers the gateway alone. NOT_PERMITTED."""
    if staff_id != GATEWAY:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "only the gateway asks this")


def require_audit_officer(roles: Collection[str]) -> None:
    """When everybody was there is for those who review the log. NOT_PERMITTED."""
    if "audit_officer" not in roles:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "the presence of everybody is for audit officers")


# --- read receipts ------------------------------------------------------------------------------


def require_receipt(receipt: Receipt, case: Case, staff_id: str, tenant: str, now: dt.datetime) -> None:
    """The act's proof of having seen it: this version, this reader, at most 12 hours old.

    READ_RECEIPT_INVALID for another tenant's or an old one, READ_RECEIPT_MISMATCH for another version,
    document or reader.
    """
    if receipt.tenant != tenant:
        raise DomainError(Kind.PRECONDITION, "READ_RECEIPT_INVALID", "of another tenant")
    if not now - RECEIPT_LIFETIME <= receipt.issued_at <= now + _LEEWAY:
        raise DomainError(Kind.PRECONDITION, "READ_RECEIPT_INVALID", "expired", metadata={"why": "expired"})
    proven = (receipt.document_id, receipt.version_digest, receipt.staff_id)
    if proven != (case.document_id, case.version_digest, staff_id):
        which = "document" if proven[0] != case.document_id else "version" if proven[2] == staff_id else "reader"
        raise DomainError(Kind.PRECONDITION, "READ_RECEIPT_MISMATCH", f"for another {which}", metadata={"which": which})


def opens(receipt: Receipt, document_id: str, staff_id: str, tenant: str, now: dt.datetime) -> bool:
    """Whether the receipt shows that documents let this person see the document lately."""
    return (receipt.document_id, receipt.staff_id, receipt.tenant) == (
        document_id,
        staff_id,
        tenant,
    ) and now - RECEIPT_LIFETIME <= receipt.issued_at <= now + _LEEWAY


# --- seeing a case ------------------------------------------------------------------------------


def may_see(case: Case, reader: Reader, shown: bool) -> bool:
    """The owner unit, holders of a step's post while it waits for them, until 完結 who acted, or `shown`.

    The drafter as one of the unit, and no longer after a transfer (AP-42). Of a document for designated people the unit
    is whose it is; the others are `shown` it (AC-02). `shown`: a valid read receipt of the document. A WAITING step, a
    plan or the list of substitutes gives nothing (domain.md 0.3, AC-11).
    """
    if shown:
        return True
    if case.unit_id in reader.units and (not case.designated or reader.staff_id == case.in_charge):
        return True
    principals = {f"staff:{reader.staff_id}", *(f"post:{post}" for post in reader.posts)}
    return any(lease.principal in principals for lease in cases.leases(case) if not (lease.acted and case.completed))


def require_visible(case: Case | None, reader: Reader, shown: bool) -> Case:
    """The case, or NOT_FOUND for absent and hidden alike (AC-03)."""
    if case is None or not may_see(case, reader, shown):
        raise not_found()
    return case


# --- acting on a step ---------------------------------------------------------------------------


def require_signature(case: Case, step: Step, action: Action, hall: Hall, staff_id: str, post_id: str) -> Signature:
    """The person as they act: name, post, as what they sign (AP-19), and unit of today (AP-40).

    The step says from which post; where several of theirs would do, `post_id` is preferred (AP-44).
    NOT_YOUR_STEP, OWN_DRAFT (AP-43), ACTED_IN_GROUP (AP-45), NOT_ABSENT (AP-14, AP-13), DECIDER_VACANT.
    """
    found = _signature(case, step, action, hall, staff_id, post_id)
    if isinstance(found, DomainError):
        raise found
    return found


def allowed_actions(case: Case, step: Step, hall: Hall, staff_id: str, city: CityRules) -> tuple[Action, ...]:
    """What this person could do on this step now."""
    return tuple(
        action
        for action in acts.possible(case, step, city)
        if isinstance(_signature(case, step, action, hall, staff_id, ""), Signature)
    )


def consecutive_seats(
    case: Case, step: Step, hall: Hall, staff_id: str, city: CityRules
) -> list[tuple[Step, Signature]]:
    """The seats right after this one that the same person holds today, so that one 承認 closes them too (AP-43).

    Up to the first that is another's, or their own draft to decide.
    """
    found: list[tuple[Step, Signature]] = []
    if not isinstance(_signature(case, step, Action.APPROVE, hall, staff_id, ""), Signature):
        return found
    for seat in consecutive.seats_after(case, step, hall, city):
        by = _signature(case, seat, consecutive.action_on(seat), hall, staff_id, "")
        if not isinstance(by, Signature):
            break
        found.append((seat, by))
    return found


def require_consecutive(
    case: Case, step: Step, act: Act, also: Sequence[str], hall: Hall, city: CityRules
) -> list[tuple[Step, Signature]]:
    """The seats that the person was told this 承認 closes too, all of those or the first of them (AP-43).

    NOT_CONSECUTIVE for any other act or seat, also when one of them has become another's since.
    """
    if not also:
        return []
    found = consecutive_seats(case, step, hall, act.by.staff_id, city)[: len(also)]
    if act.action is not Action.APPROVE or act.bulk or [seat.step_id for seat, _ in found] != list(also):
        raise DomainError(Kind.PRECONDITION, "NOT_CONSECUTIVE", "not the seats right after it of the same person")
    return found


def _signature(
    case: Case, step: Step, action: Action, hall: Hall, staff_id: str, post_id: str
) -> Signature | DomainError:
    if action is Action.SUBSTITUTE:
        return _substitute(case, step, hall, staff_id)
    posts = [upper.post_id for upper in cases.later_seats(case, step)] if action is Action.PULL_UP else [step.post_id]
    if action in (Action.DECIDE, Action.DECIDE_CONDITIONALLY) and staff_id in case.barred(step):
        return _own_draft()
    for candidate in sorted(posts, key=lambda candidate: candidate != post_id):
        signature = _sign(hall.seats.get(candidate), staff_id)
        if signature is not None:
            beside = _acted_beside(case, step, staff_id) if action in _ONCE_IN_A_GROUP else None
            return signature if beside is None else _acted_in_group(beside)
    return _not_yours(step, hall)


# What makes a seat of a group pass (AP-45).
_ONCE_IN_A_GROUP = frozenset({Action.APPROVE, Action.CONCUR, Action.DISSENT, Action.PULL_UP})


def _acted_beside(case: Case, step: Step, staff_id: str) -> Signature | None:
    """The person as they acted on another seat of the step's group in this round, None when they have not (AP-45)."""
    beside = (one.holder for one in case.line if one.group == step.group and one.step_id != step.step_id)
    return next((by for by in beside if by is not None and by.staff_id == staff_id), None)


def _acted_in_group(by: Signature) -> DomainError:
    return DomainError(
        Kind.DENIED, "ACTED_IN_GROUP", "nobody acts twice in one group (AP-45)", metadata={"post": by.post_title}
    )


def _substitute(case: Case, step: Step, hall: Hall, staff_id: str) -> Signature | DomainError:
    """代決: the first listed substitute who is there, and only while the decider is recorded as absent (AP-13, 14)."""
    for place, substitute in enumerate(hall.substitutes):
        signature = _sign(hall.seats.get(substitute), staff_id)
        if signature is None:
            continue
        if staff_id in case.authors:
            return _own_draft()
        return _before_substitute(step, hall, hall.substitutes[:place]) or signature
    return _not_yours(step, hall)


def _before_substitute(step: Step, hall: Hall, earlier: Collection[str]) -> DomainError | None:
    """Why a substitute may not decide: the decider is not recorded as absent, or an earlier substitute is there.

    A decider's post that nobody holds is not 不在 (glossary): nobody is a substitute for it.
    """
    decider = hall.seats.get(step.post_id)
    if decider is None or not decider.holders:
        return DomainError(
            Kind.PRECONDITION,
            "DECIDER_VACANT",
            "nobody holds the deciding post, and that is no absence",
            metadata={"post": decider.title if decider is not None else ""},
        )
    if not decider.absent:
        return _not_absent(decider)
    seats = (hall.seats.get(post) for post in earlier)
    present = next((seat for seat in seats if seat is not None and seat.holders and not seat.absent), None)
    return None if present is None else _not_absent(present)


def _not_absent(seat: Seat) -> DomainError:
    holder = seat.holder
    return DomainError(
        Kind.PRECONDITION,
        "NOT_ABSENT",
        "the decider or an earlier substitute is not recorded as absent",
        metadata={"post": seat.title, "holder": holder.name if holder else ""},
    )


def substitute_to_ask(case: Case, hall: Hall) -> str:
    """The substitute's post whose turn it is to stand in for the decider (AP-13, AP-14, AP-17).

    NOT_ABSENT while the decider is there, DECIDER_VACANT when there is none, NO_SUBSTITUTE when no listed one is there.
    """
    if (barred := _before_substitute(case.decider, hall, ())) is not None:
        raise barred
    for post_id in hall.substitutes:
        seat = hall.seats.get(post_id)
        if seat is not None and seat.holders and not seat.absent and not any(map(seat.held_by, case.authors)):
            return post_id
    raise DomainError(Kind.PRECONDITION, "NO_SUBSTITUTE", "nobody on the list of substitutes is there")


def walk_around_decider(case: Case, then: Hall, staff_id: str) -> Signature:
    """Who decided by 持回り, as they were: `then` is the hall of that moment (AP-50).

    The holder of the deciding post, or the first listed substitute who was there while the decider was recorded as
    absent (AP-13, AP-14). OWN_DRAFT for who wrote, submitted or registers it (AP-43), NOT_ABSENT, DECIDER_VACANT,
    NOT_DECIDER for anybody else.
    """
    if staff_id in _interested(case):
        raise _own_draft()
    if (holder := _sign(then.seats.get(case.decider.post_id), staff_id)) is not None:
        return holder
    found = _substitute(case, case.decider, then, staff_id)
    if isinstance(found, DomainError) and found.reason != "NOT_YOUR_STEP":
        raise found
    if isinstance(found, DomainError) or _was_away(then.seats[found.post_id], staff_id):
        raise DomainError(Kind.PRECONDITION, "NOT_DECIDER", "neither held the deciding post then nor stood in for it")
    return found


def _was_away(seat: Seat, staff_id: str) -> bool:
    """Themselves: another holder of the same post may have been there."""
    holder = seat.held_by(staff_id)
    return holder is None or holder.absent


def walk_around_deciders(case: Case, hall: Hall) -> list[Signature]:
    """Whom a 事後登録 could name as of now: holders of the deciding post, then of its substitutes, in order."""
    posts = [case.decider.post_id, *hall.substitutes]
    seats = [hall.seats[post] for post in posts if post in hall.seats]
    signed = [_sign(seat, holder.staff_id) for seat in seats for holder in seat.holders]
    return [one for one in signed if one is not None and one.staff_id not in _interested(case)]


def _interested(case: Case) -> frozenset[str]:
    """Who is never named as having decided by 持回り: its authors, and the 担当者, who alone registers it (AP-43, AP-50)."""
    return case.authors | {case.in_charge}


def signature_of(case: Case, hall: Hall, staff_id: str) -> Signature:
    """The 担当者, who is the drafter until 引継ぎ, as they act on the case itself: from a post of the owner unit.

    NOT_PERMITTED for others, and for one who holds no post of the unit any more (AP-42).
    """
    signature = _in_charge(case, hall, staff_id)
    if signature is None:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "only whose document it is, while they belong to the unit")
    return signature


def _in_charge(case: Case, hall: Hall, staff_id: str) -> Signature | None:
    if staff_id != case.in_charge:
        return None
    own = [seat for seat in hall.seats.values() if seat.unit_id == case.unit_id and seat.held_by(staff_id)]
    return _sign(min(own, key=lambda seat: (seat.post_id != case.drafter_post, seat.post_id), default=None), staff_id)


def require_still_held(step: Step, hall: Hall, staff_id: str) -> Signature:
    """Who recalls must still hold the post, for the step comes back to it. NOT_YOUR_STEP."""
    signature = _sign(hall.seats.get(step.post_id), staff_id)
    if signature is None:
        raise _not_yours(step, hall)
    return signature


def circulator(case: Case, hall: Hall, staff_id: str) -> Signature:
    """Who adds 供覧: the holder of a step that waits, after the decision of the one that decided, else the 担当者 (AP-10).

    NOT_PERMITTED for others.
    """
    return _shows_from(case, hall, staff_id) or signature_of(case, hall, staff_id)


def _shows_from(case: Case, hall: Hall, staff_id: str) -> Signature | None:
    decided = case.state is CaseState.DECIDED
    seats = [step for step in case.line if step.state in cases.OPEN or (decided and step.kind is StepKind.DECIDE)]
    return _sign_one_of(seats, hall, staff_id)


def pull_up_asker(case: Case, hall: Hall, staff_id: str) -> Signature:
    """Who asks a later seat for 引上げ: the holder of a seat it would pull up, else the 担当者. NOT_PERMITTED (AP-17)."""
    return _sign_one_of(pull_up.waiting_seats(case), hall, staff_id) or signature_of(case, hall, staff_id)


def adder(case: Case, hall: Hall, staff_id: str) -> tuple[Step, Signature]:
    """Whose seat on the own line the case waits for, and so may add another before it (AP-54). NOT_PERMITTED."""
    for step in case.line:
        signature = _sign(hall.seats.get(step.post_id), staff_id) if additions.may_add(step) else None
        if signature is not None:
            return step, signature
    raise DomainError(Kind.DENIED, "NOT_PERMITTED", "only whose turn it is on the own line adds a seat")


def require_may_show(case: Case, heads: Collection[str], staff_id: str) -> None:
    """What is for designated people (指定者のみ) only the 所属長 of the owning unit shows to more (AC-12, AC-02).

    DESIGNATED_ONLY.
    """
    if case.designated and staff_id not in heads:
        raise DomainError(Kind.DENIED, "DESIGNATED_ONLY", "only the head of the owning unit shows it to more posts")


def require_may_inform(by: Signature, own_department: Collection[str], informed: Collection[Seat], rank: str) -> None:
    """供覧 outside the owner's department needs a 所属長 (AC-12). NOT_PERMITTED names the post.

    `own_department`: the units of the owner's 部; `rank`: of the post acted from.
    """
    if rank in LINE and LINE.index(rank) >= LINE.index("head"):
        return
    for seat in informed:
        if seat.unit_id not in own_department:
            raise DomainError(
                Kind.DENIED,
                "NOT_PERMITTED",
                f"{by.post_id} may not show it outside its department",
                metadata={"post": seat.title, "unit": seat.unit_name, "why": "outside_department"},
            )


def allowed_on_case(case: Case, hall: Hall, staff_id: str, city: CityRules) -> tuple[Action, ...]:
    """Of the acts on the case itself, what this person could do now."""
    drafts = _in_charge(case, hall, staff_id) is not None
    shows = acts.may_be_shown(case) and (drafts or _shows_from(case, hall, staff_id) is not None)
    if case.state is not CaseState.CIRCULATING:
        return (Action.CIRCULATE,) if shows else ()
    step = acts.recallable(case, staff_id)
    recalls_step = step is not None and _sign(hall.seats.get(step.post_id), staff_id) is not None
    found = {
        Action.RECALL: recalls_step or (drafts and acts.drafter_may_recall(case)),
        Action.WITHDRAW: drafts,
        Action.REPLACE: drafts,
        Action.CIRCULATE: shows,
        Action.ASK_SUBSTITUTE: drafts and _may_ask(case, hall, city),
        Action.ASK_PULL_UP: bool(pull_up.seats_to_ask(case, hall.held))
        and (drafts or _sign_one_of(pull_up.waiting_seats(case), hall, staff_id) is not None),
        Action.ADD_SEAT: any(additions.may_add(s) and _sign(hall.seats.get(s.post_id), staff_id) for s in case.line),
        Action.REGISTER_WALK_AROUND: drafts and not walk_around.barred(case, city),
    }
    return tuple(action for action, allowed in found.items() if allowed)


def _may_ask(case: Case, hall: Hall, city: CityRules) -> bool:
    try:
        asked = substitute_to_ask(case, hall)
    except DomainError:
        return False
    return acts.may_be_substituted(case, city) and case.decider.asked_post_id != asked


def _sign_one_of(steps: Iterable[Step], hall: Hall, staff_id: str) -> Signature | None:
    """From the first of these seats that the person holds; None of those who hold none."""
    signed = (_sign(hall.seats.get(step.post_id), staff_id) for step in steps)
    return next((one for one in signed if one is not None), None)


def _sign(seat: Seat | None, staff_id: str) -> Signature | None:
    holder: Holder | None = seat.held_by(staff_id) if seat is not None else None
    if seat is None or holder is None:
        return None
    title = seat.signed_by(holder)
    return Signature(staff_id, holder.name, seat.post_id, title, seat.unit_id, seat.unit_name, holder.kind)


def _not_yours(step: Step, hall: Hall) -> DomainError:
    seat = hall.seats.get(step.post_id)
    holder = seat.holder if seat else None
    return DomainError(
        Kind.DENIED,
        "NOT_YOUR_STEP",
        "the caller does not hold the post of this step today",
        metadata={"post_id": step.post_id, "post": seat.title if seat else "", "holder": holder.name if holder else ""},
    )


def _own_draft() -> DomainError:
    return DomainError(Kind.DENIED, "OWN_DRAFT", "the drafter does not decide (AP-43)")


# --- planning the organisation -------------------------------------------------------------------


def require_planner(roles: Collection[str]) -> None:
    """人事異動と組織改編 are planned by the records office, the administrators, and a vendor in a 保守時間枠 (AC-09).

    NOT_PERMITTED.
    """
    if not reviews(roles) and VENDOR_ROLE not in roles:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "the records office or an administrator plans")


def reviews(roles: Collection[str]) -> bool:
    """Whether somebody may be the other person of two: of the records office, or an administrator."""
    return bool({"records_officer", "system_admin"} & set(roles))


def require_reviewer(roles: Collection[str]) -> None:
    """What takes two persons is confirmed, undone and ended by the records office and the administrators. NOT_PERMITTED."""
    if not reviews(roles):
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "the records office or an administrator confirms")


def require_administrator(roles: Collection[str]) -> None:
    """Accounts of vendors and their 保守時間枠 are asked for by administrators (AC-09). NOT_PERMITTED."""
    if "system_admin" not in roles:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "an administrator asks for it")


def require_directory_writer(roles: Collection[str]) -> None:
    """Accounts and plain memberships are kept by the program of the city's directory alone. NOT_PERMITTED."""
    if "directory_writer" not in roles:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "for the program of the city's directory")


def require_version(version: int, expected: int) -> None:
    """ABORTED STALE_VERSION: it changed since it was read."""
    if version != expected:
        raise DomainError(Kind.CONFLICT, "STALE_VERSION", f"it is at {version}", metadata={"version": str(version)})


# --- drafting and absences ----------------------------------------------------------------------


def require_drafter_post(posts: Collection[HeldPost], unit_id: str, post_id: str) -> HeldPost:
    """The post drafted from: the named one, else the first held in the unit. NOT_PERMITTED (AP-44)."""
    for post in posts:
        if post.unit_id == unit_id and post_id in ("", post.post_id):
            return post
    raise DomainError(
        Kind.DENIED, "NOT_PERMITTED", "the drafter holds no such post in the unit", metadata={"post_id": post_id}
    )


class Registrar(enum.StrEnum):
    """As who somebody registers an absence (AP-14); nobody else does."""

    SELF = "self"
    # Of a unit of theirs.
    RECORDS_MANAGER = "records_manager"
    # Who heads a unit of theirs, or one above it.
    SUPERIOR = "superior"
    RECORDS_OFFICE = "records_office"


def registrar(
    reader: Reader, roles: Collection[str], staff_id: str, units: Collection[str], superiors: Collection[str]
) -> Registrar | None:
    """As who this person registers absences of a staff member of these units, None for nobody who may."""
    as_whom = {
        Registrar.SELF: staff_id == reader.staff_id,
        Registrar.RECORDS_MANAGER: "records_manager" in roles and bool(reader.units & set(units)),
        Registrar.SUPERIOR: reader.staff_id in superiors,
        Registrar.RECORDS_OFFICE: "records_officer" in roles,
    }
    return next((one for one, holds in as_whom.items() if holds), None)


def require_registrar(
    reader: Reader, roles: Collection[str], staff_id: str, units: Collection[str], superiors: Collection[str]
) -> Registrar:
    """As who they register it. NOT_PERMITTED."""
    found = registrar(reader, roles, staff_id, units, superiors)
    if found is None:
        raise DomainError(
            Kind.DENIED, "NOT_PERMITTED", "for oneself, the unit's records manager, a superior, the office"
        )
    return found


def overseen(reader: Reader, roles: Collection[str], headed: Collection[str], chart: Chart) -> frozenset[str]:
    """The units whose 滞留 somebody answers for (LC-13): `headed` as their 所属長 (AP-19), and as a records manager the
    own ones with the 係 of a 課. A 部長 has none of the 課 below for being one (AC-07)."""
    own = {*reader.units, *chart.sections_below(reader.units)} if "records_manager" in roles else set[str]()
    return frozenset(own | set(headed))


def require_overseen(unit_id: str, overseen: frozenset[str], roles: Collection[str]) -> frozenset[str] | None:
    """The units whose 滞留 is listed: this one, or ("") all that one answers for. None is the city: the records office's.

    NOT_PERMITTED.
    """
    if "records_officer" in roles:
        return frozenset({unit_id}) if unit_id else None
    asked = overseen & {unit_id} if unit_id else overseen
    if not asked:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "for who answers for the unit, and the records office")
    return asked


def require_head(found: Membership | None, staff_id: str) -> Membership:
    """What the 所属長 of a unit may know of it. NOT_PERMITTED, also for a unit that does not exist."""
    if found is None or staff_id not in found.heads:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "for the head of the unit")
    return found


def may_list_absences(
    reader: Reader, roles: Collection[str], units: Collection[str], superiors: Collection[str]
) -> bool:
    """Colleagues of a unit see each other's absences, and so does who registers them."""
    return bool(reader.units & set(units)) or registrar(reader, roles, "", units, superiors) is not None


def seen_reason(absence: Absence, reader: Reader, roles: Collection[str]) -> AbsenceReason | None:
    """Why somebody is away is for themselves, the records manager and who said so; others see only that they are."""
    if reader.staff_id in (absence.staff_id, absence.registered_by) or "records_manager" in roles:
        return absence.reason_code
    return None


# --- decision rules -----------------------------------------------------------------------------


def require_records_office(roles: Collection[str]) -> None:
    """The 専決規程, what the check finds in it, and steps without an addressee (AP-41) are the records office's.

    NOT_PERMITTED.
    """
    if "records_officer" not in roles:
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "only records officers")


# --- templates of routes ------------------------------------------------------------------------


def may_use(template: Template, reader: Reader) -> bool:
    """One's own, a unit's for those who hold a post in it, the city's for everybody."""
    return (
        template.scope is Scope.CITY
        or (template.scope is Scope.PERSONAL and template.owner == reader.staff_id)
        or (template.scope is Scope.UNIT and template.owner in reader.units)
    )


def require_may_keep(template: Template, reader: Reader, roles: Collection[str]) -> None:
    """Oneself, the unit's records manager, or the records office. NOT_PERMITTED."""
    keeper = {Scope.PERSONAL: "clerk", Scope.UNIT: "records_manager", Scope.CITY: "records_officer"}[template.scope]
    if keeper not in roles or not may_use(template, reader):
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", f"only a {keeper} whose template it is")


# --- notices ------------------------------------------------------------------------------------


def require_may_escalate(unit_id: str, reader: Reader, roles: Collection[str]) -> None:
    """Whom a unit's overdue cases are told to is its records manager's, or the records office's. NOT_PERMITTED."""
    if "records_officer" not in roles and not ("records_manager" in roles and unit_id in reader.units):
        raise DomainError(Kind.DENIED, "NOT_PERMITTED", "the unit's records manager, or the records office")


def require_known_unit(unit_id: str, units: Collection[Unit]) -> None:
    """NOT_FOUND for a unit that does not exist today."""
    if all(unit.unit_id != unit_id for unit in units):
        raise not_found()
