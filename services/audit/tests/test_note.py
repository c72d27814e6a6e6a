"""Notes, keys, checkpoints and cosignatures against published vectors; every changed byte is refused."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from services.audit import note, tlog
from services.audit.note import (
    COSIGNATURE_V1,
    ED25519,
    Checkpoint,
    ForgedNote,
    NoteError,
    SigningKey,
    UntrustedNote,
    VerifierKey,
)
from services.audit.tests.test_tlog import TESSERA_ENTRIES

EXAMPLE_KEY = VerifierKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
EXAMPLE_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
NEUMANN = SigningKey.parse("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")
NEUMANN_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
TESSERA = SigningKey.parse("PRIVATE+KEY+example.com/log/testdata+33d7b496+AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg")
TESSERA_15 = (
    "example.com/log/testdata\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n\n— example.com/log/testdata "
    "M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=\n"
).encode()
WITNESS = SigningKey.from_seed("witness.example/w1", bytes(range(32)), COSIGNATURE_V1)
OURS = SigningKey.from_seed("audit.minoh.example/2026", bytes(range(32)))


def our_checkpoint() -> bytes:
    return note.sign_checkpoint(OURS.name, 3, tlog.root_of([tlog.leaf_hash(b"%d" % i) for i in range(3)]), OURS)


# --- published vectors ------------------------------------------------------------------------------------------


def test_the_example_of_the_specification_opens() -> None:
    """Golden vectors 1.9: note."""
    assert EXAMPLE_KEY.key_id.hex() == "530d903a"
    text, signatures = note.open_note(EXAMPLE_NOTE, [EXAMPLE_KEY])
    assert text == b"This is an example message.\n"
    assert [line.name for line in signatures] == ["example.com/foo"]


def test_a_go_signing_key_makes_the_published_bytes() -> None:
    """Golden vectors 1.9: x/mod note."""
    vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert NEUMANN.verifier == VerifierKey.parse(vkey)
    assert NEUMANN.verifier.vkey == vkey
    line = (
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert NEUMANN.sign(NEUMANN_TEXT) == line.encode()
    assert note.open_note(note.sign_note(NEUMANN_TEXT, line.encode()), [NEUMANN.verifier])[0] == NEUMANN_TEXT


def test_a_tessera_checkpoint_is_made_and_opened_byte_for_byte() -> None:
    """Golden vectors 1.9: Tessera's checkpoint.15."""
    vkey = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
    root = tlog.root_of([tlog.leaf_hash(entry) for entry in TESSERA_ENTRIES])
    assert note.sign_checkpoint(TESSERA.name, 15, root, TESSERA) == TESSERA_15
    assert note.open_checkpoint(TESSERA_15, VerifierKey.parse(vkey)) == Checkpoint(TESSERA.name, 15, root)


def test_a_cosignature_is_made_and_opened_byte_for_byte() -> None:
    """Golden vectors 1.9: cosignature over checkpoint.15."""
    assert WITNESS.verifier.vkey == "witness.example/w1+e75f6532+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    line = (
        "— witness.example/w1 519lMgAAAABkGFDLo0vvaVMnQBetpNUCKKILroiWxoSAyyV9iB/cgczFo9ONQdSuKdatX9+k2ggtjAKa"
        "VSHrTWaVvipK5HiRqnepAA==\n"
    ).encode()
    text = note.parse_note(TESSERA_15).text
    assert WITNESS.sign(text, 1_679_315_147) == line
    _, good = note.open_note(TESSERA_15 + line, [TESSERA.verifier, WITNESS.verifier])
    assert [signature.name for signature in good] == [TESSERA.name, WITNESS.name]
    assert good[1].timestamp == 1_679_315_147
    backdated = base64.b64decode(line.split(b" ")[2])
    backdated = backdated[:4] + (1_679_315_146).to_bytes(8, "big") + backdated[12:]
    forged = f"— {WITNESS.name} {base64.b64encode(backdated).decode()}\n".encode()
    with pytest.raises(ForgedNote):
        note.open_note(TESSERA_15 + forged, [TESSERA.verifier, WITNESS.verifier])


def test_the_key_id_of_the_litewitness_session() -> None:
    """Golden vectors 1.9: witness session."""
    public = bytes.fromhex("ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f")
    name = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
    assert VerifierKey(name, ED25519, public).key_id.hex() == "5202289b"


# --- keys -------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32))
def test_keys_survive_their_text_forms(seed: bytes) -> None:
    signer = SigningKey.from_seed("audit.箕面.example/2026", seed)
    assert SigningKey.parse(signer.private_form).verifier == signer.verifier
    assert VerifierKey.parse(signer.verifier.vkey + "\n") == signer.verifier
    assert base64.b64encode(seed).decode()[:12] not in repr(signer)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+c74f20a3",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumanN+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "箕面\u3000市+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+",
    ],
)
def test_malformed_keys_are_refused(vkey: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(vkey)


def test_a_log_key_comes_from_a_pem_file() -> None:
    pem = OURS.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert SigningKey.from_pem(OURS.name, pem).verifier == OURS.verifier
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = OURS.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    for wrong in (b"", b"key", other, locked):
        with pytest.raises(NoteError):
            SigningKey.from_pem(OURS.name, wrong)


def test_a_cosignature_needs_a_time_and_a_signature_has_none() -> None:
    with pytest.raises(NoteError):
        WITNESS.sign(b"x\n")
    with pytest.raises(NoteError):
        OURS.sign(b"x\n", 1)


# --- notes ------------------------------------------------------------------------------------------------------


@given(st.data())
def test_any_changed_byte_of_a_checkpoint_is_refused(data: st.DataObject) -> None:
    signed = bytearray(our_checkpoint())
    signed[data.draw(st.integers(0, len(signed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NoteError):
        note.open_checkpoint(bytes(signed), OURS.verifier)


@given(st.data())
def test_any_cut_or_doubled_piece_of_a_checkpoint_is_refused(data: st.DataObject) -> None:
    signed = our_checkpoint()
    low = data.draw(st.integers(0, len(signed) - 1))
    high = data.draw(st.integers(low + 1, len(signed)))
    with pytest.raises(NoteError):
        note.open_checkpoint(signed[:low] + signed[high:], OURS.verifier)
    doubled = signed[:high] + signed[low:]
    try:
        assert note.open_checkpoint(doubled, OURS.verifier) == note.open_checkpoint(signed, OURS.verifier)
        assert note.parse_note(doubled).text == note.parse_note(signed).text
    except NoteError:
        pass


def test_lines_of_unknown_keys_are_ignored_and_known_false_ones_are_fatal() -> None:
    signed = our_checkpoint()
    stranger = NEUMANN.sign(note.parse_note(signed).text)
    assert note.open_checkpoint(signed + stranger, OURS.verifier).size == 3
    with pytest.raises(UntrustedNote, match=r"audit\.minoh\.example/2026"):
        note.open_note(signed, [NEUMANN.verifier])
    lying = SigningKey.from_seed(OURS.name, bytes(range(32))).sign(b"another text\n")
    with pytest.raises(ForgedNote):
        note.open_checkpoint(signed + lying, OURS.verifier)


def test_the_last_empty_line_separates_the_signatures() -> None:
    text = "一行目\n\n三行目\n".encode()
    assert note.open_note(note.sign_note(text, OURS.sign(text)), [OURS.verifier])[0] == text


def test_sixteen_signatures_are_accepted_and_a_flood_is_not() -> None:
    signed = our_checkpoint()
    text = note.parse_note(signed).text
    others = [SigningKey.from_seed(f"w{i}.example", bytes([i] * 32), COSIGNATURE_V1) for i in range(64)]
    assert note.open_checkpoint(signed + b"".join(w.sign(text, 1) for w in others[:15]), OURS.verifier).size == 3
    with pytest.raises(NoteError, match="65 signatures"):
        note.parse_note(signed + b"".join(w.sign(text, 1) for w in others))
    with pytest.raises(NoteError, match="too long"):
        note.parse_note(b"x" * (note.MAX_NOTE_BYTES + 1))


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"\n",
        b"text\n",
        b"text\n\n",
        b"text\n\nno dash\n",
        "text\n\n— name\n".encode(),
        "text\n\n— name AAAA\n".encode(),
        "text\n\n— na+me AAAAAAAA\n".encode(),
        "text\n\n—  AAAAAAAA\n".encode(),
        b"text\n\n- name AAAAAAAA\n",
        "te\txt\n\n— name AAAAAAAA\n".encode(),
        "text\r\n\n— name AAAAAAAA\n".encode(),
        b"\xff\n\n" + "— name AAAAAAAA\n".encode(),
    ],
)
def test_malformed_notes_are_refused(malformed: bytes) -> None:
    with pytest.raises(NoteError):
        note.parse_note(malformed)


# --- checkpoints ------------------------------------------------------------------------------------------------

ROOT = "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs="


@given(
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(st.sampled_from(["a", "日"]), max_size=2),
)
def test_checkpoints_survive_their_text(size: int, root: bytes, extensions: list[str]) -> None:
    if size == 0:
        root = tlog.EMPTY_ROOT
    checkpoint = Checkpoint("audit.minoh.example/2026", size, root, tuple(extensions))
    assert note.parse_checkpoint(checkpoint.text) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n1\n",
        f"o\n01\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n１\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n{2**63}\n{ROOT}\n",
        f"o\n0\n{ROOT}\n",
        f"\n1\n{ROOT}\n",
        f"o\n1\n{ROOT}",
        f"o\n1\n{ROOT}\n\n",
        f"o\n1\n{ROOT[:-1]}\n",
        f"o\n1\n{ROOT[:-4]}\n",
        f"o\n1\n{ROOT.replace('/', '_')}\n",
        f"o\n1\n {ROOT}\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        note.parse_checkpoint(text.encode())


def test_a_log_cannot_speak_for_another() -> None:
    text = Checkpoint("audit.toyonaka.example/2026", 0, tlog.EMPTY_ROOT).text
    with pytest.raises(NoteError, match=r"audit\.toyonaka"):
        note.open_checkpoint(note.sign_note(text, OURS.sign(text)), OURS.verifier)
