"""What is answered about the organisation over time: plain values as messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chassis import clock
from chassis.identity import Identity
from chassis.recorder import timestamp
from kanketsu.approvals.v1 import reorganisation_service_pb2 as pb
from services.approvals import policy
from services.approvals.changes import domain, personnel, planned, preview, substitutes
from services.approvals.changes.domain import AppointmentRow, Change, Organisation, SubstituteRow
from services.approvals.changes.planned import ChangeSet, SetState
from services.approvals.changes.references import Reference
from services.approvals.organisation.substitute_store import Substitution
from services.approvals.succession.store import Stranded


def change_set(
    made: ChangeSet, caller: Identity, *, findings: Sequence[domain.Finding] = (), whole: bool = False
) -> pb.ChangeSet:
    """`whole` with every change; lists and answers to writes count them."""
    allowed = []
    if made.state in (SetState.DRAFT, SetState.REVIEWED) and policy.reviews(caller.roles):
        in_time = planned.in_time(made, clock.today())
        if made.state is SetState.DRAFT and in_time and made.author != caller.staff_id and not findings:
            allowed.append("review")
        if made.state is SetState.DRAFT or made.effective_on > clock.today():
            allowed.append("undo")
    return pb.ChangeSet(
        change_set_id=made.change_set_id,
        title=made.title,
        effective_on=made.effective_on.isoformat(),
        state=made.state,
        changes=[pb.Change(**vars(change)) for change in made.changes] if whole else [],
        author=made.author,
        drafted_at=timestamp(made.drafted_at),
        reviewed_by=made.reviewed_by,
        reviewed_at=timestamp(made.reviewed_at) if made.reviewed_at else None,
        closed_by=made.closed_by,
        closed_at=timestamp(made.closed_at) if made.closed_at else None,
        reason=made.reason,
        findings=finding_messages(findings),
        version=made.version,
        change_count=len(made.changes),
        allowed_actions=allowed,
        late_reason=made.late_reason,
    )


def finding_messages(found: Iterable[domain.Finding]) -> list[pb.Finding]:
    """Why a set cannot be applied."""
    return [pb.Finding(place=one.place, problem=one.problem, about=one.about) for one in found]


def shown(
    before: Organisation,
    made: Organisation,
    changes: Sequence[Change],
    steps: Mapping[str, int],
    references: Sequence[Reference],
) -> pb.Preview:
    """What a set would do; `steps` is how many open steps each post has that it touches, `references` what it breaks.

    A successor that is too low to decide is named without any, too: there may be some by the day.
    """
    return pb.Preview(
        moves=moves(before, made),
        vacant=vacant(before, made),
        prospects=[
            _prospect(one, steps.get(one.post_id, 0), before, made)
            for one in preview.prospects(before, made, changes)
            if one.post_id in steps or one.outcome == "lower_successor"
        ],
        substitutes=[_list(one, before, made) for one in substitutes.changed_lists(before, made)],
        warnings=[_warning(one, before, made) for one in substitutes.warnings(before, made)],
        references=[pb.ReferenceWarning(kind=one.kind, about=one.about, text=one.text) for one in references],
    )


def moves(before: Organisation, made: Organisation) -> list[pb.Move]:
    """Who moves from where to where."""
    return [
        pb.Move(
            staff_id=one.staff_id,
            name=one.name,
            kind=one.kind,
            before=_placements(before, one.before),
            after=_placements(made, one.after),
        )
        for one in preview.moves(before, made)
    ]


def _placements(organisation: Organisation, rows: Iterable[AppointmentRow]) -> list[pb.Placement]:
    return [_placement(organisation, row.post_id, row.kind) for row in rows]


def _placement(organisation: Organisation, post_id: str, kind: str = "") -> pb.Placement:
    post = organisation.posts.get(post_id)
    unit = organisation.units.get(post.unit_id) if post else None
    return pb.Placement(
        post_id=post_id, title=post.title if post else "", unit_name=unit.name if unit else "", kind=kind
    )


def vacant(before: Organisation, made: Organisation) -> list[pb.Placement]:
    """Posts that nobody holds afterwards."""
    return [_placement(made, post_id) for post_id in preview.vacated(before, made)]


def _prospect(one: preview.Prospect, steps: int, before: Organisation, made: Organisation) -> pb.Prospect:
    holders = made.holders_of(one.acts) if one.acts else []
    return pb.Prospect(
        post=_placement(before, one.post_id),
        open_steps=steps,
        outcome=one.outcome,
        acts=_placement(made, one.acts) if one.acts else None,
        holder_names=[made.staff[row.staff_id].name for row in holders if row.staff_id in made.staff],
    )


def bad_lines(problems: Iterable[personnel.Problem]) -> list[pb.BadLine]:
    """What is wrong with a personnel file."""
    return [pb.BadLine(line=one.line, problem=one.problem, about=one.about) for one in problems]


def stranded(one: Stranded) -> pb.StrandedStep:
    """A step without an addressee: by numbers and ids, never by title (AP-41)."""
    return pb.StrandedStep(
        case_id=one.case_id,
        step_id=one.step_id,
        document_id=one.document_id,
        draft_number=one.draft_number,
        unit_id=one.unit_id,
        step_kind=f"STEP_KIND_{one.kind.upper()}",
        step_state=f"STEP_STATE_{one.state.upper()}",
        cause=one.cause,
        post_id=one.post_id,
        post_title=one.post_title,
        unit_name=one.unit_name,
        ended_on=one.ended_on.isoformat() if one.ended_on else "",
        decision_class=one.decision_class,
        version=one.version,
    )


def _list(one: substitutes.SubstituteList, before: Organisation, made: Organisation) -> pb.SubstituteList:
    return pb.SubstituteList(
        # As it is called from the day on; one that ends, as it was.
        post=_placement(made if one.post_id in made.posts else before, one.post_id),
        matter=one.matter,
        before=[_rank(row, before) for row in one.before],
        after=[_rank(row, made) for row in one.after],
    )


def _rank(row: SubstituteRow, organisation: Organisation) -> pb.Substitute:
    holders = organisation.holders_of(row.substitute_post_id)
    return pb.Substitute(
        place=row.place,
        post=_placement(organisation, row.substitute_post_id),
        holder_names=[organisation.staff[one.staff_id].name for one in holders if one.staff_id in organisation.staff],
    )


def _warning(one: substitutes.Warning, before: Organisation, made: Organisation) -> pb.SubstituteWarning:
    known = made if one.substitute_post_id in made.posts else before
    return pb.SubstituteWarning(
        problem=one.problem,
        post=_placement(made, one.post_id),
        matter=one.matter,
        place=one.place,
        substitute=_placement(known, one.substitute_post_id) if one.substitute_post_id else None,
    )


def substitution(one: Substitution) -> pb.Substitution:
    """A rank of a 代決順位, from when to when."""
    made = pb.Substitution(
        matter=one.matter,
        place=one.place,
        post=pb.Placement(post_id=one.post_id, title=one.title, unit_name=one.unit_name),
        holder_names=one.holders,
        to=one.until.isoformat() if one.until else "",
    )
    # The field is called "from", which is a keyword of Python.
    setattr(made, "from", one.since.isoformat())
    return made
