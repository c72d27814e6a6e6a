"""Who asks: the person behind a login, and the identity the gateway signs for them.

A caller lives as long as nothing about it changes; its signed identities are reused meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from chassis.identity import Identity


@dataclass(frozen=True)
class HeldPost:
    """A post held today. `kind` is "main", "concurrent" (兼務), "joint" (併任), "deputizing" (職務代理) or "acting" (事務取扱)."""

    post_id: str
    unit_id: str
    title: str
    unit_name: str
    kind: str
    rank: str
    # As what one acts from it (AP-19).
    signs_as: str


@dataclass(frozen=True)
class Person:
    """A staff member as of now."""

    login: str
    staff_id: str
    name: str
    kana: str
    posts: tuple[HeldPost, ...]
    roles: tuple[str, ...]
    principals: tuple[str, ...]

    @property
    def main_post(self) -> HeldPost | None:
        """The main post, else the first one, None without any."""
        return next((post for post in self.posts if post.kind == "main"), self.posts[0] if self.posts else None)

    def post(self, post_id: str) -> HeldPost | None:
        """The held post with this id."""
        return next((post for post in self.posts if post.post_id == post_id), None)


@dataclass(frozen=True)
class Session:
    """A browser's login. Times are seconds since the epoch."""

    # hex sha256 of the cookie; the key in the store. The cookie itself is kept nowhere.
    key: str
    # UUIDv7 that stands in the log.
    id: str
    login: str
    # Token of this session's HTML forms.
    csrf: str
    created: float
    seen: float
    # Acting post chosen on the pages, "" for the main one (AP-44).
    post: str = ""
    # ID token, to tell the provider whose session ends.
    id_token: str = ""
    # Revision in the store; a write with an older one is refused.
    revision: int = 0


@dataclass(frozen=True)
class Caller:
    """A person acting from one post, from one terminal, in one session or with one token."""

    identity: Identity
    # None for the gateway itself, when it asks who somebody is.
    person: Person | None = None
    # None for programs with a bearer token.
    session: Session | None = None
    # Audience → (good until, signed identity).
    tokens: dict[str, tuple[float, str]] = field(default_factory=dict, compare=False)

    @property
    def staff(self) -> Person:
        """The person; only the gateway itself has none."""
        if self.person is None:
            raise LookupError("the gateway itself is no person")
        return self.person

    @property
    def acting_post(self) -> HeldPost | None:
        """The post acted from."""
        return self.staff.post(self.identity.acting_post)

    def has_role(self, role: str) -> bool:
        """Whether the role is granted today."""
        return role in self.identity.roles
