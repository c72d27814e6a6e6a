"""Histories of documents in a town, through both services; and the paper beside them, which says who has it in hand.

The services are the real ones, each on its own database; an event goes from the outbox of the one to the consumer of the
other, in any order and some twice. Beside every document stands what people know of its paper: whose unit keeps it, with whom
it lies, whom it was shown, who has handled it. That the 決裁欄 says rightly with whom it lies is proven elsewhere
(services/approvals/tests/test_case_machine.py); what follows for who may look is said here from domain.md 8 alone.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chassis import clock, db
from chassis.errors import DomainError, Kind
from chassis.requests import Call
from kanketsu.documents.v1 import documents_service_pb2 as pb
from kanketsu.event.v1 import envelope_pb2
from services.approvals import consumer as approvals_consumer
from services.approvals import policy
from services.approvals.cases import store as cases
from services.approvals.cases.domain import Case, CaseState, StepState
from services.approvals.cases.envelopes import cause_of
from services.approvals.changes import commands as changes
from services.approvals.changes import midnight
from services.approvals.changes.domain import Change, ChangeKind
from services.approvals.organisation import store as organisation
from services.approvals.policy import Reader
from services.approvals.routes.domain import StepKind
from services.approvals.tests.conftest import City
from services.approvals.tests.conftest import Person as Approver
from services.documents import consumer as documents_consumer
from services.documents import store as documents
from services.documents.tests.conftest import House
from services.documents.tests.conftest import Person as Writer
from tests.viewers import town as towns
from tests.viewers.town import DEPARTMENTS, MATTERS, ROOMS, SECTIONS, TITLES, Town

AMOUNT = 332_000
# Asked of whoever holds the seat; the first is what mostly happens.
ACTS = {
    StepKind.APPROVE: (*["approve"] * 8, "send_back", "hold", "pull_up", "pull_up"),
    StepKind.REVIEW: (*["approve"] * 6, "send_back", "hold"),
    StepKind.PROVISIONAL: (*["approve"] * 4, "hold"),
    StepKind.CONCUR: (*["concur"] * 5, "dissent", "send_back", "hold"),
    StepKind.DECIDE: (*["decide"] * 3, "decide_conditionally", "send_back", "reject"),
}
# How often each is tried.
MOVES = {
    "the_next_acts": 40,
    "anybody_tries_anything": 5,
    "somebody_recalls": 2,
    "the_drafter_takes_it_back": 2,
    "somebody_shows_it_to_more": 3,
    "somebody_leaves_or_returns": 3,
    "the_organisation_changes": 4,
    "it_is_completed": 3,
}
REFUSALS = (Kind.INVALID, Kind.PRECONDITION, Kind.DENIED, Kind.NOT_FOUND)
DUE = (StepState.POSTVIEW_DUE, StepState.PULLED_UP, StepState.SUBSTITUTED)
IN_HAND = (StepState.ACTIVE, StepState.HELD)


@dataclass
class Paper:
    """A document as people know it."""

    document_id: str
    drafter: str
    drafter_post: str
    unit_id: str
    matter: str
    case_id: str = ""
    # 閲覧区分 (AC-02), and whom the drafter named for 指定者のみ.
    view_class: str = "unit"
    named: frozenset[str] = frozenset()
    completed: bool = False
    # Everybody who has done something with it.
    handled: set[str] = field(default_factory=set)
    # The substitute's post that was asked, and the decider's that it was asked for (AP-17).
    asked: tuple[str, str] = ("", "")
    # The post further up that was asked for 引上げ, and those that it was asked to act over (AP-17).
    pulling: tuple[str, frozenset[str]] = ("", frozenset())
    # Posts that it was shown to as 供覧 by the 所属長, or with their consent: what is for designated people needs it (AC-12).
    agreed: set[str] = field(default_factory=set)
    # Who sees it by 緊急閲覧, and by which (AC-08).
    glass: dict[str, str] = field(default_factory=dict)


def lies_with(case: Case) -> set[str]:
    """The posts on whose desks it lies: to be acted on, as 供覧, or after the decision for a 後閲."""
    posts = set()
    for step in case.steps:
        if step.kind is StepKind.INFORM:
            open_for = {CaseState.CIRCULATING: (StepState.ACTIVE,), CaseState.DECIDED: (StepState.ACTIVE,)}
        else:
            open_for = {CaseState.CIRCULATING: IN_HAND, CaseState.DECIDED: DUE}
        if step.state in open_for.get(case.state, ()):
            posts.add(step.post_id)
    return posts


def shown_to(case: Case) -> set[str]:
    """The posts that have it as 供覧 and for nothing else."""
    informed = {step.post_id for step in case.steps if step.kind is StepKind.INFORM and step.basis == "供覧"}
    return informed - {step.post_id for step in case.line if step.state in (*IN_HAND, *DUE)}


CHANGES = ("exchange", "move", "leave", "also", "vacate", "rebuild", "abolish", "rehouse")


@dataclass
class Histories:
    """A town in which several documents are on their way at once. `done` counts what has happened."""

    town: Town
    city: City
    house: House
    rng: random.Random
    done: Counter[str]
    papers: list[Paper] = field(default_factory=list)
    # Staff → id of the absence.
    away: dict[str, str] = field(default_factory=dict)
    # Of each outbox, what has been handed over.
    sent: dict[str, int] = field(default_factory=lambda: {"approvals": 0, "documents": 0})
    # The day of the next 人事異動, entered late (AC-06); acts are of today.
    next_day: dt.date = field(default_factory=lambda: clock.today() - dt.timedelta(days=60))
    people: dict[str, Approver] = field(default_factory=dict)
    # The kinds of 人事異動 and 組織改編 that come next: dealt like cards, so that none stays out for long.
    coming: list[str] = field(default_factory=list)
    # Of their own, so that as much of everything else happens.
    emergencies: random.Random = field(default_factory=lambda: random.Random(8))
    requests: random.Random = field(default_factory=lambda: random.Random(17))

    # --- who sees -------------------------------------------------------------------------------

    async def check(self, *papers: Paper) -> None:
        """AC-10: whoever sees it has it by the rules of paper, and whoever has it by those sees it; over all staff."""
        people = await self.everybody()
        for paper in papers or self.papers:
            case = await self.case_of(paper)
            may = self.may_look(paper, case)
            asked = [(paper.document_id, person.identity.principals) for person in people.values()]
            async with db.connection(self.house.pool) as conn:
                shown = await documents.views(conn, asked)
            seeing = {who for who, view in zip(people, shown, strict=True) if view is not None}
            state = f"{paper.matter} {case.state if case else 'draft'}: {self.done.most_common()}"
            assert not seeing - may, f"more viewers than on paper: {self.names(seeing - may)}, {state}"
            assert not may - seeing, f"cannot see what they have to: {self.names(may - seeing)}, {state}"
            if case is not None:
                readers = {who: Reader(who, person.identity.posts) for who, person in people.items()}
                opened = {who for who, reader in readers.items() if policy.may_see(case, reader, shown=False)}
                assert opened <= seeing, f"the case has more viewers: {self.names(opened - seeing)}, {state}"
            self.done["looked"] += len(people)

    def may_look(self, paper: Paper, case: Case | None) -> set[str]:
        """Of the owner unit whom it is for; holders of a post it lies with; the substitute asked, or the seat asked for 引上げ, on
        record; until 完結 who handled it.

        And beside paper the one person to whom a 緊急閲覧 shows it, while it lasts (AC-08).
        """
        shown = set(paper.glass) & set(self.town.staff)
        if case is None:
            return shown | ({paper.drafter} & self.town.members(paper.unit_id))
        found = shown | self.of_class(paper)
        for post in lies_with(case):
            if paper.view_class != "designated" or post in paper.agreed or post not in shown_to(case):
                found |= self.town.held(post)
        substitute, decider = paper.asked
        if substitute and decider in lies_with(case) and case.state is CaseState.CIRCULATING:
            found |= self.town.held(substitute)
        else:
            paper.asked = ("", "")
        upper, lower = paper.pulling
        if lower & lies_with(case) and case.state is CaseState.CIRCULATING:
            found |= self.town.held(upper)
        else:
            paper.pulling = ("", frozenset())
        return (found | (set() if paper.completed else paper.handled)) & set(self.town.staff)

    def of_class(self, paper: Paper) -> set[str]:
        """Whom it is for by its class, as the rules of paper say (AC-02)."""
        town, unit_id = self.town, paper.unit_id
        members = town.members(unit_id)
        answering = (members & {paper.drafter, *town.managers}) | town.managers_above(unit_id)
        match paper.view_class:
            case "designated":
                return answering | (members & paper.named)
            case "section":
                return answering | members | town.head_above(unit_id)
            case "unit":
                return town.room(unit_id)
            case "department":
                return town.department(unit_id)
            case "city":
                return members | (set(town.staff) - town.administrators)
        raise AssertionError(paper.view_class)

    async def everybody(self) -> dict[str, Approver]:
        """All who ever worked here and can log in today, as who they are today (AC-05, AC-16)."""
        if not self.people:
            for who in [*self.town.staff, *self.town.gone]:
                async with db.connection(self.city.pool) as conn:
                    actor = await organisation.find_actor(conn, towns.login(who), clock.today())
                assert (actor is None) == (who in self.town.gone), who
                if actor is not None:
                    self.people[who] = await self.city.person(who)
        return self.people

    def names(self, staff: set[str]) -> list[str]:
        return [f"{who} {[self.town.posts[post] + ' ' + post for post in self.town.posts_of(who)]}" for who in staff]

    async def case_of(self, paper: Paper) -> Case | None:
        if not paper.case_id:
            return None
        now = clock.now()
        async with db.connection(self.city.pool) as conn:
            found = await cases.load(conn, paper.case_id, now.date(), now)
        assert found is not None
        return found[0]

    # --- moves ----------------------------------------------------------------------------------

    async def draft(self, place: int) -> None:
        """A new draft, at this place of the papers that are looked at."""
        post = self.rng.choice([post for post in self.town.of_rank("member") if self.town.holders[post]])
        drafter, unit_id = self.rng.choice(sorted(self.town.holders[post])), self.town.unit_of(post)
        matter = self.rng.choice(list(MATTERS))
        possible = ["unit", "designated", "department", "city", *(["section"] * 4 if unit_id in SECTIONS else [])]
        view_class = self.rng.choice(possible)
        named = frozenset(self.rng.sample(self.town.staff, 3)) if view_class == "designated" else frozenset[str]()
        chosen = {"view_class": pb.ViewClass.Value(f"VIEW_CLASS_{view_class.upper()}"), "designated": sorted(named)}
        content = {
            "title": f"{matter}について（伺い）",
            "class_code": towns.class_of(matter),
            "folder_id": towns.folder_of(unit_id, matter),
            "decision_class": MATTERS[matter][0],
            "amount": AMOUNT,
            "enforcement_required": False,
            "personal_information": pb.PERSONAL_INFORMATION_NONE,
            "urgent": self.rng.random() < 0.3,
        }
        document = await (await self.writer(drafter)).draft(post_id=post, **content, **chosen)
        paper = Paper(document.document_id, drafter, post, unit_id, matter, view_class=view_class, named=named)
        self.papers[place : place + 1] = [paper]
        self.done[f"draft {view_class}"] += 1

    async def at_its_end(self, paper: Paper) -> bool:
        """Whether nothing more is going to happen to it."""
        case = await self.case_of(paper)
        drafting = case is None or case.state is CaseState.SENT_BACK
        there = paper.drafter in self.town.held(paper.drafter_post)
        return (
            not there if drafting else not lies_with(case) and (paper.completed or case.state is not CaseState.DECIDED)
        )

    async def move(self) -> None:
        """Something happens; then the events arrive, and who sees what is compared."""
        name = self.rng.choices(list(MOVES), list(MOVES.values()))[0]
        place = self.rng.randrange(len(self.papers))
        if await self.at_its_end(self.papers[place]):
            await self.draft(place)
        paper = self.papers[place]
        await getattr(self, name)(paper)
        await self.hand_over()
        await self.check(*([] if name == "the_organisation_changes" else [paper]))
        if self.emergencies.random() < 0.1:
            await self.an_emergency(paper)
            await self.check(paper)

    async def somebody_submits(self, paper: Paper) -> None:
        """回議開始; after a 差戻し or 引戻し once more, as minor or of substance (AP-30)."""
        case = await self.case_of(paper)
        if paper.drafter not in self.town.staff or (case is not None and case.state is not CaseState.SENT_BACK):
            return
        facts = {"unit_id": paper.unit_id, "matter": paper.matter, "amount": AMOUNT}
        facts |= {"drafter_post": paper.drafter_post, "decision_class": MATTERS[paper.matter][0]}
        if self.rng.random() < 0.2:
            facts |= {"exception": "dispute", "exception_reason": "係争中のため"}
        drafter = await self.city.person(paper.drafter)
        plan = await self.tried("plan", self.city.plan(drafter, paper.document_id, **facts))
        if plan is None:
            return
        writer = await self.writer(paper.drafter)
        again = {} if case is None else {"replacement": self.rng.choice(["minor", "minor", "substantive"])}
        document = await writer.see(paper.document_id)
        answer = await self.tried("submit", writer.submit(document, route_plan_id=plan.route_plan_id, **again))
        if answer is not None:
            paper.case_id = answer.case_id
            self.done[f"submit {again.get('replacement', 'first')}"] += 1

    async def the_next_acts(self, paper: Paper) -> None:
        """The holder of a seat that it lies with does what such holders do."""
        case = await self.case_of(paper)
        turns = [step for step in case.steps if step.post_id in lies_with(case)] if case else []
        if not turns:
            await self.somebody_submits(paper)
            return
        if paper.view_class == "designated" and not paper.agreed:
            # Else it would hardly happen.
            having = {who for one in turns if one in case.line for who in self.town.held(one.post_id)}
            for who in sorted(having & self.town.heads(paper.unit_id)):
                await self.show(paper, case, who, self.emergencies)
            if paper.agreed:
                return
        step = self.rng.choice(turns)
        if step.kind is StepKind.DECIDE and not paper.asked[0] and self.rng.random() < 0.4:
            await self.the_drafter_asks_for_a_substitute(paper)
            return
        if case.state is CaseState.DECIDED or step.kind is StepKind.INFORM:
            action = "confirm" if step.kind is StepKind.INFORM else "post_view"
        else:
            action = self.rng.choice(ACTS[step.kind])
        holders = self.town.held(step.post_id)
        if step.kind is StepKind.DECIDE and paper.asked[0]:
            action, holders = "substitute", self.town.held(paper.asked[0])
        if action == "pull_up":
            later = [one.post_id for one in case.line if one.group > step.group and one.kind is StepKind.APPROVE]
            if later and not paper.pulling[0]:
                await self.a_pull_up_is_asked_for(paper, case, later)
                case = await self.case_of(paper)
            holders = self.town.held(paper.pulling[0]) or {who for post in later for who in self.town.held(post)}
        if holders:
            await self.act(paper, case, step, self.rng.choice(sorted(holders)), action)

    async def anybody_tries_anything(self, paper: Paper) -> None:
        """Mostly what they may not; nobody sees more because of it."""
        case = await self.case_of(paper)
        if case is not None and case.steps:
            action = self.rng.choice(
                ["approve", "decide", "concur", "pull_up", "substitute", "post_view", "confirm", "restart"]
            )
            await self.act(paper, case, self.rng.choice(case.steps), self.rng.choice(self.town.staff), action)

    async def act(self, paper: Paper, case: Case, step: Any, who: str, action: str) -> None:
        acted = [
            one
            for one in case.line
            if one.group < step.group and one.state in (StepState.APPROVED, StepState.CONCURRED)
        ]
        target = self.rng.choice(acted).step_id if acted and action == "send_back" and self.rng.random() < 0.5 else ""
        more = {"target_step_id": target, "acknowledged": list(case.opinions)}
        person = await self.city.person(who)
        if await self.tried(action, person.act(case, action, "意見です。", step=step, **more)) is not None:
            paper.handled.add(who)
            if action == "restart":
                # Everybody is asked anew, and nobody over them.
                paper.pulling = ("", frozenset())

    async def somebody_recalls(self, paper: Paper) -> None:
        """引戻し by the last who acted, or by the drafter."""
        case = await self.case_of(paper)
        if case is not None:
            last = next((d.by.staff_id for d in reversed(case.decisions) if d.step_id), paper.drafter)
            await self.on_case("RecallCase", case, self.rng.choice([last, last, paper.drafter]))

    async def the_drafter_takes_it_back(self, paper: Paper) -> None:
        """差替え, seldom 取下げ."""
        case = await self.case_of(paper)
        if case is not None:
            method = "WithdrawCase" if self.rng.random() < 0.2 else "ReplaceVersion"
            await self.on_case(method, case, paper.drafter)

    async def somebody_shows_it_to_more(self, paper: Paper) -> None:
        """供覧 by the drafter, or by whom it lies with (AP-10, AC-12)."""
        case = await self.case_of(paper)
        if case is None:
            return
        having = {paper.drafter} | {who for post in lies_with(case) for who in self.town.held(post)}
        await self.show(paper, case, self.rng.choice(sorted(having)), self.rng)

    async def show(self, paper: Paper, case: Case, who: str, rng: random.Random) -> None:
        """供覧 to one or two posts. What is for designated people is shown with the 所属長's consent: by them (AC-12)."""
        posts = rng.sample(list(self.town.posts), rng.randint(1, 2))
        agreed = who in self.town.heads(paper.unit_id)
        if await self.on_case("CirculateCase", case, who, post_ids=posts) and agreed:
            paper.agreed.update(posts)
            self.done[f"agreed {paper.view_class}"] += 1

    async def the_drafter_asks_for_a_substitute(self, paper: Paper) -> None:
        """代決依頼 (AP-13, AP-17): of the first listed substitute who is there; the others see nothing by it (AC-11)."""
        case = await self.case_of(paper)
        if case is None or not case.steps or case.decider.state not in IN_HAND:
            return
        for who in self.town.held(case.decider.post_id):
            await self.leave(who)
        if await self.on_case("AskSubstitute", case, paper.drafter):
            there = [
                post
                for post in self.town.substitutes.get(case.decider.post_id, [])
                if self.town.held(post)
                and not self.town.held(post) <= set(self.away)
                and paper.drafter not in self.town.held(post)
            ]
            paper.asked = (there[0], case.decider.post_id)

    async def a_pull_up_is_asked_for(self, paper: Paper, case: Case, later: Sequence[str]) -> None:
        """引上げ依頼 (AP-17): of a post further up the own line, by the drafter or by who has it in hand."""
        having = {one.post_id for one in case.line if one.kind is StepKind.APPROVE and one.state in IN_HAND}
        asking = self.requests.choice(sorted({paper.drafter} | {who for one in having for who in self.town.held(one)}))
        post = self.requests.choice(later)
        if await self.on_case("AskPullUp", case, asking, post_id=post):
            paper.pulling = (post, frozenset(having))
            await self.hand_over()
            await self.check(paper)

    async def an_emergency(self, paper: Paper) -> None:
        """緊急閲覧: one more sees it, neither sooner nor who consented; or one that lasts is ended by who asked (AC-08)."""
        there = sorted(set(paper.glass) & set(self.town.staff))
        if there:
            known = {"break_glass_id": paper.glass.pop(there[0]), "expected_version": 2}
            await (await self.writer(there[0], "system_admin")).call("EndBreakGlass", **known)
            self.done["glass closed"] += 1
            return
        asking, consenting = self.emergencies.sample(self.town.staff, 2)
        wish = {"named": paper.document_id, "reason": "担当者の急病のため", "hours": 4}
        asked = await (await self.writer(asking, "system_admin")).call("RequestBreakGlass", **wish)
        await self.check(paper)
        known = {"break_glass_id": asked.break_glass.break_glass_id, "expected_version": 1}
        await (await self.writer(consenting, "records_officer")).call("ConsentBreakGlass", **known)
        paper.glass[asking] = known["break_glass_id"]
        self.done["glass"] += 1

    async def on_case(self, method: str, case: Case, who: str, **given: Any) -> bool:
        if who not in self.town.staff:
            return False
        person = await self.city.person(who)
        return await self.tried(method, person.on_case(method, case, "理由", **given)) is not None

    async def somebody_leaves_or_returns(self, paper: Paper) -> None:
        """不在登録: passes steps over that come to them, and gives nobody a view (AC-11, AP-15)."""
        if self.away and self.rng.random() < 0.6:
            who = self.rng.choice(sorted(self.away))
            absence_id = self.away.pop(who)
            if who in self.town.staff:
                person = await self.city.person(who)
                await person.call("EndAbsence", request_id=clock.new_id(), absence_id=absence_id)
        else:
            await self.leave(self.rng.choice(self.town.staff))

    async def leave(self, who: str) -> None:
        if who not in self.away:
            self.away[who] = await (await self.city.person(who)).is_away()

    async def it_is_completed(self, paper: Paper) -> None:
        """完結: who has handled it loses it; its unit keeps it, and so does an open 後閲 (domain.md 0.2, 0.3)."""
        case = await self.case_of(paper)
        members = sorted(self.of_class(paper) & self.town.members(paper.unit_id))
        if case is None or case.state is not CaseState.DECIDED or not members:
            return
        writer = await self.writer(self.rng.choice(members))
        version = (await writer.see(paper.document_id)).version
        completing = writer.call("CompleteDocument", document_id=paper.document_id, expected_version=version)
        if await self.tried("complete", completing) is not None:
            paper.completed = True

    # --- the organisation -----------------------------------------------------------------------

    async def the_organisation_changes(self, paper: Paper) -> None:
        """人事異動 or 組織改編, planned by one, reviewed by another, applied; open steps follow (AC-05, AP-40, AP-41)."""
        if not self.coming:
            self.coming = self.rng.sample(CHANGES, len(CHANGES))
        kind = self.coming.pop()
        made = getattr(self, f"_{kind}")()
        if not made:
            return
        now, late_reason = clock.now(), "発令の通知が遅れたため"
        if any(one.kind is ChangeKind.UNIT_CHANGES for one in made):
            # Units change ahead only: planned on the day before, and applied after downtime.
            now = dt.datetime.combine(self.next_day - dt.timedelta(days=1), dt.time(12), tzinfo=clock.JST)
            late_reason = ""
        cause, roles = cause_of(envelope_pb2.Actor(staff_id="S-文書")), ("records_officer",)
        call = Call("S-文書", clock.new_id(), "DraftChangeSet", b"")
        kept = await changes.draft(
            self.city.pool,
            call,
            "異動",
            self.next_day,
            made,
            late_reason,
            "S-文書",
            roles,
            cause,
            lambda one: one.change_set_id.encode(),
            now,
        )
        call = Call("S-確認", clock.new_id(), "ReviewChangeSet", b"")
        await changes.review(self.city.pool, call, kept.decode(), 1, "S-確認", roles, cause, lambda one: b"done", now)
        await midnight.turn(self.city.pool, self.city.relay, clock.now())
        rows = await self.city.rows("SELECT state FROM change_sets WHERE change_set_id = %s", kept.decode())
        assert rows == [("applied",)]
        self._follow(made)
        self.next_day += dt.timedelta(days=1)
        self.people.clear()
        self.done[kind] += 1

    def _follow(self, made: list[Change]) -> None:
        """The same in the table of this test: ends before beginnings."""
        for change in sorted(made, key=lambda one: not one.kind.endswith("_ends")):
            match change.kind:
                case ChangeKind.STAFF_ENDS:
                    self.town.staff.remove(change.staff_id)
                    self.town.gone.append(change.staff_id)
                    for held in self.town.holders.values():
                        held.pop(change.staff_id, None)
                case ChangeKind.POST_ENDS:
                    for paper in self.papers:
                        paper.agreed |= {change.successor} if change.post_id in paper.agreed else set()
                    del self.town.posts[change.post_id]
                    self.town.holders[change.post_id] = {}
                case ChangeKind.POST_BEGINS:
                    self.town.posts[change.post_id] = change.rank
                case ChangeKind.UNIT_CHANGES:
                    self.town.parents[change.unit_id] = change.parent_id
                case ChangeKind.APPOINTMENT_ENDS:
                    self.town.holders[change.post_id].pop(change.staff_id, None)
                case ChangeKind.APPOINTMENT_BEGINS:
                    self.town.holders[change.post_id][change.staff_id] = change.appointment

    def _mains(self, *ranks: str) -> list[tuple[str, str]]:
        found = [
            (post, who)
            for post in self.town.of_rank(*ranks)
            for who, how in self.town.holders[post].items()
            if how == "main"
        ]
        return self.rng.sample(found, len(found))

    def _exchange(self) -> list[Change]:
        """Two change places."""
        found = self._mains("chief", "deputy_head", "head", "director")
        if len(found) < 2:
            return []
        (one, first), (other, second) = found[:2]
        made = [_ends(first, one), _ends(second, other)]
        return [*made, _begins(first, other, "main"), _begins(second, one, "main")]

    def _move(self) -> list[Change]:
        """A member goes to another room; what they drafted stays with the unit (AP-42)."""
        found = self._mains("member")
        if not found:
            return []
        post, who = found[0]
        free = [one for one in self.town.of_rank("member") if who not in self.town.holders[one]]
        return [_ends(who, post), _begins(who, self.rng.choice(free), "main")]

    def _leave(self) -> list[Change]:
        """退職 (AC-16). Who leaves an own draft behind is another matter."""
        drafting = {paper.drafter for paper in self.papers if not paper.case_id}
        staying = [who for who in self.town.staff if who not in drafting]
        return [Change(ChangeKind.STAFF_ENDS, staff_id=self.rng.choice(staying))] if len(staying) > 12 else []

    def _also(self) -> list[Change]:
        """併任: a member of one unit is also one of another."""
        found = self._mains("member", "head")
        if not found:
            return []
        post, who = found[0]
        room = self.rng.choice([one for one in ROOMS if one != self.town.unit_of(post)])
        free = [
            one
            for one in self.town.of_rank("member")
            if self.town.unit_of(one) == room and who not in self.town.holders[one]
        ]
        return [_begins(who, self.rng.choice(free), "concurrent")] if free else []

    def _vacate(self) -> list[Change]:
        """兼務・併任・事務取扱 ends."""
        others = [(post, who) for post, held in self.town.holders.items() for who, how in held.items() if how != "main"]
        return [_ends(who, post) for post, who in self.rng.sample(others, min(1, len(others)))]

    def _rebuild(self) -> list[Change]:
        """A post is replaced by another; whoever held it holds that, and its open steps follow."""
        found = self._mains("chief", "deputy_head", "head")
        if not found:
            return []
        post, who = found[0]
        rank, unit_id = self.town.posts[post], self.town.unit_of(post)
        new = f"P{unit_id[1:]}-{len(self.town.holders) + 40}"
        return [
            Change(ChangeKind.POST_BEGINS, post_id=new, unit_id=unit_id, title=TITLES[rank], rank=rank),
            Change(ChangeKind.POST_ENDS, post_id=post, successor=new),
            _begins(who, new, "main"),
        ]

    def _rehouse(self) -> list[Change]:
        """A room goes to the other 部, with its 係; or a 係 to another room."""
        unit_id = self.rng.choice([*ROOMS, *SECTIONS])
        above = self.rng.choice(list(ROOMS if unit_id in SECTIONS else DEPARTMENTS))
        if above == self.town.parents[unit_id]:
            return []
        name = self.town.units[unit_id]
        return [
            Change(
                ChangeKind.UNIT_CHANGES,
                unit_id=unit_id,
                parent_id=above,
                body="mayor",
                name=name,
                kana=name,
                symbol="箕市",
                sort_order=1 + list(self.town.units).index(unit_id),
            )
        ]

    def _abolish(self) -> list[Change]:
        """A post ends and nobody takes over; its holder becomes a member."""
        found = self._mains("chief", "deputy_head")
        if not found:
            return []
        post, who = found[0]
        members = [one for one in self.town.of_rank("member") if who not in self.town.holders[one]]
        return [Change(ChangeKind.POST_ENDS, post_id=post), _begins(who, self.rng.choice(members), "main")]

    # --- both services --------------------------------------------------------------------------

    async def writer(self, who: str, *roles: str) -> Writer:
        identity = (await self.city.person(who)).identity
        return Writer(self.house, replace(identity, roles=identity.roles | set(roles)))

    async def tried(self, what: str, asked: Awaitable[Any]) -> Any:
        """The answer, or None when the rules refuse it."""
        try:
            answer = await asked
        except DomainError as error:
            if error.kind not in REFUSALS:
                raise
            self.done["refused"] += 1
            return None
        self.done[what] += 1
        return answer

    async def hand_over(self) -> None:
        """What waits in each outbox, to the consumer of the other service."""
        # Of 緊急閲覧 a notice is all that approvals makes, and a notice shows nothing.
        heard = [one for one in approvals_consumer.SUBJECTS if ".break_glass." not in one]
        for envelope in await self.waiting("documents", self.house, heard):
            await approvals_consumer.apply(self.city.pool, self.city.relay, envelope)
        told = await self.waiting("approvals", self.city, ["kanketsu.approvals.case.%"])
        await documents_consumer.apply(self.house.service, told)

    async def waiting(self, name: str, service: City | House, subjects: Sequence[str]) -> list[envelope_pb2.Envelope]:
        rows = await service.rows(
            "SELECT outbox_id, payload FROM outbox WHERE outbox_id > %s AND subject LIKE ANY(%s) ORDER BY outbox_id",
            self.sent[name],
            list(subjects),
        )
        found = [envelope_pb2.Envelope.FromString(payload) for _, payload in rows]
        self.sent[name] = max([self.sent[name], *(place for place, _ in rows)])
        return self.rng.sample(found, len(found)) + self.rng.sample(found, min(1, len(found)))


def _ends(who: str, post: str) -> Change:
    return Change(ChangeKind.APPOINTMENT_ENDS, staff_id=who, post_id=post)


def _begins(who: str, post: str, how: str) -> Change:
    return Change(ChangeKind.APPOINTMENT_BEGINS, staff_id=who, post_id=post, appointment=how)
