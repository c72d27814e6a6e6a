"""Copies a log over HTTP into a folder: checkpoint, tiles, entry bundles (tlog-tiles), and its key.

The folder is a complete log that any tlog-tiles software can verify without us.
"""

from __future__ import annotations

from pathlib import Path

from deploy.walkthrough.client import Person, Refused
from services.audit import note, tlog


def copy_log(officer: Person, folder: Path) -> Path:
    """Everything up to the checkpoint published now; returns the path of the key file."""
    response = officer.http.get("/log/checkpoint")
    if response.status_code != 200:
        raise Refused(response)
    folder.mkdir(parents=True)
    (folder / "checkpoint").write_bytes(response.content)
    key = folder / "vkey"
    key.write_text(response.headers["kanketsu-log-key"] + "\n", encoding="utf-8")
    verifier = note.VerifierKey.parse(response.headers["kanketsu-log-key"])
    for tile in tlog.new_tiles(0, note.open_checkpoint(response.content, verifier).size):
        answer = officer.http.get(f"/log/{tile.path}")
        if answer.status_code != 200:
            raise Refused(answer)
        target = folder / tile.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(answer.content)
    return key
