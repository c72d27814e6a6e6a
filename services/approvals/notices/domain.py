"""Whom an act makes hear of what (通知). Pure: a case before and after an act gives who is told, by post or by person.

A notice names a case, a document or a planned set, and a kind, nothing else; what it is about is not known here (AC-14).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chassis.errors import FieldViolation, invalid
from services.approvals.cases.domain import Action, Case, CaseState, Step, inbox_kind
from services.approvals.routes.domain import StepKind
from services.approvals.succession.domain import heir

MAX_LISTED_POSTS: Final = 20
# Longer than any tree of units: searches end.
_DEEPEST: Final = 16
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


class NoticeKind(enum.StrEnum):
    """What somebody is told. In the order in which one stands for all when a person would be told several at once."""

    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    SENT_BACK = "sent_back"
    DECIDED = "decided"
    # 代決依頼 (AP-17).
    SUBSTITUTE = "substitute"
    # 至急 (AP-50).
    URGENT_TURN = "urgent_turn"
    TURN = "turn"
    POST_VIEW = "post_view"
    CIRCULATION = "circulation"
    # 緊急閲覧 of a document of the unit, and its end (AC-08).
    BREAK_GLASS = "break_glass"
    BREAK_GLASS_ENDED = "break_glass_ended"
    # Midnight refused a planned set of changes: everybody is where they were.
    CHANGE_SET_REFUSED = "change_set_refused"
    # The term is over (AP-09, LC-13), and is long over.
    REMINDER = "reminder"
    ESCALATION = "escalation"


class Group(enum.StrEnum):
    """Kinds that a person switches together."""

    URGENT = "urgent"
    TURN = "turn"
    RESULT = "result"
    DEADLINE = "deadline"


GROUP_OF: Final[Mapping[NoticeKind, Group]] = {
    NoticeKind.REJECTED: Group.RESULT,
    NoticeKind.WITHDRAWN: Group.RESULT,
    NoticeKind.SENT_BACK: Group.RESULT,
    NoticeKind.DECIDED: Group.RESULT,
    NoticeKind.SUBSTITUTE: Group.URGENT,
    NoticeKind.URGENT_TURN: Group.URGENT,
    NoticeKind.TURN: Group.TURN,
    NoticeKind.POST_VIEW: Group.TURN,
    NoticeKind.CIRCULATION: Group.TURN,
    NoticeKind.BREAK_GLASS: Group.URGENT,
    NoticeKind.BREAK_GLASS_ENDED: Group.RESULT,
    NoticeKind.CHANGE_SET_REFUSED: Group.URGENT,
    NoticeKind.REMINDER: Group.DEADLINE,
    NoticeKind.ESCALATION: Group.DEADLINE,
}


@dataclass(frozen=True)
class Choices:
    """Which groups go to open pages and by e-mail; the page 通知 shows all of them in any case."""

    live: frozenset[Group] = frozenset(Group)
    mail: frozenset[Group] = frozenset({Group.URGENT, Group.DEADLINE})
    # 0 for who has chosen nothing.
    version: int = 0


@dataclass(frozen=True)
class Told:
    """One notice of one case: to the holders of a post on the day, or to a person."""

    case_id: str
    kind: NoticeKind
    post_id: str = ""
    staff_id: str = ""


# What asks the holders of a post for something; it is over when that waits for them no longer.
ASKING: Final = frozenset(
    {
        NoticeKind.SUBSTITUTE,
        NoticeKind.URGENT_TURN,
        NoticeKind.TURN,
        NoticeKind.POST_VIEW,
        NoticeKind.CIRCULATION,
        NoticeKind.REMINDER,
    }
)
_WAITS: Final = {"post_view": NoticeKind.POST_VIEW, "circulation": NoticeKind.CIRCULATION}
_ENDS: Final = {
    CaseState.REJECTED: NoticeKind.REJECTED,
    CaseState.WITHDRAWN: NoticeKind.WITHDRAWN,
    CaseState.SENT_BACK: NoticeKind.SENT_BACK,
    # The plan did not fit: the document is with its drafter again.
    CaseState.REFUSED: NoticeKind.SENT_BACK,
    CaseState.DECIDED: NoticeKind.DECIDED,
}


def told(before: Case | None, after: Case) -> tuple[Told, ...]:
    """Who hears of an act: the posts for which something waits that did not wait before, and whom the end concerns.

    `before` is None for a case that is opened. The order is that of the kinds.
    """
    found = [*_ended(before, after), *_waiting(before, after), *(_elsewhere(after) if before is None else ())]
    order = list(NoticeKind)
    return tuple(sorted(dict.fromkeys(found), key=lambda one: order.index(one.kind)))


def standing(case: Case) -> tuple[Told, ...]:
    """What may still be unread of what the posts of a case were told: that for which something waits there now."""
    found: list[Told] = []
    for step in case.steps:
        if not (heading := inbox_kind(case, step)):
            continue
        kinds = (
            (_WAITS[heading],) if heading in _WAITS else (NoticeKind.URGENT_TURN, NoticeKind.TURN, NoticeKind.REMINDER)
        )
        found += [Told(case.case_id, kind, post_id=step.post_id) for kind in kinds]
        if step.asked_post_id and heading == "decision":
            asked = (NoticeKind.SUBSTITUTE, NoticeKind.REMINDER)
            found += [Told(case.case_id, kind, post_id=step.asked_post_id) for kind in asked]
    return tuple(found)


def choices(live: Collection[str], mail: Collection[str], version: int) -> Choices:
    """INVALID_FIELDS for a group that does not exist."""
    known = set(Group)
    wrong = [name for name, wished in (("live", live), ("mail", mail)) if not known.issuperset(wished)]
    if wrong:
        raise invalid(*(FieldViolation(name, "UNKNOWN") for name in wrong))
    return Choices(frozenset(map(Group, live)), frozenset(map(Group, mail)), version)


def checked_list(post_ids: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """The posts of an escalation list. INVALID_FIELDS for too many, one twice, one that does not exist today."""
    problem = ""
    if len(post_ids) > MAX_LISTED_POSTS:
        problem = "TOO_MANY"
    elif len(set(post_ids)) != len(post_ids):
        problem = "POST_TWICE"
    elif not set(post_ids) <= set(known):
        problem = "UNKNOWN"
    if problem:
        raise invalid(FieldViolation("post_ids", problem))
    return tuple(post_ids)


def heirs(post_ids: Collection[str], follows: Mapping[str, str], living: Collection[str]) -> dict[str, str]:
    """Of the posts that have ended: who took over (AP-41), "" where nobody did."""
    return {post: heir(post, follows, living) or "" for post in post_ids if post not in living}


def reached(post_ids: Sequence[str], heirs: Mapping[str, str], held: Collection[str]) -> tuple[str, ...]:
    """The posts of a list at which somebody hears of it: none of them, and the list counts as empty."""
    found = dict.fromkeys(heirs.get(post, post) for post in post_ids)
    return tuple(post for post in found if post in held)


def list_of(unit_id: str, parents: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> str:
    """The unit whose escalation list holds for a unit: itself, else the nearest above; "" when there is none."""
    for _ in range(_DEEPEST):
        if not unit_id or lists.get(unit_id):
            return unit_id
        unit_id = parents.get(unit_id, "")
    return ""


def is_address(text: str) -> bool:
    """Whether an e-mail can go there: one plain address, nothing that could become another header."""
    return len(text) <= 254 and _ADDRESS.fullmatch(text) is not None and ".." not in text


def _waiting(before: Case | None, after: Case) -> list[Told]:
    """What waits in an inbox now and did not before: another post, another round, another heading, a substitute asked."""
    was = {} if before is None else {step.step_id: (before, step) for step in before.steps}
    found: list[Told] = []
    for step in after.steps:
        heading = inbox_kind(after, step)
        if not heading:
            continue
        old_case, old = was.get(step.step_id, (None, None))
        waited = old_case is not None and old is not None and _waited(old_case, old) == _waited(after, step)
        turn = NoticeKind.URGENT_TURN if after.urgent else NoticeKind.TURN
        if not waited:
            found.append(Told(after.case_id, _WAITS.get(heading, turn), post_id=step.post_id))
        asked = step.asked_post_id if heading == "decision" else ""
        if asked and (old is None or old.asked_post_id != asked):
            kind = NoticeKind.SUBSTITUTE if step.kind is StepKind.DECIDE else turn
            found.append(Told(after.case_id, kind, post_id=asked))
    return found


def _elsewhere(after: Case) -> list[Told]:
    """Whose act counts on after a minor 差替え, but who holds its post no more, so that no 供覧 waits for them (AP-30)."""
    shown = {step.post_id for step in after.steps if step.kind is StepKind.INFORM}
    moved = (one.by for one in after.decisions if one.carried_from and one.by.post_id not in shown)
    return [Told(after.case_id, NoticeKind.CIRCULATION, staff_id=by.staff_id) for by in moved]


def _waited(case: Case, step: Step) -> tuple[str, str, int]:
    return inbox_kind(case, step), step.post_id, step.round


def _ended(before: Case | None, after: Case) -> list[Told]:
    """Whose document it is, and after a 否認 or 取下げ who answered a 合議; never who did it."""
    kind = _ENDS.get(after.state)
    if kind is None or (before is not None and before.state is after.state):
        return []
    people = [after.in_charge]
    if kind in (NoticeKind.REJECTED, NoticeKind.WITHDRAWN):
        people += [one.by.staff_id for one in after.decisions if one.action in (Action.CONCUR, Action.DISSENT)]
    actor = after.decisions[-1].by.staff_id if after.decisions else ""
    return [Told(after.case_id, kind, staff_id=one) for one in people if one != actor]
