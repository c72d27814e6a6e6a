# ruff: noqa: N802, ARG002 - names and arguments of handlers are gRPC's
"""The RPCs about witnesses, both ways. Hashes and sizes only; what people read about our own witnesses is recorded."""

from __future__ import annotations

from typing import Any, Final

import grpc

from chassis import clock, db, recorder
from chassis.db import Pool
from chassis.interceptors import identity
from chassis.recorder import Access, Recorder, digest_of
from kanketsu.audit.v1 import witness_service_pb2 as pb
from kanketsu.audit.v1.witness_service_pb2_grpc import WitnessServiceServicer
from services.audit import policy, tree_store
from services.audit.cosignatures import commands as cosignatures
from services.audit.cosignatures import store as cosignature_store
from services.audit.outside import Outside
from services.audit.vault import Vault
from services.audit.witness import commands, store
from services.audit.witness.domain import Rejected, Verdict

Context = grpc.aio.ServicerContext[Any, Any]

_VERDICTS: Final = {
    Verdict.MALFORMED: pb.SUBMISSION_VERDICT_MALFORMED,
    Verdict.UNTRUSTED: pb.SUBMISSION_VERDICT_UNTRUSTED,
    Verdict.UNKNOWN_LOG: pb.SUBMISSION_VERDICT_UNKNOWN_LOG,
    Verdict.STALE: pb.SUBMISSION_VERDICT_STALE,
    Verdict.INCONSISTENT: pb.SUBMISSION_VERDICT_INCONSISTENT,
}


class WitnessApi(WitnessServiceServicer):
    """kanketsu.audit.v1.WitnessService."""

    def __init__(self, pool: Pool, records: Recorder, vault: Vault, outside: Outside) -> None:
        self._pool = pool
        self._records = records
        self._vault = vault
        self._outside = outside

    async def AddCheckpoint(self, request: pb.AddCheckpointRequest, context: Context) -> pb.AddCheckpointResponse:
        """Another log asks for our cosignature. Not an access: counted, not recorded."""
        witness = self._outside.witness
        if witness is None:
            return pb.AddCheckpointResponse(
                verdict=pb.SUBMISSION_VERDICT_UNKNOWN_LOG, problem="this installation witnesses no log"
            )
        try:
            line = await commands.add_checkpoint(self._pool, self._vault, witness, request.submission, clock.now())
        except Rejected as rejected:
            return pb.AddCheckpointResponse(
                verdict=_VERDICTS[rejected.verdict], size=rejected.size, problem=str(rejected)
            )
        return pb.AddCheckpointResponse(verdict=pb.SUBMISSION_VERDICT_COSIGNED, cosignatures=line)

    async def GetCosignedCheckpoint(
        self, request: pb.GetCosignedCheckpointRequest, context: Context
    ) -> pb.GetCosignedCheckpointResponse:
        """What we last cosigned of a log, so that its monitors need not ask the log."""
        async with db.connection(self._pool) as conn:
            return pb.GetCosignedCheckpointResponse(checkpoint=await store.latest(conn, request.origin_hash))

    async def GetWitnessKey(self, request: pb.GetWitnessKeyRequest, context: Context) -> pb.GetWitnessKeyResponse:
        """Our verifier key as a witness."""
        witness = self._outside.witness
        return pb.GetWitnessKeyResponse(verifier_key=witness.key.verifier.vkey if witness else "")

    async def ListWitnesses(self, request: pb.ListWitnessesRequest, context: Context) -> pb.ListWitnessesResponse:
        """How our witnesses fare."""
        reader = identity()
        policy.require_officer(reader)
        known = self._outside.policy.witnesses.values()
        answer = pb.ListWitnessesResponse()
        async with db.connection(self._pool) as conn:
            reports = await cosignature_store.reports(conn, [one.key.vkey for one in known])
            log = await tree_store.current_log(conn)
            if log is not None:
                published = await cosignatures.published(conn, log, self._outside.policy)
                answer.signed_size = log.checkpoint_size
                answer.published_size = published[0] if published else 0
            if self._outside.policy.demands:
                years = await cosignature_store.unpublished_years(conn)
                answer.lagging = await cosignatures.is_lagging(conn, years, clock.now())
        for one in known:
            shown = answer.witnesses.add(name=one.name, verifier_key=one.key.vkey)
            report = reports.get(one.key.vkey)
            if report is None:
                shown.problem = "has not answered yet" if one.url else "is never asked: it has no address"
                continue
            shown.log_year, shown.size, shown.problem = report.log_year, report.size, report.problem
            if report.answered_at is not None:
                shown.answered_at.CopyFrom(recorder.timestamp(report.answered_at))
        answer.access_record = await self._records.record(
            Access(
                actor=reader,
                action="audit.read",
                object_type="witness",
                query_digest=digest_of("witnesses"),
                result_count=len(answer.witnesses),
                result_digest=digest_of(*(one.verifier_key for one in answer.witnesses)),
            )
        )
        return answer
