"""引上げ over HTTP: a 部長 whose turn has not come sees nothing until they are asked (AP-17, AC-11)."""

from __future__ import annotations

import pytest

from tests.patience import until

pytestmark = pytest.mark.system

DIRECTOR_POST = "P-040-00-01"


def test_an_asked_director_reads_and_pulls_up(city):
    """AP-17: a view granted for this one case at the moment of need, which ends with the seat that was pulled up."""
    director = city.login(next(row["staff_id"] for row in city.samples.appointments if row["post_id"] == DIRECTOR_POST))
    document_id, case_id = city.circulating(decision_class="director")
    until(lambda: city.person("clerk").get(f"/cases/{case_id}"))
    assert city.person(director).http.get(f"/api/v1/cases/{case_id}").status_code == 404
    assert not city.sees(director, document_id)

    case = city.on_case("clerk", case_id, "ask-pull-up", post_id=DIRECTOR_POST, comment="主査が急病のため")
    assert case["steps"][0]["asked_post_id"] == DIRECTOR_POST
    until(lambda: city.sees(director, document_id))
    assert case_id in [item["case_id"] for item in city.person(director).items("/inbox")]
    city.act(director, case_id, "pull_up")
    case = city.person("clerk").get(f"/cases/{case_id}")
    assert [step["state"] for step in case["steps"][:2]] == ["pulled_up", "active"]
    assert case_id not in [item["case_id"] for item in city.person(director).items("/inbox")]
    # Who acted keeps a view; the decision is theirs in their turn.
    city.act("deputy", case_id, "approve")
    assert city.sees(director, document_id)
