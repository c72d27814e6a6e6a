"""python -m services.audit serve | migrate | verify | sample | export | ocsf | restore | check | drop-year. Wiring only.

`verify` needs nothing but this checkout: no settings, no database, no service.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Parses the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.audit")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the service")
    commands.add_parser("migrate", help="bring the database schema up to date, as the owner role")
    verify = commands.add_parser("verify", help="check a log folder or URL: 0 good, 1 findings, 2 not verified")
    verify.add_argument("--log", required=True, metavar="FOLDER_OR_URL")
    verify.add_argument("--key", required=True, type=Path, metavar="VKEY_FILE")
    verify.add_argument("--since", type=Path, metavar="CHECKPOINT", help="an older checkpoint it must continue")
    verify.add_argument(
        "--witness", action="append", default=[], metavar="VKEY", help="a witness's key, or a file with it"
    )
    verify.add_argument("--quorum", type=int, metavar="K", help="how many of them must have cosigned; all unless given")
    verify.add_argument("--policy", type=Path, metavar="FILE", help="a tlog-policy file instead of --witness, --quorum")
    verify.add_argument("--tsa", type=Path, metavar="CA_PEM", help="whose time-stamps are believed")
    verify.add_argument("--previous", metavar="FOLDER_OR_URL", help="the log of the year before, which it continues")
    verify.add_argument("--previous-key", type=Path, metavar="VKEY_FILE", help="that log's key")
    verify.add_argument("--jobs", type=int, metavar="N", help="processes; one per processor unless given")
    export = commands.add_parser("export", help="write the log as a folder; the export itself is recorded")
    export.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    export.add_argument("--year", type=int, default=0, metavar="YEAR", help="fiscal year; the current log if missing")
    ocsf = commands.add_parser("ocsf", help="write leaves as OCSF events, one JSON object a line; itself recorded")
    ocsf.add_argument("--since", type=int, default=0, metavar="INDEX", help="first leaf; 0 if missing")
    ocsf.add_argument("--year", type=int, default=0, metavar="YEAR", help="fiscal year; the current log if missing")
    ocsf.add_argument("--out", default="-", metavar="FILE", help="a new file, or - for standard output")
    sample = commands.add_parser("sample", help="write a practice log, whole or damaged in a way to be found")
    sample.add_argument("--entries", required=True, type=int, metavar="N")
    sample.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    sample.add_argument("--seed", type=int, default=1, metavar="S", help="the same log for the same seed")
    sample.add_argument("--days", type=int, default=5, metavar="D")
    sample.add_argument("--damage", metavar="KIND", help="what to do to it; a wrong KIND lists them")
    commands.add_parser("restore", help="after a database backup was put back: bring back what was signed since")
    check = commands.add_parser("check", help="compare database, copies and checkpoint with each other; 1 on findings")
    check.add_argument("--year", type=int, help="fiscal year of the log; the current one without")
    drop = commands.add_parser("drop-year", help="drop a year's entries after their retention, as the owner role")
    drop.add_argument("--year", required=True, type=int, help="fiscal year of the log")
    drop.add_argument(
        "--agreed-by", required=True, action="append", metavar="STAFF_ID", help="who agreed; twice, two people"
    )
    chosen = parser.parse_args(arguments)

    # Each command imports what it needs, so that `verify` runs on a machine with nothing else.
    if chosen.command == "verify":
        from services.audit import verify as verifier

        return verifier.main(
            chosen.log,
            chosen.key,
            verifier.Options(
                since=chosen.since,
                witnesses=chosen.witness,
                quorum=chosen.quorum,
                policy=chosen.policy,
                tsa=chosen.tsa,
                previous=chosen.previous,
                previous_key=chosen.previous_key,
                jobs=chosen.jobs,
            ),
        )
    if chosen.command == "sample":
        from services.audit.sample import command as sampling

        return sampling.main(chosen.out, chosen.entries, chosen.seed, chosen.days, chosen.damage)
    if chosen.command == "migrate":
        return _migrate()
    from chassis import process
    from services.audit import service
    from services.audit.continuity import NotRestored
    from services.audit.export import ExportError
    from services.audit.retention.commands import NotDropped

    try:
        if chosen.command == "serve":
            process.run(service.serve())
        elif chosen.command == "check":
            return 1 if process.run(service.check(chosen.year)) else 0
        elif chosen.command == "restore":
            process.run(service.restore())
        elif chosen.command == "drop-year":
            process.run(service.drop_year(chosen.year, chosen.agreed_by))
        elif chosen.command == "ocsf":
            process.run(service.ocsf(None if chosen.out == "-" else Path(chosen.out), chosen.since, chosen.year))
        else:
            process.run(service.export(chosen.out, chosen.year))
    except (ExportError, NotDropped, NotRestored) as error:
        sys.stderr.write(f"{chosen.command} failed: {error}\n")
        return 2
    return 0


def _migrate() -> int:
    import asyncio

    from chassis import db
    from chassis.settings import SettingsError
    from services.audit import settings

    try:
        url = settings.read_migrate().migrate_database_url
    except SettingsError as error:
        sys.stderr.write(f"configuration refused:\n{error}\n")
        return 2
    folders = [db.CHASSIS_MIGRATIONS, Path(__file__).parent / "migrations"]
    for name in asyncio.run(db.migrate(url, "audit", folders)):
        print(f"applied {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
