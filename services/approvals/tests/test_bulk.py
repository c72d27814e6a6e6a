"""一括承認 (AP-52) over gRPC on the sample city, which admits it for 室長決裁 alone."""

from __future__ import annotations

import dataclasses

import psycopg
import pytest

from chassis.settings import SettingsError, load
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from services.approvals.cases.domain import CityRules
from services.approvals.settings import Settings
from services.approvals.tests.conftest import refused, snapshot_of, states

CITY_RULES = CityRules(bulk=frozenset({"head"}))
CHIEF, DEPUTY, HEAD = "P-040-03-03", "P-040-03-02", "P-040-03-01"
FINANCE = "P-020-04-01"


async def people(city, *posts):
    return [await city.holder(post) for post in posts]


async def offered(person, case_id):
    return next(item.bulk_action for item in (await person.inbox(limit=200)).items if item.case_id == case_id)


async def test_a_bulk_act_is_offered_and_stands_on_record(city):
    """AP-52: on the decision, in the log and on the 鑑; each with the receipt of its own reading (I4)."""
    chief, deputy, head = await people(city, CHIEF, DEPUTY, HEAD)
    case_id = await city.circulating()
    assert await offered(chief, case_id) == "approve"
    case = await chief.see(case_id)
    assert [step.bulk_action for step in case.steps[:3]] == ["approve", "", ""], "to whose turn it is"
    case = await chief.act(case, "approve", bulk=True)
    assert (case.decisions[0].bulk, case.decisions[0].access_record[:12]) == (True, "documents.1/")
    closed = next(one for one in await city.envelopes(case_id) if one.action == "step.closed")
    assert (closed.detail["act"], closed.detail["bulk"]) == ("approve", "true")
    case = await deputy.act(await deputy.see(case_id), "approve")
    case = await head.act(await head.see(case_id), "decide")
    last = snapshot_of((await city.envelopes(case_id))[-1])
    assert [seat.bulk for seat in last.seats[:4]] == [False, True, False, False]
    assert [record.bulk for record in last.decisions] == [True, False, False]


async def test_only_consent_on_the_way_is_done_in_bulk(city):
    """AP-52: 承認 and 同意; not 決裁, not what needs words, whatever the class."""
    chief, deputy, head, finance = await people(city, CHIEF, DEPUTY, HEAD, FINANCE)
    case = await chief.see(await city.circulating())
    for action, comment in (("send_back", "添付漏れ"), ("hold", "確認中")):
        assert (await refused(chief.act(case, action, comment, bulk=True))).reason == "BULK_NOT_ALLOWED"
    added = {"post_id": FINANCE, "kind": pb.STEP_KIND_CONCUR}
    case = await chief.on_case("AddSeat", case, "残額の確認", **added)
    assert await offered(finance, case.case_id) == "concur"
    case = await finance.act(await finance.see(case.case_id), "concur", bulk=True)
    for person in (chief, deputy):
        case = await person.act(await person.see(case.case_id), "approve", bulk=True)
    assert await offered(head, case.case_id) == ""
    assert (await refused(head.act(await head.see(case.case_id), "decide", bulk=True))).reason == "BULK_NOT_ALLOWED"


async def test_a_class_that_the_city_does_not_name_is_refused(city):
    """AP-52: 部長決裁 is approved case by case here."""
    (chief,) = await people(city, CHIEF)
    case_id = await city.circulating(decision_class="director")
    assert await offered(chief, case_id) == ""
    case = await chief.see(case_id)
    assert not case.steps[0].bulk_action
    error = await refused(chief.act(case, "approve", bulk=True))
    assert (error.kind.value, error.reason) == ("FAILED_PRECONDITION", "BULK_NOT_ALLOWED")
    assert states(await chief.see(case_id))[0] == "active"
    await chief.act(case, "approve")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"read_receipt": ""}, "READ_RECEIPT_INVALID"),
        ({"version_digest": "b" * 64}, "VERSION_MOVED"),
        ({"expected_version": 1}, "STALE_VERSION"),
    ],
)
async def test_nothing_is_easier_in_bulk(city, fields, reason):
    """AP-52, I4, AP-31, AP-32: not opened, another version since, a case that changed."""
    (chief,) = await people(city, CHIEF)
    case = await chief.see(await city.circulating())
    assert (await refused(chief.act(case, "approve", bulk=True, **fields))).reason == reason


async def test_a_receipt_of_another_version_does_not_do(city):
    """AP-52: the document was opened, but not the version that circulates."""
    (chief,) = await people(city, CHIEF)
    case = await chief.see(await city.circulating())
    old = city.receipt(case, chief.staff_id, ver="b" * 64)
    assert (await refused(chief.act(case, "approve", bulk=True, read_receipt=old))).reason == "READ_RECEIPT_MISMATCH"


async def test_the_database_knows_no_decision_in_bulk(owner):
    """AP-52, whatever the code says."""
    with pytest.raises(psycopg.errors.CheckViolation, match="decisions_bulk"):
        await owner.execute(
            "INSERT INTO decisions (decision_id, case_id, action, round, staff_id, staff_name, post_id, post_title,"
            " unit_id, unit_name, appointment, comment, acted_at, version_digest, access_record, bulk)"
            " VALUES (gen_random_uuid(), gen_random_uuid(), 'decide', 1, '', '', '', '', '', '', '', '', now(), '', '', true)"
        )


def test_it_is_off_unless_the_city_names_a_class_that_exists():
    """AP-52: the default is nothing, and a slip in the setting does not start."""
    needed = {field.name for field in dataclasses.fields(Settings) if field.default is dataclasses.MISSING}
    given = {f"KANKETSU_{name.upper()}": "箕面" for name in needed}
    assert load(Settings, given).city_rules.bulk == frozenset()
    named = load(Settings, given | {"KANKETSU_BULK_APPROVAL": "head, deputy_director"})
    assert named.city_rules.bulk == {"head", "deputy_director"}
    with pytest.raises(SettingsError, match="BULK_APPROVAL"):
        _ = load(Settings, given | {"KANKETSU_BULK_APPROVAL": "室長"}).city_rules
