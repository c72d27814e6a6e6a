"""When a part is away: a clear refusal, nothing half-done, and everything works again afterwards."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from chassis import clock
from chassis.errors import DomainError, Kind
from chassis.requests import Call
from services.documents import attachments, commands
from services.documents.attachments import Announced
from services.documents.blobs import ObjectStore, StoreConfig
from services.documents.commands import Service
from services.documents.tests.conftest import SAMPLES, House


@pytest_asyncio.fixture(loop_scope="session")
async def storeless(house: House) -> AsyncIterator[Service]:
    """The service while its object store does not answer."""
    nowhere = ObjectStore(
        StoreConfig(
            endpoint="http://127.0.0.1:9", bucket="kanketsu", access_key="a", secret_key="b", connect_timeout=0.2
        )
    )
    yield dataclasses.replace(house.service, blobs=nowhere)
    await nowhere.close()


def call(method: str) -> Call:
    return Call("S0072", clock.new_id(), method, b"digest")


async def test_completion_waits_for_the_store(house: House, storeless: Service) -> None:
    document = await house.decided(enforcement_required=False)
    with pytest.raises(DomainError) as caught:
        await commands.complete_document(
            storeless,
            house.drafter.identity,
            call("CompleteDocumentRequest"),
            document.document_id,
            document.version,
            None,
            "",
            lambda view: b"",
        )
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert await house.drafter.see(document.document_id) == document
    await house.drafter.call("CompleteDocument", document_id=document.document_id, expected_version=document.version)


async def test_uploads_and_downloads_say_that_the_store_is_away(house: House, storeless: Service) -> None:
    draft = await house.drafter.draft()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * 1000

    with pytest.raises(DomainError) as caught:
        await attachments.add(
            storeless,
            house.drafter.identity,
            call("UploadHeader"),
            Announced(draft.document_id, "a.pdf", "application/pdf", None, ""),
            chunks(),
            10_000,
            lambda attachment_id: lambda view: b"",
        )
    assert caught.value.reason == "STORE_UNAVAILABLE"
    assert await house.drafter.see(draft.document_id) == draft
    assert await house.rows("SELECT 1 FROM uploads WHERE document_id = %s", draft.document_id) == []


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program as operations run it."""
    return subprocess.run(
        [sys.executable, "-m", "services.documents", *arguments],
        env={k: v for k, v in os.environ.items() if not k.startswith("KANKETSU_")}
        | {f"KANKETSU_{key}": value for key, value in environment.items()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[3],
    )


def test_a_bad_city_is_refused_with_line_numbers(house: House, tmp_path: Path) -> None:
    (tmp_path / "organisation").mkdir()
    (tmp_path / "organisation" / "units.csv").write_text("unit_id,parent_id,symbol\nU-1,U-404,箕\n", encoding="utf-8")
    done = run("load", str(tmp_path), DATABASE_URL=house.where.app_url)
    assert done.returncode == 1
    assert "nothing was loaded" in done.stderr
    assert "unknown parent U-404" in done.stderr


def test_the_city_is_loaded_by_its_command(house: House) -> None:
    done = run("load", str(SAMPLES), DATABASE_URL=house.where.app_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "classes" in done.stdout


def test_migrations_run_twice_without_effect(house: House) -> None:
    for _ in range(2):
        done = run("migrate", MIGRATE_DATABASE_URL=house.where.owner_url)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["serve", "migrate", "sweep", "check-store"])
def test_a_missing_setting_is_named(command: str) -> None:
    done = run(command)
    assert done.returncode == 2
    assert "required" in done.stderr


def test_fonts_that_are_not_there_stop_the_service(tmp_path: Path) -> None:
    """NM-02: refused at the start, not found out at the first 鑑."""
    needed = ("TENANT", "TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CA_FILE", "NATS_URL", "NATS_NKEY_SEED", "DATABASE_URL")
    needed += ("IDENTITY_JWKS_FILE", "KEK_FILE", "RECEIPT_SIGNING_KEY_FILE", "MEMBERSHIP_JWKS_FILE")
    needed += ("S3_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_BUCKET")
    done = run("serve", **dict.fromkeys(needed, "x"), FONTS=str(tmp_path / "fonts"))
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "configuration refused:")
    assert f"KANKETSU_FONTS: {tmp_path}/fonts is not a folder" in done.stderr


def test_a_misspelt_setting_stops_the_service() -> None:
    done = run("serve", UPLOAD_LIMITT="1")
    assert done.returncode == 2
    assert "KANKETSU_UPLOAD_LIMITT: unknown setting" in done.stderr
