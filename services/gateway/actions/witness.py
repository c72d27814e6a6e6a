"""証人: witnesses, both ways, and what is archived and time-stamped of the log. Hashes alone: mostly no person asks."""

from __future__ import annotations

from kanketsu.audit.v1 import timestamp_service_pb2, witness_service_pb2
from services.gateway.actions.answer import Answer
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import witness as views


async def add_checkpoint(clients: Clients, submission: bytes) -> witness_service_pb2.AddCheckpointResponse:
    """Another log's submission; the verdict as the protocol has it."""
    request = witness_service_pb2.AddCheckpointRequest(submission=submission)
    return await clients.witness.ask(clients.witness.rpc.AddCheckpoint, request, clients.itself)


async def cosigned_checkpoint(clients: Clients, origin_hash: str) -> bytes:
    """The latest checkpoint that we cosigned of a log; empty if there is none."""
    request = witness_service_pb2.GetCosignedCheckpointRequest(origin_hash=origin_hash)
    answer = await clients.witness.ask(clients.witness.rpc.GetCosignedCheckpoint, request, clients.itself)
    return bytes(answer.checkpoint)


async def verifier_key(clients: Clients) -> str:
    """Our key as a witness; empty if we are none."""
    request = witness_service_pb2.GetWitnessKeyRequest()
    answer = await clients.witness.ask(clients.witness.rpc.GetWitnessKey, request, clients.itself)
    return str(answer.verifier_key)


async def witnesses(clients: Clients, caller: Caller) -> Answer:
    """How the witnesses of our own log fare, for audit officers."""
    request = witness_service_pb2.ListWitnessesRequest()
    answer = await clients.witness.ask(clients.witness.rpc.ListWitnesses, request, caller)
    body = {
        "items": [views.witness(one) for one in answer.witnesses],
        "next_cursor": None,
        "signed_size": answer.signed_size,
        "published_size": answer.published_size,
        "lagging": answer.lagging,
    }
    return Answer(body, answer.access_record)


async def archived_checkpoint(clients: Clients, log_year: int, size: int) -> bytes:
    """An archived checkpoint of a year's log (0: the current one), as it was signed."""
    request = timestamp_service_pb2.GetArchivedCheckpointRequest(log_year=log_year, size=size)
    answer = await clients.timestamps.ask(clients.timestamps.rpc.GetArchivedCheckpoint, request, clients.itself)
    return bytes(answer.checkpoint)


async def timestamp(clients: Clients, log_year: int, size: int) -> bytes:
    """The time-stamp over it."""
    request = timestamp_service_pb2.GetTimestampRequest(log_year=log_year, size=size)
    answer = await clients.timestamps.ask(clients.timestamps.rpc.GetTimestamp, request, clients.itself)
    return bytes(answer.token)


async def archived_paths(clients: Clients, log_year: int) -> list[str]:
    """What is archived of a year's log (0: the current one), by the paths under which it is served."""
    request = timestamp_service_pb2.ListArchivedRequest(log_year=log_year)
    answer = await clients.timestamps.ask(clients.timestamps.rpc.ListArchived, request, clients.itself)
    checkpoints = [f"checkpoints/{one.size}" for one in answer.archived]
    return checkpoints + [f"timestamps/{one.size}.tsr" for one in answer.archived if one.stamped]
