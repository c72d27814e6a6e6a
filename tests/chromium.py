"""Where the system's Chromium is; installs it where that is allowed (Debian and Ubuntu, as root)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-noto-cjk")


def find() -> str | None:
    """Path of the first known browser, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def find_or_install() -> tuple[str | None, str]:
    """(path, "") or (None, why not)."""
    if path := find():
        return path, ""
    if not Path("/etc/debian_version").exists() or shutil.which("apt-get") is None:
        return None, "no Chromium on this system, and it is not Debian or Ubuntu; install Chromium and run again"
    if os.geteuid() != 0:
        return None, "no Chromium on this system; install it with: apt-get install chromium fonts-noto-cjk"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *PACKAGES]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
        if done.returncode != 0:
            return None, f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}"
    path = find()
    return (path, "") if path else (None, "Chromium was installed but is not found")
