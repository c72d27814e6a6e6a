"""After all of it: no epoch of a dead process stays open, nothing is orphaned, and a stranger can verify the log."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest

from deploy.local.stack import ROOT
from services.audit import verify
from tests.chaos.moments import SERVICES, eventually, one, rows

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


def test_only_the_living_have_an_open_epoch(town):
    """Every other one was closed by its process or, after a crash, by somebody else."""
    for service in SERVICES:
        eventually(lambda s=service: one(town, s, "SELECT count(*) FROM record_epochs WHERE state = 'open'") == 1)
    eventually(
        lambda: (
            rows(town, "audit", "SELECT service FROM sources WHERE state = 'open' ORDER BY 1")
            == [(service,) for service in sorted((*SERVICES, "gateway"))]
        )
    )


def test_nothing_is_orphaned_in_the_store(town):
    """Every object version belongs to a row, and no upload is half done."""
    store, bucket = town.stack.s3("admin"), town.stack.bucket

    def swept():
        listed = store.list_objects(bucket, recursive=True, include_version=True)
        stored = {(item.object_name, item.version_id) for item in listed}
        known = rows(
            town,
            "documents",
            "SELECT object_key, version_id FROM attachments UNION SELECT object_key, version_id FROM manifests",
        )
        return stored == set(known) and one(town, "documents", "SELECT count(*) FROM uploads") == 0

    eventually(swept)


def test_a_stranger_verifies_the_log(town, tmp_path):
    """Exported as operations do: signed root, every leaf, every number of every source."""
    key = tmp_path / "key"
    key.write_text(one(town, "audit", "SELECT verifier_key FROM logs"))
    attempts = itertools.count()

    def verified():
        """A number can be missing while its message is on the way."""
        out = tmp_path / f"log-{next(attempts)}"
        subprocess.run(
            [sys.executable, "-m", "services.audit", "export", "--out", str(out)],
            cwd=ROOT,
            env=town.stack.environment("audit-1"),
            check=True,
            timeout=60,
        )
        return verify.main(str(out), key) == 0

    eventually(verified)
