"""An older backup of the whole database server is put back, files and all: no fork, and nothing signed is lost (I2)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from chassis import clock, db
from deploy.local.stack import Stack
from services.audit import continuity, note
from services.audit.commands import LogKeys
from tests.chaos.campaign import SIGNED, Books, calm, engines, eventually, head_of, migrate, place_of, verifiable
from tests.chaos.lives import Lives, vault_of

__all__ = ["engines"]
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


def copy(folder: Path, to: Path) -> None:
    """With owners and modes, which PostgreSQL insists on."""
    subprocess.run(["cp", "-a", folder, to], check=True, timeout=60)


COUNT = "SELECT count(*) FROM entries"


async def test_an_older_backup_of_the_server_stops_the_log_until_it_is_brought_up_to_the_head(
    engines: Stack, tmp_path: Path
) -> None:
    await migrate(engines)
    books, place = Books(engines), place_of(engines, tmp_path / "acknowledged")
    heads: set[bytes] = set()
    data = engines.installation.data
    with Lives(place, tmp_path / "lives.log") as lives:
        for name in ("source-1", "source-2", "audit-1", "audit-2"):
            lives.start(name)
        eventually(lambda: books.one("audit", COUNT) > 300)
        heads |= head_of(engines)
        engines.stop_one("postgres")
        copy(data, tmp_path / "backup")
        engines.start_one("postgres")
        at_backup = books.one("audit", COUNT)
        eventually(lambda: books.one("audit", COUNT) > at_backup + 400)
        eventually(lambda: books.one("audit", "SELECT checkpoint_size FROM logs") > at_backup + 300)

        # Nothing is held up by the copying any more: what the loss takes now is the end, and not something in between.
        late = "SELECT count(*) FROM outbox WHERE created_at < now() - interval '1 second'"
        eventually(lambda: books.one("documents", late) == 0)

        # The machine is lost, the backup is put back; everybody else runs on and knows nothing.
        engines.kill("postgres")
        [signed] = head_of(engines)
        heads.add(signed)
        shutil.rmtree(data)
        copy(tmp_path / "backup", data)
        engines.start_one("postgres")
        size = note.parse_checkpoint(note.parse_note(signed).text).size
        at_backup = books.one("audit", COUNT)
        assert at_backup < size
        # Sources go on and are not taken; who looks for the reason finds it.
        waiting = "SELECT count(*) FROM outbox WHERE attempts > 0"
        eventually(lambda: books.one("documents", waiting) > 5)
        eventually(lambda: "nothing is signed" in (tmp_path / "lives.log").read_text("utf-8"))
        assert books.one("audit", COUNT) == at_backup
        assert head_of(engines) == {signed}

        pool = db.open_pool(place.audit_url, "audit", size=2)
        await pool.open(wait=True)
        keys = LogKeys("audit.minoh.example", (Path(place.keys) / "log-signing-key.pem").read_bytes())
        async with db.connection(pool) as conn:
            restored = await continuity.restore(conn, keys, vault_of(place), clock.now(), clock.new_id)
        await pool.close()
        assert restored.leaves == size - at_backup

        # Nobody has to lend a hand after that.
        eventually(lambda: books.one("audit", COUNT) > size + 100)
        calm(lives, books, "source-1", "source-2")
        heads |= head_of(engines)
    assert books.one("audit", SIGNED)
    [(restore_index,)] = books.rows("audit", "SELECT leaf_index FROM entries WHERE action = 'backup.restored'")
    assert restore_index == size
    verifiable(books, engines, heads, tmp_path / "log")
    # Epochs that the backup still knew were closed with what it held; the log had more of them, and lost nothing.
    claims = books.rows("audit", "SELECT action FROM entries WHERE convert_from(leaf, 'UTF8') LIKE '%NUMBER_TAKEN%'")
    assert {action for (action,) in claims} <= {"epoch.recovered"}
