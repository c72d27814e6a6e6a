"""What a planned set means for people: who goes where, what stays vacant, what becomes of open steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.approvals.changes.domain import AppointmentRow, Change, Organisation, successors


@dataclass(frozen=True)
class Move:
    """What becomes of one person."""

    staff_id: str
    name: str
    # "joins", "leaves", "moves", "renamed"
    kind: str
    before: tuple[AppointmentRow, ...]
    after: tuple[AppointmentRow, ...]


def moves(before: Organisation, made: Organisation) -> list[Move]:
    """Who moves from where to where, by staff id."""
    found: list[Move] = []
    for staff_id in sorted(before.staff.keys() | made.staff.keys()):
        old, new = tuple(before.held_by(staff_id)), tuple(made.held_by(staff_id))
        earlier, later = before.staff.get(staff_id), made.staff.get(staff_id)
        if later is None and earlier is not None:
            found.append(Move(staff_id, earlier.name, "leaves", old, new))
        elif later is not None and earlier is None:
            found.append(Move(staff_id, later.name, "joins", old, new))
        elif later is not None and old != new:
            found.append(Move(staff_id, later.name, "moves", old, new))
        elif later is not None and earlier != later:
            found.append(Move(staff_id, later.name, "renamed", old, new))
    return found


def vacated(before: Organisation, made: Organisation) -> list[str]:
    """Posts of afterwards that nobody holds and that were held, or did not exist, before."""
    held_before = {post_id for _, post_id in before.appointments}
    held_after = {post_id for _, post_id in made.appointments}
    return sorted(
        post_id
        for post_id in made.posts
        if post_id not in held_after and (post_id in held_before or post_id not in before.posts)
    )


@dataclass(frozen=True)
class Prospect:
    """What becomes of the open steps of one post."""

    post_id: str
    # "new_holder", "successor", "vacant", "unresolved"
    outcome: str
    # The post that will act: itself, its successor, or "" when nobody is named.
    acts: str


def prospects(before: Organisation, made: Organisation, changes: Sequence[Change]) -> list[Prospect]:
    """For every post whose steps the set touches: it ends, or other people hold it (AP-40, AP-41)."""
    follows = {old: new for kind, old, new in successors(changes) if kind == "post"}
    found: list[Prospect] = []
    for post_id in sorted(before.posts):
        if post_id not in made.posts:
            heir = follows.get(post_id, "")
            if not heir:
                found.append(Prospect(post_id, "unresolved", ""))
            else:
                found.append(Prospect(post_id, "successor" if made.holders_of(heir) else "vacant", heir))
        elif before.holders_of(post_id) != made.holders_of(post_id):
            found.append(Prospect(post_id, "new_holder" if made.holders_of(post_id) else "vacant", post_id))
    return found
