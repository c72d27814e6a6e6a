"""/witness: we cosign other municipalities' logs (c2sp.org/tlog-witness). Programs only; status codes are the protocol's.

Submissions are taken from WITNESS_NETWORKS, which the edge checks. The log's signature says who submits, so there is no
session; a submission holds a name, a size and hashes, so it is no access to anything and leaves no access record.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from kanketsu.audit.v1 import witness_service_pb2 as pb
from services.gateway.actions import witness
from services.gateway.api.openapi import answers
from services.gateway.api.replies import clients_of, reply
from services.gateway.api.shapes.witness import WitnessList
from services.gateway.errors import refusal
from services.gateway.signin import SignedIn

router = APIRouter(tags=["witness"])

# The longest proof and a note with dozens of signatures have 10 KiB.
MAX_SUBMISSION_BYTES: Final = 64 * 1024
_TEXT: Final = {"text/plain": {"schema": {"type": "string"}}}
_PLAIN: Final = "text/plain; charset=utf-8"
_STATUS: Final = {
    pb.SUBMISSION_VERDICT_MALFORMED: 400,
    pb.SUBMISSION_VERDICT_UNTRUSTED: 403,
    pb.SUBMISSION_VERDICT_UNKNOWN_LOG: 404,
    pb.SUBMISSION_VERDICT_STALE: 409,
    pb.SUBMISSION_VERDICT_INCONSISTENT: 422,
}
# What the protocol says with a status, in plain text.
_VERDICTS: Final = {
    400: "Not a submission, or its old size is over the checkpoint's.",
    403: "Not signed by a key that is known for the origin; or not from an allowed network.",
    404: "This origin is not witnessed here.",
    409: "The old size is not the latest that was cosigned, which is the body.",
    422: "The checkpoint does not continue the latest that was cosigned.",
}
_SUBMISSION: Final = {
    "requestBody": {
        "required": True,
        "description": "`old <size>`, the consistency proof, an empty line, the signed checkpoint.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


def _verdicts() -> dict[int | str, dict[str, Any]]:
    found = answers(200, None, 403, 413, 429, 500, 503, 504, content=_TEXT, signed_in=False)
    for code, description in _VERDICTS.items():
        kind = "text/x.tlog.size" if code == 409 else "text/plain"
        answer = found.setdefault(code, {"content": {}})
        answer["description"] = description
        answer["content"] = {**answer["content"], kind: {"schema": {"type": "string"}}}
    return found


@router.post("/witness/add-checkpoint", summary="Cosign", responses=_verdicts(), openapi_extra=_SUBMISSION)
async def add_checkpoint(request: Request) -> Response:
    """Cosigns a checkpoint that continues what was seen of its log; answers with the signature line."""
    body = await request.body()
    if len(body) > MAX_SUBMISSION_BYTES:
        raise refusal("TOO_LARGE")
    answer = await witness.add_checkpoint(clients_of(request), body)
    if answer.verdict == pb.SUBMISSION_VERDICT_COSIGNED:
        return Response(answer.cosignatures, media_type=_PLAIN)
    if answer.verdict == pb.SUBMISSION_VERDICT_STALE:
        return Response(f"{answer.size}\n", 409, media_type="text/x.tlog.size")
    return Response(f"{answer.problem}\n", _STATUS[answer.verdict], media_type=_PLAIN)


@router.get(
    "/witness/{origin_hash}/checkpoint",
    summary="Cosigned checkpoint of a log",
    responses=answers(200, None, 403, 404, 422, 429, 500, 503, 504, content=_TEXT, signed_in=False),
)
async def cosigned_checkpoint(
    request: Request,
    origin_hash: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the origin in hex.")],
) -> Response:
    """The latest that was cosigned, with the log's signature and ours: a monitor compares it with what the log shows."""
    note = await witness.cosigned_checkpoint(clients_of(request), origin_hash)
    if not note:
        raise refusal("NOT_FOUND")
    return Response(note, headers={"Cache-Control": "no-cache"}, media_type=_PLAIN)


@router.get(
    "/witness/vkey",
    summary="Verifier key of the witness",
    responses=answers(200, None, 403, 404, 429, 500, 503, 504, content=_TEXT, signed_in=False),
)
async def verifier_key(request: Request) -> Response:
    """Our key as a witness. Whoever relies on it should have it from elsewhere; this is for comparison."""
    key = await witness.verifier_key(clients_of(request))
    if not key:
        raise refusal("NOT_FOUND")
    return Response(key + "\n", headers={"Cache-Control": "no-cache"}, media_type=_PLAIN)


@router.get("/api/v1/audit/witnesses", summary="Witnesses of the log", responses=answers(200, WitnessList, record=True))
async def witnesses(request: Request, caller: SignedIn) -> Response:
    """How far each witness has followed our log, and whether what is published lags, for audit officers."""
    return reply(await witness.witnesses(clients_of(request), caller))
