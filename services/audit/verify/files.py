"""Where a log is read from: a folder or a URL prefix. Both can be opened anew in another process."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


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


def open_log(location: str) -> LogFiles:
    """A folder or, if it has a scheme, a URL. Unreachable if it is neither."""
    if "://" not in location:
        return LogFolder(Path(location))
    # A folder, and each process that reads in one, does without all that HTTP and TLS need.
    from services.audit.verify.sites import LogSite

    return LogSite(location)
