"""証拠一式 as a stranger checks it: what is in the kit proves itself with bare Python and by hand, and each change is found."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import importlib.util
import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pypdfium2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chassis import clock
from kanketsu.audit.v1 import audit_service_pb2 as pb
from services.audit import note, tlog
from services.audit.entry import encode
from services.audit.tests.making import NOW, event_leaf
from services.audit.timestamps.tests.conftest import make_authority, openssl
from services.gateway.actions.audit import proof_file
from services.gateway.actions.evidence import KIT
from services.gateway.paper import evidence_guide

ORIGIN = "audit.minoh.example/2026"
LOG = note.SigningKey.from_seed(ORIGIN, bytes(range(32)))
WITNESS = note.SigningKey.from_seed("witness.toyonaka.example", bytes(range(1, 33)), note.COSIGNATURE_V1)
INDEX, SIZE, STAMPED_SIZE = 300, 777, 512
# Before a 差戻し: with its words, and one whose words never reached the document.
REASON = "同意書の写しがありません。"
EARLIER = [
    {"decision_id": "d-8", "comment_digest": hashlib.sha256(REASON.encode()).hexdigest(), "comment": REASON},
    {"decision_id": "d-9", "comment_digest": "0" * 64},
]


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def proof_of(leaves, size, cosigned):
    """Of leaf INDEX among the first `size`."""
    hashes = [tlog.leaf_hash(leaf) for leaf in leaves[:size]]
    path, low, high = [], 0, size
    while high - low > 1:
        # RFC 6962: the largest power of two below the count.
        split = low + (1 << ((high - low - 1).bit_length() - 1))
        if split > INDEX:
            path.append(tlog.root_of(hashes[split:high]))
            high = split
        else:
            path.append(tlog.root_of(hashes[low:split]))
            low = split
    signed = note.sign_checkpoint(ORIGIN, size, tlog.root_of(hashes), LOG)
    if cosigned:
        signed += WITNESS.sign(note.parse_note(signed).text, 1_795_000_000)
    return pb.InclusionProof(index=INDEX, tree_size=size, hashes=path[::-1], checkpoint=signed.decode())


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tsa") / "tsa"
    make_authority(folder)
    return folder


@pytest.fixture(scope="module")
def kit(tmp_path_factory, authority):
    """The evidence of a document, as the gateway packs it: cosigned, and with a time-stamp."""
    folder = tmp_path_factory.mktemp("kit") / "evidence"
    (folder / "files").mkdir(parents=True)
    files = {"01_交付申請書（髙﨑）.pdf": b"%PDF-1.7 " + bytes(3000), "02_別紙.txt": "別紙".encode() * 50}
    for name, content in files.items():
        (folder / "files" / name).write_bytes(content)
    version = {"fields": {"title": "補助金の交付決定について（伺い）", "amount": "332000"}, "salt": "ab" * 32}
    comment = "適当と認めます。"
    kept = {
        "access_record": "documents.documents-1/e/4",
        "acted_at": "2026-11-27T08:57:33.767694+09:00",
        "action": "decide",
        "comment_digest": hashlib.sha256(comment.encode()).hexdigest(),
        "decision_id": "d-1",
        "post_id": "P-040-03-01",
        "post_title": "室長",
        "staff_id": "S0068",
        "staff_name": "髙橋 誠司",
        "step_id": "s-1",
        "unit_id": "U-040-03",
        "unit_name": "環境政策室",
        "version_digest": hashlib.sha256(canonical(version)).hexdigest(),
    }
    told = {name: value for name, value in kept.items() if name not in ("comment_digest", "unit_id")}
    told |= {"id": "d-1", "comment": comment, "acted_at": "2026-11-27T08:57:33.767+09:00"}
    manifest = canonical(
        {
            "document_id": "D-7",
            "version": version,
            "version_digest": kept["version_digest"],
            "decisions": [kept],
            "earlier_cases": [{"case_id": "c-1", "state": "sent_back", "reason": "s-1", "decisions": EARLIER}],
            "attachments": [
                {"file_name": name[3:], "sha256": hashlib.sha256(content).hexdigest()}
                for name, content in files.items()
            ],
        }
    )
    digest = hashlib.sha256(manifest).hexdigest()
    leaves = [encode(event_leaf(n, f"D-{n}")) for n in range(1, SIZE + 1)]
    leaves[INDEX] = encode(event_leaf(9, "D-7", action="document.completed", detail={"manifest_digest": digest}))
    proof, stamped = proof_of(leaves, SIZE, cosigned=True), proof_of(leaves, STAMPED_SIZE, cosigned=False)
    about = evidence_guide.facts("箕面市", "箕市第1号", ORIGIN, INDEX, SIZE, NOW)
    for name, content in {
        "README.txt": evidence_guide.as_text(about),
        "verify.py": (KIT / "verify.py").read_bytes(),
        "manifest.json": manifest,
        "decisions.json": json.dumps([told], ensure_ascii=False, indent=2).encode(),
        "leaf.json": leaves[INDEX],
        "completed.tlog-proof": proof_file(proof),
        "checkpoint": proof.checkpoint.encode(),
        "log.vkey": f"{LOG.verifier.vkey}\n".encode(),
        "stamped.tlog-proof": proof_file(stamped),
        "stamped.checkpoint": stamped.checkpoint.encode(),
    }.items():
        (folder / name).write_bytes(content)
    query = openssl("ts", "-query", "-data", folder / "stamped.checkpoint", "-sha256", "-cert")
    (authority / "query").write_bytes(query)
    token = openssl("ts", "-reply", "-config", authority / "openssl.cnf", "-queryfile", authority / "query")
    (folder / "stamped.tsr").write_bytes(token)
    return folder


EVIDENCE = (
    *("manifest.json", "decisions.json", "leaf.json", "completed.tlog-proof", "checkpoint", "log.vkey"),
    *("stamped.tlog-proof", "stamped.checkpoint", "files/01_交付申請書（髙﨑）.pdf", "files/02_別紙.txt"),
)


@pytest.fixture
def copy(kit, tmp_path):
    return Path(shutil.copytree(kit, tmp_path / "evidence"))


def run(folder):
    """With no package of anybody's: -I without the environment, -S without site-packages."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", folder / "verify.py"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def verify():
    """verify.py as a module, for what would take too many processes.

    Ed25519 in plain Python is what takes its time: what it said of the same key, text and signature is remembered.
    """
    spec = importlib.util.spec_from_file_location("evidence_verify", KIT / "verify.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ed25519_is_good = functools.cache(module.ed25519_is_good)
    return module


def test_it_verifies_without_any_package_and_says_what_it_did_not_check(kit):
    code, report = run(kit)
    assert (code, "一致しない" in report) == (0, False), report
    assert len(re.findall("^正しい", report, flags=re.M)) == 16
    unchecked = re.findall("^確かめていない (.*)$", report, flags=re.M)
    assert ["witness.toyonaka.example" in unchecked[0], "時刻印" in unchecked[1]] == [True, True]


@pytest.mark.parametrize("name", EVIDENCE)
def test_every_altered_cut_lengthened_or_missing_file_is_found(copy, verify, capsys, name):
    path = copy / name
    whole = path.read_bytes()
    places = range(len(whole)) if len(whole) < 900 else random.Random(name).sample(range(len(whole)), 200)
    assert verify.check(copy)
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(bytes(changed))
        assert not verify.check(copy), f"byte {place} of {name}: {whole[place - 10 : place + 10]!r}"
    for other in (whole[:-1], whole[1:], whole + b"\n", b""):
        path.write_bytes(other)
        assert not verify.check(copy), other[-20:]
    path.unlink()
    assert not verify.check(copy)
    path.write_bytes(whole)
    assert verify.check(copy)
    assert "一致しない" in capsys.readouterr().out


def test_a_time_stamp_over_another_checkpoint_is_found(copy, verify):
    (copy / "stamped.tsr").write_bytes(b"another")
    assert not verify.check(copy)
    (copy / "stamped.tsr").unlink()
    assert not verify.check(copy)


@pytest.mark.parametrize("name", ["files/01_A.pdf", "files/01_龠.pdf", "files/03_後から.txt", "files/下/01_x"])
def test_an_added_file_is_found(copy, verify, name):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_bytes(b"")
    assert not verify.check(copy)


@pytest.mark.parametrize(
    "change",
    [
        {"action": "reject"},
        {"staff_name": "別の人"},
        {"acted_at": "2026-11-28T08:57:33.767+09:00"},
        {"comment": None},
        {"comment": "不適当と認めます。"},
        {"note": "書き足し"},
        {"id": "d-2"},
        {"decision_id": "d-2"},
    ],
)
def test_a_decision_told_otherwise_is_found(copy, verify, change):
    path = copy / "decisions.json"
    told = json.loads(path.read_bytes())
    path.write_text(json.dumps([told[0] | change], ensure_ascii=False, indent=2), encoding="utf-8")
    assert not verify.check(copy)
    path.write_text(json.dumps([*told, *told], ensure_ascii=False, indent=2), encoding="utf-8")
    assert not verify.check(copy)
    path.write_text("[]", encoding="utf-8")
    assert not verify.check(copy)


def test_an_earlier_opinion_told_otherwise_is_found_and_a_manifest_without_any_is_good(copy, verify, capsys):
    """AP-53: words and digest of an act before a 差戻し belong together; what circulated once has none."""
    (copy / "manifest.json").write_bytes((copy / "manifest.json").read_bytes().replace(REASON.encode(), b"-"))
    assert not verify.check(copy)
    assert "一致しない   前の回議の意見" in capsys.readouterr().out
    manifest = json.loads((copy / "manifest.json").read_bytes())
    del manifest["earlier_cases"]
    (copy / "manifest.json").write_bytes(canonical(manifest))
    verify.check(copy)
    # The log names another manifest, and nothing else is wrong.
    found = capsys.readouterr().out
    assert (found.count("一致しない"), "前の回議の意見" in found) == (1, False)


def test_another_log_under_its_own_key_passes_only_with_that_key(copy, verify):
    """Who makes everything anew, key included, is found by whoever has the key from elsewhere: the guide says so first."""
    other = note.SigningKey.from_seed(ORIGIN, bytes(32))
    (copy / "log.vkey").write_text(f"{other.verifier.vkey}\n", encoding="utf-8")
    assert not verify.check(copy)


def test_cosignatures_are_checked_with_the_witnesses_own_keys(copy, verify, capsys):
    keys = copy / "witnesses.vkey"
    keys.write_text(f"{WITNESS.verifier.vkey}\n", encoding="utf-8")
    assert verify.check(copy)
    assert "正しい       証人の連署 (witness.toyonaka.example)" in capsys.readouterr().out
    # A witness that did not sign, and a line that its key did not make.
    silent = note.SigningKey.from_seed("witness.suita.example", bytes(range(2, 34)), note.COSIGNATURE_V1)
    keys.write_text(f"{WITNESS.verifier.vkey}\n{silent.verifier.vkey}\n", encoding="utf-8")
    assert not verify.check(copy)
    keys.write_text(f"{WITNESS.verifier.vkey}\n", encoding="utf-8")
    forged = WITNESS.sign(b"another text\n", 1_795_000_000)
    for name in ("completed.tlog-proof", "checkpoint"):
        whole = (copy / name).read_bytes()
        (copy / name).write_bytes(whole[: whole.rindex(b"\xe2\x80\x94")] + forged)
    assert not verify.check(copy)
    assert "一致しない   証人の連署" in capsys.readouterr().out


# --- Ed25519 in plain Python ------------------------------------------------------------------------------------


def test_the_vector_of_rfc_8032(verify):
    public = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert verify.ed25519_is_good(public, bytes.fromhex("af82"), signature)
    assert not verify.ed25519_is_good(public, bytes.fromhex("af83"), signature)


def test_it_agrees_with_a_library_on_good_and_altered_signatures(verify):
    choose = random.Random(8032)
    for _ in range(25):
        key = Ed25519PrivateKey.from_private_bytes(choose.randbytes(32))
        public, message = key.public_key().public_bytes_raw(), choose.randbytes(choose.randrange(200))
        signature = bytearray(key.sign(message))
        assert verify.ed25519_is_good(public, message, bytes(signature))
        signature[choose.randrange(64)] ^= 1 << choose.randrange(8)
        with pytest.raises(InvalidSignature):
            Ed25519PublicKey.from_public_bytes(public).verify(bytes(signature), message)
        assert not verify.ed25519_is_good(public, message, bytes(signature))


def test_a_scalar_that_is_too_large_is_no_signature(verify):
    """Otherwise one signature would have two spellings."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signature = key.sign(b"text")
    larger = int.from_bytes(signature[32:], "little") + verify.ORDER
    public = key.public_key().public_bytes_raw()
    assert verify.ed25519_is_good(public, b"text", signature)
    assert not verify.ed25519_is_good(public, b"text", signature[:32] + larger.to_bytes(32, "little"))
    assert not verify.ed25519_is_good(public, b"text", signature[:63])
    assert not verify.ed25519_is_good(b"\xff" * 32, b"text", signature)


# --- by hand ----------------------------------------------------------------------------------------------------


def by_hand(folder, name, **replaced):
    """What the guide's command of this name prints."""
    command = next(command for of, command, _ in evidence_guide.BY_HAND if of == name)
    for old, new in replaced.items():
        assert old in command
        command = command.replace(old, str(new))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_commands_of_the_guide_do_what_it_says(copy, authority):
    manifest = json.loads((copy / "manifest.json").read_bytes())
    code, printed = by_hand(copy, "完結記録の値")
    assert (code, printed.split()[0]) == (0, json.loads((copy / "leaf.json").read_bytes())["detail"]["manifest_digest"])
    code, printed = by_hand(copy, "添付の値")
    assert [line.split()[0] for line in printed.splitlines()] == [one["sha256"] for one in manifest["attachments"]]
    code, printed = by_hand(copy, "記録の値")
    assert printed.split()[0] == tlog.leaf_hash((copy / "leaf.json").read_bytes()).hex()
    assert by_hand(copy, "署名") == (0, "Signature Verified Successfully\n")
    code, printed = by_hand(copy, "時刻印", **{"認証局の証明書.pem": authority / "ca.pem"})
    assert code == 0, printed
    assert "Verification: OK" in printed
    assert "Time stamp:" in printed
    (copy / "stamped.checkpoint").write_bytes((copy / "checkpoint").read_bytes())
    _, printed = by_hand(copy, "時刻印", **{"認証局の証明書.pem": authority / "ca.pem"})
    assert "Verification: FAILED" in printed
    (copy / "checkpoint").write_text((copy / "checkpoint").read_text(encoding="utf-8").replace("777", "778"))
    assert by_hand(copy, "署名")[0] != 0


def test_climbing_as_the_guide_says_leads_to_the_root(kit):
    """The words of `CLIMB`, step by step."""
    lines = (kit / "completed.tlog-proof").read_text(encoding="utf-8").splitlines()
    checkpoint = (kit / "checkpoint").read_text(encoding="utf-8").splitlines()
    i, n = int(lines[1].split()[1]), int(checkpoint[1]) - 1
    value = hashlib.sha256(b"\0" + (kit / "leaf.json").read_bytes()).digest()
    for line in lines[2 : lines.index("")]:
        other = note._unb64(line, "hash")
        if i % 2 or i == n:
            value = hashlib.sha256(b"\1" + other + value).digest()
            while i == n and i % 2 == 0 and i:
                i, n = i // 2, n // 2
        else:
            value = hashlib.sha256(b"\1" + value + other).digest()
        i, n = i // 2, n // 2
    assert value == note._unb64(checkpoint[2], "root")


# --- the guide --------------------------------------------------------------------------------------------------


async def test_the_guide_is_two_pages_and_says_the_same_as_the_text():
    number = "箕市第12345号の2"
    about = evidence_guide.facts("箕面市", number, f"{ORIGIN}/long.name", 10**9, 10**9 + 1, clock.now())
    made = await evidence_guide.as_pdf("箕面市", about, dt.datetime(2026, 11, 27, tzinfo=dt.UTC))
    document = pypdfium2.PdfDocument(made)
    assert [tuple(round(side) for side in page.get_size()) for page in document] == [(595, 842)] * 2
    printed = "".join("".join(page.get_textpage().get_text_range().split()) for page in document)
    text = evidence_guide.as_text(about).decode()
    for part in (
        *(value for row in about for value in row[1].split("\u3000")),
        *(cell for row in evidence_guide.FILES for cell in row),
        *(line for _, command, result in evidence_guide.BY_HAND for line in (*command.split("\n"), result)),
        *(*evidence_guide.KEY, *evidence_guide.BY_PROGRAM, evidence_guide.CLIMB, *evidence_guide.LIMITS),
    ):
        assert part in text
        # A word that was broken at a line's end carries no mark but the end of the line.
        assert "".join(part.split()) in re.sub("\ufffe|\u00ad", "-", printed), part
