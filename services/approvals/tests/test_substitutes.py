"""代決順位 in planned changes (AP-13, AP-14): what is warned of, who has which rank on which day, acts around midnight."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from chassis import clock
from chassis.errors import DomainError
from services.approvals.cases.domain import Action
from services.approvals.changes import commands, domain, midnight, substitutes
from services.approvals.changes.domain import (
    AppointmentRow,
    Change,
    ChangeKind,
    Finding,
    Organisation,
    PostRow,
    SubstituteRow,
)
from services.approvals.tests.conftest import refused, snapshot_of
from services.approvals.tests.test_change_sets import TOWN, ends, person, review, undo, view
from services.approvals.tests.test_change_sets import drafted as draft_of
from services.approvals.tests.test_midnight import act_on, at, reviewed

# --- what a change means -------------------------------------------------------------------------

TECHNICAL = "占用許可"


def rank(post_id, place, substitute_post_id, matter=""):
    return SubstituteRow(post_id, matter, place, substitute_post_id)


def staffed(*ranks):
    """観光室 with 室長, 補佐, 主査, each held, and these ranks."""
    posts = {
        "P-補": PostRow("P-補", "U-観", "室長補佐", "deputy_head"),
        "P-主": PostRow("P-主", "U-観", "担当主査", "chief"),
    }
    held = {("S4", "P-補"): AppointmentRow("S4", "P-補", "main"), ("S5", "P-主"): AppointmentRow("S5", "P-主", "main")}
    return Organisation(
        TOWN.units,
        {**TOWN.posts, **posts},
        {**TOWN.staff, "S4": person("S4", "葛󠄀城 拓也"), "S5": person("S5", "大槻 恵")},
        {**TOWN.appointments, **held},
        {},
        {(one.post_id, one.matter, one.place): one for one in ranks},
    )


LISTED = staffed(rank("P-観", 1, "P-補"), rank("P-観", 2, "P-主"), rank("P-商", 1, "P-観"))


def takes(post_id, place, substitute_post_id, matter=""):
    return Change(
        ChangeKind.SUBSTITUTE_BEGINS, post_id=post_id, place=place, substitute_post_id=substitute_post_id, matter=matter
    )


def gives_up(post_id, place, matter=""):
    return Change(ChangeKind.SUBSTITUTE_ENDS, post_id=post_id, place=place, matter=matter)


def warned(before, changes):
    made, findings = domain.after(before, changes)
    assert findings == []
    return [(one.post_id, one.matter, one.place, one.problem) for one in substitutes.warnings(before, made)]


EXCHANGE = [gives_up("P-観", 1), takes("P-観", 2, "P-補"), takes("P-観", 1, "P-主"), gives_up("P-観", 2)]


@pytest.mark.parametrize("changes", [EXCHANGE, EXCHANGE[::-1]])
def test_two_substitutes_change_ranks_in_one_set(changes):
    """AP-13: whatever the order of the lines; the difference is the list before and after."""
    made, findings = domain.after(LISTED, changes)
    assert findings == []
    (only,) = substitutes.changed_lists(LISTED, made)
    assert [one.substitute_post_id for one in only.before] == ["P-補", "P-主"]
    assert [one.substitute_post_id for one in only.after] == ["P-主", "P-補"]
    assert substitutes.warnings(LISTED, made) == []
    turnover = domain.turnovers(LISTED, made)["substitutes"]
    assert {row.place for row in turnover.ended} == {row.place for row in turnover.begun} == {1, 2}


def test_a_list_of_its_own_for_one_matter():
    """AP-13: 技術 by another order than その他."""
    made, findings = domain.after(LISTED, [takes("P-観", 1, "P-主", TECHNICAL)])
    assert findings == []
    assert [one.substitute_post_id for one in made.ranks("P-観", TECHNICAL)] == ["P-主"]
    assert [one.substitute_post_id for one in made.ranks("P-観", "")] == ["P-補", "P-主"]
    assert [(one.post_id, one.matter) for one in substitutes.changed_lists(LISTED, made)] == [("P-観", TECHNICAL)]


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ([takes("P-観", 1, "P-商")], Finding(1, "EXISTS_ALREADY", "P-観")),
        ([gives_up("P-観", 3)], Finding(1, "DOES_NOT_EXIST", "P-観")),
        ([gives_up("P-観", 1, TECHNICAL)], Finding(1, "DOES_NOT_EXIST", f"P-観/{TECHNICAL}")),
        ([takes("P-観", 3, "P-無")], Finding(1, "UNKNOWN_POST", "P-無")),
        ([takes("P-無", 1, "P-補")], Finding(1, "UNKNOWN_POST", "P-無")),
        ([takes("P-観", 3, "P-観")], Finding(1, "OWN_SUBSTITUTE", "P-観")),
        ([takes("P-観", 3, "P-補")], Finding(1, "SUBSTITUTE_TWICE", "P-補")),
        ([takes("P-観", 0, "P-補")], Finding(1, "REQUIRED", "place")),
        ([takes("P-観", 100, "P-商")], Finding(1, "MALFORMED", "place")),
    ],
)
def test_a_rank_that_does_not_fit_says_where(changes, finding):
    """AP-13."""
    assert finding in domain.after(LISTED, changes)[1]


def test_the_reviewer_is_warned_of_what_the_set_breaks_and_of_nothing_else():
    """AP-13, AP-14: nobody left, a hole, an abolished post, a leaver; what was wrong before is not this set's."""
    assert warned(LISTED, [gives_up("P-観", 1)]) == [("P-観", "", 1, "RANK_MISSING")]
    assert warned(LISTED, [gives_up("P-商", 1)]) == [("P-商", "", 0, "NO_SUBSTITUTE")]
    assert warned(LISTED, [Change(ChangeKind.STAFF_ENDS, staff_id="S5")]) == [("P-観", "", 2, "SUBSTITUTE_VACANT")]
    abolished = [Change(ChangeKind.POST_ENDS, post_id="P-補")]
    assert warned(LISTED, abolished) == [("P-観", "", 1, "RANK_MISSING"), ("P-観", "", 1, "SUBSTITUTE_ENDED")]
    assert warned(LISTED, [*abolished, gives_up("P-観", 2), takes("P-観", 1, "P-主")]) == []
    broken = staffed(rank("P-観", 2, "P-主"), rank("P-商", 1, "P-員"))
    assert warned(broken, [ends("S3", "P-員")]) == [
        ("P-商", "", 0, "NO_SUBSTITUTE"),
        ("P-商", "", 1, "SUBSTITUTE_VACANT"),
    ]
    # 兼務: who would stand in is the very person who is away.
    own = domain.after(LISTED, [ends("S4", "P-補"), ends("S5", "P-主")])[0]
    doubled = [
        Change(ChangeKind.APPOINTMENT_BEGINS, staff_id="S1", post_id=post, appointment="concurrent")
        for post in ("P-補", "P-主")
    ]
    both, _ = domain.after(LISTED, [ends("S4", "P-補"), ends("S5", "P-主"), *doubled])
    assert {one.problem for one in substitutes.warnings(LISTED, both) if one.post_id == "P-観"} == {"NO_SUBSTITUTE"}
    assert {one.problem for one in substitutes.warnings(LISTED, own)} == {"NO_SUBSTITUTE", "SUBSTITUTE_VACANT"}


def test_the_ranks_of_a_post_that_ends_end_with_it():
    """AP-13, AP-41: its own and those it has; the successor gets none by itself. Saying so again is no mistake."""
    gone = Change(ChangeKind.POST_ENDS, post_id="P-観", successor="P-商")
    made, findings = domain.after(LISTED, [gone, gives_up("P-商", 1), gives_up("P-観", 2)])
    assert (findings, made.substitutes) == ([], {})


# --- the life of a plan --------------------------------------------------------------------------

HEAD, DEPUTY, CHIEF = "P-040-03-01", "P-040-03-02", "P-040-03-03"
_days = (dt.date(clock.today().year + year, 4, 1) for year in range(1, 50))


def begins(place, post, matter="", of=HEAD):
    return {"kind": "substitute_begins", "post_id": of, "place": place, "substitute_post_id": post, "matter": matter}


def stops(place, matter="", of=HEAD):
    return {"kind": "substitute_ends", "post_id": of, "place": place, "matter": matter}


SWAP = [stops(1), stops(2), begins(1, CHIEF), begins(2, DEPUTY)]
SWAP_BACK = [stops(1), stops(2), begins(1, DEPUTY), begins(2, CHIEF)]


async def listed(city, on=""):
    """(matter, rank, post, holders, from, to) of the 室長's list, as a clerk reads it."""
    clerk = await city.person("S0072")
    answer = await clerk.call("ListSubstitutes", post_id=HEAD, on=on.isoformat() if on else "")
    return [
        (one.matter, one.place, one.post.post_id, list(one.holder_names), getattr(one, "from"), one.to)
        for one in answer.substitutions
    ]


async def test_the_order_changes_at_midnight_and_both_are_known_for_ever(city):
    """AP-13: [from, to); the day before it is the old order, for ever; a dry run shows both, and nobody else sees it."""
    day = next(_days)
    drafted = await draft_of(city, day, *SWAP)
    (change,) = (await view(city, drafted)).preview.substitutes
    assert [(one.place, one.post.title, list(one.holder_names)) for one in change.before] == [
        (1, "室長補佐", ["山﨑 由紀子"]),
        (2, "担当主査", ["渡邉 浩"]),
    ]
    assert [one.post.title for one in change.after] == ["担当主査", "室長補佐"]
    assert (change.post.unit_name, change.post.title, change.matter) == ("環境政策室", "室長", "")
    planned = await review(city, drafted)
    before = await listed(city)
    assert await commands.apply_due(city.pool, at(day, seconds=-1)) == []
    assert await listed(city) == before
    await commands.apply_due(city.pool, at(day))
    assert [one[1:3] for one in await listed(city, day - dt.timedelta(days=1))] == [(1, DEPUTY), (2, CHIEF)]
    now = await listed(city, day)
    assert [one[1:3] for one in now] == [(1, CHIEF), (2, DEPUTY)]
    assert [len(one[3]) for one in now] == [1, 1], "who held the post that day"
    ever = await listed(city)
    assert {(one[2], one[5]) for one in ever} >= {(DEPUTY, day.isoformat()), (CHIEF, "")}
    assert planned.change_count == 4
    back = next(_days)
    await reviewed(city, back, *SWAP_BACK)
    await commands.apply_due(city.pool, at(back))


async def test_an_undone_set_leaves_the_order_as_it_was(city):
    """AP-13: until midnight nothing is written."""
    day = next(_days)
    before = await city.rows("SELECT count(*) FROM substitutes")
    planned = await review(city, await draft_of(city, day, *SWAP))
    await undo(city, planned)
    assert await commands.apply_due(city.pool, at(day)) == []
    assert await city.rows("SELECT count(*) FROM substitutes") == before


async def test_a_set_that_leaves_a_decider_alone_is_warned_of_and_may_be_reviewed(city):
    """AP-13, AP-14: a leaver, an abolished post, a hole; the review goes through, and the set is undone after all."""
    day = next(_days)
    drafted = await draft_of(
        city, day, {"kind": "staff_ends", "staff_id": "S0070"}, {"kind": "post_ends", "post_id": DEPUTY}
    )
    preview = (await view(city, drafted)).preview
    found = {(one.problem, one.place, one.substitute.title) for one in preview.warnings if one.post.post_id == HEAD}
    assert found == {
        ("NO_SUBSTITUTE", 0, ""),
        ("RANK_MISSING", 1, ""),
        ("SUBSTITUTE_ENDED", 1, "室長補佐"),
        ("SUBSTITUTE_VACANT", 2, "担当主査"),
    }
    await undo(city, await review(city, drafted))


async def waiting_for_the_head(city, **facts):
    """A case whose decider, the 室長, is next; as the drafter sees it."""
    case_id = await city.circulating(**facts)
    for post in (CHIEF, DEPUTY):
        person = await city.holder(post)
        case = await person.act(await person.see(case_id), "approve")
    return case


async def away(city, start, end):
    head = await city.holder(HEAD)
    span = {"from": start, "to": end}
    await head.call("RegisterAbsence", request_id=clock.new_id(), reason_code="training", **span)


async def substitute(city, case, staff_id, now):
    await act_on(city, case, case.steps[2], staff_id, Action.SUBSTITUTE, now)


async def test_the_day_of_the_act_says_whose_rank_it_is(city):
    """AP-13: 室長補佐 in the last second of the day before, 担当主査 in the first of the day; nobody in between."""
    day = next(_days)
    last, first, third = [await waiting_for_the_head(city) for _ in range(3)]
    await away(city, at(day, days=-1), at(day, days=1))
    await reviewed(city, day, *SWAP)
    await substitute(city, last, "S0069", at(day, seconds=-1))
    assert (await refused(substitute(city, first, "S0070", at(day)))).reason == "REORGANISING"
    await commands.apply_due(city.pool, at(day))
    error = await refused(substitute(city, first, "S0069", at(day, seconds=1)))
    assert (error.reason, error.metadata["post"]) == ("NOT_ABSENT", "担当主査")
    await substitute(city, first, "S0070", at(day, seconds=1))
    # Whose turn it was the day before is not asked any more.
    assert (await refused(substitute(city, third, "S0069", at(day, seconds=2)))).reason == "NOT_ABSENT"
    rows = await city.rows(
        "SELECT decided_by FROM cases WHERE case_id = ANY(%s::uuid []) ORDER BY decided_at",
        [last.case_id, first.case_id],
    )
    assert rows == [("S0069",), ("S0070",)]
    back = next(_days)
    await reviewed(city, back, *SWAP_BACK)
    await commands.apply_due(city.pool, at(back))


@pytest.mark.parametrize("attempt", range(3))
async def test_substitutes_who_race_the_change_of_their_ranks(city, attempt):
    """AP-13: the old and the new first substitute press 代決 around midnight; one wins, in their own time."""
    day = next(_days)
    case = await waiting_for_the_head(city)
    await away(city, at(day, days=-1), at(day, days=1))
    await reviewed(city, day, *SWAP)
    order = [
        substitute(city, case, "S0069", at(day, seconds=-0.001)),
        commands.apply_due(city.pool, at(day)),
        substitute(city, case, "S0070", at(day, seconds=0.001)),
        substitute(city, case, "S0069", at(day, seconds=0.002)),
    ]
    results = await asyncio.gather(*(order[attempt:] + order[:attempt]), return_exceptions=True)
    reasons = {one.reason for one in results if isinstance(one, DomainError)}
    assert reasons <= {"STALE_VERSION", "REORGANISING", "NOT_ABSENT", "CASE_CLOSED", "STEP_NOT_ACTIVE"}
    assert not [one for one in results if isinstance(one, Exception) and not isinstance(one, DomainError)]
    rows = await city.rows(
        "SELECT staff_id, acted_at FROM decisions WHERE case_id = %s AND action = 'substitute'", case.case_id
    )
    assert len(rows) <= 1
    for staff_id, acted_at in rows:
        assert staff_id == ("S0069" if acted_at < at(day) else "S0070")
    back = next(_days)
    await reviewed(city, back, *SWAP_BACK)
    await commands.apply_due(city.pool, at(back))


async def test_a_matter_with_a_list_of_its_own_and_all_others(city):
    """AP-13: for 補助金交付 the 担当主査 is first, for 照会回答 still the 室長補佐."""
    day = next(_days)
    grant, answer = await waiting_for_the_head(city), await waiting_for_the_head(city, matter="照会回答")
    await away(city, at(day), at(day, days=1))
    await reviewed(city, day, begins(1, CHIEF, "補助金交付"))
    await commands.apply_due(city.pool, at(day))
    assert (await refused(substitute(city, grant, "S0069", at(day, hours=9)))).reason == "NOT_YOUR_STEP"
    assert (await refused(substitute(city, answer, "S0070", at(day, hours=9)))).reason == "NOT_ABSENT"
    await substitute(city, grant, "S0070", at(day, hours=9))
    await substitute(city, answer, "S0069", at(day, hours=9))
    back = next(_days)
    await reviewed(city, back, stops(1, "補助金交付"))
    await commands.apply_due(city.pool, at(back))
    assert ("補助金交付", 1, CHIEF) in {one[:3] for one in await listed(city, day)}
    assert {one[0] for one in await listed(city, back)} == {""}


async def test_who_was_asked_and_has_no_rank_any_more_sees_the_case_no_longer(city):
    """AP-13, AP-17, AC-11: the 代決依頼 ends at midnight with the rank, once, and the log says so."""
    day = next(_days)
    case = await waiting_for_the_head(city)
    head, drafter = await city.holder(HEAD), await city.person("S0072")
    absence = await head.is_away()
    case = await drafter.on_case("AskSubstitute", await drafter.see(case.case_id), "室長出張のため")
    assert case.steps[2].asked_post_id == DEPUTY
    await reviewed(city, day, stops(1), stops(2), begins(1, CHIEF))
    await midnight.turn(city.pool, city.relay, at(day))
    ended = (await city.envelopes(case.case_id))[-1]
    assert (ended.action, ended.detail["act"], ended.actor.staff_id) == (
        "step.activated",
        "ask_ended",
        "service:approvals",
    )
    assert f"post:{DEPUTY}" not in {lease.principal for lease in snapshot_of(ended).leases}
    assert f"post:{HEAD}" in {lease.principal for lease in snapshot_of(ended).leases}
    told = await city.rows("SELECT kind FROM notices WHERE case_id = %s AND read_at IS NULL", case.case_id)
    assert told == [("turn",)], "nobody is asked any more"
    await midnight.turn(city.pool, city.relay, at(day, minutes=1))
    assert (await city.envelopes(case.case_id))[-1].event_id == ended.event_id, "once"
    await head.call("EndAbsence", request_id=clock.new_id(), absence_id=absence)
    back = next(_days)
    await reviewed(city, back, stops(1), begins(1, DEPUTY), begins(2, CHIEF))
    await commands.apply_due(city.pool, at(back))


async def test_a_list_is_asked_for_by_post(city):
    """INVALID_FIELDS without one; AP-13."""
    clerk = await city.person("S0072")
    assert [(f.field, f.problem) for f in (await refused(clerk.call("ListSubstitutes"))).fields] == [
        ("post_id", "REQUIRED")
    ]
