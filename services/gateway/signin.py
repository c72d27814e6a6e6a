"""Who is calling this request: session cookie or bearer token, checked against forgery from other sites.

Logins, logouts and refusals are recorded before they have any effect; a login that cannot be recorded fails.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import ipaddress
import json
import logging
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis import clock, telemetry
from chassis.errors import DomainError, Kind
from chassis.identity import Identity
from chassis.recorder import DENIED, Access, Recorder
from services.gateway import oidc
from services.gateway.callers import Caller, Person, Session
from services.gateway.errors import Refusal, invalid, refusal, refusal_of
from services.gateway.oidc import Attempt, Provider
from services.gateway.people import People
from services.gateway.sessions import Sessions
from services.gateway.settings import Settings

log = logging.getLogger(__name__)

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
ATTEMPT_SECONDS = 600
REMEMBER = 10_000
# Refusals of one address that are recorded one by one; beyond it the address has to wait.
REFUSALS_PER_MINUTE = 300


@dataclass(frozen=True)
class _Token:
    """A bearer token that was verified and recorded."""

    login: str
    expires: float
    session_id: str


class SignIn:
    """Login, logout, and the caller of each request."""

    def __init__(
        self, settings: Settings, sessions: Sessions, provider: Provider, people: People, recorder: Recorder
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._provider = provider
        self._people = people
        self._recorder = recorder
        prefix = "__Host-" if settings.is_secure else ""
        self.cookie = f"{prefix}sid"
        self._attempt_cookie = f"{prefix}login-"
        # sha256 of a token → what it stands for.
        self._tokens: OrderedDict[bytes, _Token] = OrderedDict()
        self._admitting: dict[bytes, asyncio.Task[_Token]] = {}
        # (login, session, post, terminal) → caller, reused while the person is the same object.
        self._callers: OrderedDict[tuple[str, str, str, str], Caller] = OrderedDict()
        self._refusals: OrderedDict[str, tuple[float, int]] = OrderedDict()

    # --- the caller of a request -----------------------------------------------------------------

    async def caller(self, request: Request, *, used: bool = True) -> Caller:
        """The verified caller, or SIGN_IN_REQUIRED, TOKEN_INVALID, CROSS_SITE, SESSIONS_UNAVAILABLE, UNKNOWN_STAFF.

        What a page asks by itself does not count as use of the session: an open page must not keep it alive.
        """
        terminal = terminal_of(request)
        authorization = request.headers.get("authorization")
        if authorization is not None:
            return await self._of_token(authorization, request, terminal)
        cookie = request.cookies.get(self.cookie)
        session = await self._sessions.find(cookie, used=used) if cookie else None
        if session is None:
            raise refusal("SIGN_IN_REQUIRED")
        try:
            person = await self._people.find(session.login)
        except DomainError as error:
            if error.reason == "UNKNOWN_STAFF":
                # Who has left does not find their session again when they come back (AC-16).
                await self._sessions.end(session)
            raise
        post = request.headers.get("kanketsu-post") or _held(person, session.post)
        caller = self._caller(person, session.id, post, terminal, session)
        if request.method not in SAFE_METHODS and not self._is_same_site(request):
            await self._refused(caller.identity, "request.denied", "CROSS_SITE")
            raise refusal("CROSS_SITE")
        return caller

    def check_form(self, caller: Caller, token: str) -> None:
        """The token of an HTML form must be the session's. CROSS_SITE otherwise."""
        session = caller.session
        if session is None or not secrets.compare_digest(token.encode(), session.csrf.encode()):
            raise refusal("CROSS_SITE")

    async def choose_post(self, caller: Caller, post_id: str) -> None:
        """Act from another held post on the pages (AP-44). INVALID_FIELDS when it is not held."""
        if caller.session is None or caller.staff.post(post_id) is None:
            raise invalid("post_id", "UNKNOWN")
        await self._sessions.choose_post(caller.session, post_id)

    def acting_from(self, caller: Caller, post_id: str) -> Caller:
        """The same person acting from another held post, for one request. INVALID_FIELDS when it is not held."""
        if caller.staff.post(post_id) is None:
            raise invalid("post_id", "UNKNOWN")
        identity = caller.identity
        return self._caller(caller.staff, identity.session_id, post_id, identity.terminal, caller.session)

    async def deny_network(self, request: Request) -> None:
        """Record and refuse a terminal outside the allowed networks (SC-21)."""
        await self._refused(self._unknown(terminal_of(request)), "request.denied", "NETWORK_NOT_ALLOWED")
        raise refusal("NETWORK_NOT_ALLOWED")

    async def _of_token(self, authorization: str, request: Request, terminal: str) -> Caller:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        try:
            if scheme.lower() != "bearer" or not token:
                raise refusal("TOKEN_INVALID")
            known = await self._token(token, terminal)
            person = await self._people.find(known.login)
        except Refusal as refused:
            if refused.status != 503:
                await self._refused(self._unknown(terminal), "session.denied", refused.reason)
            raise
        except DomainError as error:
            if error.kind is Kind.DENIED:
                await self._refused(self._unknown(terminal), "session.denied", error.reason)
            raise
        post = request.headers.get("kanketsu-post") or _held(person, "")
        return self._caller(person, known.session_id, post, terminal, None)

    async def _token(self, token: str, terminal: str) -> _Token:
        digest = hashlib.sha256(token.encode()).digest()
        known = self._tokens.get(digest)
        if known is not None and time.time() < known.expires:
            return known
        admitting = self._admitting.get(digest)
        if admitting is None:
            # One login for all requests that come with a new token at once.
            admitting = self._admitting[digest] = asyncio.create_task(self._admit(token, digest, terminal))
            admitting.add_done_callback(lambda _: self._admitting.pop(digest, None))
        return await asyncio.shield(admitting)

    async def _admit(self, token: str, digest: bytes, terminal: str) -> _Token:
        """Verify a token that was not seen before, and record it."""
        login, expires = await self._provider.access(token)
        person = await self._people.find(login)
        known = _Token(login, expires, clock.new_id())
        caller = self._caller(person, known.session_id, _held(person, ""), terminal, None)
        await self._record(caller.identity, "session.login", method="bearer")
        self._tokens[digest] = known
        while len(self._tokens) > REMEMBER:
            self._tokens.popitem(last=False)
        return known

    def _caller(self, person: Person, session_id: str, post: str, terminal: str, session: Session | None) -> Caller:
        key = (person.login, session_id, post, terminal)
        known = self._callers.get(key)
        if known is not None and known.person is person and known.session is session:
            return known
        if post and person.post(post) is None:
            raise invalid("Kanketsu-Post", "UNKNOWN")
        identity = Identity(
            staff_id=person.staff_id,
            tenant=self._settings.tenant,
            principals=person.principals,
            roles=frozenset(person.roles),
            posts={held.post_id: held.unit_id for held in person.posts},
            acting_post=post,
            terminal=terminal,
            session_id=session_id,
        )
        # A session is read anew every few seconds: signed identities stay good while the identity is the same.
        tokens = known.tokens if known is not None and known.identity == identity else {}
        caller = Caller(identity, person, session, tokens)
        self._callers[key] = caller
        self._callers.move_to_end(key)
        while len(self._callers) > REMEMBER:
            self._callers.popitem(last=False)
        return caller

    def _is_same_site(self, request: Request) -> bool:
        """Fetch Metadata first, else Origin; a browser that sends neither is refused."""
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = request.headers.get("origin")
        if origin is None:
            return False
        return origin in (self._settings.public_origin, f"{request.url.scheme}://{request.headers.get('host', '')}")

    # --- login and logout ------------------------------------------------------------------------

    async def begin(self, target: str) -> Response:
        """Send the browser to the provider; what it must bring back stays in a cookie for ten minutes."""
        attempt = oidc.new_attempt(local_path(target))
        response = RedirectResponse(await self._provider.authorization_url(attempt), 302)
        self._set_cookie(response, self._attempt_name(attempt.state), _encode(attempt), ATTEMPT_SECONDS)
        return response

    async def finish(self, request: Request) -> Response:
        """The provider sent the browser back: verify, record, and only then hand out the cookie."""
        answer = dict(request.query_params)
        name = self._attempt_name(answer.get("state", ""))
        attempt = _decode(request.cookies.get(name, ""))
        terminal = terminal_of(request)
        try:
            if attempt is None:
                raise refusal("LOGIN_FAILED")
            login = await self._provider.finish(attempt, answer)
            person = await self._people.find(login.login)
        except Refusal as refused:
            if refused.status == 400:
                await self._refused(self._unknown(terminal), "session.denied", refused.reason)
            raise
        except DomainError as error:
            if error.kind is Kind.DENIED:
                await self._refused(self._unknown(terminal), "session.denied", error.reason)
            raise
        # If we crash before the cookie is sent, the session expires unused: nobody else knows its name.
        cookie, session = await self._sessions.create(person.login, login.id_token)
        caller = self._caller(person, session.id, _held(person, ""), terminal, session)
        try:
            await self._record(caller.identity, "session.login", method="oidc")
        except DomainError:
            await self._sessions.end(session)
            raise
        response = RedirectResponse(attempt.target, 302)
        self._set_cookie(response, self.cookie, cookie, None)
        self._drop_cookie(response, name)
        # A login replaces the session before it, so that a planted cookie is worth nothing.
        before = request.cookies.get(self.cookie)
        old = await self._sessions.find(before) if before else None
        if old is not None:
            await self._sessions.end(old)
        return response

    async def log_reader(self, request: Request, path: str) -> None:
        """Let an audit officer, or a verifier from its network, have entries of the log, and record it (SC-06)."""
        terminal = terminal_of(request)
        if self._is_verifier(terminal):
            reader = Identity(staff_id="service:verifier", tenant=self._settings.tenant, terminal=terminal)
        else:
            caller = await self.caller(request)
            reader = caller.identity
            if not caller.has_role("audit_officer"):
                await self._refused(reader, "audit.exported", "NOT_PERMITTED")
                raise DomainError(Kind.DENIED, "NOT_PERMITTED", metadata={"service": "audit"})
        await self._recorder.record(Access(actor=reader, action="audit.exported", object_type="log", object_id=path))

    def _is_verifier(self, terminal: str) -> bool:
        try:
            address = ipaddress.ip_address(terminal)
        except ValueError:
            return False
        return any(address in ipaddress.ip_network(network) for network in self._settings.log_networks)

    async def logout(self, caller: Caller) -> Response:
        """End the session first: it must end even when the log does not answer."""
        target = "/"
        if caller.session is not None:
            await self._sessions.end(caller.session)
            target = await self._provider.logout_url(caller.session.id_token) or "/"
        try:
            await self._record(caller.identity, "session.logout")
        except DomainError:
            telemetry.count("logouts.unrecorded")
            log.error("a logout could not be recorded", extra={"session": caller.identity.session_id})
        response = RedirectResponse(target, 302)
        self._drop_cookie(response, self.cookie)
        return response

    # --- recording -------------------------------------------------------------------------------

    async def record_refusal(self, terminal: str, reason: str) -> None:
        """A program that was not admitted. TOO_MANY_REFUSALS, NOT_RECORDED."""
        await self._refused(self._unknown(terminal), "session.denied", reason)

    async def record_login(self, actor: Identity, method: str, client: str) -> None:
        """A program that was admitted, by the name its issuer knows it by."""
        await self._record(actor, "session.login", method=method, client=client)

    async def _record(self, actor: Identity, action: str, **detail: str) -> None:
        await self._recorder.record(
            Access(actor=actor, action=action, object_type="session", object_id=actor.session_id, detail=detail)
        )

    async def _refused(self, actor: Identity, action: str, reason: str) -> None:
        """Record a refusal (SC-01). An address that is refused too often waits, so that it cannot fill the log."""
        now = time.monotonic()
        since, count = self._refusals.get(actor.terminal, (now, 0))
        if now - since > 60.0:
            since, count = now, 0
        self._refusals[actor.terminal] = (since, count + 1)
        while len(self._refusals) > REMEMBER:
            self._refusals.popitem(last=False)
        if count >= REFUSALS_PER_MINUTE:
            raise refusal("TOO_MANY_REFUSALS", **{"Retry-After": str(int(61 - (now - since)))})
        try:
            await self._recorder.record(
                Access(
                    actor=actor,
                    action=action,
                    object_type="session",
                    object_id=actor.session_id,
                    outcome=DENIED,
                    reason=reason,
                )
            )
        except DomainError as error:
            raise refusal_of(error) from None

    def _unknown(self, terminal: str) -> Identity:
        return Identity(staff_id="unknown", tenant=self._settings.tenant, terminal=terminal)

    # --- cookies ---------------------------------------------------------------------------------

    def _attempt_name(self, state: str) -> str:
        # One cookie per attempt, so that two tabs do not disturb each other.
        return f"{self._attempt_cookie}{hashlib.sha256(state.encode()).hexdigest()[:12]}"

    def _set_cookie(self, response: Response, name: str, value: str, seconds: int | None) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self._settings.is_secure, httponly=True, samesite="lax"
        )

    def _drop_cookie(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self._settings.is_secure, httponly=True, samesite="lax")


def local_path(target: str) -> str:
    """A path of ours to go to after login, "/" for anything that could lead elsewhere."""
    good = target.startswith("/") and not target.startswith(("//", "/\\")) and len(target) <= 1000
    return target if good and target.isprintable() and "\\" not in target else "/"


def _held(person: Person, chosen: str) -> str:
    """The chosen post if it is still held, else the main one, "" without any."""
    if chosen and person.post(chosen) is not None:
        return chosen
    main = person.main_post
    return main.post_id if main is not None else ""


def terminal_of(request: Request) -> str:
    """Address of whoever asks."""
    return request.client.host if request.client is not None else ""


def _encode(attempt: Attempt) -> str:
    fields = [attempt.state, attempt.nonce, attempt.verifier, attempt.target]
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


def _decode(value: str) -> Attempt | None:
    """What our cookie holds. It lies with the person themselves, so it is checked like any input."""
    try:
        fields = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    except (ValueError, binascii.Error):
        return None
    if not isinstance(fields, list) or len(fields) != 4 or not all(isinstance(one, str) and one for one in fields):
        return None
    state, nonce, verifier, target = fields
    return Attempt(state, nonce, verifier, local_path(target))


async def signed_in(request: Request) -> Caller:
    """FastAPI dependency: the caller of this request."""
    sign_in: SignIn = request.app.state.gateway.sign_in
    return await sign_in.caller(request)


async def still_signed_in(request: Request) -> Caller:
    """FastAPI dependency: the caller, of what a page asks by itself."""
    sign_in: SignIn = request.app.state.gateway.sign_in
    return await sign_in.caller(request, used=False)


SignedIn = Annotated[Caller, Depends(signed_in)]
StillSignedIn = Annotated[Caller, Depends(still_signed_in)]
