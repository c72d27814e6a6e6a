"""遡及 over a whole city (AC-06): who looks from now on changes; what was looked at, signed and recorded does not."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

from deploy.walkthrough.client import Refused
from tests.conftest import TODAY, City, access_record
from tests.patience import until

pytestmark = pytest.mark.system

AUTHOR, REVIEWER = "miyake.hideki", "miyazaki.sakura"
REASON = "教育委員会との人事交流の発令が遅れたため"
DAY = dt.date.fromisoformat(TODAY) - dt.timedelta(days=40)
CLERKS = {"S0073": ("P-040-03-06", "P-050-02-05"), "S0086": ("P-050-02-05", "P-040-03-06")}
CHIEFS = {"S0070": ("P-040-03-03", "P-050-02-03"), "S0084": ("P-050-02-03", "P-040-03-03")}


def entered(city: City, day: str, changes: list[dict[str, str]], late_reason: str = "") -> dict[str, Any]:
    """Drafted by one and reviewed by another of the records office; and it holds."""
    plan = {"title": "人事発令", "effective_on": day, "changes": changes, "late_reason": late_reason}
    made = city.person(AUTHOR).post("/change-sets", plan)
    done = city.person(REVIEWER).post(f"/change-sets/{made['id']}/review", {}, etag='"1"')
    assert done["state"] == "applied"
    return done


def log_of(city: City, **query: str) -> dict[int, dict[str, Any]]:
    """Entries of the audit log, by their place in it."""
    return {one["index"]: one for one in city.person("auditor").items("/audit/entries", **query)}


def test_a_late_entry_counts_for_what_follows_and_not_for_what_was(new_city: Callable[..., City]) -> None:
    city = new_city("late", replicas=1)
    done, case_id = city.completed()
    clerk, newcomer = city.person("kobayashi.miho"), city.person("hasegawa.saki")
    clerk.document(done)
    with pytest.raises(Refused) as caught:
        newcomer.document(done)
    assert caught.value.reason == "NOT_FOUND"
    seen = clerk.http.get(f"/api/v1/documents/{done}").headers["x-access-record"]
    until(lambda: seen in map(access_record, log_of(city, document=done).values()))
    log = log_of(city, document=done)
    decisions = city.person("clerk").get(f"/cases/{case_id}")["decisions"]
    chief = next(one for one in decisions if one["staff_id"] == "S0070")

    changes = [
        change
        for staff_id, (left, taken) in (CLERKS | CHIEFS).items()
        for change in (
            {"kind": "appointment_ends", "staff_id": staff_id, "post_id": left},
            {"kind": "appointment_begins", "staff_id": staff_id, "post_id": taken, "appointment": "main"},
        )
    ]
    with pytest.raises(Refused) as caught:
        entered(city, DAY.isoformat(), changes)
    assert [(one["field"], one["detail"]) for one in caught.value.problem["errors"]] == [
        ("late_reason", "必ず入力してください。")
    ]
    made = entered(city, DAY.isoformat(), changes, REASON)

    # Who belongs to the unit now looks, as if since that day; who does not, looks no more.
    until(lambda: newcomer.document(done)[0]["id"] == done)
    until(lambda: not city.sees("kobayashi.miho", done))
    for day, place in ((DAY - dt.timedelta(days=1), 0), (DAY, 1), (dt.date.fromisoformat(TODAY), 1)):
        for staff_id, posts in (CLERKS | CHIEFS).items():
            held = city.person("clerk").get("/tenures", staff=staff_id, on=day.isoformat())["items"]
            assert [one["post_id"] for one in held] == [posts[place]], (staff_id, day)

    # What was seen, signed and recorded is as it was; the entry itself is on record, and its reason is not in the log.
    after = log_of(city, document=done)
    assert {index: after[index] for index in log} == log
    assert city.person("clerk").get(f"/cases/{case_id}")["decisions"] == decisions
    assert chief in decisions, "the chief approved from a post that somebody else held, as is known now"
    until(lambda: log_of(city, action="change_set.applied"))
    entries = [*log_of(city, action="change_set.applied").values(), *log_of(city, action="change_set.drafted").values()]
    assert [(one["actor"]["staff_id"], one["detail"]["about"], one["detail"]["effective_on"]) for one in entries] == [
        (staff_id, made["id"], DAY.isoformat()) for staff_id in ("S0019", "S0018")
    ]
    assert REASON not in json.dumps(entries, ensure_ascii=False)

    # AC-16: who leaves today is nobody at once, without a directory.
    entered(city, TODAY, [{"kind": "staff_ends", "staff_id": "S0086"}])
    until(lambda: newcomer.http.get("/api/v1/me").status_code == 403)
