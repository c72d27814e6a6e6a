"""approvals: `serve`, `migrate`, `load <folder>` (organisation and decision rules of a city), `check-rules`, `why`,
`personnel` (a CSV of the staff)."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from pathlib import Path

from chassis import clock, db, process, serving
from chassis.db import Pool
from chassis.errors import DomainError
from chassis.identity import IdentityVerifier, KeyVerifier, Signer
from chassis.requests import Call
from chassis.serving import Wiring
from kanketsu.approvals.v1.approvals_service_pb2_grpc import add_ApprovalsServiceServicer_to_server
from kanketsu.approvals.v1.decision_rules_service_pb2_grpc import add_DecisionRulesServiceServicer_to_server
from kanketsu.approvals.v1.membership_service_pb2_grpc import add_MembershipServiceServicer_to_server
from kanketsu.approvals.v1.notices_service_pb2_grpc import add_NoticesServiceServicer_to_server
from kanketsu.approvals.v1.provisioning_service_pb2_grpc import add_ProvisioningServiceServicer_to_server
from kanketsu.approvals.v1.reorganisation_service_pb2_grpc import add_ReorganisationServiceServicer_to_server
from kanketsu.approvals.v1.route_templates_service_pb2_grpc import add_RouteTemplatesServiceServicer_to_server
from kanketsu.approvals.v1.vendors_service_pb2_grpc import add_VendorsServiceServicer_to_server
from kanketsu.approvals.v1.walk_around_service_pb2_grpc import add_WalkAroundServiceServicer_to_server
from services.approvals import consumer, report, settings
from services.approvals.api import POLICY, Api
from services.approvals.cases.envelopes import ITSELF, cause_of
from services.approvals.changes import commands as change_commands
from services.approvals.changes import midnight, personnel
from services.approvals.changes import report as personnel_report
from services.approvals.changes.api import Api as ReorganisationApi
from services.approvals.handlers import Parts
from services.approvals.members.api import MembershipApi
from services.approvals.notices import mail, reminders
from services.approvals.notices.api import NoticesApi
from services.approvals.organisation import load
from services.approvals.organisation.domain import BODIES, DECISION_CLASSES
from services.approvals.provisioning.api import ProvisioningApi
from services.approvals.receipts import Receipts
from services.approvals.routes.domain import ExceptionKind, Facts
from services.approvals.rules.api import RulesApi
from services.approvals.templates.api import TemplatesApi
from services.approvals.vendors import closing
from services.approvals.vendors.api import VendorsApi
from services.approvals.walkaround.api import Api as WalkAroundApi

SERVICE = "approvals"


async def serve() -> None:
    """Serve until SIGTERM."""
    chosen = settings.read()
    mail_server, reminding, longest = chosen.mail_server, chosen.reminding, chosen.longest_window
    attesting = Signer(chosen.membership_signing_key_file)

    async def build(parts: serving.Parts) -> Wiring:
        receipts = Receipts(KeyVerifier(chosen.receipt_jwks_file), parts.recorder)
        given = Parts(
            parts.pool,
            parts.relay,
            parts.recorder,
            receipts,
            chosen.tenant,
            chosen.city_rules,
            chosen.deadlines,
            managers_see_below=chosen.managers_see_subordinate_units,
        )
        reorganising = ReorganisationApi(parts.pool, parts.relay, parts.recorder, chosen.records_unit)
        return Wiring(
            servicers=[
                partial(add_ApprovalsServiceServicer_to_server, Api(given)),
                partial(add_DecisionRulesServiceServicer_to_server, RulesApi(parts.pool, parts.relay, parts.recorder)),
                partial(
                    add_RouteTemplatesServiceServicer_to_server, TemplatesApi(parts.pool, parts.relay, parts.recorder)
                ),
                partial(add_ReorganisationServiceServicer_to_server, reorganising),
                partial(
                    add_ProvisioningServiceServicer_to_server,
                    ProvisioningApi(parts.pool, parts.relay, parts.recorder),
                ),
                partial(
                    add_NoticesServiceServicer_to_server,
                    NoticesApi(parts.pool, parts.relay, parts.recorder, has_mail_server=mail_server is not None),
                ),
                partial(add_MembershipServiceServicer_to_server, MembershipApi(parts.pool, parts.recorder, attesting)),
                partial(add_WalkAroundServiceServicer_to_server, WalkAroundApi(given)),
                partial(
                    add_VendorsServiceServicer_to_server, VendorsApi(parts.pool, parts.relay, parts.recorder, longest)
                ),
            ],
            consumers=[consumer.consumer(parts.broker, parts.pool, parts.relay)],
            tasks=[
                partial(midnight.run, parts.pool, parts.relay, chosen.records_unit),
                partial(closing.run, parts.pool, parts.relay),
                partial(reminders.run, parts.pool, chosen.deadlines, reminding),
                *([partial(mail.run, parts.pool, mail_server)] if mail_server is not None else []),
            ],
        )

    await serving.serve(
        chosen,
        POLICY,
        database_url=chosen.database_url,
        verifier=IdentityVerifier(chosen.identity_jwks_file, chosen.tenant, SERVICE),
        build=build,
        pool_size=chosen.pool_size,
    )


async def migrate() -> None:
    """Apply the pending migrations as the owner of the schema."""
    folders = [db.CHASSIS_MIGRATIONS, Path(__file__).parent / "migrations"]
    for name in await db.migrate(settings.read_migrate().migrate_database_url, SERVICE, folders):
        sys.stdout.write(f"applied {name}\n")


async def load_city(folder: Path) -> None:
    """Load a city's files; refused whole, with every problem found, exit code 1."""
    async with _loading() as pool:
        try:
            changed = await load.load(pool, folder)
        except load.Refused as refused:
            sys.stderr.write("refused, nothing was loaded:\n" + "".join(f"  {line}\n" for line in refused.problems))
            raise SystemExit(1) from None
    sys.stdout.write("".join(f"{name}: {count} changed\n" for name, count in changed.items()))


async def compare_personnel(content: bytes, day: dt.date) -> None:
    """What a personnel file would change on the day; exit code 1 when a line is bad. Changes nothing."""
    async with _loading() as pool, db.connection(pool) as conn:
        before = await change_commands.projected(conn, day)
    found = personnel.compare(content, before)
    sys.stdout.writelines(f"{line}\n" for line in personnel_report.lines(before, found))
    if found.problems:
        raise SystemExit(1)


async def import_personnel(content: bytes, day: dt.date, title: str, late_reason: str, author: str) -> None:
    """Keep what a personnel file changes as a draft by `author`; exit code 1 with the reason when it is refused."""
    async with _loading() as pool:
        async with db.connection(pool) as conn:
            before = await change_commands.projected(conn, day)
            roles = [role for staff_id, role in before.roles if staff_id == author]
        found = personnel.compare(content, before)
        sys.stdout.writelines(f"{line}\n" for line in personnel_report.lines(before, found))
        if found.problems:
            raise SystemExit(1)
        try:
            made = await change_commands.draft(
                pool,
                Call(author, clock.new_id(), "personnel import", b""),
                title,
                day,
                found.changes,
                late_reason,
                author,
                roles,
                cause_of(ITSELF),
                lambda planned: planned.change_set_id.encode(),
                clock.now(),
            )
        except DomainError as error:
            sys.stderr.write(f"refused, nothing was kept: {error.reason} {error.message}\n")
            raise SystemExit(1) from None
    sys.stdout.write(f"drafted {made.decode()}, to be reviewed by another person\n")


@asynccontextmanager
async def _loading() -> AsyncIterator[Pool]:
    """A small pool for one command, with time for large files."""
    pool = db.open_pool(settings.read_load().database_url, SERVICE, size=2, statement_timeout_ms=60_000)
    await pool.open(wait=True)
    try:
        yield pool
    finally:
        await pool.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="services.approvals", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve until SIGTERM")
    commands.add_parser("migrate", help="apply pending migrations")
    load_parser = commands.add_parser("load", help="load organisation and decision rules")
    load_parser.add_argument("folder", type=Path)
    check_parser = commands.add_parser("check-rules", help="what is wrong with the rules in force: 1 when it blocks")
    check_parser.add_argument("--on", type=date.fromisoformat, default=clock.today(), metavar="YYYY-MM-DD")
    check_parser.add_argument("--body", default="", choices=("", *BODIES), metavar="BODY", help="all when missing")
    check_parser.add_argument("--classes", type=Path, metavar="FILE", help="the file plan: names units without a rule")
    why_parser = commands.add_parser("why", help="why a case, or a draft with these facts, has its decider")
    why_parser.add_argument("--case", type=_case_id, metavar="CASE_ID")
    why_parser.add_argument("--unit", default="", metavar="UNIT_ID")
    why_parser.add_argument("--matter", default="")
    why_parser.add_argument("--amount", type=int, metavar="YEN")
    why_parser.add_argument("--class", dest="wished", default="", choices=("", *DECISION_CLASSES), metavar="CLASS")
    why_parser.add_argument("--exception", type=ExceptionKind, metavar="KIND", help=", ".join(ExceptionKind))
    why_parser.add_argument("--on", type=date.fromisoformat, default=clock.today(), metavar="YYYY-MM-DD")
    personnel_parser = commands.add_parser("personnel", help="compare or import a personnel CSV")
    personnel_parser.add_argument("what", choices=["compare", "import"])
    personnel_parser.add_argument("file", type=Path)
    personnel_parser.add_argument("--on", type=dt.date.fromisoformat, required=True, help="first day, YYYY-MM-DD")
    personnel_parser.add_argument("--title", default="", help="of the change set; import only")
    personnel_parser.add_argument(
        "--late-reason", default="", help="why it is entered after its first day; import only"
    )
    personnel_parser.add_argument("--author", default="", help="staff id of who drafts it; import only")
    chosen = parser.parse_args()
    if chosen.command == "serve":
        process.run(serve())
    elif chosen.command == "migrate":
        process.run(migrate())
    elif chosen.command == "personnel" and chosen.what == "compare":
        process.run(compare_personnel(chosen.file.read_bytes(), chosen.on))
    elif chosen.command == "personnel":
        process.run(
            import_personnel(chosen.file.read_bytes(), chosen.on, chosen.title, chosen.late_reason, chosen.author)
        )
    elif chosen.command == "load":
        process.run(load_city(chosen.folder))
    elif chosen.command == "check-rules":
        url = settings.read_load().database_url
        raise SystemExit(process.run(report.check_rules(url, chosen.body, chosen.on, chosen.classes)))
    elif chosen.case:
        raise SystemExit(process.run(report.explain_case(settings.read_load().database_url, chosen.case)))
    elif chosen.unit and chosen.matter:
        raise SystemExit(
            process.run(report.explain_facts(settings.read_load().database_url, _facts(chosen), chosen.on))
        )
    else:
        why_parser.error("--case, or --unit and --matter")


def _case_id(text: str) -> str:
    return str(uuid.UUID(text))


def _facts(chosen: argparse.Namespace) -> Facts:
    return Facts(
        document_id="",
        unit_id=chosen.unit,
        drafter="",
        drafter_post="",
        matter=chosen.matter,
        amount=chosen.amount,
        wished_class=chosen.wished,
        exceptional=chosen.exception is not None,
        exception=chosen.exception,
    )


if __name__ == "__main__":
    main()
