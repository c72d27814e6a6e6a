"""What a source says of its records, compared with the records that arrived.

Each process states, in its heartbeats and at its end, a chain value over all that it has written. The leaves in the log
lead to the same value, or one of them is not what the process wrote.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.recorder import chain_after
from services.audit.entry import Leaf
from services.audit.intake import record_of

# What a source says of itself: `last_seq` and `chain`, of all records before this one.
STATEMENTS = frozenset({"epoch.open", "epoch.heartbeat", "epoch.close", "epoch.recovered"})
_CHAIN_VALUE = re.compile("(?:[0-9a-f]{64})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Chain:
    """How far a source's records have been compared with what it said of them."""

    # The last number taken in, and the chain value there.
    seq: int = 0
    value: str = ""
    # The last number that the source has spoken of.
    vouched: int = 0


def follow(chain: Chain, records: Sequence[tuple[int, Leaf | None]]) -> tuple[Chain, list[tuple[int, int]]]:
    """Take in the records that follow, number and leaf, without a missing number, and compare them wherever the source
    states its chain value; returns how far it is now, and the spans of numbers in which something was altered.

    After an altered span the source's own value is taken, so that what comes next is judged by itself. A leaf that
    cannot be read (None) was altered, whatever the source states next.
    """
    altered: list[tuple[int, int]] = []
    for seq, leaf in records:
        if leaf is None:
            # One after the other they are one span.
            first = altered.pop()[0] if altered and altered[-1][1] == seq - 1 else seq
            altered.append((first, seq))
            chain = Chain(seq, chain.value, chain.vouched)
            continue
        if leaf.action in STATEMENTS:
            stated = leaf.detail.get("chain", "")
            if (leaf.detail.get("last_seq"), stated) != (str(chain.seq), chain.value):
                altered.append((chain.vouched + 1, max(chain.seq, 1)))
            value = stated if _CHAIN_VALUE.fullmatch(stated) else chain.value
            chain = Chain(chain.seq, value, chain.seq)
        chain = Chain(seq, chain_after(chain.value, record_of(leaf)), chain.vouched)
    return chain, altered
