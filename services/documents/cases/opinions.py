"""意見: what people wrote with their acts on a case, on its way from approvals to the document that it belongs to (AP-53).

approvals seals it with a key that came with the submission, and only the document opens it again: the key follows from the
document's own, and is gone with that (I6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from chassis import sealing
from chassis.db import Connection
from chassis.errors import DomainError, Kind
from kanketsu.approvals.v1 import events_pb2
from services.documents import store
from services.documents.blobs import KeyWrapper, derived_secret
from services.documents.cases.domain import CaseSnapshot

_PURPOSE: Final = b"kanketsu opinions 1\x00"


async def key_of(conn: Connection, keys: KeyWrapper, document_id: str) -> bytes:
    """The public key that opinions on the document are sealed with. KeyRefused."""
    return sealing.public_key(await _secret(conn, keys, document_id))


async def opened(conn: Connection, keys: KeyWrapper, case: CaseSnapshot, sealed: bytes) -> CaseSnapshot:
    """The case with the words of its acts as "comment". CONTENT_DAMAGED where they are not those that the acts name (I4),
    KeyRefused."""
    if not sealed:
        return case
    secret = await _secret(conn, keys, case.document_id)
    try:
        texts = events_pb2.Opinions.FromString(sealing.unseal(sealed, secret, case.case_id.encode())).texts
    except ValueError as error:
        raise DomainError(Kind.DATA_LOSS, "CONTENT_DAMAGED", f"opinions: {error}") from None
    return replace(case, decisions=tuple(_with_words(act, texts.get(act["decision_id"], "")) for act in case.decisions))


def _with_words(act: Mapping[str, str], text: str) -> Mapping[str, str]:
    if not text:
        return act
    if hashlib.sha256(text.encode()).hexdigest() != act["comment_digest"]:
        raise DomainError(Kind.DATA_LOSS, "CONTENT_DAMAGED", "an opinion is not the one of its act")
    return {**act, "comment": text}


async def _secret(conn: Connection, keys: KeyWrapper, document_id: str) -> bytes:
    return await derived_secret(keys, await store.wrapped_key(conn, document_id), document_id, _PURPOSE)
