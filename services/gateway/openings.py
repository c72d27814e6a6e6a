"""What a person has opened in this session while it waited for them: the receipts that 一括承認 asks for (AP-52).

Noted beside the session and gone with it. Nothing here permits anything: approvals looks at each receipt anew.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from services.gateway.actions.bulk import MOST
from services.gateway.callers import Session
from services.gateway.sessions import OPENINGS, Sessions

# Two tabs may note at the same moment.
_ATTEMPTS = 3


@dataclass(frozen=True)
class Opening:
    """A reading of a document whose case waits for its reader, with all that an act on it names."""

    document_id: str
    case_id: str
    step_id: str
    post_id: str
    # "approve" or "concur"
    action: str
    case_version: int
    version_digest: str
    read_receipt: str


class Openings:
    """The openings of all sessions."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def of(self, session: Session) -> dict[str, Opening]:
        """By step, the latest last."""
        content, _ = await self._sessions.note(session, OPENINGS)
        return _read(content)

    async def remember(self, session: Session, opening: Opening) -> None:
        """Note an opening; of more than a hundred the oldest go. An opening that cannot be noted is as if it had not been."""
        for _ in range(_ATTEMPTS):
            content, revision = await self._sessions.note(session, OPENINGS)
            known = _read(content)
            known.pop(opening.step_id, None)
            known[opening.step_id] = opening
            kept = [dataclasses.asdict(one) for one in list(known.values())[-MOST:]]
            if await self._sessions.write_note(session, OPENINGS, json.dumps(kept).encode(), revision):
                return


def _read(content: bytes) -> dict[str, Opening]:
    """Nothing for what another release wrote in another shape."""
    try:
        found = [Opening(**one) for one in json.loads(content or b"[]")]
    except (ValueError, TypeError):
        return {}
    return {one.step_id: one for one in found}
