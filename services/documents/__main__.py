"""python -m services.documents serve | migrate | load FOLDER | sweep | check-store"""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import sys
from functools import partial
from pathlib import Path

from chassis import db, paper, process, serving
from chassis.identity import IdentityVerifier, KeyVerifier, Signer
from chassis.serving import Parts, Wiring
from kanketsu.documents.v1.assignments_service_pb2_grpc import add_AssignmentsServiceServicer_to_server
from kanketsu.documents.v1.body_templates_service_pb2_grpc import add_BodyTemplatesServiceServicer_to_server
from kanketsu.documents.v1.break_glass_service_pb2_grpc import add_BreakGlassServiceServicer_to_server
from kanketsu.documents.v1.counts_service_pb2_grpc import add_CountsServiceServicer_to_server
from kanketsu.documents.v1.documents_service_pb2_grpc import add_DocumentsServiceServicer_to_server
from kanketsu.documents.v1.follow_ups_service_pb2_grpc import add_FollowUpsServiceServicer_to_server
from kanketsu.documents.v1.memos_service_pb2_grpc import add_MemosServiceServicer_to_server
from kanketsu.documents.v1.owners_service_pb2_grpc import add_OwnersServiceServicer_to_server
from kanketsu.documents.v1.repeating_service_pb2_grpc import add_RepeatingServiceServicer_to_server
from services.documents import consumer, loader, policy, sweeper
from services.documents import settings as settings_
from services.documents.api import Api
from services.documents.assignments.api import AssignmentsApi
from services.documents.blobs import MountedKeys, ObjectStore
from services.documents.bodies.api import BodyTemplatesApi
from services.documents.breakglass import closing
from services.documents.breakglass.api import BreakGlassApi
from services.documents.commands import Service
from services.documents.content_locks import Locker
from services.documents.counts.api import CountsApi
from services.documents.follow_ups.api import FollowUpsApi
from services.documents.memos.api import MemosApi
from services.documents.owners.api import OwnersApi
from services.documents.owners.commands import Mover
from services.documents.repeating.api import RepeatingApi
from services.documents.settings import ContentSettings, LoadSettings, MigrateSettings, SweepSettings
from services.documents.sheets.drawing import Drawer

MIGRATIONS = Path(__file__).parent / "migrations"


async def serve() -> None:
    """Serve until SIGTERM."""
    settings = settings_.read()
    rights, hours = settings.rights(), settings.most_break_glass_hours()
    paper.use(settings.fonts)

    async def build(parts: Parts) -> Wiring:
        blobs = ObjectStore(settings.store())
        locker = Locker(parts.pool, parts.relay, blobs)
        keys = MountedKeys.load(settings.kek_file)
        drawer = Drawer(parts.pool, parts.relay, blobs, keys, locker)
        mover = Mover(parts.pool, parts.relay)
        service = Service(parts.pool, parts.relay, blobs, keys, locker, drawer, mover)
        api = Api(service, parts.recorder, Signer(settings.receipt_signing_key_file), settings.upload_limit, rights)
        attestations = KeyVerifier(settings.membership_jwks_file)
        assigning = AssignmentsApi(service, parts.recorder, attestations)
        break_glass = BreakGlassApi(service, parts.recorder, attestations, hours)
        return Wiring(
            servicers=[
                partial(add_DocumentsServiceServicer_to_server, api),
                partial(add_RepeatingServiceServicer_to_server, RepeatingApi(service, parts.recorder)),
                partial(add_BodyTemplatesServiceServicer_to_server, BodyTemplatesApi(service, parts.recorder)),
                partial(add_FollowUpsServiceServicer_to_server, FollowUpsApi(service, parts.recorder)),
                partial(add_AssignmentsServiceServicer_to_server, assigning),
                partial(add_CountsServiceServicer_to_server, CountsApi(parts.pool)),
                partial(add_MemosServiceServicer_to_server, MemosApi(service, parts.recorder)),
                partial(add_OwnersServiceServicer_to_server, OwnersApi(service, parts.recorder)),
                partial(add_BreakGlassServiceServicer_to_server, break_glass),
            ],
            consumers=[consumer.consumer(parts.broker, service)],
            tasks=[
                locker.run,
                drawer.run,
                mover.run,
                lambda: sweeper.run(parts.pool, blobs, settings.sweep_after),
                lambda: closing.run(service),
            ],
            opened=blobs.served,
        )

    await serving.serve(
        settings,
        policy.CALLS,
        database_url=str(settings.database_url),
        verifier=IdentityVerifier(settings.identity_jwks_file, settings.tenant, policy.CALLS.service),
        build=build,
        pool_size=settings.pool_size,
    )


async def migrate() -> None:
    """Apply pending migrations as the owner role."""
    settings = settings_.read_some(MigrateSettings)
    logging.basicConfig(level=settings.log_level)
    await db.migrate(str(settings.migrate_database_url), policy.CALLS.service, [db.CHASSIS_MIGRATIONS, MIGRATIONS])


async def load(folder: Path, *, follow_ups: bool) -> None:
    """Load units, classes and folders; a bad file is refused whole, with line numbers."""
    settings = settings_.read_some(LoadSettings)
    try:
        plan = loader.read(folder)
    except loader.BadFiles as error:
        sys.stderr.write("nothing was loaded:\n" + "".join(f"  {line}\n" for line in error.problems))
        sys.exit(1)
    async with db.open_pool(
        str(settings.database_url), policy.CALLS.service, size=2, statement_timeout_ms=60_000
    ) as pool:
        kept = await loader.load(pool, plan, edited_follow_ups_too=follow_ups)
    sys.stdout.write(f"{len(plan.units)} units, {len(plan.classes)} classes, {len(plan.folders)} folders\n")
    if kept:
        sys.stdout.write(f"follow-ups edited on the page and kept: {', '.join(kept)}\n")


async def sweep() -> None:
    """Remove what crashes left."""
    settings = settings_.read_some(SweepSettings)
    blobs = ObjectStore(settings.store())
    older_than = dt.datetime.now(tz=dt.UTC) - dt.timedelta(seconds=settings.sweep_after)
    async with db.open_pool(str(settings.database_url), policy.CALLS.service, size=2) as pool:
        swept = await sweeper.sweep(pool, blobs, older_than)
    await blobs.close()
    sys.stdout.write("".join(f"{name}: {count}\n" for name, count in vars(swept).items()))


async def check() -> None:
    """Prove that the object store keeps what the law of the house needs; exit code 1 when it does not."""
    from services.documents.check_store import check_store, line

    blobs = ObjectStore(settings_.read_some(ContentSettings).store())
    results = await check_store(blobs)
    await blobs.close()
    sys.stdout.write("".join(f"{line(result)}\n" for result in results))
    if any(not result.ok and result.required for result in results):
        sys.exit(1)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m services.documents", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help=serve.__doc__)
    commands.add_parser("migrate", help=migrate.__doc__)
    loading = commands.add_parser("load", help=load.__doc__)
    loading.add_argument("folder", type=Path)
    loading.add_argument(
        "--follow-ups",
        action="store_true",
        help="those of the files replace the lists that were edited on the page, too",
    )
    commands.add_parser("sweep", help=sweep.__doc__)
    commands.add_parser("check-store", help=check.__doc__)
    arguments = parser.parse_args()
    match arguments.command:
        case "serve":
            process.run(serve())
        case "migrate":
            process.run(migrate())
        case "load":
            process.run(load(arguments.folder, follow_ups=arguments.follow_ups))
        case "sweep":
            process.run(sweep())
        case "check-store":
            process.run(check())


if __name__ == "__main__":
    main()
