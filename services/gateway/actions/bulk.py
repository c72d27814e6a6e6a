"""一括承認 (AP-52): several acts that one person confirmed together, each an RPC and a transaction of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.errors import DomainError
from services.gateway.actions import cases
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.errors import Refusal, refusal_of
from services.gateway.views import View

# More than anybody reads in a day.
MOST = 100
# After these the rest would only wait for the same.
_NOBODY_ANSWERS = frozenset({503, 504})


@dataclass(frozen=True)
class BulkAct:
    """One act as asked for, and who acts from which post."""

    caller: Caller
    case_id: str
    step_id: str
    # "approve" or "concur"
    action: str
    case_version: int
    version_digest: str
    read_receipt: str


@dataclass(frozen=True)
class Outcome:
    """What became of one act: the new case, or why it was refused."""

    act: BulkAct
    case: View | None = None
    refused: Refusal | None = None


async def approve(clients: Clients, acts: Sequence[BulkAct], request_id: str) -> list[Outcome]:
    """Each act in its order; one that is refused leaves the others alone. The same request_id does nothing twice.

    While approvals does not answer the rest is not tried, and is told the same.
    """
    outcomes: list[Outcome] = []
    unanswered: Refusal | None = None
    for act in acts:
        if unanswered is not None:
            outcomes.append(Outcome(act, refused=unanswered))
            continue
        try:
            answer = await cases.act(
                clients,
                act.caller,
                act.case_id,
                act.step_id,
                act.case_version,
                action=act.action,
                comment="",
                version_digest=act.version_digest,
                read_receipt=act.read_receipt,
                request_id=_key(request_id, act.step_id),
                bulk=True,
            )
        except (DomainError, Refusal) as error:
            refused = error if isinstance(error, Refusal) else refusal_of(error)
            unanswered = refused if refused.status in _NOBODY_ANSWERS else None
            outcomes.append(Outcome(act, refused=refused))
        else:
            outcomes.append(Outcome(act, answer.body))
    return outcomes


def _key(request_id: str, step_id: str) -> str:
    """The idempotency key of one act of a request."""
    return hashlib.sha256(f"{request_id}/{step_id}".encode()).hexdigest()
