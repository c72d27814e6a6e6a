"""A file from an HTML form without script, streamed: the fields before it, then its bytes, never the whole in memory.

The form puts its hidden fields before the file; what comes after the file is ignored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from services.gateway.errors import invalid, refusal

MAX_FIELDS = 20
MAX_FIELD_BYTES = 8_192


@dataclass
class FormUpload:
    """The form as far as it was read: fields, and the file whose bytes `chunks` gives."""

    fields: dict[str, str] = field(default_factory=dict)
    # "" while no file was found (none was chosen).
    file_name: str = ""
    content_type: str = "application/octet-stream"
    chunks: AsyncIterator[bytes] = field(init=False)


async def form_upload(request: Request) -> FormUpload:
    """Read the form up to the first file. MALFORMED_BODY for anything but a proper multipart form."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise refusal("MALFORMED_BODY")
    reader = _Reader(boundary)
    upload = FormUpload()
    body = request.stream()
    async for chunk in body:
        reader.feed(chunk)
        reader.take_fields(upload)
        if reader.in_file or reader.ended:
            break
    if reader.in_file:
        upload.file_name, upload.content_type = reader.file_name, reader.content_type

    async def chunks() -> AsyncIterator[bytes]:
        while True:
            for part in reader.take_bytes():
                yield part
            if reader.file_ended:
                return
            chunk = await anext(body, b"")
            if not chunk:
                # The connection or the form ended before the file did.
                raise refusal("MALFORMED_BODY")
            reader.feed(chunk)

    upload.chunks = chunks()
    return upload


class _Reader:
    """What the parser found, in order."""

    def __init__(self, boundary: bytes) -> None:
        self._headers: dict[str, bytes] = {}
        self._name = b""
        self._value = b""
        self._bytes: list[bytes] = []
        self._fields: list[tuple[str, str]] = []
        self._field = ""
        self.file_name = ""
        self.content_type = "application/octet-stream"
        self.in_file = False
        self.file_ended = False
        self.ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": self._on_header_name,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except MultipartParseError:
            raise refusal("MALFORMED_BODY") from None

    def take_fields(self, upload: FormUpload) -> None:
        if len(upload.fields) + len(self._fields) > MAX_FIELDS:
            raise invalid("body", "TOO_MANY")
        upload.fields.update(self._fields)
        self._fields = []

    def take_bytes(self) -> list[bytes]:
        taken, self._bytes = self._bytes, []
        return taken

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value
        self._name, self._value = b"", b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        file_name = options.get(b"filename")
        if file_name and not self.in_file:
            self.in_file = True
            # Browsers send the name as UTF-8 and only quotation marks escaped.
            self.file_name = file_name.decode("utf-8", "replace").replace("%22", '"')
            kind = self._headers.get("content-type", b"").decode("latin-1")
            self.content_type = kind or self.content_type
        self._headers = {}
        self._bytes = [] if not self.in_file else self._bytes

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self.in_file and self.file_ended:
            return
        self._bytes.append(data[start:end])
        if not self.in_file and sum(map(len, self._bytes)) > MAX_FIELD_BYTES:
            raise invalid(self._field or "body", "TOO_LONG")

    def _on_part_end(self) -> None:
        if self.in_file:
            self.file_ended = True
            return
        value = b"".join(self._bytes).decode("utf-8", "replace")
        self._bytes = []
        self._fields.append((self._field, value))

    def _on_end(self) -> None:
        self.ended = True
