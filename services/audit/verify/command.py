"""The command: one line per finding, and a last line with the result."""

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from services.audit.note import Checkpoint, NoteError, VerifierKey
from services.audit.quorum import Policy, PolicyError
from services.audit.verify.files import LogFiles, Unreachable, open_log
from services.audit.verify.verification import Summary, Verification

if TYPE_CHECKING:
    from services.audit.verify.timestamps import Authority


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What besides the log and its key is checked, as the command line says it."""

    since: Path | None = None
    # Each a verifier key or a file with one.
    witnesses: list[str] = field(default_factory=list)
    quorum: int | None = None
    policy: Path | None = None
    tsa: Path | None = None
    # The log of the year before, and its key.
    previous: str | None = None
    previous_key: Path | None = None
    # Processes; as many as there are processors if None.
    jobs: int | None = None


class _Refused(Exception):
    """What was given cannot be used."""


def main(location: str, key_file: Path, options: Options | None = None) -> int:
    """Prints the findings and the result. 0: nothing found; 1: findings; 2: not verified, with the reason."""
    options = options or Options()
    started = time.monotonic()
    try:
        verification = Verification(
            open_log(location),
            VerifierKey.parse(key_file.read_text(encoding="utf-8")),
            print,
            since=options.since.read_bytes() if options.since else None,
            policy=_policy(options),
            authority=_authority(options.tsa) if options.tsa else None,
            jobs=options.jobs or len(os.sched_getaffinity(0)),
            progress=_Progress() if sys.stderr.isatty() else None,
            previous=_previous(options),
        )
        summary = verification.run()
    except (OSError, UnicodeDecodeError, NoteError, PolicyError, Unreachable, _Refused) as error:
        sys.stderr.write(f"not verified: {error}\n")
        return 2
    if summary.checkpoint is None or summary.findings:
        print(f"FAILED: {summary.findings} finding(s)")
        return 1
    print(_result(summary, summary.checkpoint, time.monotonic() - started))
    return 0


def _policy(options: Options) -> Policy:
    if options.policy is not None:
        if options.witnesses or options.quorum:
            raise _Refused("--policy says which witnesses there are; leave out --witness and --quorum")
        return Policy.parse(options.policy.read_bytes())
    if options.quorum is not None and not 0 < options.quorum <= len(options.witnesses):
        raise _Refused(f"--quorum {options.quorum} of {len(options.witnesses)} --witness cannot be met")
    keys = [one if "+" in one else Path(one).read_text(encoding="utf-8") for one in options.witnesses]
    return Policy.of(map(VerifierKey.parse, keys), options.quorum)


def _previous(options: Options) -> tuple[LogFiles, VerifierKey] | None:
    if (options.previous is None) != (options.previous_key is None):
        raise _Refused("--previous and --previous-key belong together: a log and its key")
    if options.previous is None or options.previous_key is None:
        return None
    return open_log(options.previous), VerifierKey.parse(options.previous_key.read_text(encoding="utf-8"))


def _authority(ca_file: Path) -> "Authority":
    try:
        from services.audit.verify.timestamps import Authority
    except ImportError as error:
        raise _Refused(f"--tsa needs the package rfc3161-client: {error}") from error
    try:
        return Authority(ca_file)
    except ValueError as error:
        raise _Refused(f"{ca_file} holds no certificates to trust: {error}") from error


def _result(summary: Summary, checkpoint: Checkpoint, seconds: float) -> str:
    size = checkpoint.size
    parts = [
        f"{size} leaves of {checkpoint.origin}",
        f"{summary.sources} sources ({summary.open_sources} open)",
    ]
    if summary.cosignatures:
        parts.append(f"{summary.cosignatures} cosignatures")
    if summary.archived is None:
        parts.append("archived checkpoints not checked (this address does not list them)")
    elif summary.archived:
        parts.append(f"{summary.archived} archived checkpoints")
    if summary.timestamps:
        parts.append(f"{summary.timestamps} time-stamps")
    if summary.remarks:
        parts.append(f"{summary.remarks} remarks")
    if summary.timestamps_unchecked:
        parts.append(f"{summary.timestamps_unchecked} time-stamps not checked")
    return f"OK: {', '.join(parts)}, {seconds:.1f} s ({size / max(seconds, 0.001):,.0f} leaves/s)"


class _Progress:
    """A line on a terminal, once a second."""

    def __init__(self) -> None:
        self._next = time.monotonic() + 1.0

    def __call__(self, done: int, size: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 1.0
            sys.stderr.write(f"\r{done:,} of {size:,} leaves ({100 * done // size} %) ")
            sys.stderr.flush()
