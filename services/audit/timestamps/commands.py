"""Getting a time-stamp for the newest archived checkpoint, from the object store or from the authority."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.x509 import Certificate

from chassis.db import Connection, Pool, transaction
from services.audit import archive
from services.audit.export import TIMESTAMPS, token_path
from services.audit.outgoing import NoAnswer, Outgoing
from services.audit.timestamps import store, tokens
from services.audit.timestamps.store import Archived
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
        await _bring_in(conn, vault, authority, found)
        path = token_path(found.size)
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


async def _bring_in(conn: Connection, vault: Vault, authority: Authority, before: Archived) -> None:
    """The rows of tokens that are newer than the newest row and older than `before`: a run was killed before its commit,
    or the database was put back."""
    stamped = [size for size, is_stamped in await store.sizes_of(conn, before.log_year) if is_stamped]
    for path in archive.newer(await vault.kept_in(before.log_year, TIMESTAMPS), stamped):
        size = archive.size_in(path)
        note = await store.archived_at(conn, before.log_year, size)
        if note is None or size >= before.size:
            continue
        token = await vault.kept(before.log_year, path) or b""
        try:
            stamped_at = tokens.verify(token, note, authority.roots)
        except TokenError:
            # None of ours: the daily check names it.
            continue
        await store.insert_token(conn, before.log_year, size, token, stamped_at)


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
