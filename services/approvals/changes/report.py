"""A comparison in words, for the command line: who joins, leaves, moves, or every bad line. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from services.approvals.changes.domain import AppointmentRow, Organisation
from services.approvals.changes.personnel import Comparison
from services.approvals.changes.preview import moves, vacated
from services.approvals.organisation.domain import post_label


def lines(before: Organisation, found: Comparison) -> Iterator[str]:
    """The counts first, then one line per person and per post that stays vacant; or one per bad line of the file."""
    if found.problems:
        yield f"{len(found.problems)} problems, nothing was compared"
        yield from (f"line {bad.line}: {bad.problem} {bad.about}".rstrip() for bad in found.problems)
        return
    people = moves(before, found.made)
    counts = Counter(move.kind for move in people)
    yield ", ".join(f"{kind} {counts[kind]}" for kind in ("joins", "leaves", "moves", "renamed"))
    for move in people:
        was, will = _posts(before, move.before), _posts(found.made, move.after)
        yield f"{move.kind}: {move.staff_id} {move.name}: {was or '-'} -> {will or '-'}"
    yield from (f"vacant: {post_id} {_label(found.made, post_id)}" for post_id in vacated(before, found.made))


def _posts(organisation: Organisation, rows: Iterable[AppointmentRow]) -> str:
    return ", ".join(f"{_label(organisation, row.post_id)} ({row.kind})" for row in rows)


def _label(organisation: Organisation, post_id: str) -> str:
    post = organisation.posts[post_id]
    unit = organisation.units.get(post.unit_id)
    return post_label(unit.name if unit else "", post.title)
