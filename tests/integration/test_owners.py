"""所管替え over a whole city (RT-10): a reviewed change set is applied, and what the ended unit owned is the new unit's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import psycopg
import pytest

from deploy.local import database
from deploy.walkthrough.client import Refused
from services.approvals.changes.midnight import LOOK_SECONDS
from tests.conftest import TODAY, City
from tests.patience import until

pytestmark = pytest.mark.system

OLD, NEW = "U-040-03", "U-900-01"
AUTHOR, REVIEWER = "miyake.hideki", "miyazaki.sakura"
UNIT = {
    "unit_id": NEW,
    "parent_id": "U-040",
    "body": "mayor",
    "name": "環境推進課",
    "kana": "かんきょうすいしんか",
    "symbol": "箕環推",
}
HEAD = {"post_id": "P-900-01-01", "unit_id": NEW, "title": "課長", "rank": "head"}
CLERK = {"post_id": "P-900-01-05", "unit_id": NEW, "title": "係員", "rank": "member"}


def changes(city: City) -> list[dict[str, str]]:
    """環境政策室 becomes 環境推進課, where 室長 and one clerk go on; everybody else has no post there."""
    posts = city.person(AUTHOR).get("/posts", unit=OLD)["items"]
    return [
        {"kind": "unit_begins", **UNIT},
        {"kind": "post_begins", **HEAD},
        {"kind": "post_begins", **CLERK},
        {"kind": "unit_ends", "unit_id": OLD, "successor": NEW},
        *({"kind": "post_ends", "post_id": one["post_id"], "successor": HEAD["post_id"]} for one in posts),
        {"kind": "appointment_begins", "staff_id": "S0068", "post_id": HEAD["post_id"], "appointment": "main"},
        {"kind": "appointment_begins", "staff_id": "S0072", "post_id": CLERK["post_id"], "appointment": "main"},
    ]


def apply_today(city: City) -> None:
    """Drafted and reviewed for tomorrow; then tomorrow is today, and the running service finds it within its minute."""
    tomorrow = (dt.date.fromisoformat(TODAY) + dt.timedelta(days=1)).isoformat()
    plan = {"title": "環境部の組織改編", "effective_on": tomorrow, "changes": changes(city)}
    made = city.person(AUTHOR).post("/change-sets", plan)
    city.person(REVIEWER).post(f"/change-sets/{made['id']}/review", {}, etag='"1"')
    with psycopg.connect(city.stack.database_url(database.SUPERUSER), autocommit=True) as conn:
        conn.execute("UPDATE approvals.change_sets SET effective_on = %s WHERE state = 'reviewed'", (TODAY,))
    until(
        lambda: city.person(AUTHOR).get(f"/change-sets/{made['id']}")["state"] == "applied",
        seconds=LOOK_SECONDS + 20,
        patient_with=(503,),
    )


def test_the_unit_that_takes_over_sees_everything_and_goes_on(new_city: Callable[..., City]) -> None:
    city = new_city("owners", replicas=1)
    clerk, colleague = city.person("clerk"), city.person("kobayashi.miho")
    done, _ = city.completed()
    before, _ = clerk.document(done)
    draft = city.draft()["id"]
    circulating, case_id = city.circulating()
    assert done in {one["document_id"] for one in colleague.get("/documents", unit=OLD)["items"]}

    apply_today(city)
    # AC-05: the new unit's clerk sees it by the new unit's right, and the old unit's clerk sees nothing.
    until(lambda: clerk.get("/documents", unit=NEW)["items"], seconds=60)
    until(lambda: clerk.document(draft)[0]["unit_id"] == NEW)
    after, _ = clerk.document(done)
    # The locker may have moved the locks of its files on meanwhile.
    own = {"unit_id", "former_owners", "version", "read_receipt", "attachments"}
    assert {name: after[name] for name in before.keys() - own} == {name: before[name] for name in before.keys() - own}
    assert [one["sha256"] for one in after["attachments"]] == [one["sha256"] for one in before["attachments"]]
    assert (after["unit_id"], [one["unit_id"] for one in after["former_owners"]]) == (NEW, [OLD])
    assert done in {one["document_id"] for one in clerk.get("/documents", unit=OLD)["items"]}
    for document_id in (done, draft, circulating):
        with pytest.raises(Refused) as caught:
            colleague.document(document_id)
        assert caught.value.reason == "NOT_FOUND"
    assert colleague.get("/documents")["items"] == []

    # NB-10: the old number keeps its symbol; the next one has the new symbol. What circulates goes on in the new unit.
    assert after["draft_number"].startswith(before["draft_number"].split("第")[0])
    assert clerk.submit(draft)["draft_number"].startswith("箕環推第")
    allowed = clerk.get(f"/cases/{case_id}")
    assert (allowed["unit_id"], "withdraw" in allowed["allowed_actions"]) == (NEW, True)
