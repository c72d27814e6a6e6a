"""代決順位 in a planned set: which lists it changes, and what the person who reviews it should know (AP-13, AP-14). Pure.

A list that is wrong refuses nothing: until somebody is away nobody needs it. It is warned of in the set that makes it so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from services.approvals.changes.domain import Organisation, SubstituteRow
from services.approvals.organisation.domain import DECISION_CLASSES


@dataclass(frozen=True)
class SubstituteList:
    """The substitutes of one post for one matter, in order, before the day and from it on."""

    post_id: str
    # "" for all matters that have no list of their own.
    matter: str
    before: tuple[SubstituteRow, ...]
    after: tuple[SubstituteRow, ...]


@dataclass(frozen=True, order=True)
class Warning:
    """What is wrong with a list afterwards and was not before."""

    post_id: str
    matter: str
    # The rank it is about; 0 is the whole list.
    place: int
    # Upper-case word; the gateway has the sentence.
    problem: str
    substitute_post_id: str = ""


def changed_lists(before: Organisation, made: Organisation) -> list[SubstituteList]:
    """Every list that is not as it was, by post and matter."""
    keys = {(post_id, matter) for post_id, matter, _ in before.substitutes.keys() | made.substitutes.keys()}
    found = [SubstituteList(*key, tuple(before.ranks(*key)), tuple(made.ranks(*key))) for key in sorted(keys)]
    return [one for one in found if one.before != one.after]


def warnings(before: Organisation, made: Organisation) -> list[Warning]:
    """For the review: SUBSTITUTE_ENDED, SUBSTITUTE_VACANT, RANK_MISSING and NO_SUBSTITUTE, as far as the set causes them."""
    return sorted({*_ended(before, made), *_problems(made)} - {*_problems(before)})


def _ended(before: Organisation, made: Organisation) -> Iterator[Warning]:
    """Ranks that end because their post does, and that the set gives to nobody else."""
    for (post_id, matter, place), row in before.substitutes.items():
        open_rank = post_id in made.posts and (post_id, matter, place) not in made.substitutes
        if open_rank and row.substitute_post_id not in made.posts:
            yield Warning(post_id, matter, place, "SUBSTITUTE_ENDED", row.substitute_post_id)


def _problems(made: Organisation) -> Iterator[Warning]:
    """What is wrong with the lists of an organisation, whatever they were before."""
    lists = {(post_id, matter) for post_id, matter, _ in made.substitutes}
    deciders = {(post_id, "") for post_id, post in made.posts.items() if post.rank in DECISION_CLASSES}
    for post_id, matter in lists | deciders:
        rows = made.ranks(post_id, matter)
        for row in rows:
            if not made.holders_of(row.substitute_post_id):
                yield Warning(post_id, matter, row.place, "SUBSTITUTE_VACANT", row.substitute_post_id)
        gap = next((place for place, row in enumerate(rows, start=1) if row.place != place), 0)
        if gap:
            yield Warning(post_id, matter, gap, "RANK_MISSING")
        if not any(_stands_in(made, row) for row in rows):
            yield Warning(post_id, matter, 0, "NO_SUBSTITUTE")


def _stands_in(made: Organisation, row: SubstituteRow) -> bool:
    """Whether somebody else than the decider holds the post: 兼務 of one person is away with them."""
    deciders = {holder.staff_id for holder in made.holders_of(row.post_id)}
    return any(holder.staff_id not in deciders for holder in made.holders_of(row.substitute_post_id))
