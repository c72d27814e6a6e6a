"""Whose cosignatures a checkpoint needs: policy files as c2sp.org/tlog-policy has them, the same for log and verifier.

Pure: no file, no clock, no network.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from services.audit.note import COSIGNATURE_V1, NoteError, VerifierKey

_KEYWORDS = frozenset(("log", "witness", "group", "any", "all", "none", "quorum"))
_THRESHOLD = re.compile("[1-9][0-9]{0,8}", re.ASCII)


class PolicyError(ValueError):
    """The file is no policy. The message names the line."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness as a policy names it. `url` is where checkpoints are submitted, "" where nobody submits."""

    name: str
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Known logs and witnesses, and which of the witnesses have to have signed."""

    logs: tuple[VerifierKey, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    quorum: str = "none"
    _groups: dict[str, _Group] = field(default_factory=dict)

    @classmethod
    def of(cls, keys: Iterable[VerifierKey], threshold: int | None = None) -> "Policy":
        """`threshold` of these witnesses, all if None. PolicyError if a key is no witness's, appears twice, or there
        are fewer than that."""
        lines = [f"witness w{number} {key.vkey}\n" for number, key in enumerate(keys)]
        if not lines:
            return cls()
        members = " ".join(f"w{number}" for number in range(len(lines)))
        return cls.parse("".join(lines) + f"group quorum-of-all {threshold or 'all'} {members}\nquorum quorum-of-all\n")

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """From a policy file: `log`, `witness`, `group` and one `quorum` line, names defined before they are used.

        PolicyError with the line's number.
        """
        logs: list[VerifierKey] = []
        witnesses: dict[str, Witness] = {}
        groups: dict[str, _Group] = {}
        quorum = ""
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.partition("#")[0].split()
            try:
                match words:
                    case []:
                        pass
                    case ["log", vkey] | ["log", vkey, _]:
                        logs.append(VerifierKey.parse(vkey))
                    case ["witness", name, vkey, *url] if len(url) <= 1:
                        _require_new(name, witnesses, groups)
                        witnesses[name] = Witness(name, _witness_key(vkey, witnesses), *url)
                    case ["group", name, threshold, *members] if members:
                        _require_new(name, witnesses, groups)
                        for member in members:
                            if member not in witnesses and member not in groups:
                                raise PolicyError(f"{member} is not defined before this line")
                        if len(set(members)) != len(members):
                            raise PolicyError("a member is named twice")
                        groups[name] = _Group(_threshold(threshold, len(members)), tuple(members))
                    case ["quorum", name] if not quorum:
                        if name != "none" and name not in witnesses and name not in groups:
                            raise PolicyError(f"{name} is not defined before this line")
                        quorum = name
                    case _:
                        raise PolicyError(f"not a line of a policy: {line[:80]!r}")
            except (NoteError, PolicyError) as error:
                raise PolicyError(f"line {number}: {error}") from error
        if not quorum:
            raise PolicyError("there is no quorum line; `quorum none` asks for no witness")
        return cls(tuple(logs), tuple(witnesses.values()), quorum, groups)

    def is_met(self, signed: Collection[str]) -> bool:
        """Do the cosignatures of these witnesses (names of this policy) suffice?"""
        return self.quorum == "none" or self._counts(self.quorum, signed)

    def _counts(self, name: str, signed: Collection[str]) -> bool:
        group = self._groups.get(name)
        if group is None:
            return name in signed
        return sum(self._counts(member, signed) for member in group.members) >= group.threshold


def _require_new(name: str, witnesses: Collection[str], groups: Collection[str]) -> None:
    if name in _KEYWORDS or name in witnesses or name in groups:
        raise PolicyError(f"the name {name} is taken")


def _witness_key(vkey: str, witnesses: dict[str, Witness]) -> VerifierKey:
    key = VerifierKey.parse(vkey)
    if key.algorithm != COSIGNATURE_V1:
        raise PolicyError(f"the key of {key.name} is a log's, not a witness's (type 0x04)")
    # One key under two names would let one witness count as two.
    if any(other.key.public_key == key.public_key for other in witnesses.values()):
        raise PolicyError(f"the key of {key.name} appears twice")
    return key


def _threshold(word: str, members: int) -> int:
    threshold = {"any": 1, "all": members}.get(word)
    if threshold is None:
        if not _THRESHOLD.fullmatch(word):
            raise PolicyError(f"not a threshold: {word[:20]!r}")
        threshold = int(word)
    if threshold > members:
        raise PolicyError(f"{threshold} of {members} members cannot sign")
    return threshold
