"""Our log is one for software that we did not write: it accepts what is whole, from a folder and over HTTP, and rejects
what is damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import warnings
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from services.audit.export import KEY_FILE
from services.audit.sample.damage import damage
from services.audit.sample.making import SampleKeys, write_sample
from services.audit.tests.test_verify import QuietHandler
from tests.conformance import foreign
from tests.conformance.golang import NotAtHand

# How long a test run may build them when they are not cached; 0 only uses what is there.
BUILD_SECONDS = float(os.environ.get("KANKETSU_TEST_FOREIGN_BUILD", "120"))
SIZES = (1, 255, 256, 257, 511, 512, 1500, 65_537)
# What changes the tree; witnesses and archive are none of their business, numbers of sources neither.
DAMAGES = (
    "record-changed",
    "tile-changed",
    "bundle-missing",
    "checkpoint-changed",
    "wrong-key",
    "record-removed",
    "record-added",
    "record-repeated",
    "record-replaced",
    "records-swapped",
    "tail-cut",
)


@pytest.fixture(scope="session")
def program() -> Path:
    """The verifiers, or a notice that nobody can overlook."""
    try:
        return foreign.build(BUILD_SECONDS)
    except NotAtHand as reason:
        notice = f"the log was NOT checked by verifiers of others: {reason}. `python -m tests.conformance.foreign` builds them."
        warnings.warn(notice, stacklevel=1)
        pytest.skip(notice)


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A practice log of each size."""
    folder = tmp_path_factory.mktemp("logs")
    for size in SIZES:
        write_sample(folder / str(size), size)
    return folder


@pytest.fixture(scope="session")
def site(logs: Path) -> Iterator[str]:
    """The same behind a plain web server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(logs)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def verdict(program: Path, verifier: str, location: str, key: Path) -> tuple[int, str]:
    """Exit code, and what it says: the verdict, or the reason."""
    done = subprocess.run([program, verifier, location, key], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout.strip() or done.stderr


@pytest.mark.parametrize("verifier", foreign.VERIFIERS)
@pytest.mark.parametrize("size", SIZES)
def test_a_whole_log_is_accepted_from_a_folder_and_over_http(
    size: int, verifier: str, program: Path, logs: Path, site: str
) -> None:
    key = logs / str(size) / KEY_FILE
    assert verdict(program, verifier, str(logs / str(size)), key) == (0, "accepted")
    assert verdict(program, verifier, f"{site}/{size}", key) == (0, "accepted")


@pytest.mark.parametrize("verifier", foreign.VERIFIERS)
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_log_is_rejected(kind: str, verifier: str, program: Path, logs: Path, tmp_path: Path) -> None:
    log = Path(shutil.copytree(logs / "1500", tmp_path / "log"))
    damage(log, SampleKeys.of(1), kind)
    code, reason = verdict(program, verifier, str(log), logs / "1500" / KEY_FILE)
    assert code == 1
    assert "rejected: " in reason


def test_a_damaged_upper_tile_is_rejected_by_who_reads_every_tile(program: Path, logs: Path, tmp_path: Path) -> None:
    log = Path(shutil.copytree(logs / "1500", tmp_path / "log"))
    damage(log, SampleKeys.of(1), "upper-tile-changed")
    assert [verdict(program, verifier, str(log), log / KEY_FILE)[0] for verifier in foreign.VERIFIERS] == [1, 1]
