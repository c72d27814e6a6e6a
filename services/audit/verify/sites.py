"""A log under a URL prefix, over HTTP."""

import http
import http.client
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from services.audit.export import ARCHIVE, ARCHIVE_LIST, TIMESTAMPS
from services.audit.verify.files import Unreachable

TIMEOUT_SECONDS = 30.0
_MAX_LIST_BYTES = 4 * 1024 * 1024


class LogSite:
    """A log under a URL prefix. One connection, kept; redirects are not followed, the format has none."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unreachable(f"not a URL of a log: {url}")
        self._url = url
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
        self._prefix = parts.path.rstrip("/")

    def __reduce__(self) -> tuple[type["LogSite"], tuple[str]]:
        return LogSite, (self._url,)

    def read(self, path: str, limit: int) -> bytes | None:
        status, content = self._get(path, limit)
        if status == http.HTTPStatus.NOT_FOUND:
            return None
        if status != http.HTTPStatus.OK:
            raise Unreachable(f"{path}: status {status}")
        return content

    def _get(self, path: str, limit: int) -> tuple[int, bytes]:
        for last_try in (False, True):
            try:
                self._connection.request("GET", f"{self._prefix}/{path}")
                response = self._connection.getresponse()
                content = response.read(limit + 1)
                if len(content) > limit or response.status not in (200, 404):
                    self._connection.close()
                break
            except (OSError, http.client.HTTPException) as error:
                # A server may close an idle connection at any time: once more on a new one.
                self._connection.close()
                if last_try:
                    raise Unreachable(f"{path}: {error!r}") from error
        return response.status, content

    def listed(self, folder: str) -> Iterator[str] | None:
        """Of the archive, if the site lists it; tiles are never listed, the format does not."""
        if folder not in (ARCHIVE, TIMESTAMPS):
            return None
        status, content = self._get(ARCHIVE_LIST, _MAX_LIST_BYTES)
        if status != http.HTTPStatus.OK or len(content) > _MAX_LIST_BYTES:
            return None
        # What else may stand there is not asked for: a path of the archive has a number and nothing more.
        return iter([path for path in content.decode("ascii", "replace").split("\n") if _archived(folder, path)])


def _archived(folder: str, path: str) -> bool:
    return re.fullmatch(r"checkpoints/[0-9]{1,19}|timestamps/[0-9]{1,19}\.tsr", path, re.ASCII) is not None and (
        path.startswith(f"{folder}/")
    )
