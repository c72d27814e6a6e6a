"""approvals: `serve`, `migrate`, `load <folder>` (organisation and decision rules of a city), or `check-rules`."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from functools import partial
from pathlib import Path

from chassis import clock, db, process, serving
from chassis.identity import IdentityVerifier, KeyVerifier
from chassis.serving import Parts, Wiring
from kanketsu.approvals.v1.approvals_service_pb2_grpc import add_ApprovalsServiceServicer_to_server
from kanketsu.approvals.v1.decision_rules_service_pb2_grpc import add_DecisionRulesServiceServicer_to_server
from services.approvals import consumer, settings
from services.approvals.api import POLICY, Api
from services.approvals.organisation import load
from services.approvals.organisation.domain import BODIES
from services.approvals.rules import report
from services.approvals.rules.api import RulesApi

SERVICE = "approvals"


async def serve() -> None:
    """Serve until SIGTERM."""
    chosen = settings.read()
    receipts = KeyVerifier(chosen.receipt_jwks_file)

    async def build(parts: Parts) -> Wiring:
        api = Api(parts.pool, parts.relay, parts.recorder, receipts, chosen.tenant, chosen.city_rules)
        return Wiring(
            servicers=[
                partial(add_ApprovalsServiceServicer_to_server, api),
                partial(add_DecisionRulesServiceServicer_to_server, RulesApi(parts.pool, parts.relay, parts.recorder)),
            ],
            consumers=[consumer.submissions(parts.broker, parts.pool, parts.relay)],
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
    pool = db.open_pool(settings.read_load().database_url, SERVICE, size=2, statement_timeout_ms=60_000)
    await pool.open(wait=True)
    try:
        changed = await load.load(pool, folder)
    except load.Refused as refused:
        sys.stderr.write("refused, nothing was loaded:\n" + "".join(f"  {line}\n" for line in refused.problems))
        raise SystemExit(1) from None
    finally:
        await pool.close()
    sys.stdout.write("".join(f"{name}: {count} changed\n" for name, count in changed.items()))


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
    chosen = parser.parse_args()
    if chosen.command == "serve":
        process.run(serve())
    elif chosen.command == "migrate":
        process.run(migrate())
    elif chosen.command == "load":
        process.run(load_city(chosen.folder))
    else:
        raise SystemExit(process.run(report.check_rules(settings.read_load().database_url, chosen.body, chosen.on)))


if __name__ == "__main__":
    main()
