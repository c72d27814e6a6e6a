"""AP-50: a decision registered afterwards names its evidence by digest; nothing goes out or is completed without it."""

from __future__ import annotations

import json

from chassis import clock
from chassis.recorder import timestamp
from services.documents.tests.conftest import House, sha256, snapshot, today
from services.documents.tests.test_drafts import refused

SCAN = "決裁を受けた紙の写し（読取り）".encode()


async def registered(house: House, **given):
    """A document whose case the drafter registered as decided on paper."""
    document = await house.circulating(**given)
    case = snapshot(document, 9, "decided", acted=["S0070"])
    record = case.decisions.add(
        decision_id=clock.new_id(),
        action="register_walk_around",
        staff_id="S0072",
        post_id="P-040-03-05",
        unit_id="U-040-03",
        acted_at=timestamp(clock.now()),
        version_digest=document.version_digest,
        access_record="documents.1/x/2",
        staff_name="葛󠄀城 拓也",
        post_title="主事",
        unit_name="環境政策室",
    )
    walk = record.walk_around
    walk.staff_id, walk.staff_name, walk.post_id, walk.post_title = "S0068", "𠮷田 恵美子", "P-040-03-01", "室長"
    walk.unit_id, walk.unit_name, walk.evidence_sha256 = "U-040-03", "環境政策室", sha256(SCAN)
    walk.decided_at.CopyFrom(case.decided_at)
    seat = next(one for one in case.seats if one.kind == "decide")
    seat.state, seat.registered_as, seat.post_view = "registered", "decided", True
    seat.acted_for_name, seat.acted_for_post_title = "𠮷田 恵美子", "室長"
    seat.registered_by_name = "葛󠄀城 拓也"
    seat.registered_at.CopyFrom(record.acted_at)
    await house.announce("CaseDecided", case)
    await house.drawn()
    await house.locked()
    return await house.drafter.see(document.document_id)


async def test_neither_sent_nor_completed_before_the_evidence_is_a_file(house: House) -> None:
    document = await registered(house)
    sending = {"enforced_on": today().isoformat(), "method": "post", "addressee": "髙﨑 邦夫", "collated_by": "S0071"}

    async def send():
        now = await house.drafter.see(document.document_id)
        given = {"document_id": document.document_id, "expected_version": now.version} | sending
        return await house.drafter.call("EnforceDocument", **given)

    error = await refused(send())
    assert (error.reason, error.metadata["sha256"]) == ("EVIDENCE_MISSING", sha256(SCAN))
    await house.drafter.upload(document.document_id, SCAN + b" ", "別の写し.pdf")
    assert (await refused(send())).reason == "EVIDENCE_MISSING", "another file will not do"
    late = await house.drafter.upload(document.document_id, SCAN, "決裁の写し.pdf")
    assert late.attachment.added_after_decision, "LC-17"
    assert (await send()).document.dispatch_number


async def test_the_manifest_keeps_who_decided_when_and_what_proves_it(house: House) -> None:
    document = await registered(house, enforcement_required=False)
    known = {"document_id": document.document_id}
    error = await refused(house.drafter.call("CompleteDocument", **known, expected_version=document.version))
    assert error.reason == "EVIDENCE_MISSING"
    await house.drafter.upload(document.document_id, SCAN, "決裁の写し.pdf")
    await house.locked()
    document = await house.drafter.see(document.document_id)
    await house.drafter.call("CompleteDocument", **known, expected_version=document.version)
    manifest = json.loads((await house.drafter.call("GetManifest", **known)).manifest)
    act = manifest["decisions"][-1]
    assert (act["staff_id"], act["decided_by"], act["decided_by_post_title"]) == ("S0072", "S0068", "室長")
    assert act["decided_at"] == manifest["decided_at"] < act["acted_at"]
    assert act["evidence_sha256"] in [one["sha256"] for one in manifest["attachments"]]
    assert "evidence_sha256" not in manifest["decisions"][0]
    history = (await house.drafter.call("ListHistory", **known)).events
    assert "document.decision_registered" in [one.action for one in history]
