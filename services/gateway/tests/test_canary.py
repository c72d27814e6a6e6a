"""The canary reads like people and gives nobody a view; no setting stops it."""

from __future__ import annotations

import asyncio
import dataclasses

import psycopg
import pytest

from chassis.settings import SettingsError
from deploy.walkthrough.client import Person, Refused
from services.gateway.canary import CANARY, READINGS
from services.gateway.settings import Settings
from tests.patience import until

PLACES = {
    # Where things are, who we are and who may come: wrong ones mean that nobody is served.
    *("tenant", "instance", "tls_cert_file", "tls_key_file", "tls_ca_file", "nats_url", "nats_nkey_seed"),
    *("grpc_listen", "health_listen", "http_listen", "public_url", "tenant_name", "identity_signing_key_file"),
    *("oidc_issuer", "oidc_client_id", "oidc_client_secret", "oidc_ca_file", "oidc_login_claim", "api_audience"),
    *("documents_target", "approvals_target", "audit_target", "allowed_networks", "trusted_proxies"),
    # More doors to the log that only read, or cosign for others.
    *("log_networks", "witness_networks"),
    # What people may send, and how long they stay.
    *("upload_limit", "body_limit", "session_idle", "session_absolute", "session_memory", "principals_memory", "grace"),
    # With which fonts papers are drawn.
    "fonts",
    # Who may bring people, and how often open pages ask for notices.
    *("scim_audience", "notices_interval"),
    # Telemetry and sending again, not records (`test_nobody_stops_it` of audit tries them).
    *("otlp_endpoint", "trace_ratio", "log_level", "resend_after", "recover_after"),
}


def test_every_setting_was_thought_of():
    """Whoever adds one has to say that it does not stop the canary."""
    assert {field.name for field in dataclasses.fields(Settings)} == PLACES | {"canary_interval"}


@pytest.mark.parametrize("interval", [0, -1, 301, 86_400])
def test_the_canary_cannot_be_put_to_sleep(make_settings, interval):
    with pytest.raises(SettingsError, match="CANARY_INTERVAL"):
        make_settings(canary_interval=interval)


@pytest.mark.system
async def test_it_reads_like_people_and_its_records_arrive(city, gateway):
    auditor = Person(city.url, "auditor", token=city.access_token("ogino.yumi"))

    def rounds():
        """Session → action → record, as the log has them."""
        found = {}
        for entry in auditor.items("/audit/entries", actor=CANARY):
            record = f"{entry['source']}/{entry['epoch']}/{entry['seq']}"
            found.setdefault(entry["actor"]["session_id"], {})[entry["action"]] = entry | {"record": record}
        return found

    def whole():
        found = rounds()
        done = [one for one in found.values() if {*READINGS, "canary.announced", "canary.returned"} <= one.keys()]
        return found if len(done) >= 2 else None

    async with gateway(canary_interval="1"):
        found = await asyncio.to_thread(until, whole, 60)
    for one in found.values():
        if "canary.returned" in one:
            told = one["canary.returned"]["detail"]
            assert {action: one[action]["record"] for action in READINGS} | {"interval": "1"} == told
            assert {one[action]["outcome"] for action in READINGS} == {"granted"}
    # The draft was made once, in the first round.
    assert sum("document.created" in one for one in found.values()) == 1


@pytest.mark.system
async def test_it_gives_nobody_a_view(city, gateway):
    async with gateway(canary_interval="1"):
        with psycopg.connect(city.database_url("documents_owner"), autocommit=True) as conn:

            def draft():
                rows = conn.execute(
                    "SELECT d.document_id::text, array_agg(v.principal), d.unit_id FROM documents.documents AS d"
                    " JOIN documents.viewers AS v USING (document_id) WHERE d.drafter = %s GROUP BY d.document_id",
                    (CANARY,),
                )
                return rows.fetchall()

            [(document_id, viewers, unit)] = await asyncio.to_thread(until, draft, 30)
            assert (viewers, unit) == ([f"member:{CANARY}@{CANARY}"], CANARY)
            # And it is a viewer of nothing else.
            [(seen,)] = conn.execute(
                "SELECT count(*) FROM documents.viewers WHERE principal LIKE %s", (f"%{CANARY}",)
            ).fetchall()
            assert seen == 1
    for login in ("katsuragi.takuya", "hiramatsu.megumi", "ogino.yumi"):
        person = Person(city.url, login, token=city.access_token(login))
        with pytest.raises(Refused) as caught:
            person.get(f"/documents/{document_id}")
        assert caught.value.status == 404
        assert document_id not in [one["id"] for one in person.items("/documents", q="試験閲覧")]
