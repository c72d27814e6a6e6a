"""Keys and sealed content: what opens, and that nothing else does."""

from __future__ import annotations

import base64
import io
import os
import uuid
from pathlib import Path

import pytest
import tink
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from services.documents.blobs import (
    Damaged,
    DocumentKey,
    KeyRefused,
    MountedKeys,
    derived_secret,
    new_document_key,
    open_document_key,
    rewrap_document_key,
)

DOCUMENT, OTHER_DOCUMENT = str(uuid.uuid4()), str(uuid.uuid4())
ITEM, OTHER_ITEM = str(uuid.uuid4()), str(uuid.uuid4())
MIB = 1024 * 1024
MINUTES = "個人情報保護審議会 会議録 髙橋・山﨑".encode()


async def opened(keys: MountedKeys, document_id: str = DOCUMENT) -> DocumentKey:
    return await open_document_key(keys, await new_document_key(keys, document_id), document_id)


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


async def test_sealed_content_opens_with_its_key_and_ids(key: DocumentKey) -> None:
    assert key.unseal(ITEM, key.seal(ITEM, MINUTES)) == MINUTES
    assert key.unseal(ITEM, key.seal(ITEM, b"")) == b""


async def test_same_content_never_looks_the_same(key: DocumentKey) -> None:
    assert key.seal(ITEM, MINUTES) != key.seal(ITEM, MINUTES)


async def test_content_of_another_item_document_or_key_does_not_open(keys: MountedKeys) -> None:
    wrapped = await new_document_key(keys, DOCUMENT)
    key = await open_document_key(keys, wrapped, DOCUMENT)
    sealed = key.seal(ITEM, MINUTES)
    with pytest.raises(Damaged):
        key.unseal(OTHER_ITEM, sealed)
    with pytest.raises(Damaged):
        (await opened(keys)).unseal(ITEM, sealed)
    # The same key material under another document's id: what a swapped row would be if the wrapping did not notice.
    same_material = DocumentKey(OTHER_DOCUMENT, key._primitive)
    with pytest.raises(Damaged):
        same_material.unseal(ITEM, sealed)


async def test_ids_must_be_uuids(keys: MountedKeys, key: DocumentKey) -> None:
    with pytest.raises(ValueError, match="UUID"):
        key.seal("../etc/passwd", b"x")
    with pytest.raises(ValueError, match="UUID"):
        await new_document_key(keys, "文書1")


@settings(max_examples=60, deadline=None)
@given(data=st.data(), size=st.sampled_from([0, 1, 15, 4096, MIB - 100, MIB - 57, MIB - 56, MIB, 2 * MIB + 5]))
async def test_any_flipped_bit_is_noticed(data: st.DataObject, size: int, keys: MountedKeys) -> None:
    key = await opened(keys)
    plain = os.urandom(size)
    sealed = bytearray(key.seal(ITEM, plain))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))
    stream, genuine = key.decrypting(io.BytesIO(bytes(sealed)), ITEM), bytearray()
    with pytest.raises(tink.TinkError):
        while chunk := stream.read(64 * 1024):
            genuine += chunk
    # What came out before the damage was found is the true beginning, never something altered.
    assert plain.startswith(genuine)
    with pytest.raises(Damaged):
        key.unseal(ITEM, bytes(sealed))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), size=st.sampled_from([0, 1, 4096, MIB, 2 * MIB + 5]))
async def test_content_that_was_cut_or_prolonged_is_noticed(data: st.DataObject, size: int, keys: MountedKeys) -> None:
    key = await opened(keys)
    sealed = key.seal(ITEM, os.urandom(size))
    kept = data.draw(st.one_of(st.integers(0, len(sealed) - 1), st.sampled_from([0, 40, min(MIB, len(sealed) - 1)])))
    with pytest.raises(Damaged):
        key.unseal(ITEM, sealed[:kept])
    with pytest.raises(Damaged):
        key.unseal(ITEM, sealed + b"\x00")


async def test_segments_cannot_change_places(keys: MountedKeys) -> None:
    key = await opened(keys)
    sealed = key.seal(ITEM, os.urandom(3 * MIB + 10))
    first, second, third = sealed[:MIB], sealed[MIB : 2 * MIB], sealed[2 * MIB :]
    for arrangement in (first + third, second + first + third, first + second + second + third):
        with pytest.raises(Damaged):
            key.unseal(ITEM, arrangement)


async def test_wrapped_key_of_another_document_is_refused(keys: MountedKeys) -> None:
    wrapped = await new_document_key(keys, DOCUMENT)
    with pytest.raises(KeyRefused):
        await open_document_key(keys, wrapped, OTHER_DOCUMENT)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
async def test_altered_wrapped_key_is_refused(data: st.DataObject, keys: MountedKeys) -> None:
    wrapped = bytearray(await new_document_key(keys, DOCUMENT))
    wrapped[data.draw(st.integers(0, len(wrapped) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(KeyRefused):
        await open_document_key(keys, bytes(wrapped), DOCUMENT)
    with pytest.raises(KeyRefused):
        await open_document_key(keys, bytes(wrapped[:-1]), DOCUMENT)
    with pytest.raises(KeyRefused):
        await open_document_key(keys, b"", DOCUMENT)


async def test_wrapped_key_shows_the_kek_id_and_nothing_of_the_keys() -> None:
    raw = os.urandom(32)
    keys = MountedKeys({"2026-04": raw})
    wrapped = await new_document_key(keys, DOCUMENT)
    assert wrapped.startswith(b"2026-04\x00")
    assert b"AesGcmHkdfStreamingKey" not in wrapped
    assert raw not in wrapped
    assert len(wrapped) < 250


async def test_wrapping_is_plain_aes_gcm_that_any_library_opens() -> None:
    raw = os.urandom(32)
    wrapped = await MountedKeys({"k1": raw}).wrap(b"secret", b"context")
    _, _, sealed = wrapped.partition(b"\x00")
    assert AESGCM(raw).decrypt(sealed[:12], sealed[12:], b"context") == b"secret"


async def test_kek_rotation() -> None:
    old, new = os.urandom(32), os.urandom(32)
    before = MountedKeys({"2026-04": old})
    wrapped = await new_document_key(before, DOCUMENT)
    sealed = (await open_document_key(before, wrapped, DOCUMENT)).seal(ITEM, MINUTES)

    during = MountedKeys({"2027-04": new, "2026-04": old})
    assert during.current == "2027-04"
    assert (await open_document_key(during, wrapped, DOCUMENT)).unseal(ITEM, sealed) == MINUTES
    rewrapped = await rewrap_document_key(during, wrapped, DOCUMENT)

    after = MountedKeys({"2027-04": new})
    assert (await open_document_key(after, rewrapped, DOCUMENT)).unseal(ITEM, sealed) == MINUTES
    with pytest.raises(KeyRefused, match="not in the key file"):
        await open_document_key(after, wrapped, DOCUMENT)


async def test_a_derived_secret_is_of_its_document_and_purpose_and_lives_as_long_as_the_key(keys: MountedKeys) -> None:
    """I6: nothing but the document's key gives it; a new KEK does not change it."""
    wrapped = await new_document_key(keys, DOCUMENT)
    secret = await derived_secret(keys, wrapped, DOCUMENT, b"one")
    assert len(secret) == 32
    assert await derived_secret(keys, await rewrap_document_key(keys, wrapped, DOCUMENT), DOCUMENT, b"one") == secret
    assert await derived_secret(keys, wrapped, DOCUMENT, b"two") != secret
    assert await derived_secret(keys, await new_document_key(keys, DOCUMENT), DOCUMENT, b"one") != secret
    with pytest.raises(KeyRefused):
        await derived_secret(keys, wrapped, OTHER_DOCUMENT, b"one")


async def test_key_file_forms(tmp_path: Path) -> None:
    one, two = os.urandom(32), os.urandom(32)
    file = tmp_path / "kek"

    file.write_text(encoded(one) + "\n")
    plain = MountedKeys.load(file)
    assert plain.current == "k1"
    wrapped = await new_document_key(plain, DOCUMENT)

    file.write_text(f"# 2027年4月 更新\nk2:{encoded(two)}\n\nk1:{encoded(one)}\n", "utf-8")
    rotated = MountedKeys.load(file)
    assert rotated.current == "k2"
    await open_document_key(rotated, wrapped, DOCUMENT)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n# nothing\n",
        "not base64!",
        "k1:" + encoded(b"short"),
        encoded(bytes(33)),
        f"k1:{encoded(bytes(32))}\nk1:{encoded(bytes(32))}",
        f"k1:{encoded(bytes(32))}\n{encoded(bytes(32))}",
        f"bad id:{encoded(bytes(32))}",
        f":{encoded(bytes(32))}",
        f"鍵:{encoded(bytes(32))}",
    ],
)
def test_malformed_key_file_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "kek"
    file.write_text(content, "utf-8")
    with pytest.raises(KeyRefused) as refused:
        MountedKeys.load(file)
    assert encoded(bytes(32))[:8] not in str(refused.value)
    assert refused.value.code.startswith("kek_")
