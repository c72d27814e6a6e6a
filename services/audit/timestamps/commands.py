"""Getting a time-stamp for the newest archived checkpoint, from the object store or from the authority."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.x509 import Certificate

from chassis.db import Pool, transaction
from services.audit.outgoing import NoAnswer, Outgoing
from services.audit.timestamps import store, tokens
from services.audit.timestamps.tokens import TokenError
from services.audit.vault import Vault

# The transaction waits for the request, and sessions may idle for 30.
REQUEST_SECONDS = 15.0
LOCK = 0x54494D45


class NotStamped(Exception):
    """There is no token this time. The message says why; nothing was kept."""


@dataclass(frozen=True)
class Authority:
    """A time-stamping authority: its address (a secret: it may hold a password) and the roots of its certificate."""

    url: str = field(repr=False)
    roots: tuple[Certificate, ...]


async def stamp(
    pool: Pool, vault: Vault, http: Outgoing, authority: Authority, now: Callable[[], dt.datetime]
) -> int | None:
    """A token for the newest archived checkpoint that has none; its size, None if there is nothing to do.

    First the object store gets the token, under lock, then the database: killed in between, the next run finds it there
    and asks nobody. NotStamped, and StoreError if the object store does not answer.
    """
    async with transaction(pool) as conn:
        if not await store.try_lead(conn, LOCK):
            return None
        found = await store.newest_unstamped(conn)
        if found is None:
            return None
        path = f"timestamps/{found.size}.tsr"
        token = await vault.kept(found.log_year, path)
        try:
            if token is None:
                token = await _ask(http, authority, found.note, now)
                await vault.keep(found.log_year, path, token)
            stamped_at = tokens.verify(token, found.note, authority.roots)
        except TokenError as error:
            raise NotStamped(str(error)) from error
        await store.insert_token(conn, found.log_year, found.size, token, stamped_at)
    return found.size


async def _ask(http: Outgoing, authority: Authority, content: bytes, now: Callable[[], dt.datetime]) -> bytes:
    """A verified answer to a fresh request. NotStamped, TokenError."""
    request = tokens.request_for(content)
    try:
        answer = await http.post(authority.url, request.as_bytes(), tokens.QUERY_TYPE, tokens.MAX_TOKEN_BYTES)
    except NoAnswer as error:
        raise NotStamped(f"the authority: {error}") from error
    if answer.status != 200:
        raise NotStamped(f"the authority answered {answer.status}")
    tokens.verify_fresh(answer.body, content, authority.roots, request.nonce, now())
    return answer.body
