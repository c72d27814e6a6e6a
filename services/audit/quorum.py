"""Whose cosignatures a checkpoint needs: policy files as c2sp.org/tlog-policy has them, the same for log and verifier.

Pure: no file, no clock, no network.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.audit.note import COSIGNATURE_V1, ED25519, VerifierKey

NONE = "none"
# More than anybody needs; the format asks for 32 of each.
MAX_LINES = 256
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SPACES = re.compile(r"[ \t]+")


class PolicyError(ValueError):
    """The policy file cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody who cosigns, as the policy file names it. `url` is "" if it is only verified, never asked."""

    name: str
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Fulfilled by `threshold` of its members, which are witnesses or groups."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Witnesses, groups, and which of them makes a checkpoint valid. The default asks for nothing."""

    logs: tuple[VerifierKey, ...] = ()
    witnesses: Mapping[str, Witness] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    quorum: str = NONE

    @property
    def demands(self) -> bool:
        """Whether a checkpoint needs any cosignature to be published."""
        return self.quorum != NONE

    def is_met(self, names: Collection[str]) -> bool:
        """Whether cosignatures of the witnesses with these names are enough."""
        return not self.demands or self._is_fulfilled(self.quorum, names)

    def _is_fulfilled(self, name: str, names: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in names
        return sum(self._is_fulfilled(member, names) for member in group.members) >= group.threshold

    @classmethod
    def of(cls, keys: Iterable[VerifierKey], threshold: int | None = None) -> Policy:
        """`threshold` of these witnesses, all if None. PolicyError if a key is no witness's, appears twice, or there
        are fewer than that."""
        lines = [f"witness w{number} {key.vkey}\n" for number, key in enumerate(keys)]
        if not lines:
            return cls()
        members = " ".join(f"w{number}" for number in range(len(lines)))
        return cls.parse(
            f"{''.join(lines)}group quorum-of-all {threshold or 'all'} {members}\nquorum quorum-of-all\n".encode()
        )

    @classmethod
    def parse(cls, content: bytes) -> Policy:
        """From a policy file. PolicyError if it breaks any rule of the format, or uses a key type we cannot verify."""
        parser = _Parser()
        # Names are compared byte by byte, whatever their encoding.
        lines = content.decode("utf-8", errors="surrogateescape").split("\n")
        for number, line in enumerate(lines, start=1):
            try:
                parser.take(line)
            except ValueError as error:
                raise PolicyError(f"line {number}: {error}") from error
        if parser.quorum is None:
            raise PolicyError("there is no quorum line; `quorum none` asks for no witness")
        return cls(tuple(parser.logs), parser.witnesses, parser.groups, parser.quorum)


class _Parser:
    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.witnesses: dict[str, Witness] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._public_keys: set[tuple[str, bytes]] = set()
        self._used: set[str] = set()

    def take(self, line: str) -> None:
        """One line. ValueError says what is wrong with it."""
        if _FORBIDDEN.search(line):
            raise ValueError("control characters are not allowed")
        words = _SPACES.split(line.strip(" \t"))
        kind, rest = words[0], words[1:]
        if not kind or kind.startswith("#"):
            return
        if kind == "log" and len(rest) in (1, 2):
            self.logs.append(self._key(kind, rest[0], ED25519))
        elif kind == "witness" and len(rest) in (2, 3):
            self._name(rest[0])
            key = self._key(kind, rest[1], COSIGNATURE_V1)
            self.witnesses[rest[0]] = Witness(rest[0], key, rest[2] if len(rest) == 3 else "")
        elif kind == "group" and len(rest) >= 3:
            self._group(rest[0], rest[1], rest[2:])
        elif kind == "quorum" and len(rest) == 1:
            if self.quorum is not None:
                raise ValueError("there is a quorum line already")
            if rest[0] != NONE:
                self._defined(rest[0])
            self.quorum = rest[0]
        else:
            raise ValueError("expected log, witness, group or quorum with its words")

    def _key(self, kind: str, vkey: str, algorithm: int) -> VerifierKey:
        key = VerifierKey.parse(vkey)
        if key.algorithm != algorithm:
            raise ValueError(f"this is not the key of a {kind}")
        if (kind, key.public_key) in self._public_keys:
            raise ValueError(f"this {kind}'s key was listed before")
        self._public_keys.add((kind, key.public_key))
        if len(self._public_keys) > MAX_LINES:
            raise ValueError(f"more than {MAX_LINES} keys")
        return key

    def _group(self, name: str, threshold: str, members: Sequence[str]) -> None:
        self._name(name)
        for member in members:
            self._defined(member)
            if member in self._used:
                raise ValueError(f"{member} is a member already")
            self._used.add(member)
        wanted = {"all": len(members), "any": 1}.get(threshold)
        if wanted is None:
            if not re.fullmatch("[1-9][0-9]{0,3}", threshold, re.ASCII) or int(threshold) > len(members):
                raise ValueError(f"{threshold} of {len(members)} is not possible")
            wanted = int(threshold)
        self.groups[name] = Group(wanted, tuple(members))

    def _name(self, name: str) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise ValueError(f"{name} is defined already")

    def _defined(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise ValueError(f"{name} is not defined before this line")
