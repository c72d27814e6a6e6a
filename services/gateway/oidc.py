"""OpenID Connect, the part the gateway needs: code flow with PKCE, ID tokens, access tokens of programs.

Discovery and keys are fetched when needed and kept for an hour; an unknown key id fetches the keys again,
at most every ten seconds. Only asymmetric signatures are accepted.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from services.gateway.errors import Refusal, refusal
from services.gateway.settings import Settings

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
METADATA_SECONDS = 3600.0
KEYS_SECONDS = 10.0
# Clocks of the provider and ours differ by less than this.
LEEWAY_SECONDS = 30
# An ID token is used at once; an old one was kept by somebody.
ID_TOKEN_AGE_SECONDS = 600
_HASHES: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


@dataclass(frozen=True)
class Metadata:
    """What the gateway uses of the provider's discovery document."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str
    # Whether the client's name and secret go into the form instead of the header.
    secret_in_form: bool
    # Whether the provider names itself in its answer (RFC 9207).
    answers_issuer: bool


@dataclass(frozen=True)
class Attempt:
    """One started login; kept by the browser until the provider sends it back."""

    state: str
    nonce: str
    verifier: str
    # Where to go afterwards: a path of ours.
    target: str


@dataclass(frozen=True)
class Login:
    """A verified login."""

    login: str
    id_token: str


@dataclass(frozen=True)
class Program:
    """A verified program that acts for itself; `expires` in seconds since the epoch."""

    subject: str
    roles: frozenset[str]
    expires: float


def new_attempt(target: str) -> Attempt:
    """Fresh secrets of 256 bits each."""
    return Attempt(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), target)


class Provider:
    """The city's identity provider."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        context = ssl.create_default_context()
        if settings.oidc_ca_file is not None:
            context.load_verify_locations(cafile=settings.oidc_ca_file)
        self._http = httpx2.AsyncClient(verify=context, timeout=5.0, follow_redirects=False, trust_env=False)
        self._lock = asyncio.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends the browser back."""
        return f"{self._settings.public_url.rstrip('/')}/callback"

    async def metadata(self) -> Metadata:
        """LOGIN_UNAVAILABLE when the provider does not answer and nothing is remembered."""
        known = self._metadata
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        async with self._lock:
            try:
                document = await self._fetch(f"{self._settings.oidc_issuer}/.well-known/openid-configuration")
                found = _metadata(document, self._settings.oidc_issuer)
            except Refusal:
                if known is not None:
                    return known[1]
                raise
            self._metadata = (time.monotonic() + METADATA_SECONDS, found)
            return found

    async def authorization_url(self, attempt: Attempt) -> str:
        """Where to send the browser."""
        challenge = _base64url(hashlib.sha256(attempt.verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid profile",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "ui_locales": "ja",
        }
        endpoint = (await self.metadata()).authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def finish(self, attempt: Attempt, answer: Mapping[str, str]) -> Login:
        """Redeem the code of the provider's answer. LOGIN_FAILED when anything does not fit."""
        metadata = await self.metadata()
        issuer = answer.get("iss", "")
        if issuer != self._settings.oidc_issuer and (issuer or metadata.answers_issuer):
            raise refusal("LOGIN_FAILED")
        if (
            answer.get("error")
            or not answer.get("code")
            or not secrets.compare_digest(answer.get("state", "").encode(), attempt.state.encode())
        ):
            raise refusal("LOGIN_FAILED")
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": self.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        client, secret = self._settings.oidc_client_id, str(self._settings.oidc_client_secret)
        authorization = {}
        if metadata.secret_in_form:
            form |= {"client_id": client, "client_secret": secret}
        else:
            pair = f"{quote(client, safe='')}:{quote(secret, safe='')}"
            authorization = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        try:
            response = await self._http.post(metadata.token_endpoint, data=form, headers=authorization)
        except httpx2.HTTPError:
            raise refusal("LOGIN_UNAVAILABLE") from None
        if response.status_code >= 500:
            raise refusal("LOGIN_UNAVAILABLE")
        tokens = _object(response.content)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if response.status_code != 200 or not isinstance(id_token, str):
            raise refusal("LOGIN_FAILED")
        claims = await self._id_claims(id_token, attempt.nonce, access_token if isinstance(access_token, str) else "")
        return Login(self._login(claims, "LOGIN_FAILED"), id_token)

    async def access(self, token: str) -> tuple[str, float]:
        """(login, expiry) of an access token for the JSON API. TOKEN_INVALID otherwise."""
        claims, expires = await self._access_claims(token, self._settings.api_audience)
        return self._login(claims, "TOKEN_INVALID"), expires

    async def program(self, token: str, audience: str) -> Program:
        """What an access token for `audience` says of the program that brings it. TOKEN_INVALID otherwise."""
        claims, expires = await self._access_claims(token, audience)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise refusal("TOKEN_INVALID")
        return Program(subject, _roles(claims), expires)

    async def _access_claims(self, token: str, audience: str) -> tuple[Mapping[str, object], float]:
        _, claims = await self._verified(token, "TOKEN_INVALID")
        now = time.time()
        expires, begins = _number(claims, "exp"), claims.get("nbf", 0)
        if (
            claims.get("iss") != self._settings.oidc_issuer
            or audience not in _audiences(claims)
            or expires is None
            or now >= expires + LEEWAY_SECONDS
            or not isinstance(begins, int | float)
            or begins > now + LEEWAY_SECONDS
        ):
            raise refusal("TOKEN_INVALID")
        return claims, expires

    async def logout_url(self, id_token: str) -> str:
        """Where to end the provider's own session, "" when it offers none or does not answer."""
        try:
            endpoint = (await self.metadata()).end_session_endpoint
        except Refusal:
            return ""
        if not endpoint:
            return ""
        query = {
            "client_id": self._settings.oidc_client_id,
            "post_logout_redirect_uri": f"{self._settings.public_url.rstrip('/')}/",
        }
        if id_token:
            query["id_token_hint"] = id_token
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def _id_claims(self, token: str, nonce: str, access_token: str) -> Mapping[str, object]:
        header, claims = await self._verified(token, "LOGIN_FAILED")
        client, now = self._settings.oidc_client_id, time.time()
        audiences = _audiences(claims)
        issued, expires = _number(claims, "iat"), _number(claims, "exp")
        good = (
            claims.get("iss") == self._settings.oidc_issuer
            and client in audiences
            and claims.get("azp", client if len(audiences) == 1 else "") == client
            and expires is not None
            and now < expires + LEEWAY_SECONDS
            and issued is not None
            and now - ID_TOKEN_AGE_SECONDS < issued < now + LEEWAY_SECONDS
            and secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode())
        )
        if not good:
            raise refusal("LOGIN_FAILED")
        digest = _HASHES.get(str(header.get("alg", ""))[-3:])
        if access_token and digest is not None and "at_hash" in claims:
            half = digest(access_token.encode()).digest()
            if claims["at_hash"] != _base64url(half[: len(half) // 2]):
                raise refusal("LOGIN_FAILED")
        return claims

    async def _verified(self, token: str, reason: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """Header and claims of a token whose signature is good."""
        if len(token) > 8192:
            raise refusal(reason)
        keys = await self._keys_for(_key_id(token))
        try:
            decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError, KeyError):
            raise refusal(reason) from None
        return decoded.header, decoded.claims

    def _login(self, claims: Mapping[str, object], reason: str) -> str:
        login = claims.get(self._settings.oidc_login_claim)
        if not isinstance(login, str) or not 0 < len(login) <= 255:
            raise refusal(reason)
        return login

    async def _keys_for(self, key_id: str) -> KeySet:
        def usable() -> KeySet | None:
            if self._keys is None:
                return None
            fetched, keys = self._keys
            age = time.monotonic() - fetched
            known = any(key.kid == key_id for key in keys.keys) or not key_id
            return keys if age < (METADATA_SECONDS if known else KEYS_SECONDS) else None

        keys = usable()
        if keys is not None:
            return keys
        uri = (await self.metadata()).jwks_uri
        async with self._lock:
            # Another request may have fetched them meanwhile.
            keys = usable()
            if keys is None:
                keys = _key_set(await self._fetch(uri))
                self._keys = (time.monotonic(), keys)
        return keys

    async def _fetch(self, url: str) -> Mapping[str, object]:
        try:
            response = await self._http.get(url, headers={"Accept": "application/json"})
        except (httpx2.HTTPError, httpx2.InvalidURL):
            raise refusal("LOGIN_UNAVAILABLE") from None
        if response.status_code != 200:
            raise refusal("LOGIN_UNAVAILABLE")
        return _object(response.content)


def _metadata(document: Mapping[str, object], issuer: str) -> Metadata:
    endpoints = {name: document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    # A document of another issuer means a wrong address or an attack: nobody logs in with it.
    if document.get("issuer") != issuer or not all(isinstance(url, str) for url in endpoints.values()):
        raise refusal("LOGIN_UNAVAILABLE")
    methods = document.get("token_endpoint_auth_methods_supported")
    listed = methods if isinstance(methods, list) else ["client_secret_basic"]
    return Metadata(
        authorization_endpoint=str(endpoints["authorization_endpoint"]),
        token_endpoint=str(endpoints["token_endpoint"]),
        jwks_uri=str(endpoints["jwks_uri"]),
        end_session_endpoint=str(document.get("end_session_endpoint") or ""),
        secret_in_form="client_secret_basic" not in listed and "client_secret_post" in listed,
        answers_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _key_set(document: Mapping[str, object]) -> KeySet:
    """Public signing keys only: a symmetric one in a published set would let anybody sign."""
    keys = document.get("keys")
    usable = [
        key
        for key in (keys if isinstance(keys, list) else [])
        if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
    ]
    try:
        return KeySet.import_key_set({"keys": usable})
    except (JoseError, ValueError, KeyError, TypeError):
        raise refusal("LOGIN_UNAVAILABLE") from None


def _key_id(token: str) -> str:
    head = token.split(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except ValueError:
        return ""
    return str(header.get("kid", "")) if isinstance(header, dict) else ""


def _object(raw: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(raw)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _audiences(claims: Mapping[str, object]) -> list[str]:
    audience = claims.get("aud")
    if isinstance(audience, str):
        return [audience]
    return [str(one) for one in audience] if isinstance(audience, list) else []


def _roles(claims: Mapping[str, object]) -> frozenset[str]:
    """Scopes and roles; issuers differ in the claim, and in words or a list of words."""
    found = set[str]()
    for name in ("scope", "scp", "roles"):
        value = claims.get(name)
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        found.update(word for word in words if isinstance(word, str))
    return frozenset(found)


def _number(claims: Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
