"""Speed and memory, measured side by side in one run and printed as ratios: `make bench`.

Client and servers share this machine. What a figure is of stands at the top of docs/benchmarks.md, to which the table is
added with the machine's description. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.load import report, scenes
from tests.load.bench import Bench

ROOT = Path(__file__).resolve().parents[2]


def machine() -> str:
    """Processor, cores, memory and versions."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, Linux {platform.release()}"


def commit() -> str:
    """Short hash of the tree that was measured, with + when it has changes."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


async def main(names: list[str], documents: int, entries: int, rounds: int) -> int:
    """Run the scenes and write the report."""
    with tempfile.TemporaryDirectory(prefix="kanketsu-bench-") as folder:
        bench = Bench(Path(folder) / "state", rounds=rounds, documents=documents, entries=entries)
        try:
            bench.start()
            rows: list[report.Row] = []
            for name in names or list(scenes.SCENES):
                print(f"── {name}", flush=True)
                for row in await scenes.SCENES[name](bench):
                    print("  " + row.line(), flush=True)
                    rows.append(row)
        finally:
            bench.stop()
    when = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    report.append(ROOT / "docs" / "benchmarks.md", when, commit(), machine(), rows)
    missed = [row for row in rows if row.met is False]
    print(f"{len(rows)} figures, {len(missed)} outside their budget; added to docs/benchmarks.md")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("scenes", nargs="*", choices=[[], *scenes.SCENES], help="default: all")
    parser.add_argument("--documents", type=int, default=20_000, help="documents in the mixed scene")
    parser.add_argument("--entries", type=int, default=10**7, help="entries of the largest log that is questioned")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per figure; the median counts")
    options = parser.parse_args()
    sys.exit(asyncio.run(main(list(options.scenes), options.documents, options.entries, options.rounds)))
