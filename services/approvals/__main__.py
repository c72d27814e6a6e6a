"""approvals: `serve`, `migrate`, or `load <folder>` (organisation and decision rules of a city)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from chassis import db, process, serving
from chassis.identity import IdentityVerifier, KeyVerifier
from chassis.serving import Parts, Wiring
from kanketsu.approvals.v1 import approvals_service_pb2_grpc as service_grpc
from services.approvals import consumer, settings
from services.approvals.api import POLICY, Api
from services.approvals.organisation import load

SERVICE = "approvals"


async def serve() -> None:
    """Serve until SIGTERM."""
    chosen = settings.read()
    receipts = KeyVerifier(chosen.receipt_jwks_file)

    async def build(parts: Parts) -> Wiring:
        api = Api(parts.pool, parts.relay, parts.recorder, receipts, chosen.tenant, chosen.city_rules)
        return Wiring(
            servicers=[lambda server: service_grpc.add_ApprovalsServiceServicer_to_server(api, server)],
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
    chosen = parser.parse_args()
    if chosen.command == "serve":
        process.run(serve())
    elif chosen.command == "migrate":
        process.run(migrate())
    else:
        process.run(load_city(chosen.folder))


if __name__ == "__main__":
    main()
