"""Copies a log over HTTP into a folder: checkpoint, tiles, entry bundles (tlog-tiles), and its key.

The folder is a complete log that any tlog-tiles software can verify without us.
"""

from __future__ import annotations

from pathlib import Path

from deploy.walkthrough.client import Person, Refused
from services.audit import note, tlog


def copy_log(officer: Person, folder: Path) -> Path:
    """Everything up to the checkpoint published now; returns the path of the key file."""
    folder.mkdir(parents=True)
    key = folder / "vkey"
    key.write_bytes(_fetch(officer, "vkey"))
    checkpoint = _fetch(officer, "checkpoint")
    (folder / "checkpoint").write_bytes(checkpoint)
    verifier = note.VerifierKey.parse(key.read_text("utf-8").strip())
    for tile in tlog.tiles_of(note.open_checkpoint(checkpoint, verifier).size):
        target = folder / tile.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_fetch(officer, tile.path))
    return key


def _fetch(officer: Person, path: str) -> bytes:
    response = officer.http.get(f"/log/{path}")
    if response.status_code != 200:
        raise Refused(response)
    return response.content
