"""A month's review over HTTP (SC-07): compared with the staff list of approvals, and reported to the council."""

from __future__ import annotations

import datetime as dt

import pypdfium2
import pytest

from chassis import clock
from deploy.walkthrough.client import Refused
from services.gateway.api.shapes.reviews import WholeReview
from tests import month
from tests.patience import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def past(city):
    """A month before the last one, which is opened by itself, full of work by people of the city."""
    last = clock.today().replace(day=1) - dt.timedelta(days=1)
    day = last.replace(day=1) - dt.timedelta(days=1)
    count = month.append(city.stack, day.year, day.month)

    def covered():
        checkpoint = city.person("auditor").http.get("/log/checkpoint").text.splitlines()
        return len(checkpoint) > 2 and int(checkpoint[1]) >= count

    until(covered)
    return day.strftime("%Y-%m")


def test_a_month_is_compared_with_the_staff_list_and_reported(city, past):
    """AC-16: nobody of the sample city's month had left; by the list of a wrong day everybody would have."""
    auditor = city.person("auditor")
    review_id = auditor.post("/audit/reviews", {"month": past})["review_id"]
    etag = auditor.request("GET", f"/audit/reviews/{review_id}").headers["etag"]
    compared = auditor.post(f"/audit/reviews/{review_id}/staff", etag=etag)
    assert compared["staff_compared"] is True
    whole = WholeReview.model_validate(auditor.get(f"/audit/reviews/{review_id}"))
    found = {one.rule: one.found for one in whole.rule_counts}
    assert whole.not_examined == []
    assert (found["left"], found["unused"] > 0) == (0, True)
    # No comparison was made in that month: the log of this installation is younger.
    assert (whole.completeness.agreed, whole.completeness.alarms) == ([], [])
    with pytest.raises(Refused) as twice:
        auditor.post(f"/audit/reviews/{review_id}/staff", etag=f'"{compared["version"]}"')
    assert twice.value.status == 422

    answer = auditor.request("GET", f"/audit/reviews/{review_id}/report")
    pages = pypdfium2.PdfDocument(answer.content)
    said = "".join("".join(page.get_textpage().get_text_range().split()) for page in pages)
    # The page says the same.
    page = auditor.http.get(f"/reviews/{review_id}").text
    assert "この月は0日照合し、0日で一致しました" in page
    assert "この月の目録に連署した証人はありません" in page
    for words in ("4記録がそろっていること", "6市の外による証明", "職員に関する文書の閲覧"):
        assert words in said, words
