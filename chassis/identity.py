"""Who is calling: short-lived signed identities, made by the gateway, verified by services.

An identity is an EdDSA JWT for one audience (the service), at most 60 seconds old, of one
tenant. No request message carries an actor: it is always taken from here.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from chassis.errors import DomainError, Kind

METADATA_KEY = "kanketsu-identity"
LIFETIME_SECONDS = 60
# Clocks of one cluster differ by less than this.
LEEWAY_SECONDS = 5
_ALGORITHM = "Ed25519"


@dataclass(frozen=True)
class Identity:
    """The verified caller. `principals` as approvals names them: "staff:…", "post:…", "unit:…", "member:staff@unit" …"""

    staff_id: str
    tenant: str
    principals: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()
    # Post ids held today and the unit of each.
    posts: Mapping[str, str] = field(default_factory=dict)
    # The post acted from, "" when the person did not choose.
    acting_post: str = ""
    terminal: str = ""
    session_id: str = ""

    @property
    def units(self) -> frozenset[str]:
        """Units of the posts held today."""
        return frozenset(self.posts.values())

    @property
    def acting_unit(self) -> str:
        """Unit of the acting post, "" without one."""
        return self.posts.get(self.acting_post, "")

    def has_role(self, role: str) -> bool:
        """Whether the role is granted today."""
        return role in self.roles


def unauthenticated(message: str) -> DomainError:
    """The one refusal of this module."""
    return DomainError(Kind.UNAUTHENTICATED, "UNAUTHENTICATED", message)


class Signer:
    """Signs compact EdDSA tokens with one private key (PEM file)."""

    def __init__(self, private_key: Path) -> None:
        key = OKPKey.import_key(private_key.read_bytes())
        self._key = key
        self._header = {"alg": _ALGORITHM, "kid": key.thumbprint()}

    def sign(self, claims: Mapping[str, object]) -> str:
        """A compact JWS over the claims as JSON."""
        return jwt.encode(self._header, dict(claims), self._key, algorithms=[_ALGORITHM])

    def identity(self, identity: Identity, audience: str, now: float | None = None) -> str:
        """A token for `audience` that lives LIFETIME_SECONDS."""
        issued = int(time.time() if now is None else now)
        return self.sign(
            {
                "sub": identity.staff_id,
                "aud": audience,
                "tenant": identity.tenant,
                "principals": list(identity.principals),
                "roles": sorted(identity.roles),
                "posts": dict(identity.posts),
                "post": identity.acting_post,
                "terminal": identity.terminal,
                "sid": identity.session_id,
                "iat": issued,
                "exp": issued + LIFETIME_SECONDS,
            }
        )


class KeyVerifier:
    """Checks compact tokens against a set of public keys (JWKS file), chosen by `kid`."""

    def __init__(self, jwks: Path) -> None:
        self._keys = KeySet.import_key_set(json.loads(jwks.read_text(encoding="utf-8")))

    def claims(self, token: str) -> dict[str, object]:
        """The claims if the signature is good; UNAUTHENTICATED otherwise. Times are not checked here."""
        try:
            payload = jws.deserialize_compact(token, self._keys, algorithms=[_ALGORITHM]).payload
            claims = json.loads(payload)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise unauthenticated(f"bad signature: {type(error).__name__}") from None
        if not isinstance(claims, dict):
            raise unauthenticated("claims are not an object")
        return claims


class IdentityVerifier:
    """Verifies identities for one service of one tenant; remembers good ones until they expire."""

    def __init__(self, jwks: Path, tenant: str, audience: str, remember: int = 4096) -> None:
        self._verifier = KeyVerifier(jwks)
        self._tenant = tenant
        self._audience = audience
        self._remember = remember
        # token → (expiry, identity); an identity is the same bytes for many calls of one person.
        self._known: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    def verify(self, token: str, now: float | None = None) -> Identity:
        """The identity, or UNAUTHENTICATED: forged, expired, too long-lived, of another tenant or service."""
        clock = time.time() if now is None else now
        known = self._known.get(token)
        if known is not None and clock < known[0]:
            return known[1]
        claims = self._verifier.claims(token)
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or not isinstance(expires, int):
            raise unauthenticated("iat and exp are required")
        if expires - issued > LIFETIME_SECONDS:
            raise unauthenticated("lives too long")
        if clock >= expires + LEEWAY_SECONDS or issued > clock + LEEWAY_SECONDS:
            raise unauthenticated("expired or not yet valid")
        if claims.get("aud") != self._audience:
            raise unauthenticated("meant for another service")
        if claims.get("tenant") != self._tenant:
            raise unauthenticated("another tenant")
        identity = _identity(claims)
        self._known[token] = (expires + LEEWAY_SECONDS, identity)
        while len(self._known) > self._remember:
            self._known.popitem(last=False)
        return identity


def _identity(claims: Mapping[str, object]) -> Identity:
    subject, posts = claims.get("sub"), claims.get("posts")
    if not isinstance(subject, str) or not subject or not isinstance(posts, dict):
        raise unauthenticated("malformed claims")
    return Identity(
        staff_id=subject,
        tenant=str(claims["tenant"]),
        principals=tuple(_strings(claims.get("principals"))),
        roles=frozenset(_strings(claims.get("roles"))),
        posts={str(post): str(unit) for post, unit in posts.items()},
        acting_post=str(claims.get("post") or ""),
        terminal=str(claims.get("terminal") or ""),
        session_id=str(claims.get("sid") or ""),
    )


def _strings(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise unauthenticated("malformed claims")
    return value
