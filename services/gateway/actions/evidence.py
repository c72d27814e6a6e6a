"""証拠一式: manifest, files, decisions, inclusion proof and how to verify, as a zip that is never whole in memory.

What is small is fetched before the first byte, so that a refusal is still a proper answer, and recorded as an export of
the document; files follow one by one, each recorded as a download.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import Buffer

from chassis import clock
from chassis.errors import DomainError, Kind
from kanketsu.approvals.v1 import approvals_service_pb2 as approvals_pb
from kanketsu.documents.v1 import documents_service_pb2 as documents_pb
from services.gateway.actions import audit, documents
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.paper import evidence_guide
from services.gateway.views import cases as views

KIT: Final = Path(__file__).resolve().parent.parent / "evidence_kit"
_NOT_IN_A_NAME: Final = re.compile(r'[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069/\\:*?"<>|]')


@dataclass(frozen=True)
class Evidence:
    """Everything but the files, and the zip as it is made."""

    # Number of the document, for the name of the zip.
    name: str
    access_record: str
    chunks: AsyncIterator[bytes]


async def collect(clients: Clients, caller: Caller, document_id: str, tenant_name: str) -> Evidence:
    """The evidence of a completed document. WRONG_STATE before completion, PROOF_PENDING for seconds after it."""
    peer = clients.documents
    request = documents_pb.GetDocumentRequest(document_id=document_id, purpose="export")
    found = await peer.ask(peer.rpc.GetDocument, request, caller)
    if found.document.state != documents_pb.DOCUMENT_STATE_COMPLETED:
        # The reader may see it, so they may know that it has no manifest yet.
        raise DomainError(Kind.PRECONDITION, "WRONG_STATE", metadata={"service": "documents"})
    manifest = await peer.ask(peer.rpc.GetManifest, documents_pb.GetManifestRequest(document_id=document_id), caller)
    case = await clients.approvals.ask(
        clients.approvals.rpc.GetCase,
        approvals_pb.GetCaseRequest(document_id=document_id, read_receipt=found.read_receipt),
        caller,
    )
    proof = await audit.completion_proof(clients, caller, document_id, found.read_receipt)
    contents = json.loads(manifest.manifest)
    decisions = {one.decision_id: views.decision(one) for one in case.case.decisions}
    # Those that the manifest has: what was added after completion (後閲) is not part of what it proves.
    told = [decisions[one["decision_id"]] for one in contents["decisions"]]
    name = found.document.dispatch_number or found.document.draft_number or document_id
    checkpoint = proof.proof.checkpoint
    now = clock.now()
    about = evidence_guide.facts(
        tenant_name, name, checkpoint.partition("\n")[0], proof.proof.index, proof.proof.tree_size, now
    )
    parts = [
        ("README.pdf", await evidence_guide.as_pdf(tenant_name, about, now)),
        ("README.txt", evidence_guide.as_text(about)),
        ("verify.py", (KIT / "verify.py").read_bytes()),
        ("manifest.json", manifest.manifest),
        ("decisions.json", json.dumps(told, ensure_ascii=False, indent=2).encode()),
        ("leaf.json", proof.leaf),
        ("completed.tlog-proof", proof.file),
        ("checkpoint", checkpoint.encode()),
        ("log.vkey", f"{proof.verifier_key}\n".encode()),
    ]
    if proof.stamped is not None:
        parts += [
            ("stamped.tlog-proof", audit.proof_file(proof.stamped)),
            ("stamped.checkpoint", proof.stamped.checkpoint.encode()),
            ("stamped.tsr", proof.timestamp),
        ]
    files = [
        (one["attachment_id"], f"files/{number:02}_{_NOT_IN_A_NAME.sub('_', one['file_name'])}")
        for number, one in enumerate(contents["attachments"], 1)
    ]
    return Evidence(name, manifest.access_record, _zip(clients, caller, document_id, parts, files))


class _Pipe(io.RawIOBase):
    """A file that cannot be read back: what is written waits until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        piece = bytes(data)
        self._waiting.append(piece)
        return len(piece)

    def take(self) -> bytes:
        taken = b"".join(self._waiting)
        self._waiting.clear()
        return taken


async def _zip(
    clients: Clients,
    caller: Caller,
    document_id: str,
    parts: Sequence[tuple[str, bytes]],
    files: Sequence[tuple[str, str]],
) -> AsyncIterator[bytes]:
    now = clock.now().timetuple()[:6]
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts:
            archive.writestr(zipfile.ZipInfo(name, now), data)
        yield pipe.take()
        for attachment_id, name in files:
            content = await documents.open_content(clients, caller, document_id, attachment_id, purpose="download")
            try:
                with archive.open(zipfile.ZipInfo(name, now), "w", force_zip64=True) as member:
                    async for chunk in content.chunks():
                        member.write(chunk)
                        yield pipe.take()
            finally:
                await content.close()
            yield pipe.take()
    yield pipe.take()
