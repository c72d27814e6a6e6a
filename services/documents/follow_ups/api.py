# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs of 次にすること: for the records office alone (FL-06)."""

from __future__ import annotations

from typing import Any, TypeAlias

from chassis import requests
from chassis.db import connection
from chassis.errors import not_found
from chassis.interceptors import identity
from chassis.recorder import Access, Recorder, digest_of, timestamp
from kanketsu.documents.v1 import follow_ups_service_pb2 as pb
from kanketsu.documents.v1.follow_ups_service_pb2_grpc import FollowUpsServiceServicer
from services.documents import messages, policy
from services.documents.commands import Service
from services.documents.follow_ups import commands, store
from services.documents.follow_ups.domain import FollowUp, FollowUpList
from services.documents.follow_ups.store import ListedClass

Context: TypeAlias = Any


class FollowUpsApi(FollowUpsServiceServicer):
    """kanketsu.documents.v1.FollowUpsService."""

    def __init__(self, service: Service, recorder: Recorder) -> None:
        self._service = service
        self._recorder = recorder

    async def ListFollowUpClasses(
        self, request: pb.ListFollowUpClassesRequest, context: Context
    ) -> pb.ListFollowUpClassesResponse:
        """Every class, those of all units too. NOT_PERMITTED."""
        caller = identity()
        policy.may_edit_file_plan(caller)
        async with connection(self._service.pool) as conn:
            found = await store.listed(conn)
        record = await self._recorder.record(
            Access(
                actor=caller,
                action="class.listed",
                object_type="class",
                result_count=len(found),
                result_digest=digest_of(*(one.class_.class_code for one in found)),
            )
        )
        return pb.ListFollowUpClassesResponse(classes=map(_class, found), access_record=record)

    async def GetFollowUps(self, request: pb.GetFollowUpsRequest, context: Context) -> pb.GetFollowUpsResponse:
        """The list of one class. NOT_PERMITTED, NOT_FOUND."""
        messages.check_text(request)
        caller = identity()
        policy.may_edit_file_plan(caller)
        async with connection(self._service.pool) as conn:
            found = await store.find(conn, request.class_code)
        if found is None:
            raise not_found()
        record = await self._recorder.record(
            Access(actor=caller, action="follow_ups.read", object_type="class", object_id=found.class_code)
        )
        return pb.GetFollowUpsResponse(list=_list(found), access_record=record)

    async def SaveFollowUps(self, request: pb.SaveFollowUpsRequest, context: Context) -> pb.SaveFollowUpsResponse:
        """The whole list in its order. NOT_PERMITTED, NOT_FOUND, STALE_VERSION, INVALID_FIELDS by place of the line."""
        messages.check_text(request)
        return await requests.carry_out(
            self._recorder,
            request,
            pb.SaveFollowUpsResponse,
            lambda call: commands.save_follow_ups(
                self._service,
                identity(),
                call,
                request.class_code,
                request.expected_version,
                [_given(one, request.class_code) for one in request.follow_ups],
                lambda made: pb.SaveFollowUpsResponse(list=_list(made)).SerializeToString(),
            ),
        )


def _given(line: pb.PlannedFollowUp, class_code: str) -> FollowUp:
    return FollowUp(
        follow_up_id=line.follow_up_id,
        class_code=class_code,
        after_kind=line.after_kind,
        after_words=line.after_words,
        kind=line.kind,
        title=line.title,
        next_class_code=line.next_class_code,
        body_template_id=line.body_template_id,
    )


def _list(found: FollowUpList) -> pb.FollowUpList:
    return pb.FollowUpList(
        class_code=found.class_code,
        version=found.version,
        follow_ups=[
            pb.PlannedFollowUp(
                follow_up_id=one.follow_up_id,
                after_kind=one.after_kind,
                after_words=one.after_words,
                kind=one.kind,
                title=one.title,
                next_class_code=one.next_class_code,
                body_template_id=one.body_template_id,
            )
            for one in found.follow_ups
        ],
        edited_by=found.edited_by,
        edited_at=None if found.edited_at is None else timestamp(found.edited_at),
    )


def _class(row: ListedClass) -> pb.FollowUpClass:
    return pb.FollowUpClass(
        file_plan_class=messages.class_(row.class_),
        follow_ups=row.follow_ups,
        edited_by=row.edited_by,
        edited_at=None if row.edited_at is None else timestamp(row.edited_at),
    )
