"""Writes a practice log: signed, cosigned by two practice witnesses, with the archived checkpoints of its hours and days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from chassis import clock
from services.audit import domain, note
from services.audit.entry import Leaf, encode
from services.audit.export import LogWriter
from services.audit.note import COSIGNATURE_V1, SigningKey
from services.audit.sample.records import FIRST_DAY, City

POLICY_FILE = "witnesses.policy"
WITNESSES = ("witness.minoh.example/practice", "witness.ikeda.example/practice")


@dataclass(frozen=True, slots=True)
class SampleKeys:
    """Keys that everybody knows who knows the seed: for practice only."""

    log: SigningKey
    witnesses: tuple[SigningKey, ...]

    @classmethod
    def of(cls, seed: int) -> SampleKeys:
        """The keys of this seed."""

        def key(name: str, algorithm: int) -> SigningKey:
            return SigningKey.from_seed(name, sha256(f"practice {seed} {name}".encode()).digest(), algorithm)

        origin = domain.origin("audit.practice.example", domain.fiscal_year(FIRST_DAY))
        return cls(key(origin, note.ED25519), tuple(key(name, COSIGNATURE_V1) for name in WITNESSES))

    def signer(self, time: dt.datetime) -> Callable[[int, bytes], bytes]:
        """Signs checkpoints that all witnesses see at this time."""

        def sign(size: int, root: bytes) -> bytes:
            text = note.Checkpoint(self.log.name, size, root).text
            cosigned = (witness.sign(text, int(time.timestamp())) for witness in self.witnesses)
            return note.sign_note(text, self.log.sign(text), *cosigned)

        return sign

    @property
    def policy(self) -> str:
        """The tlog-policy under which these witnesses suffice."""
        lines = [f"log {self.log.verifier.vkey}"]
        lines += [f"witness w{n} {witness.verifier.vkey}" for n, witness in enumerate(self.witnesses, start=1)]
        names = " ".join(f"w{n}" for n in range(1, len(self.witnesses) + 1))
        return "\n".join([*lines, f"group practice all {names}", "quorum practice", ""])


def write_sample(folder: Path, entries: int, seed: int = 1, days: int = 5) -> SampleKeys:
    """A log of that many leaves over that many days in a new folder; the same bytes for the same seed.

    ExportError if the folder is not empty. Memory does not grow with the log.
    """
    keys = SampleKeys.of(seed)
    writer = LogWriter(folder)
    before = dt.datetime.combine(FIRST_DAY, dt.time(), clock.JST)
    for batch in City(seed, entries, days).leaves():
        now = batch[0].time.astimezone(clock.JST)
        if now.date() != before.date() and writer.size:
            # The day's last.
            writer.archive(keys.signer(before))
        for leaf in batch:
            writer.add(encode(leaf))
        last = _latest(batch)
        if now.hour != before.hour or now.date() != before.date():
            writer.archive(keys.signer(last))
        before = last
    writer.finish(keys.signer(before), keys.log.verifier)
    (folder / POLICY_FILE).write_text(keys.policy, encoding="utf-8")
    return keys


def _latest(batch: list[Leaf]) -> dt.datetime:
    return max(leaf.time for leaf in batch).astimezone(clock.JST)
