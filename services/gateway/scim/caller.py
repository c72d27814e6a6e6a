"""The program of the city's directory: a bearer token of an audience and a role of their own, nobody else's.

A person's token, or a program's for the JSON API, is for another audience; and this one opens nothing but SCIM.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request

from chassis import clock
from chassis.errors import DomainError, Kind
from chassis.identity import Identity
from services.gateway.callers import Caller
from services.gateway.errors import Refusal, refusal
from services.gateway.oidc import Provider
from services.gateway.settings import Settings
from services.gateway.signin import SignIn, terminal_of

# Given by the issuer, in `scope`, `scp` or `roles`; nobody has it until the city gives it.
ROLE: Final = "directory_writer"
# Who acts, in the log and to the services.
DIRECTORY: Final = "service:directory"
REMEMBER: Final = 100


class DirectoryAccess:
    """Admits the directory's program, and records that it did."""

    def __init__(self, settings: Settings, provider: Provider, sign_in: SignIn) -> None:
        self._settings = settings
        self._provider = provider
        self._sign_in = sign_in
        # (sha256 of a token, terminal) → (expiry, caller).
        self._known: OrderedDict[tuple[bytes, str], tuple[float, Caller]] = OrderedDict()

    async def caller(self, request: Request) -> Caller:
        """TOKEN_INVALID, NOT_PERMITTED without the role; both recorded (SC-01)."""
        terminal = terminal_of(request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        key = (hashlib.sha256(token.strip().encode()).digest(), terminal)
        known = self._known.get(key)
        if known is not None and time.time() < known[0]:
            return known[1]
        try:
            if scheme.lower() != "bearer" or not token.strip():
                raise refusal("TOKEN_INVALID")
            program = await self._provider.program(token.strip(), self._settings.scim_audience)
            if ROLE not in program.roles:
                raise DomainError(Kind.DENIED, "NOT_PERMITTED", metadata={"service": "gateway"})
        except Refusal as refused:
            if refused.status != 503:
                await self._sign_in.record_refusal(terminal, refused.reason)
            raise
        except DomainError as error:
            await self._sign_in.record_refusal(terminal, error.reason)
            raise
        identity = Identity(
            staff_id=DIRECTORY,
            tenant=self._settings.tenant,
            roles=frozenset({ROLE}),
            terminal=terminal,
            session_id=clock.new_id(),
        )
        await self._sign_in.record_login(identity, "bearer", program.subject)
        caller = Caller(identity)
        self._known[key] = (program.expires, caller)
        while len(self._known) > REMEMBER:
            self._known.popitem(last=False)
        return caller


async def directory(request: Request) -> Caller:
    """FastAPI dependency: the directory's program."""
    access: DirectoryAccess = request.app.state.gateway.directory
    return await access.caller(request)


DirectoryCaller = Annotated[Caller, Depends(directory)]
