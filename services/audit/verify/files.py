"""Where a log is read from: a folder or a URL prefix. Both can be opened anew in another process."""

import http
import http.client
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from services.audit.export import ARCHIVE, ARCHIVE_LIST, TIMESTAMPS

TIMEOUT_SECONDS = 30.0
_MAX_LIST_BYTES = 4 * 1024 * 1024


class Unreachable(Exception):
    """The log cannot be read at all, so nothing can be said about it."""


class LogFiles(Protocol):
    """A log's files by their path. Can be pickled; what is open is not taken along."""

    def read(self, path: str, limit: int) -> bytes | None:
        """The file, None if there is none; at most one byte over `limit`. Unreachable if that cannot be told."""

    def listed(self, folder: str) -> Iterator[str] | None:
        """Every path under a folder of the log, in order; None where that cannot be listed."""


class LogFolder:
    """A log in a folder."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise Unreachable(f"{folder} is not a folder")
        self._folder = os.fspath(folder)

    def read(self, path: str, limit: int) -> bytes | None:
        try:
            with open(f"{self._folder}/{path}", "rb", buffering=0) as file:  # noqa: PTH123 - pathlib costs as much as the reading
                about = os.fstat(file.fileno())
                if not stat.S_ISREG(about.st_mode):
                    raise Unreachable(f"{path} is no file")
                return file.read(limit + 1) if about.st_size > limit else file.readall()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise Unreachable(str(error)) from error

    def listed(self, folder: str) -> Iterator[str]:
        for place, folders, names in os.walk(f"{self._folder}/{folder}"):
            folders.sort()
            prefix = place[len(self._folder) + 1 :]
            for name in sorted(names):
                yield f"{prefix}/{name}"


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


def open_log(location: str) -> LogFiles:
    """A folder or, if it has a scheme, a URL. Unreachable if it is neither."""
    return LogSite(location) if "://" in location else LogFolder(Path(location))
