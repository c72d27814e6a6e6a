# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of the organisation over time: who asks, one command or one reading, recorded, answered."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from chassis import clock, db
from chassis.db import Connection, Pool
from chassis.errors import DomainError, FieldViolation, Kind, invalid, not_found
from chassis.identity import Identity
from chassis.interceptors import identity
from chassis.outbox import Relay
from chassis.recorder import Access, Recorder, actor_of, listing
from kanketsu.approvals.v1 import reorganisation_service_pb2 as pb
from kanketsu.approvals.v1.reorganisation_service_pb2_grpc import ReorganisationServiceServicer
from services.approvals import policy
from services.approvals.cases.domain import Case
from services.approvals.cases.envelopes import cause_of
from services.approvals.changes import commands, domain, messages, personnel, planned, preview, references, store
from services.approvals.changes.domain import Change, ChangeKind
from services.approvals.changes.planned import ChangeSet, SetState
from services.approvals.changes.references import Reference
from services.approvals.handlers import Writing
from services.approvals.inputs import known_id, require_readable
from services.approvals.notices import store as notices_store
from services.approvals.organisation import store as organisation_store
from services.approvals.organisation.substitute_store import list_substitutes
from services.approvals.rules import store as rules_store
from services.approvals.succession import commands as succession_commands
from services.approvals.succession import store as succession_store
from services.approvals.succession.commands import Reassignment
from services.approvals.templates import store as templates_store

MAX_SETS = 200
MAX_TENURES = 1000

Context = grpc.aio.ServicerContext[Any, Any]
A = TypeVar("A", bound=Message)


class Api(Writing, ReorganisationServiceServicer):
    """kanketsu.approvals.v1.ReorganisationService. `records_unit` gets what a unit without a successor owned (RT-10)."""

    def __init__(self, pool: Pool, relay: Relay, recorder: Recorder, records_unit: str = "") -> None:
        super().__init__(pool, relay, recorder)
        self._records_unit = records_unit

    # --- change sets ----------------------------------------------------------------------------

    async def DraftChangeSet(self, request: pb.DraftChangeSetRequest, context: Context) -> pb.DraftChangeSetResponse:
        """A plan for one day: ahead, or of people and posts also today and, with a reason, earlier (AC-06)."""
        return await self._draft(request, pb.DraftChangeSetResponse, _changes(request.changes))

    async def ReadChanges(self, request: pb.ReadChangesRequest, context: Context) -> pb.ReadChangesResponse:
        """What the changes would do; nothing is kept."""
        caller = identity()
        policy.require_planner(caller.roles)
        require_readable(request)
        day, changes = _day(request.effective_on, "effective_on"), _changes(request.changes)
        planned.require_changes(day, changes, clock.today())
        wish = ChangeSet(clock.new_id(), "", day, SetState.DRAFT, tuple(changes), caller.staff_id, clock.now())
        async with db.transaction(self._pool) as conn, conn.transaction(force_rollback=True):
            # The rehearsal writes what follows what, for a set that is there.
            await store.insert(conn, wish)
            findings, shown = await self._previewed(conn, wish)
        record = await self._listed("directory.compared", "change_set", request, [])
        return pb.ReadChangesResponse(preview=shown, findings=messages.finding_messages(findings), access_record=record)

    async def ReviewChangeSet(self, request: pb.ReviewChangeSetRequest, context: Context) -> pb.ReviewChangeSetResponse:
        """Another person lets it take effect, at midnight of its day or at once when that has begun."""
        caller = identity()
        return await self._write(
            request,
            pb.ReviewChangeSetResponse,
            lambda call: commands.review(
                self._pool,
                call,
                known_id(request.change_set_id),
                request.expected_version,
                caller.staff_id,
                caller.roles,
                cause_of(actor_of(caller)),
                lambda made: pb.ReviewChangeSetResponse(
                    change_set=messages.change_set(made, caller)
                ).SerializeToString(),
                clock.now(),
                self._records_unit,
            ),
        )

    async def UndoChangeSet(self, request: pb.UndoChangeSetRequest, context: Context) -> pb.UndoChangeSetResponse:
        """Called off, until midnight of its day."""
        caller = identity()
        return await self._write(
            request,
            pb.UndoChangeSetResponse,
            lambda call: commands.undo(
                self._pool,
                call,
                known_id(request.change_set_id),
                request.expected_version,
                request.reason,
                caller.staff_id,
                caller.roles,
                cause_of(actor_of(caller)),
                lambda made: pb.UndoChangeSetResponse(change_set=messages.change_set(made, caller)).SerializeToString(),
                clock.now(),
            ),
        )

    async def GetChangeSet(self, request: pb.GetChangeSetRequest, context: Context) -> pb.GetChangeSetResponse:
        """A plan with what it would do today."""
        caller = identity()
        policy.require_planner(caller.roles)
        shown: pb.Preview | None = None
        async with db.transaction(self._pool) as conn:
            found = await store.find(conn, known_id(request.change_set_id))
            if found is None:
                raise not_found()
            findings: Sequence[domain.Finding] = found.findings
            if found.closed_at is None:
                findings, shown = await self._previewed(conn, found)
        record = await self._recorder.record(
            Access(actor=caller, action="change_set.viewed", object_type="change_set", object_id=found.change_set_id)
        )
        return pb.GetChangeSetResponse(
            change_set=messages.change_set(found, caller, findings=findings, whole=True),
            preview=shown,
            access_record=record,
        )

    async def ListChangeSets(self, request: pb.ListChangeSetsRequest, context: Context) -> pb.ListChangeSetsResponse:
        """The latest day first."""
        caller = identity()
        policy.require_planner(caller.roles)
        async with db.connection(self._pool) as conn:
            found = await store.list_sets(conn, MAX_SETS)
        record = await self._listed("change_set.listed", "change_set", request, [one.change_set_id for one in found])
        return pb.ListChangeSetsResponse(
            change_sets=[messages.change_set(one, caller) for one in found], access_record=record
        )

    # --- the personnel file ---------------------------------------------------------------------

    async def GetPersonnelFile(
        self, request: pb.GetPersonnelFileRequest, context: Context
    ) -> pb.GetPersonnelFileResponse:
        """The staff of a day as planned, as the file that the other two take."""
        policy.require_planner(identity().roles)
        day = _day(request.effective_on, "effective_on")
        async with db.connection(self._pool) as conn:
            then = await commands.projected(conn, day)
        record = await self._listed("directory.exported", "staff", request, sorted(then.staff))
        return pb.GetPersonnelFileResponse(content=personnel.written(then), access_record=record)

    async def ReadPersonnelFile(
        self, request: pb.ReadPersonnelFileRequest, context: Context
    ) -> pb.ReadPersonnelFileResponse:
        """What the file would change, or every bad line; nothing is kept."""
        policy.require_planner(identity().roles)
        day = _day(request.effective_on, "effective_on")
        async with db.connection(self._pool) as conn:
            before = await commands.projected(conn, day)
        found = personnel.compare(request.content, before)
        record = await self._listed("directory.compared", "staff", request, [])
        if found.problems:
            return pb.ReadPersonnelFileResponse(bad_lines=messages.bad_lines(found.problems), access_record=record)
        return pb.ReadPersonnelFileResponse(
            moves=messages.moves(before, found.made), vacant=messages.vacant(before, found.made), access_record=record
        )

    async def ImportPersonnelFile(
        self, request: pb.ImportPersonnelFileRequest, context: Context
    ) -> pb.ImportPersonnelFileResponse:
        """The difference becomes a draft; with a bad line nothing does."""
        policy.require_planner(identity().roles)
        async with db.connection(self._pool) as conn:
            before = await commands.projected(conn, _day(request.effective_on, "effective_on"))
        found = personnel.compare(request.content, before)
        if found.problems:
            raise invalid(*(FieldViolation(f"content.{bad.line}", bad.problem) for bad in found.problems))
        return await self._draft(request, pb.ImportPersonnelFileResponse, found.changes)

    # --- steps without an addressee -------------------------------------------------------------

    async def ListStrandedSteps(
        self, request: pb.ListStrandedStepsRequest, context: Context
    ) -> pb.ListStrandedStepsResponse:
        """宛先のない回議, as of today (AP-41). By number and id, never by title."""
        policy.require_records_office(identity().roles)
        if not 0 <= request.limit <= 200:
            raise invalid(FieldViolation("limit", "OUT_OF_RANGE"))
        limit = request.limit or 50
        after = _cursor(request.cursor)
        async with db.connection(self._pool) as conn:
            found = await succession_store.list_stranded(conn, clock.today(), after, limit + 1)
        page = found[:limit]
        record = await self._listed("case.listed", "step", request, [one.step_id for one in page])
        return pb.ListStrandedStepsResponse(
            steps=[messages.stranded(one) for one in page],
            next_cursor=page[-1].step_id if len(found) > limit else "",
            access_record=record,
        )

    async def ReassignStep(self, request: pb.ReassignStepRequest, context: Context) -> pb.ReassignStepResponse:
        """The records office names the post that acts, with a reason (AP-41)."""
        caller = identity()
        wish = Reassignment(
            known_id(request.case_id),
            known_id(request.step_id),
            request.post_id,
            request.reason,
            request.expected_version,
        )

        def encode(case: Case) -> bytes:
            return pb.ReassignStepResponse(
                case_id=case.case_id,
                step_id=wish.step_id,
                post_id=case.step(wish.step_id).post_id,
                version=case.version,
            ).SerializeToString()

        return await self._write(
            request,
            pb.ReassignStepResponse,
            lambda call: succession_commands.reassign(
                self._pool,
                call,
                wish,
                caller.staff_id,
                caller.roles,
                cause_of(actor_of(caller)),
                encode,
                clock.now(),
            ),
        )

    # --- who held what --------------------------------------------------------------------------

    async def ListTenures(self, request: pb.ListTenuresRequest, context: Context) -> pb.ListTenuresResponse:
        """Of one post or of one person, ever or on one day; latest first. INVALID_FIELDS without either."""
        require_readable(request)
        if bool(request.post_id) == bool(request.staff_id):
            raise invalid(FieldViolation("post_id", "REQUIRED"))
        day = _day(request.on, "on") if request.on else None
        async with db.connection(self._pool) as conn:
            found = await organisation_store.list_tenures(conn, request.post_id, request.staff_id, day, MAX_TENURES)
        if day is None or day > clock.today():
            # What begins later is nobody's business yet, unless they plan.
            found = [one for one in found if one.since <= clock.today() or _plans(identity())]
        record = await self._listed("directory.listed", "tenure", request, [one.staff_id for one in found])
        made = pb.ListTenuresResponse(access_record=record)
        for one in found:
            entry = made.tenures.add(
                staff_id=one.staff_id,
                name=one.name,
                post_id=one.post_id,
                title=one.title,
                unit_id=one.unit_id,
                unit_name=one.unit_name,
                kind=one.kind,
                to=one.until.isoformat() if one.until else "",
            )
            # The field is called "from", which is a keyword of Python.
            setattr(entry, "from", one.since.isoformat())
        return made

    async def ListSubstitutes(self, request: pb.ListSubstitutesRequest, context: Context) -> pb.ListSubstitutesResponse:
        """Of one post, ever or on one day (AP-13). INVALID_FIELDS without a post."""
        require_readable(request)
        if not request.post_id:
            raise invalid(FieldViolation("post_id", "REQUIRED"))
        day = _day(request.on, "on") if request.on else None
        async with db.connection(self._pool) as conn:
            found = await list_substitutes(conn, request.post_id, day, MAX_TENURES)
        record = await self._listed("directory.listed", "post", request, [one.post_id for one in found])
        return pb.ListSubstitutesResponse(
            substitutions=[messages.substitution(one) for one in found], access_record=record
        )

    # --- shared by the methods ------------------------------------------------------------------

    async def _previewed(self, conn: Connection, found: ChangeSet) -> tuple[list[domain.Finding], pb.Preview]:
        """Why the set would be refused, and what it would do."""
        findings = await commands.findings_of(conn, found, self._records_unit)
        before = await commands.before_of(conn, found)
        made, _ = domain.after(before, found.changes)
        prospects = preview.prospects(before, made, found.changes)
        steps = await succession_store.open_steps_of(conn, [one.post_id for one in prospects])
        named = await _references(conn, found.effective_on, before, made)
        shown = messages.shown(before, made, found.changes, steps, named)
        shown.records_unit = await commands.records_office(conn, found, made, self._records_unit)
        return findings, shown

    async def _draft(self, request: Any, answer: type[A], changes: Sequence[Change]) -> A:
        caller = identity()
        return await self._write(
            request,
            answer,
            lambda call: commands.draft(
                self._pool,
                call,
                request.title,
                _day(request.effective_on, "effective_on"),
                changes,
                request.late_reason,
                caller.staff_id,
                caller.roles,
                cause_of(actor_of(caller)),
                lambda made: answer(change_set=messages.change_set(made, caller)).SerializeToString(),
                clock.now(),
            ),
        )

    async def _listed(self, action: str, object_type: str, request: Message, ids: Sequence[str]) -> str:
        return await self._recorder.record(listing(identity(), action, object_type, request, ids))


async def _references(
    conn: Connection, day: dt.date, before: domain.Organisation, made: domain.Organisation
) -> list[Reference]:
    """What else names what a set ends: the rules of its day, templates, escalation lists."""
    lists = await notices_store.escalation_lists(conn)
    return [
        *references.of_rules(await rules_store.rules_on(conn, "", day), before, made),
        *references.of_templates(await templates_store.shared_templates(conn), before, made),
        *references.of_lists({unit: one.post_ids for unit, one in lists.items()}, before, made),
    ]


# --- proto → plain ------------------------------------------------------------------------------


def _plans(caller: Identity) -> bool:
    try:
        policy.require_planner(caller.roles)
    except DomainError:
        return False
    return True


def _cursor(text: str) -> str:
    try:
        return str(uuid.UUID(text)) if text else ""
    except ValueError:
        raise DomainError(Kind.INVALID, "INVALID_CURSOR", "the cursor is not one of ours") from None


def _day(text: str, name: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise invalid(FieldViolation(name, "NOT_A_DATE" if text else "REQUIRED")) from None


def _changes(given: Sequence[pb.Change]) -> list[Change]:
    return [_change(place, change) for place, change in enumerate(given, start=1)]


def _change(place: int, change: pb.Change) -> Change:
    """One change; INVALID_FIELDS for an unknown kind. What else is wrong with it is a finding."""
    given = {descriptor.name: value for descriptor, value in change.ListFields()}
    try:
        kind = ChangeKind(given.pop("kind", ""))
    except ValueError:
        raise invalid(FieldViolation(f"changes.{place}.kind", "UNKNOWN")) from None
    if "covers" in given:
        given["covers"] = tuple(given["covers"])
    if any("\0" in text for value in given.values() for text in ([value] if isinstance(value, str) else ())):
        raise invalid(FieldViolation(f"changes.{place}", "MALFORMED"))
    return Change(kind, **given)
