"""What a planned set means for people: who goes where, what stays vacant, what becomes of open steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.approvals.changes.domain import AppointmentRow, Change, Organisation, PostRow, successors
from services.approvals.organisation.domain import DECISION_CLASSES, RANKS


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
    # "new_holder", "successor", "lower_successor": which takes no 決裁 (AP-02), "vacant", "unresolved"
    outcome: str
    # The post that will act: itself, its successor, or "" when nobody is named.
    acts: str


def prospects(before: Organisation, made: Organisation, changes: Sequence[Change]) -> list[Prospect]:
    """For every post whose steps the set touches: it ends, or other people hold it (AP-40, AP-41).

    A successor of lower rank refuses nothing: what may go to it does, and only 決裁 is left to the records office.
    """
    follows = {old: new for kind, old, new in successors(changes) if kind == "post"}
    found: list[Prospect] = []
    for post_id in sorted(before.posts):
        if post_id not in made.posts:
            heir = follows.get(post_id, "")
            if heir not in made.posts or made.posts[heir].rank == RANKS[0]:
                found.append(Prospect(post_id, "unresolved", ""))
            elif _is_lower(made.posts[heir], before.posts[post_id]):
                found.append(Prospect(post_id, "lower_successor", heir))
            else:
                found.append(Prospect(post_id, "successor" if made.holders_of(heir) else "vacant", heir))
        elif before.holders_of(post_id) != made.holders_of(post_id):
            found.append(Prospect(post_id, "new_holder" if made.holders_of(post_id) else "vacant", post_id))
    return found


def _is_lower(heir: PostRow, ended: PostRow) -> bool:
    """Whether it stands below a post that decides, and so may not take over what that one decides."""
    return ended.rank in DECISION_CLASSES and RANKS.index(heir.rank) < RANKS.index(ended.rank)
