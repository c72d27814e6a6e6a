"""Everything that has to pass, in order, with a summary a person can read: `make test`.

`python -m tests [PHASE …]` runs only the named phases. Exit code 1 when anything failed.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from tests import chromium

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
REPORTS = ROOT / "build" / "reports"


@dataclass
class Result:
    """Outcome of one phase."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list[str] = field(default_factory=list)


# Runs a phase; what its programs say goes to the file, or to where we say ours.
Phase = Callable[[IO[bytes] | None], Result]


def check(output: IO[bytes] | None) -> Result:
    """Style, types, module borders, protos, migrations."""
    commands = {
        "ruff": [BIN / "ruff", "check", "."],
        "ruff format": [BIN / "ruff", "format", "--check", "."],
        "mypy": [BIN / "mypy", "chassis", "services", "deploy", "samples"],
        "imports": [BIN / "lint-imports"],
        "protos": [BIN / "buf", "lint"],
        "migrations": [BIN / "squawk", "--assume-in-transaction", *SQUAWK_EXCLUDED, *_migrations()],
    }
    result = Result()
    for name, command in commands.items():
        done = subprocess.run(
            [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
        )
        if done.returncode == 0:
            result.passed += 1
        else:
            result.failed += 1
            print(f"--- {name} failed\n{done.stdout}{done.stderr}")
    return result


# Small integers are years and states; the runner sets the lock time-out; new tables need no concurrent index.
SQUAWK_EXCLUDED = (
    "--exclude=prefer-bigint-over-int,prefer-bigint-over-smallint,require-lock-timeout,require-statement-timeout,"
    "require-concurrent-index-creation",
)


def _migrations() -> list[Path]:
    """Copies of the migrations with the roles filled in, as the runner does it."""
    folder = REPORTS / "migrations"
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for path in sorted([*ROOT.glob("chassis/migrations/*.sql"), *ROOT.glob("services/*/migrations/*.sql")]):
        text = path.read_text(encoding="utf-8").replace("${app}", "some_app").replace("${schema}", "some")
        copies.append(folder / "-".join(path.relative_to(ROOT).parts))
        copies[-1].write_text(text, encoding="utf-8")
    return copies


def _environment() -> dict[str, str]:
    """Ours, but what Python has compiled is kept: every phase and worker reads all the tests again."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def pytest(name: str, *arguments: str) -> Phase:
    """A phase that is one pytest run."""

    def run(output: IO[bytes] | None) -> Result:
        REPORTS.mkdir(parents=True, exist_ok=True)
        report = REPORTS / f"{name}.xml"
        report.unlink(missing_ok=True)
        command = [str(BIN / "pytest"), "-p", "no:cacheprovider", f"--junitxml={report}", "-rs", *arguments]
        environment = _environment()
        code = subprocess.run(
            command, cwd=ROOT, check=False, timeout=3000, env=environment, stdout=output, stderr=output
        ).returncode
        result = Result()
        if code == 5:
            result.notes.append("no test was found")
            result.failed = 1
            return result
        if not report.exists():
            result.failed = 1
            result.notes.append(f"pytest ended with code {code} and no report")
            return result
        for suite in ET.parse(report).getroot().iter("testsuite"):
            total, broken = int(suite.get("tests", 0)), int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            result.passed += total - broken - skipped
            result.failed += broken
            result.skipped += skipped
        if code != 0 and result.failed == 0:
            result.failed = 1
            result.notes.append(f"pytest ended with code {code}")
        return result

    return run


def browser(output: IO[bytes] | None) -> Result:
    """Browser tests, with the system's Chromium."""
    path, why = chromium.find_or_install()
    if path is None:
        print(f"\n*** BROWSER TESTS WERE SKIPPED: {why} ***\n")
        return Result(skipped=1, notes=[f"SKIPPED: {why}"])
    os.environ["KANKETSU_TEST_CHROMIUM"] = path
    return pytest("browser", "-m", "browser", "tests")(output)


NEITHER = "not system and not chaos and not browser"
PHASES: dict[str, Phase] = {
    "check": check,
    "unit": pytest("unit", "-n", "2", "--dist", "loadfile", "--ignore=tests/conformance", "-m", NEITHER),
    "system": pytest("system", "-m", "system"),
    "conformance": pytest("conformance", "tests/conformance"),
    "chaos": pytest("chaos", "-m", "chaos", "tests"),
    "browser": browser,
}
# These wait most of their time, for locks to end and for the dead to be missed: the first runs beside the second.
BESIDE = {"conformance": "chaos"}


def build_meanwhile() -> None:
    """Begin to build what is in Go, where Go is at hand, while other phases run; the conformance phase waits for it."""
    for module in ("tests.conformance.foreign", "tests.conformance.minio"):
        builder = subprocess.Popen(
            ["nice", "-n", "15", sys.executable, "-m", module, "900"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        atexit.register(builder.terminate)


def _processor_seconds() -> float:
    """Of all children that have ended, and of theirs: what a phase cost, however busy the machine is otherwise."""
    times = os.times()
    return times.children_user + times.children_system


@dataclass(frozen=True)
class Row:
    """A phase in the summary; `worked` includes what ran beside it, and is 0 for that."""

    name: str
    result: Result
    seconds: float
    worked: float = 0.0


def _timed(name: str, output: IO[bytes] | None) -> Row:
    started = time.monotonic()
    result = PHASES[name](output)
    return Row(name, result, time.monotonic() - started)


def _quietly(name: str) -> tuple[Row, str]:
    """A phase that runs beside another, and what it said."""
    with tempfile.TemporaryFile() as output:
        row = _timed(name, output)
        output.seek(0)
        return row, output.read().decode(errors="replace")


def _title(name: str) -> None:
    width = shutil.get_terminal_size((100, 20)).columns
    print(f"\n── {name} " + "─" * max(0, width - len(name) - 4), flush=True)


def main(names: list[str]) -> int:
    """Run the phases and print the summary."""
    unknown = [name for name in names if name not in PHASES]
    if unknown:
        print(f"unknown phase {', '.join(unknown)}; there are {', '.join(PHASES)}")
        return 2
    chosen = names or list(PHASES)
    if "conformance" in chosen:
        build_meanwhile()
    rows: list[Row] = []
    with ThreadPoolExecutor() as pool:
        for name in chosen:
            if BESIDE.get(name) in chosen:
                continue
            quiet = [pool.submit(_quietly, other) for other in chosen if BESIDE.get(other) == name]
            _title(name)
            worked = _processor_seconds()
            ran = _timed(name, None)
            for other in quiet:
                row, said = other.result()
                _title(row.name)
                sys.stdout.write(said)
                rows.append(row)
            rows.append(replace(ran, worked=_processor_seconds() - worked))
    total = Result()
    print("\n── summary")
    for row in rows:
        result = row.result
        total.passed += result.passed
        total.failed += result.failed
        total.skipped += result.skipped
        mark = "FAILED" if result.failed else "ok"
        counts = f"{result.passed:4d} passed {result.failed:3d} failed {result.skipped:3d} skipped"
        cost = f"({row.worked:.0f} s of processors)" if row.worked else f"(beside {BESIDE[row.name]})"
        print(f"  {row.name:<11} {mark:<7} {counts}  {row.seconds:6.1f} s {cost}  {' '.join(result.notes)}")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
