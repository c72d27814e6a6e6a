"""Read receipts of the documents service: a good signature, or a refusal on record (I2)."""

from __future__ import annotations

import datetime as dt

from chassis import clock, interceptors
from chassis.errors import DomainError, Kind
from chassis.identity import KeyVerifier, unauthenticated
from chassis.recorder import DENIED, Access, Recorder
from services.approvals.policy import Receipt


class Receipts:
    """Opens the tokens that documents signed. What one proves is for `policy`."""

    def __init__(self, keys: KeyVerifier, recorder: Recorder) -> None:
        self._keys = keys
        self._recorder = recorder

    async def open(self, token: str, case_id: str) -> Receipt:
        """What a receipt says. READ_RECEIPT_INVALID without a good signature of documents, and on record."""
        try:
            return self._signed(token)
        except DomainError as error:
            await self._recorder.record(
                Access(
                    actor=interceptors.identity(),
                    action="receipt.presented",
                    object_type="case",
                    object_id=case_id,
                    outcome=DENIED,
                    reason="READ_RECEIPT_INVALID",
                )
            )
            raise DomainError(Kind.PRECONDITION, "READ_RECEIPT_INVALID", error.message) from None

    def _signed(self, token: str) -> Receipt:
        claims = self._keys.claims(token)
        texts = [claims.get(name) for name in ("doc", "ver", "sub", "ten", "rec")]
        issued = claims.get("iat")
        if not all(isinstance(text, str) for text in texts) or not isinstance(issued, int):
            raise unauthenticated("claims are missing")
        document_id, version_digest, staff_id, tenant, record = map(str, texts)
        return Receipt(
            document_id, version_digest, staff_id, tenant, record, dt.datetime.fromtimestamp(issued, tz=clock.JST)
        )
