"""A case against a sheet of paper: random routes, people, absences and acts; both must agree at every step.

The model is written from domain.md 4 alone: a file that lies on desks, with a box per seat. It knows
nothing of the code's states, events or versions.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chassis.errors import DomainError
from services.approvals import policy
from services.approvals.cases import domain
from services.approvals.cases.domain import Act, Action, Case, CaseState, Hall, Step, StepState
from services.approvals.organisation.domain import AppointmentKind, Holder, Seat
from services.approvals.routes.domain import StepKind

NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.timezone(dt.timedelta(hours=9)))
PEOPLE = ["髙橋", "渡邉", "山﨑", "吉田", "神戸", "森"]
DRAFTER = "起案者"


# --- the model ----------------------------------------------------------------------------------


@dataclass
class Box:
    """A seat's box on the sheet. `mark` is what stands in it, "" for nothing yet."""

    kind: str
    group: int
    post: str
    mark: str = ""
    signed: str = ""
    # Whoever acted in place of the seat (引上げ, 代決).
    instead: str = ""
    # Of the act, to know the last one.
    number: int = 0


@dataclass
class Paper:
    """The file: where it lies, what is on it."""

    boxes: list[Box]
    holders: dict[str, str]
    substitutes: list[str]
    drafter: str
    exceptional: bool
    absent: set[str] = field(default_factory=set)
    at: int = 0
    ended: str = ""
    acts: int = 0

    def put(self) -> None:
        """Put the file on the desks of the current group; who is away is passed over now, and only now."""
        for box in self.boxes:
            if box.group == self.at and box.kind != "decide" and self.holders[box.post] in self.absent:
                box.mark = "skipped"

    def move(self) -> None:
        """Go on while all boxes of the current group are filled."""
        while all(box.mark not in ("", "held") for box in self.boxes if box.group == self.at):
            self.at += 1
            self.put()

    def lies_with(self, box: Box) -> bool:
        return not self.ended and box.group == self.at and box.mark in ("", "held")

    def may(self, who: str, box: Box, action: str, comment: str) -> bool:
        """Whether this person may do this to this box now."""
        holds = self.holders[box.post] == who
        if action == "post_view":
            return self.ended == "decided" and box.mark in ("skipped", "pulled", "substituted") and holds
        if not self.lies_with(box):
            return False
        if action in ("dissent", "send_back", "reject", "hold") and not comment:
            return False
        if action == "approve":
            return box.kind in ("approve", "review") and holds
        if action in ("concur", "dissent"):
            return box.kind == "concur" and holds
        if action == "decide":
            return box.kind == "decide" and holds and who != self.drafter
        if action == "reject":
            return box.kind == "decide" and holds
        if action == "hold":
            return holds and box.mark == ""
        if action == "send_back":
            return holds
        if action == "pull_up":
            above = [b for b in self.boxes if b.group > box.group and b.kind in ("approve", "decide")]
            return box.kind == "approve" and any(self.holders[b.post] == who and b.mark == "" for b in above)
        if action == "substitute":
            return box.kind == "decide" and self.substitute_is(who, box)
        raise AssertionError(action)

    def substitute_is(self, who: str, box: Box) -> bool:
        if self.exceptional or any(b.mark == "dissented" for b in self.boxes) or who == self.drafter:
            return False
        if self.holders[box.post] not in self.absent:
            return False
        for post in self.substitutes:
            if self.holders[post] == who:
                return True
            if self.holders[post] not in self.absent:
                return False
        return False

    def do(self, who: str, box: Box, action: str) -> None:
        if action == "hold":
            box.mark = "held"
            return
        if action == "post_view":
            box.mark, box.signed = "viewed", who
            return
        if action in ("pull_up", "substitute"):
            box.mark, box.instead = {"pull_up": "pulled", "substitute": "substituted"}[action], who
        else:
            marks = {"approve": "approved", "concur": "concurred", "dissent": "dissented", "decide": "decided"}
            box.mark, box.signed = marks.get(action, action), who
            self.acts += 1
            box.number = self.acts
        if action in ("decide", "substitute"):
            self.ended = "decided"
        elif action in ("send_back", "reject"):
            self.ended = {"send_back": "sent_back", "reject": "rejected"}[action]
        else:
            self.move()

    def recall(self, who: str) -> bool:
        if self.ended:
            return False
        own = [b for b in self.boxes if b.mark in ("approved", "concurred", "dissented") and b.signed == who]
        own.sort(key=lambda b: (b.group, b.number))
        group = own[-1].group if own else -1
        touched = [b for b in self.boxes if b.group > group and b.mark not in ("", "skipped")]
        if touched or (not own and who != self.drafter):
            return False
        if not own:
            self.ended = "sent_back"
            return True
        for box in self.boxes:
            if box is own[-1] or box.group > group:
                box.mark, box.signed = "", ""
        self.at = group
        return True


SHOWN = {
    StepState.APPROVED: "approved",
    StepState.CONCURRED: "concurred",
    StepState.DISSENTED: "dissented",
    StepState.HELD: "held",
    StepState.SENT_BACK: "send_back",
    StepState.REJECTED: "reject",
    StepState.PULLED_UP: "pulled",
    StepState.SUBSTITUTED: "substituted",
    StepState.POSTVIEW_DUE: "skipped",
    StepState.POSTVIEWED: "viewed",
    StepState.DECIDED: "decided",
    StepState.WAITING: "",
    StepState.ACTIVE: "",
}


# --- the machine --------------------------------------------------------------------------------


@st.composite
def routes(draw):
    """Groups of kinds, the decider alone at the end; every seat a post of its own."""
    kinds = st.sampled_from(["approve", "approve", "concur", "review"])
    groups = draw(st.lists(st.lists(kinds, min_size=1, max_size=3), min_size=draw(st.integers(0, 3)), max_size=4))
    boxes = [Box(kind, number, "") for number, group in enumerate(groups) for kind in group]
    boxes.append(Box("decide", len(groups), ""))
    for number, box in enumerate(boxes):
        box.post = f"P-{number}"
    return boxes


class CaseMachine(RuleBasedStateMachine):
    """Every rule does the same to the case and to the paper."""

    @initialize(
        boxes=routes(),
        seed=st.lists(st.sampled_from(PEOPLE), min_size=16, max_size=16),
        away=st.sets(st.sampled_from(PEOPLE), max_size=2),
        drafter=st.sampled_from([DRAFTER, DRAFTER, DRAFTER, PEOPLE[0]]),
        exceptional=st.sampled_from([False, False, False, True]),
    )
    def open(self, boxes, seed, away, drafter, exceptional):
        posts = [box.post for box in boxes] + ["P-代1", "P-代2", "P-起案"]
        holders = dict(zip(posts, seed, strict=False)) | {"P-起案": drafter}
        self.paper = Paper(boxes, holders, ["P-代1", "P-代2"], drafter, exceptional, set(away))
        self.paper.put()
        self.paper.move()
        steps = tuple(
            Step(f"step-{n}", StepKind(box.kind), StepState.WAITING, box.group + 1, box.post, False, "")
            for n, box in enumerate(boxes)
        )
        case = Case(
            case_id="case",
            document_id="document",
            state=CaseState.CIRCULATING,
            version_digest="digest",
            drafter=drafter,
            drafter_post="P-起案",
            unit_id="U",
            decision_class="head",
            draft_number="箕市第1号",
            urgent=False,
            exceptional=exceptional,
            route_plan_id="plan",
            rule_id="R",
            basis="規程",
            opened_at=NOON,
            steps=steps,
        )
        self.clock = NOON
        self.case, events = domain.open_case(case, self.hall().absent, NOON)
        assert self.case.version == len(events)

    def hall(self) -> Hall:
        seats = {
            post: Seat(post, "室長", "head", "U", "環境政策室", (), (self.holder(who),))
            for post, who in self.paper.holders.items()
        }
        return Hall(seats, tuple(self.paper.substitutes))

    def holder(self, who: str) -> Holder:
        return Holder(who, who, AppointmentKind.MAIN, who in self.paper.absent)

    def accept(self, outcome: domain.Outcome) -> None:
        case, events = outcome
        assert case.version == self.case.version + len(events), "versions are contiguous, one per event"
        assert events, "nothing changes silently"
        assert case.decisions[: len(self.case.decisions)] == self.case.decisions, "decisions are never changed"
        assert len(case.decisions) == len(self.case.decisions) + 1
        self.case = case

    @rule(who=st.sampled_from(PEOPLE))
    def leave_or_return(self, who):
        """An absence changes nothing that already waits (AP-11)."""
        self.paper.absent ^= {who}

    @rule(
        who=st.sampled_from([*PEOPLE, DRAFTER]),
        place=st.integers(0, 12),
        action=st.sampled_from([action.value for action in domain.STEP_ACTIONS]),
        comment=st.sampled_from(["", "意見です。"]),
    )
    def anyone_tries_anything(self, who, place, action, comment):
        self.attempt(who, place % len(self.case.steps), action, comment)

    @rule(number=st.integers(0, 3), choice=st.integers(0, 19))
    def the_file_goes_on(self, number, choice):
        """Somebody whose turn it is acts, so that cases come to their end."""
        turns = [box for box in self.paper.boxes if self.paper.lies_with(box)]
        if not turns:
            self.somebody_views_afterwards(number)
            return
        box = turns[number % len(turns)]
        usual = {"approve": "approve", "review": "approve", "concur": "concur", "decide": "decide"}[box.kind]
        unusual = {"concur": "dissent", "decide": "substitute"}.get(box.kind, "pull_up")
        ending = "reject" if box.kind == "decide" else "send_back"
        action = {0: "hold", 1: unusual, 2: unusual, 3: ending}.get(choice, usual)
        if action == "substitute":
            self.paper.absent |= {self.paper.holders[box.post]}
        actors = [who for who in PEOPLE if self.paper.may(who, box, action, "意見です。")]
        if actors:
            self.attempt(actors[0], self.paper.boxes.index(box), action, "意見です。")

    def somebody_views_afterwards(self, place):
        due = [box for box in self.paper.boxes if box.mark in ("skipped", "pulled", "substituted")]
        if due:
            box = due[place % len(due)]
            self.attempt(self.paper.holders[box.post], self.paper.boxes.index(box), "post_view", "")

    def attempt(self, who: str, place: int, action: str, comment: str) -> None:
        box, step = self.paper.boxes[place], self.case.steps[place]
        expected = self.paper.may(who, box, action, comment)
        before, hall = self.case, self.hall()
        offered = Action(action) in policy.allowed_actions(before, step, hall, who)
        try:
            by = policy.require_signature(before, step, Action(action), hall, who, "")
            act = Act(f"d-{len(before.decisions)}", Action(action), by, comment, self.tick(), before.version_digest)
            outcome = domain.act(before, step.step_id, act, hall.absent)
        except DomainError as error:
            refusal = error.reason
        else:
            refusal = ""
        if refusal:
            assert not expected, f"{who} could not {action} on {box}: {refusal}"
            assert not offered or refusal == "COMMENT_REQUIRED", "what is offered is possible"
            return
        assert expected, f"{who} could {action} on {box}"
        assert offered, "what is possible is offered"
        self.accept(outcome)
        self.paper.do(who, box, action)

    @rule(who=st.sampled_from([*PEOPLE, DRAFTER]))
    def somebody_recalls(self, who):
        hall = self.hall()
        offered = Action.RECALL in policy.allowed_on_case(self.case, hall, who)
        expected = self.paper.recall(who)
        assert offered == expected
        try:
            step = domain.last_act_of(self.case, who)
            by = (
                policy.require_still_held(step, hall, who)
                if step is not None
                else policy.signature_of(self.case, hall, who)
            )
            outcome = domain.recall(self.case, self.on_case(Action.RECALL, by))
        except DomainError:
            assert not expected
            return
        assert expected
        self.accept(outcome)

    @rule(who=st.sampled_from([*PEOPLE, DRAFTER]), really=st.integers(0, 9))
    def somebody_withdraws(self, who, really):
        if who == self.case.drafter and really:
            return
        expected = who == self.paper.drafter and not self.paper.ended
        try:
            policy.require_drafter(self.case, who)
            by = policy.signature_of(self.case, self.hall(), who)
            outcome = domain.withdraw(self.case, self.on_case(Action.WITHDRAW, by))
        except DomainError:
            assert not expected
            return
        assert expected
        self.accept(outcome)
        self.paper.ended = "withdrawn"

    def on_case(self, action: Action, by: domain.Signature) -> Act:
        return Act(f"d-{len(self.case.decisions)}", action, by, "", self.tick(), self.case.version_digest)

    def tick(self) -> dt.datetime:
        self.clock += dt.timedelta(minutes=1)
        return self.clock

    def teardown(self):
        event(f"ended {self.case.state}")
        for decision in self.case.decisions:
            event(f"did {decision.action}")

    # --- what is always true --------------------------------------------------------------------

    @invariant()
    def case_and_paper_agree(self):
        assert self.case.state == (self.paper.ended or "circulating")
        for box, step in zip(self.paper.boxes, self.case.steps, strict=True):
            if step.state is StepState.CANCELLED:
                assert self.paper.ended in ("sent_back", "rejected", "withdrawn")
                continue
            assert SHOWN[step.state] == box.mark, (step, box)
            assert (step.state in domain.OPEN) == self.paper.lies_with(box)
            assert (step.holder.staff_id if step.holder else "") == box.signed
            assert (step.acted_for.staff_id if step.acted_for else "") == box.instead

    @invariant()
    def one_decider_and_one_decision(self):
        """AP-01."""
        assert sum(step.kind is StepKind.DECIDE for step in self.case.steps) == 1
        made = [d for d in self.case.decisions if d.action in (Action.DECIDE, Action.SUBSTITUTE)]
        assert len(made) == (1 if self.case.state is CaseState.DECIDED else 0)
        assert not made or made[0].by.staff_id != self.case.drafter, "AP-43"

    @invariant()
    def no_step_is_ended_twice(self):
        """AP-32: once per round."""
        ends = [
            (d.step_id, d.round)
            for d in self.case.decisions
            if d.action not in (Action.HOLD, Action.RECALL, Action.WITHDRAW, Action.POST_VIEW)
        ]
        assert len(ends) == len(set(ends))

    @invariant()
    def every_act_names_the_version(self):
        """AP-31, I4."""
        assert {d.version_digest for d in self.case.decisions} <= {"digest"}

    @invariant()
    def groups_go_in_order(self):
        """AP-08: nothing is reached before all of the group before has passed."""
        if self.case.state is not CaseState.CIRCULATING:
            return
        open_groups = {step.group for step in self.case.steps if step.state in domain.OPEN}
        assert len(open_groups) == 1, "the case always waits for somebody"
        current = open_groups.pop()
        for step in self.case.steps:
            if step.group < current:
                assert step.state in domain.PASSED
            elif step.group > current:
                assert step.state is StepState.WAITING

    @invariant()
    def views_follow_the_state(self):
        """domain.md 0.3, AC-11: a seat sees while it may act or owes a 後閲; WAITING sees nothing; who acted keeps."""
        views = {(lease.step_id, lease.principal, lease.acted) for lease in domain.leases(self.case)}
        expected = set()
        for box, step in zip(self.paper.boxes, self.case.steps, strict=True):
            owes = self.paper.ended == "decided" and box.mark in ("skipped", "pulled", "substituted")
            if self.paper.lies_with(box) or owes:
                expected.add((step.step_id, f"post:{box.post}", False))
            expected |= {(step.step_id, f"staff:{who}", True) for who in (box.signed, box.instead) if who}
        assert views == expected

    @invariant()
    def the_inbox_follows_the_state(self):
        for box, step in zip(self.paper.boxes, self.case.steps, strict=True):
            owes = self.paper.ended == "decided" and box.mark in ("skipped", "pulled", "substituted")
            kind = "post_view" if owes else "concurrence" if box.kind == "concur" else "decision"
            waits = owes or self.paper.lies_with(box)
            assert domain.inbox_kind(self.case, step) == (kind if waits else "")
            assert (domain.waiting_since(self.case, step) is not None) == waits


CaseMachine.TestCase.settings = settings(
    max_examples=300, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestCase = CaseMachine.TestCase
