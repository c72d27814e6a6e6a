"""The provider's HTTP surface: discovery, keys, login page, token, userinfo, end of session.

Stateless but for the codes that were issued and not yet redeemed: 60 seconds, once. Any failed
redemption burns the code.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote_plus, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.datastructures import FormData, QueryParams
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from deploy.local.oidc.staff import Directory

HERE = Path(__file__).parent
ALGORITHM = "RS256"
SCOPES = ("openid", "profile")
API_AUDIENCE = "kanketsu-api"
CODE_SECONDS = 60
ID_TOKEN_SECONDS = 300
ACCESS_TOKEN_SECONDS = 3600
MAX_CODES = 10_000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the provider is told. Redirect addresses are compared whole, character by character."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uris: frozenset[str]
    post_logout_redirect_uris: frozenset[str]


@dataclass(frozen=True)
class Grant:
    """An issued code that was not redeemed yet."""

    login: str
    redirect_uri: str
    challenge: str
    nonce: str
    scope: str
    authenticated_at: int
    expires_at: float


class BadRequest(Exception):
    """The request cannot be answered at its redirect address; the person sees the reason."""


class Refused(Exception):
    """An OAuth error that the client gets."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


class Provider:
    """One issuer, one client. `directory` gives who can log in at a moment."""

    def __init__(self, settings: Settings, key: RSAKey, directory: Callable[[datetime], Directory]) -> None:
        self._settings = settings
        self._key = key
        self._directory = directory
        self._grants: OrderedDict[str, Grant] = OrderedDict()
        self._pages = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/.well-known/openid-configuration", self.discovery),
            Route("/jwks", self.jwks),
            Route("/authorize", self.authorize, methods=["GET"]),
            Route("/authorize", self.choose, methods=["POST"]),
            Route("/token", self.token, methods=["POST"]),
            Route("/userinfo", self.userinfo, methods=["GET", "POST"]),
            Route("/logout", self.end_session, methods=["GET", "POST"]),
            Route("/style.css", self.style),
            Route("/favicon.ico", _nothing),
        ]
        return Starlette(
            routes=routes,
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=self._headers)],
            exception_handlers={BadRequest: self._bad_request},
        )

    async def discovery(self, request: Request) -> Response:
        """OpenID Connect Discovery 1.0."""
        issuer = self._settings.issuer
        return JSONResponse(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "jwks_uri": f"{issuer}/jwks",
                "userinfo_endpoint": f"{issuer}/userinfo",
                "end_session_endpoint": f"{issuer}/logout",
                "scopes_supported": list(SCOPES),
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                "claims_supported": ["sub", "name", "preferred_username", "nonce", "auth_time"],
                "ui_locales_supported": ["ja"],
            }
        )

    async def jwks(self, request: Request) -> Response:
        """The public key that signs every token."""
        public = self._key.as_dict(private=False)
        return JSONResponse({"keys": [{**public, "kid": self._key.thumbprint(), "alg": ALGORITHM, "use": "sig"}]})

    async def authorize(self, request: Request) -> Response:
        """The login page: everybody, grouped by department and unit."""
        parameters = request.query_params
        try:
            self._check(parameters)
        except Refused as refused:
            return self._error_redirect(parameters, refused)
        kept = {name: value for name, value in parameters.items() if name != "login"}
        return self._page("login.html", self._origin(parameters), directory=self._now(), request_fields=kept)

    async def choose(self, request: Request) -> Response:
        """A person was chosen: a code goes to the client's redirect address (303)."""
        async with request.form(max_files=0, max_fields=40) as form:
            parameters = {name: value for name, value in form.items() if isinstance(value, str)}
            repeated = len(form.multi_items()) != len(parameters)
        try:
            if repeated:
                raise BadRequest("同じ項目が重複しています。")
            self._check(parameters)
        except Refused as refused:
            return self._error_redirect(parameters, refused)
        directory = self._now()
        # A person types a login or the name as shown in the list of choices.
        typed = parameters.get("login", "").strip()
        login = typed.rsplit("（", 1)[-1].removesuffix("）") if "（" in typed else typed
        if login not in directory.by_login:
            kept = {name: value for name, value in parameters.items() if name != "login"}
            return self._page(
                "login.html", self._origin(parameters), 400, directory=directory, request_fields=kept, unknown=typed
            )
        now = time.time()
        code = secrets.token_urlsafe(32)
        self._forget(now)
        self._grants[code] = Grant(
            login=login,
            redirect_uri=parameters["redirect_uri"],
            challenge=parameters["code_challenge"],
            nonce=parameters.get("nonce", ""),
            scope=" ".join(scope for scope in SCOPES if scope in parameters["scope"].split()),
            authenticated_at=int(now),
            expires_at=now + CODE_SECONDS,
        )
        return self._redirect(parameters, {"code": code})

    async def token(self, request: Request) -> Response:
        """A code and its verifier for an ID token and an access token of audience `kanketsu-api`."""
        async with request.form(max_files=0, max_fields=20) as form:
            try:
                self._authenticate_client(request, form)
                grant = self._redeem(form)
            except Refused as refused:
                unknown = refused.error == "invalid_client"
                return JSONResponse(
                    {"error": refused.error, "error_description": refused.description},
                    status_code=401 if unknown else 400,
                    headers={"WWW-Authenticate": 'Basic realm="token"'} if unknown else None,
                )
        person = self._now().by_login.get(grant.login)
        if person is None:
            return JSONResponse({"error": "invalid_grant", "error_description": "no such person"}, status_code=400)
        access_token = self._sign(
            {
                "sub": grant.login,
                "aud": API_AUDIENCE,
                "client_id": self._settings.client_id,
                "scope": grant.scope,
                "jti": secrets.token_urlsafe(16),
            },
            ACCESS_TOKEN_SECONDS,
            "at+jwt",
        )
        digest = hashlib.sha256(access_token.encode()).digest()
        claims: dict[str, object] = {
            "sub": grant.login,
            "aud": self._settings.client_id,
            "azp": self._settings.client_id,
            "auth_time": grant.authenticated_at,
            "at_hash": _base64url(digest[:16]),
        }
        if grant.nonce:
            claims["nonce"] = grant.nonce
        if "profile" in grant.scope.split():
            claims |= {"name": person.name, "preferred_username": person.login}
        return JSONResponse(
            {
                "access_token": access_token,
                "token_type": "Bearer",
                "expires_in": ACCESS_TOKEN_SECONDS,
                "scope": grant.scope,
                "id_token": self._sign(claims, ID_TOKEN_SECONDS, "JWT"),
            }
        )

    async def userinfo(self, request: Request) -> Response:
        """Claims about the holder of an access token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise ValueError("no bearer token")
            claims = jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims
            jwt.JWTClaimsRegistry(
                iss={"essential": True, "value": self._settings.issuer}, aud={"essential": True, "value": API_AUDIENCE}
            ).validate(claims)
            person = self._now().by_login[claims["sub"]]
        except (JoseError, ValueError, KeyError):
            return JSONResponse({"error": "invalid_token"}, 401, headers={"WWW-Authenticate": "Bearer"})
        return JSONResponse({"sub": person.login, "name": person.name, "preferred_username": person.login})

    async def end_session(self, request: Request) -> Response:
        """RP-initiated logout. There is no session here to end, only a way back."""
        parameters: Mapping[str, object] = request.query_params
        if request.method == "POST":
            parameters = await request.form(max_files=0, max_fields=20)
        target = parameters.get("post_logout_redirect_uri")
        state = parameters.get("state")
        if not isinstance(target, str) or not target:
            return self._page("message.html", None, title="ログアウトしました", text="この画面は閉じてかまいません。")
        if target not in self._settings.post_logout_redirect_uris:
            raise BadRequest("登録されていない戻り先です（post_logout_redirect_uri）。")
        query = f"?{urlencode({'state': state})}" if isinstance(state, str) and state else ""
        return RedirectResponse(target + query, 303)

    async def style(self, request: Request) -> Response:
        """The one stylesheet."""
        return Response((HERE / "static" / "style.css").read_bytes(), media_type="text/css")

    # --- the rules ------------------------------------------------------------------------------

    def _check(self, parameters: Mapping[str, str]) -> None:
        """BadRequest before the redirect address is known to be good, Refused after."""
        if isinstance(parameters, QueryParams) and len(parameters.multi_items()) != len(parameters):
            raise BadRequest("同じ項目が重複しています。")
        if parameters.get("client_id") != self._settings.client_id:
            raise BadRequest("登録されていないアプリケーションです（client_id）。")
        if parameters.get("redirect_uri") not in self._settings.redirect_uris:
            raise BadRequest("登録されていない戻り先です（redirect_uri）。")
        if parameters.get("response_type") != "code":
            raise Refused("unsupported_response_type", "only code")
        if "openid" not in parameters.get("scope", "").split():
            raise Refused("invalid_scope", "openid is required")
        challenge = parameters.get("code_challenge", "")
        if parameters.get("code_challenge_method") != "S256" or not 43 <= len(challenge) <= 128:
            raise Refused("invalid_request", "PKCE with S256 is required")
        if parameters.get("response_mode", "query") != "query":
            raise Refused("invalid_request", "only response_mode=query")
        if "request" in parameters or "request_uri" in parameters:
            raise Refused("request_not_supported", "no request objects")
        if parameters.get("prompt") == "none":
            raise Refused("login_required", "somebody has to be chosen")

    def _authenticate_client(self, request: Request, form: FormData) -> None:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        client_id, secret = form.get("client_id"), form.get("client_secret")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
            except ValueError:
                raise Refused("invalid_client", "malformed credentials") from None
            client_id, secret = unquote_plus(user), unquote_plus(password)
        if not isinstance(client_id, str) or not isinstance(secret, str):
            raise Refused("invalid_client", "client authentication is required")
        known = hmac.compare_digest(client_id.encode(), self._settings.client_id.encode())
        if not (hmac.compare_digest(secret.encode(), self._settings.client_secret.encode()) and known):
            raise Refused("invalid_client", "unknown client or wrong secret")

    def _redeem(self, form: FormData) -> Grant:
        if form.get("grant_type") != "authorization_code":
            raise Refused("unsupported_grant_type", "only authorization_code")
        grant = self._grants.pop(str(form.get("code", "")), None)
        if grant is None or time.time() >= grant.expires_at:
            raise Refused("invalid_grant", "unknown, used or expired code")
        if form.get("redirect_uri") != grant.redirect_uri:
            raise Refused("invalid_grant", "another redirect_uri than the code was issued for")
        verifier = str(form.get("code_verifier", ""))
        challenge = _base64url(hashlib.sha256(verifier.encode()).digest())
        if not 43 <= len(verifier) <= 128 or not hmac.compare_digest(challenge, grant.challenge):
            raise Refused("invalid_grant", "the code_verifier does not belong to the code_challenge")
        return grant

    def _forget(self, now: float) -> None:
        """Codes in order of issue: the expired ones first, and never more than MAX_CODES."""
        while self._grants:
            oldest = next(iter(self._grants))
            if now < self._grants[oldest].expires_at and len(self._grants) < MAX_CODES:
                return
            del self._grants[oldest]

    def _sign(self, claims: Mapping[str, object], seconds: int, kind: str) -> str:
        now = int(time.time())
        header = {"alg": ALGORITHM, "kid": self._key.thumbprint(), "typ": kind}
        times = {"iss": self._settings.issuer, "iat": now, "exp": now + seconds}
        return jwt.encode(header, {**claims, **times}, self._key, algorithms=[ALGORITHM])

    def _now(self) -> Directory:
        return self._directory(datetime.now().astimezone())

    # --- answers --------------------------------------------------------------------------------

    def _redirect(self, parameters: Mapping[str, str], answer: Mapping[str, str]) -> Response:
        query = {**answer, "iss": self._settings.issuer}
        if parameters.get("state"):
            query["state"] = parameters["state"]
        target = parameters["redirect_uri"]
        return RedirectResponse(f"{target}{'&' if urlsplit(target).query else '?'}{urlencode(query)}", 303)

    def _error_redirect(self, parameters: Mapping[str, str], refused: Refused) -> Response:
        return self._redirect(parameters, {"error": refused.error, "error_description": refused.description})

    def _origin(self, parameters: Mapping[str, str]) -> str:
        parts = urlsplit(parameters["redirect_uri"])
        return f"{parts.scheme}://{parts.netloc}"

    def _page(self, template: str, form_target: str | None, status: int = 200, **values: object) -> Response:
        html = self._pages.get_template(template).render({"unknown": None, **values})
        # The form goes to us, and we redirect to the client: browsers check both against form-action.
        targets = "'none'" if form_target is None else f"'self' {form_target}"
        policy = f"default-src 'none'; style-src 'self'; form-action {targets}; base-uri 'none'; frame-ancestors 'none'"
        return Response(
            html, status, media_type="text/html", headers={"Content-Security-Policy": policy, "Content-Language": "ja"}
        )

    async def _bad_request(self, request: Request, error: Exception) -> Response:
        return self._page("message.html", None, 400, title="ログインを始められません", text=str(error))

    async def _headers(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response


async def _nothing(request: Request) -> Response:
    return Response(status_code=204)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
