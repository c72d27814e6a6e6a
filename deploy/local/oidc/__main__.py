"""`python -m deploy.local.oidc`: serves the provider until SIGTERM.

Settings come from OIDC_* variables, as `system.py` lists them.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

import uvicorn
from joserfc.jwk import RSAKey

from deploy.local.oidc.provider import Provider, Settings
from deploy.local.oidc.staff import Directory, read


def main() -> None:
    """Read the settings and serve."""
    try:
        host, _, port = os.environ["OIDC_LISTEN"].rpartition(":")
        samples = Path(os.environ["OIDC_SAMPLES"])
        key = RSAKey.import_key(Path(os.environ["OIDC_SIGNING_KEY_FILE"]).read_bytes())
        settings = Settings(
            issuer=os.environ["OIDC_ISSUER"],
            client_id=os.environ["OIDC_CLIENT_ID"],
            client_secret=Path(os.environ["OIDC_CLIENT_SECRET_FILE"]).read_text(encoding="utf-8").strip(),
            redirect_uris=frozenset(os.environ["OIDC_REDIRECT_URIS"].split(",")),
            post_logout_redirect_uris=frozenset(os.environ["OIDC_POST_LOGOUT_REDIRECT_URIS"].split(",")),
        )
        directory = _Cached(samples)
        directory(datetime.now().astimezone())
    except KeyError as missing:
        sys.exit(f"setting {missing} is required")
    except OSError as error:
        sys.exit(f"cannot read {error.filename}: {error.strerror}")
    uvicorn.run(
        Provider(settings, key, directory).app(),
        host=host,
        port=int(port),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )


class _Cached:
    """The directory of the current minute: appointments begin and end at midnight, absences at an hour."""

    def __init__(self, samples: Path) -> None:
        self._samples = samples
        self._minute: datetime | None = None
        self._directory: Directory | None = None

    def __call__(self, now: datetime) -> Directory:
        minute = now.replace(second=0, microsecond=0)
        if self._directory is None or minute != self._minute:
            self._directory = read(self._samples, now)
            self._minute = minute
        return self._directory


if __name__ == "__main__":
    main()
