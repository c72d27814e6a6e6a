"""Another municipality's log in memory: leaves, proofs, signed checkpoints, and forks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.audit import note, tlog
from services.audit.note import SigningKey
from services.audit.witness.protocol import Submission, encode_submission

SEED = bytes(reversed(range(32)))


@dataclass(frozen=True)
class OtherLog:
    """A log whose leaves are known: 豊中市の記録 0, 1, 2 …; a fork says something else from some leaf on."""

    key: SigningKey
    forked_at: int | None = None

    def tree(self, size: int) -> tuple[list[bytes], bytes]:
        """Leaf hashes and root."""
        hashes = [tlog.leaf_hash(self._leaf(number)) for number in range(size)]
        return hashes, tlog.root_of(hashes)

    def _leaf(self, number: int) -> bytes:
        other = "改ざん" if self.forked_at is not None and number >= self.forked_at else ""
        return f"豊中市の記録{other} {number}".encode()

    def checkpoint(self, size: int) -> bytes:
        """Signed."""
        return note.sign_checkpoint(self.key.name, size, self.tree(size)[1], self.key)

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        """That the tree of `size` continues the one of `old`."""
        hashes, _ = self.tree(size)
        edge = tlog.Edge()
        tiles = {(tile.level, tile.index): content for tile, content in edge.extend(hashes)}
        tiles |= {(tile.level, tile.index): content for tile, content in edge.partials()}
        return tuple(tlog.prove(tlog.consistency_ranges(old, size), tiles))

    def submission(self, old: int, size: int, proof: Sequence[bytes] | None = None) -> bytes:
        """The body of add-checkpoint."""
        steps = self.proof(old, size) if proof is None else tuple(proof)
        return encode_submission(Submission(old, steps, self.checkpoint(size)))


def log_of(year: int, seed: bytes = SEED, forked_at: int | None = None) -> OtherLog:
    """The city's log of a fiscal year; the key is the same each year."""
    return OtherLog(SigningKey.from_seed(f"audit.toyonaka.example/{year}", seed), forked_at)


TOYONAKA = log_of(2026)
