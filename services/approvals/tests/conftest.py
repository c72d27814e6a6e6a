"""The service itself on local gRPC, over a database with the sample city; people call it with signed identities.

Nothing is replaced: mTLS, the guard, the recorder and PostgreSQL are the real ones. Only the
broker is absent, so that events can be looked at where they wait, in the outbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
import pytest_asyncio
from joserfc.jwk import KeySet, OKPKey

from chassis import client, clock, db, sealing
from chassis.epochs import DatabaseSink
from chassis.errors import DomainError
from chassis.identity import Identity, IdentityVerifier, KeyVerifier, Signer
from chassis.interceptors import Guard
from chassis.outbox import Relay
from chassis.recorder import Recorder
from chassis.server import Server
from chassis.settings import Secret, ServiceSettings
from conftest import Database
from deploy.local.stack import Stack
from kanketsu.approvals.v1 import approvals_service_pb2 as pb
from kanketsu.approvals.v1 import approvals_service_pb2_grpc as service_grpc
from kanketsu.approvals.v1 import decision_rules_service_pb2 as rules_pb
from kanketsu.approvals.v1 import decision_rules_service_pb2_grpc as rules_grpc
from kanketsu.approvals.v1 import events_pb2
from kanketsu.approvals.v1 import membership_service_pb2 as membership_pb
from kanketsu.approvals.v1 import membership_service_pb2_grpc as membership_grpc
from kanketsu.approvals.v1 import notices_service_pb2 as notices_pb
from kanketsu.approvals.v1 import notices_service_pb2_grpc as notices_grpc
from kanketsu.approvals.v1 import provisioning_service_pb2 as provisioning_pb
from kanketsu.approvals.v1 import provisioning_service_pb2_grpc as provisioning_grpc
from kanketsu.approvals.v1 import reorganisation_service_pb2 as reorganisation_pb
from kanketsu.approvals.v1 import reorganisation_service_pb2_grpc as reorganisation_grpc
from kanketsu.approvals.v1 import route_templates_service_pb2 as templates_pb
from kanketsu.approvals.v1 import route_templates_service_pb2_grpc as templates_grpc
from kanketsu.approvals.v1 import vendors_service_pb2_grpc as vendors_grpc
from kanketsu.approvals.v1 import walk_around_service_pb2 as walk_around_pb
from kanketsu.approvals.v1 import walk_around_service_pb2_grpc as walk_around_grpc
from kanketsu.documents.v1 import events_pb2 as documents_pb2
from kanketsu.event.v1 import envelope_pb2
from services.approvals import consumer
from services.approvals.api import POLICY, Api
from services.approvals.cases.domain import CityRules
from services.approvals.changes.api import Api as ReorganisationApi
from services.approvals.deadlines.domain import Deadlines
from services.approvals.handlers import Parts
from services.approvals.members.api import MembershipApi
from services.approvals.notices.api import NoticesApi
from services.approvals.organisation import load
from services.approvals.organisation import store as organisation_store
from services.approvals.provisioning.api import ProvisioningApi
from services.approvals.receipts import Receipts
from services.approvals.rules.api import RulesApi
from services.approvals.templates.api import TemplatesApi
from services.approvals.vendors.api import VendorsApi
from services.approvals.walkaround.api import Api as WalkAroundApi

SAMPLES = Path(__file__).parents[3] / "samples" / "minoh"
TENANT = "minoh"
# 総務課, as the local deployment names it.
RECORDS_UNIT = "U-020-01"
DIGEST = "a" * 64
# Opens what people write on the cases of these tests, in the place of the documents.
OPINIONS_SECRET = bytes(range(32))


class Nowhere:
    """The broker is away: what is published stays in the outbox."""

    async def publish(self, subject: str, payload: bytes, message_id: str, trace_parent: str) -> None:
        raise ConnectionError("no broker here")


def new_key(folder: Path, name: str) -> tuple[Path, Path]:
    """A private key (PEM) and its JWKS, as the stack makes them."""
    key = OKPKey.generate_key("Ed25519", parameters=None, auto_kid=True)
    private, public = folder / f"{name}.pem", folder / f"{name}-jwks.json"
    private.write_bytes(key.as_pem(private=True))
    public.write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    return private, public


@dataclass
class City:
    """The running service and everything around it that a test touches."""

    stub: service_grpc.ApprovalsServiceStub
    rules: rules_grpc.DecisionRulesServiceStub
    templates: templates_grpc.RouteTemplatesServiceStub
    reorganisation: reorganisation_grpc.ReorganisationServiceStub
    provisioning: provisioning_grpc.ProvisioningServiceStub
    notices: notices_grpc.NoticesServiceStub
    membership: membership_grpc.MembershipServiceStub
    walk_around: walk_around_grpc.WalkAroundServiceStub
    vendors: vendors_grpc.VendorsServiceStub
    pool: db.Pool
    relay: Relay
    recorder: Recorder
    identities: Signer
    receipts: Signer
    strangers: Signer
    # Who believes what approvals says of the members of a unit.
    attested: KeyVerifier
    where: Database

    async def call(self, method: str, request: Any, identity: Identity, timeout: float = 10.0) -> Any:
        """One call with a fresh identity token."""
        token = self.identities.identity(identity, "approvals")
        further = (
            self.templates,
            self.reorganisation,
            self.provisioning,
            self.notices,
            self.membership,
            self.walk_around,
            self.vendors,
        )
        stub = next(stub for stub in (self.stub, self.rules, *further) if hasattr(stub, method))
        return await client.call(method, getattr(stub, method), request, token, timeout)

    async def person(self, staff_id: str) -> Person:
        """A staff member of the city, with today's posts and roles."""
        async with db.connection(self.pool) as conn:
            cursor = await conn.execute("SELECT login FROM staff WHERE staff_id = %s", (staff_id,))
            row = await cursor.fetchone()
            assert row is not None, staff_id
            actor = await organisation_store.find_actor(conn, row[0], clock.today())
        assert actor is not None, staff_id
        identity = Identity(
            staff_id=staff_id,
            tenant=TENANT,
            principals=actor.principals,
            roles=frozenset(actor.roles),
            posts={post.post_id: post.unit_id for post in actor.posts},
            terminal="10.20.0.7",
            session_id="session-1",
        )
        return Person(self, identity)

    async def holder(self, post_id: str) -> Person:
        """Who holds a post today."""
        now = clock.now()
        async with db.connection(self.pool) as conn:
            seats = await organisation_store.find_seats(conn, [post_id], now.date(), now)
        return await self.person(seats[post_id].holders[0].staff_id)

    async def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows as the application role sees them."""
        async with db.connection(self.pool) as conn:
            cursor = await conn.execute(statement.encode(), values)
            return await cursor.fetchall()

    async def envelopes(self, aggregate_id: str) -> list[envelope_pb2.Envelope]:
        """Events of an aggregate that wait in the outbox, in order."""
        rows = await self.rows(
            "SELECT payload FROM outbox WHERE subject LIKE 'kanketsu.approvals.%%' ORDER BY outbox_id"
        )
        found = [envelope_pb2.Envelope.FromString(row[0]) for row in rows]
        return [envelope for envelope in found if envelope.aggregate_id == aggregate_id]

    async def records(self, action: str) -> list[envelope_pb2.AccessRecord]:
        """Access records of an action."""
        rows = await self.rows(
            "SELECT payload FROM outbox WHERE subject = 'kanketsu.access.approvals' ORDER BY outbox_id"
        )
        batches = [b for row in rows for b in envelope_pb2.AccessRecordParcel.FromString(row[0]).batches]
        return [record for batch in batches for record in batch.records if record.action == action]

    async def plan(self, drafter: Person, document_id: str, **facts: Any) -> pb.PlanRouteResponse:
        """A route for facts."""
        return await drafter.call(
            "PlanRoute", request_id=clock.new_id(), facts=pb.RouteFacts(document_id=document_id, **facts)
        )

    async def submit(
        self, drafter: Person, plan: pb.PlanRouteResponse, document_id: str, digest: str = DIGEST, **facts: Any
    ) -> str:
        """What the documents service announces at 回議開始, consumed; returns the case id."""
        case_id = clock.new_id()
        replacement, designated = facts.pop("replacement", ""), facts.pop("designated", False)
        assignee = facts.pop("assignee", "")
        event = documents_pb2.DocumentSubmitted(
            document_id=document_id,
            case_id=case_id,
            route_plan_id=plan.route_plan_id,
            version_digest=digest,
            draft_number="箕市第1号",
            unit_id=facts["unit_id"],
            drafter=facts.get("drafted_by", drafter.staff_id),
            drafter_post=facts.get("drafter_post", next(iter(drafter.identity.posts))),
            matter=facts["matter"],
            amount=facts.get("amount", 0),
            has_amount="amount" in facts,
            decision_class=facts.get("decision_class", plan.decision_class),
            urgent=facts.get("urgent", False),
            replacement=replacement,
            designated=designated,
            assignee=assignee,
            opinions_key=sealing.public_key(OPINIONS_SECRET),
        )
        await consumer.on_submitted(self.pool, self.relay, submitted(event, drafter.staff_id))
        return case_id

    async def complete(self, document_id: str) -> None:
        """What the documents service announces at 完結, consumed twice, as a broker may have it."""
        completed = documents_pb2.DocumentCompleted(document_id=document_id)
        envelope = envelope_pb2.Envelope(
            event_id=clock.new_id(),
            type="kanketsu.documents.v1.DocumentCompleted",
            payload=completed.SerializeToString(),
        )
        for _ in range(2):
            await consumer.apply(self.pool, self.relay, envelope)

    async def circulating(self, drafter_id: str = "S0072", **facts: Any) -> str:
        """A case of 環境政策室 in circulation: 担当主査 → 室長補佐 → 室長 unless other facts are given."""
        chosen = {"unit_id": "U-040-03", "matter": "補助金交付", "amount": 332_000} | facts
        marks = {name: bool(chosen.pop(name, False)) for name in ("urgent", "designated")}
        drafter = await self.person(drafter_id)
        document_id = clock.new_id()
        plan = await self.plan(drafter, document_id, **chosen)
        return await self.submit(drafter, plan, document_id, **marks, **chosen)

    def receipt(self, case: pb.Case, staff_id: str, *, signer: Signer | None = None, **claims: Any) -> str:
        """A read receipt as the documents service signs it."""
        good = {
            "doc": case.document_id,
            "ver": case.version_digest,
            "sub": staff_id,
            "rec": f"documents.1/{uuid.uuid4()}/7",
            "iat": int(clock.now().timestamp()),
            "ten": TENANT,
        }
        return (signer or self.receipts).sign(good | claims)


@dataclass
class Person:
    """A logged in staff member."""

    city: City
    identity: Identity

    @property
    def staff_id(self) -> str:
        return self.identity.staff_id

    async def call(self, method: str, **fields: Any) -> Any:
        """One RPC."""
        known = (
            pb,
            rules_pb,
            templates_pb,
            reorganisation_pb,
            provisioning_pb,
            notices_pb,
            membership_pb,
            walk_around_pb,
        )
        messages = next(one for one in known if hasattr(one, f"{method}Request"))
        request = getattr(messages, f"{method}Request")(**fields)
        return await self.city.call(method, request, self.identity)

    async def see(self, case_id: str, receipt: str = "") -> pb.Case:
        """The case."""
        answer = await self.call("GetCase", case_id=case_id, read_receipt=receipt)
        return answer.case

    async def act(
        self, case: pb.Case, action: str, comment: str = "", *, step: pb.Step | None = None, **fields: Any
    ) -> pb.Case:
        """One act on the first step that waits on a post of theirs, or on `step`, with a fresh receipt."""
        if step is None:
            mine = [s for s in case.steps if s.post_id in self.identity.posts]
            step = next((s for s in mine if action in s.allowed_actions), mine[0] if mine else case.steps[0])
        request: dict[str, Any] = {
            "request_id": clock.new_id(),
            "case_id": case.case_id,
            "step_id": step.step_id,
            "action": action,
            "comment": comment,
            "version_digest": case.version_digest,
            "read_receipt": self.city.receipt(case, self.staff_id),
            "expected_version": case.version,
        }
        answer = await self.call("ActOnStep", **(request | fields))
        return answer.case

    async def on_case(self, method: str, case: pb.Case, comment: str = "", **fields: Any) -> pb.Case:
        """One act on the case itself."""
        request = {"case_id": case.case_id, "expected_version": case.version, "comment": comment}
        answer = await self.call(method, request_id=clock.new_id(), **(request | fields))
        return answer.case

    async def inbox(self, **fields: Any) -> pb.ListInboxResponse:
        """Their inbox."""
        return await self.call("ListInbox", **fields)

    async def is_away(self, start: dt.timedelta = dt.timedelta(), end: dt.timedelta = dt.timedelta(days=2)) -> str:
        """Register their absence; returns its id."""
        now = clock.now()
        answer = await self.call(
            "RegisterAbsence",
            request_id=clock.new_id(),
            reason_code="business_trip",
            to=now + end,
            **{"from": now + start},
        )
        return str(answer.absence.absence_id)


def states(case: pb.Case) -> list[str]:
    """The states of its steps, in order."""
    return [pb.StepState.Name(step.state).removeprefix("STEP_STATE_").lower() for step in case.steps]


async def refused(awaitable: Awaitable[Any]) -> DomainError:
    """The refusal of a call."""
    with pytest.raises(DomainError) as caught:
        await awaitable
    return caught.value


def submitted(event: documents_pb2.DocumentSubmitted, staff_id: str) -> envelope_pb2.Envelope:
    """The envelope of a submission."""
    return envelope_pb2.Envelope(
        event_id=clock.new_id(),
        type="kanketsu.documents.v1.DocumentSubmitted",
        action="document.submitted",
        producer="documents",
        aggregate="document",
        aggregate_id=event.document_id,
        aggregate_version=1,
        actor=envelope_pb2.Actor(staff_id=staff_id),
        payload=event.SerializeToString(),
    )


def snapshot_of(envelope: envelope_pb2.Envelope) -> events_pb2.CaseSnapshot:
    """The case inside an event."""
    message = getattr(events_pb2, envelope.type.rsplit(".", 1)[1]).FromString(envelope.payload)
    return message.snapshot


@contextlib.asynccontextmanager
async def running(
    engines: Stack, where: Database, folder: Path, samples: Path, rules: CityRules, *, managers_see_below: bool = False
) -> AsyncIterator[City]:
    """The service over the city whose files are in `samples`, keys and socket in `folder`."""
    identity_key, identity_jwks = new_key(folder, "identity")
    receipt_key, receipt_jwks = new_key(folder, "receipt")
    stranger_key, _ = new_key(folder, "stranger")
    membership_key, membership_jwks = new_key(folder, "membership")
    settings = ServiceSettings(
        tenant=TENANT,
        instance="approvals-1",
        tls_cert_file=engines.certificate("approvals").cert_file,
        tls_key_file=engines.certificate("approvals").key_file,
        tls_ca_file=engines.authority.ca_file,
        nats_url=engines.nats_url,
        nats_nkey_seed=Secret("unused: there is no broker in these tests"),
        grpc_listen=f"unix:{folder}/grpc.sock",
    )
    pool = db.open_pool(where.app_url, "approvals", size=8)
    await pool.open(wait=True)
    await load.load(pool, samples)
    relay = Relay(pool, Nowhere(), 30.0)
    recorder = Recorder("approvals", "approvals-1", DatabaseSink(pool, "approvals", relay))
    given = Parts(
        pool,
        relay,
        recorder,
        Receipts(KeyVerifier(receipt_jwks), recorder),
        TENANT,
        rules,
        Deadlines(),
        managers_see_below=managers_see_below,
    )
    guard = Guard(POLICY, TENANT, IdentityVerifier(identity_jwks, TENANT, "approvals"), recorder)
    reorganising = ReorganisationApi(pool, relay, recorder, RECORDS_UNIT)
    rules_api = RulesApi(pool, relay, recorder)
    add = [
        partial(service_grpc.add_ApprovalsServiceServicer_to_server, Api(given)),
        partial(rules_grpc.add_DecisionRulesServiceServicer_to_server, rules_api),
        partial(walk_around_grpc.add_WalkAroundServiceServicer_to_server, WalkAroundApi(given)),
        partial(templates_grpc.add_RouteTemplatesServiceServicer_to_server, TemplatesApi(pool, relay, recorder)),
        partial(reorganisation_grpc.add_ReorganisationServiceServicer_to_server, reorganising),
        partial(provisioning_grpc.add_ProvisioningServiceServicer_to_server, ProvisioningApi(pool, relay, recorder)),
        partial(
            notices_grpc.add_NoticesServiceServicer_to_server, NoticesApi(pool, relay, recorder, has_mail_server=True)
        ),
        partial(
            vendors_grpc.add_VendorsServiceServicer_to_server,
            VendorsApi(pool, relay, recorder, dt.timedelta(hours=8)),
        ),
        partial(
            membership_grpc.add_MembershipServiceServicer_to_server,
            MembershipApi(pool, recorder, Signer(membership_key)),
        ),
    ]
    server = Server(settings, guard, add)
    await server.start()
    recording = asyncio.create_task(recorder.run())
    credentials = grpc.ssl_channel_credentials(
        engines.authority.ca_file.read_bytes(),
        engines.certificate("gateway").key_file.read_bytes(),
        engines.certificate("gateway").cert_file.read_bytes(),
    )
    channel = grpc.aio.secure_channel(
        f"unix:{folder}/grpc.sock", credentials, options=[("grpc.ssl_target_name_override", "localhost")]
    )
    yield City(
        service_grpc.ApprovalsServiceStub(channel),
        rules_grpc.DecisionRulesServiceStub(channel),
        templates_grpc.RouteTemplatesServiceStub(channel),
        reorganisation_grpc.ReorganisationServiceStub(channel),
        provisioning_grpc.ProvisioningServiceStub(channel),
        notices_grpc.NoticesServiceStub(channel),
        membership_grpc.MembershipServiceStub(channel),
        walk_around_grpc.WalkAroundServiceStub(channel),
        vendors_grpc.VendorsServiceStub(channel),
        pool,
        relay,
        recorder,
        Signer(identity_key),
        Signer(receipt_key),
        Signer(stranger_key),
        KeyVerifier(membership_jwks),
        where,
    )
    await channel.close()
    await server.stop(0, 1)
    recording.cancel()
    await asyncio.wait([recording])
    await pool.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(
    engines: Stack,
    migrated_database: Callable[[str], Awaitable[Database]],
    tmp_path_factory: Any,
    request: Any,
) -> AsyncIterator[City]:
    """The service over the sample city, one per test module; a module may set the CITY_RULES it wants, and MANAGERS_SEE_BELOW."""
    rules = getattr(request.module, "CITY_RULES", CityRules())
    below = getattr(request.module, "MANAGERS_SEE_BELOW", False)
    where = await migrated_database("approvals")
    folder = tmp_path_factory.mktemp("approvals")
    async with running(engines, where, folder, SAMPLES, rules, managers_see_below=below) as city:
        yield city


@pytest_asyncio.fixture(loop_scope="session")
async def owner(city: City) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection as the owner of the schema, for what only tampering does."""
    async with await psycopg.AsyncConnection.connect(city.where.owner_url, autocommit=True) as conn:
        await conn.execute("SET search_path = approvals")
        yield conn
