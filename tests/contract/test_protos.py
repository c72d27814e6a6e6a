"""The protos: linted, and readable by releases that still run while another is rolled out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).parent / "buf"
BASELINE = Path(__file__).parent / "protos.binpb"


def test_nothing_that_another_release_sends_becomes_unreadable():
    """The baseline is the protos as last released: `buf build proto --exclude-source-info -o tests/contract/protos.binpb`."""
    done = subprocess.run(
        [BUF, "breaking", "proto", "--against", BASELINE], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_removed_field_is_seen(tmp_path):
    changed = tmp_path / "proto"
    for path in (ROOT / "proto").rglob("*.proto"):
        target = changed / path.relative_to(ROOT / "proto")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8").replace("  string draft_number = 9;\n", "", 1)
        target.write_text(text, encoding="utf-8")
    (tmp_path / "buf.yaml").write_text((ROOT / "buf.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(
        [BUF, "breaking", changed, "--against", BASELINE], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "draft_number" in done.stdout
