"""Pieces of 256 KiB, names that cannot deceive, digests as announced, and multipart forms as streams."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from services.gateway.api import files
from services.gateway.errors import Refusal
from services.gateway.multipart import MAX_FIELD_BYTES, form_upload


async def arriving(parts):
    for part in parts:
        yield part


@given(st.lists(st.integers(0, 600_000), max_size=8))
async def test_whatever_arrives_leaves_in_full_pieces_and_unchanged(sizes):
    parts = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    pieces = [piece async for piece in files.in_chunks(arriving(parts), 10_000_000)]
    assert b"".join(pieces) == b"".join(parts)
    assert all(len(piece) == files.CHUNK_BYTES for piece in pieces[:-1])
    assert all(0 < len(piece) <= files.CHUNK_BYTES for piece in pieces)


async def test_more_than_the_limit_is_refused_on_the_way():
    with pytest.raises(Refusal) as caught:
        _ = [piece async for piece in files.in_chunks(arriving([b"x" * 100] * 11), 1_000)]
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("name", "plain", "full"),
    [
        ("調書.xlsx", "__.xlsx", "%E8%AA%BF%E6%9B%B8.xlsx"),
        ("notice.pdf", "notice.pdf", "notice.pdf"),
        ('a"b\\c/d.pdf', "a_b_c_d.pdf", "a%22b_c_d.pdf"),
        ("申請\u202efdp.exe", "___fdp.exe", "%E7%94%B3%E8%AB%8B_fdp.exe"),
        ("改\r\nSet-Cookie: x=1", "___Set-Cookie: x=1", "%E6%94%B9__Set-Cookie%3A%20x%3D1"),
        ("100%.txt", "100_.txt", "100%25.txt"),
        ("か\u3099.txt", "__.txt", "%E3%81%8B%E3%82%99.txt"),
        ("", "file", "file"),
    ],
)
def test_names_reach_the_browser_as_given_unless_they_deceive(name, plain, full):
    assert files.disposition_of(name, inline=False) == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"


@given(st.text(max_size=60))
def test_no_name_breaks_the_header(name):
    header = files.disposition_of(name, inline=True)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["sha-256=:{}:", "SHA-256={}", "md5=:eA==:, sha-256=:{}:"]))
def test_announced_digests(digest, form):
    assert files._sha256(form.format(base64.b64encode(digest).decode()), "Repr-Digest") == digest.hex()


@pytest.mark.parametrize("header", ["sha-256=", "sha-256=:AAAA:", "sha-256=:!!!!:", "sha-256"])
def test_digests_that_are_none(header):
    with pytest.raises(Refusal):
        files._sha256(header, "Repr-Digest")


def form(parts, boundary="----x", ending=True):
    body = b""
    for head, content in parts:
        body += f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"
    return body + (f"--{boundary}--\r\n".encode() if ending else b"")


def request(body, size=1000, content_type="multipart/form-data; boundary=----x"):
    pieces = [body[at : at + size] for at in range(0, len(body), size)]

    async def receive():
        piece = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


TOKEN = ('Content-Disposition: form-data; name="csrf_token"', b"t0ken")
FILE = (
    'Content-Disposition: form-data; name="file"; filename="申請書（髙﨑）.pdf"\r\nContent-Type: application/pdf',
    bytes(range(256)) * 3000,
)


@given(st.integers(1, 5000))
async def test_a_form_is_read_piece_by_piece(size):
    upload = await form_upload(request(form([TOKEN, FILE]), size if size > 700 else size * 700))
    assert upload.fields == {"csrf_token": "t0ken"}
    assert (upload.file_name, upload.content_type) == ("申請書（髙﨑）.pdf", "application/pdf")
    assert b"".join([chunk async for chunk in upload.chunks]) == FILE[1]


async def test_boundaries_across_pieces():
    for size in (1, 2, 3, 7):
        file = (FILE[0], b"a\r\n--b\r\n----\r\n" * 5)
        upload = await form_upload(request(form([TOKEN, file]), size))
        assert b"".join([chunk async for chunk in upload.chunks]) == file[1]


async def test_a_form_without_a_file_has_its_fields():
    nothing = ('Content-Disposition: form-data; name="file"; filename=""', b"")
    upload = await form_upload(request(form([TOKEN, nothing])))
    assert upload.fields["csrf_token"] == "t0ken"
    assert upload.file_name == ""


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "application/json"),
        (b"", "multipart/form-data"),
        (b"nonsense", "multipart/form-data; boundary=----x"),
        (b"------x\r\nBad\x00Header: 1\r\n\r\n", "multipart/form-data; boundary=----x"),
    ],
)
async def test_what_is_no_form_is_refused(body, content_type):
    with pytest.raises(Refusal) as caught:
        await form_upload(request(body, content_type=content_type))
    assert caught.value.reason == "MALFORMED_BODY"


async def test_a_file_that_breaks_off_is_refused():
    upload = await form_upload(request(form([TOKEN, FILE], ending=False)[:5000]))
    with pytest.raises(Refusal) as caught:
        _ = [chunk async for chunk in upload.chunks]
    assert caught.value.reason == "MALFORMED_BODY"


async def test_fields_are_few_and_small():
    large = ('Content-Disposition: form-data; name="note"', b"x" * (MAX_FIELD_BYTES + 1))
    many = [(f'Content-Disposition: form-data; name="f{number}"', b"x") for number in range(30)]
    for parts in ([large], many):
        with pytest.raises(Refusal):
            await form_upload(request(form([*parts, FILE])))
