"""Rules, templates of routes and escalation lists that name what a planned set ends. Pure; it warns and refuses nothing."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.approvals.changes.domain import Organisation
from services.approvals.organisation.domain import post_label
from services.approvals.routes.domain import Rule
from services.approvals.rules.checks import Problem, check
from services.approvals.rules.planned import as_checked
from services.approvals.templates.domain import Scope, Template


class ReferenceKind(enum.StrEnum):
    """What names it."""

    RULE = "rule"
    TEMPLATE = "template"
    ESCALATION = "escalation"


@dataclass(frozen=True)
class Reference:
    """One thing that the set breaks, in words for staff. `about`: a matter, a template's id, or the unit of a list."""

    kind: ReferenceKind
    about: str
    text: str


def of_rules(rules: Sequence[Rule], before: Organisation, made: Organisation) -> list[Reference]:
    """What the check finds in the rules of the day after the set and would not find without it.

    Not which units have no rule for a matter: that says the file plan, which documents keeps.
    """
    known: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for found in check(rules, as_checked(before)):
        known[found.problem, found.matter, *found.rule_ids].update(found.unit_ids, [""])
    return [
        Reference(ReferenceKind.RULE, found.matter, found.text)
        for found in check(rules, as_checked(made))
        if found.problem is not Problem.NO_RULE
        and not {"", *found.unit_ids} <= known[found.problem, found.matter, *found.rule_ids]
    ]


def of_templates(templates: Iterable[Template], before: Organisation, made: Organisation) -> Iterator[Reference]:
    """Templates of units and of the city. A person's own are nobody's business; who uses one is told then."""
    for template in templates:
        what = f"ひな形「{template.name}」："
        ends = _posts_that_end([extra.post_id for extra in template.extras], before, made)
        if template.scope is Scope.UNIT and template.owner in before.units and template.owner not in made.units:
            ends = [f"「{before.units[template.owner].name}」がなくなります。", *ends]
        for end in ends:
            yield Reference(ReferenceKind.TEMPLATE, template.route_template_id, what + end)


def of_lists(lists: Mapping[str, Sequence[str]], before: Organisation, made: Organisation) -> Iterator[Reference]:
    """滞留の連絡先, the posts by unit. Of units that stay: one that ends has no 滞留 of its own any more."""
    for unit_id, post_ids in lists.items():
        if (unit := made.units.get(unit_id)) is not None:
            for end in _posts_that_end(post_ids, before, made):
                yield Reference(ReferenceKind.ESCALATION, unit_id, f"滞留の連絡先（{unit.name}）：{end}")


def _posts_that_end(post_ids: Iterable[str], before: Organisation, made: Organisation) -> list[str]:
    found: list[str] = []
    for post_id in post_ids:
        post = before.posts.get(post_id)
        if post is not None and post_id not in made.posts:
            unit = before.units.get(post.unit_id)
            found.append(f"「{post_label(unit.name if unit else '', post.title)}」の職がなくなります。")
    return found
