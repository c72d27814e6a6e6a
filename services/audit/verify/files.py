"""Where a log is read from: a folder or a URL prefix. Both can be opened anew in another process."""

import http.client
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30.0


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
        if response.status == 404:
            return None
        if response.status != 200:
            raise Unreachable(f"{path}: status {response.status}")
        return content

    def listed(self, folder: str) -> Iterator[str] | None:  # noqa: ARG002 - the format has no listing
        return None


def open_log(location: str) -> LogFiles:
    """A folder or, if it has a scheme, a URL. Unreachable if it is neither."""
    return LogSite(location) if "://" in location else LogFolder(Path(location))
