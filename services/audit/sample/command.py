"""The command `sample`: writes a practice log and says what to do with it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from services.audit.export import CHECKPOINT_FILE, KEY_FILE, ExportError
from services.audit.sample.damage import DAMAGES, TooSmall, damage
from services.audit.sample.making import POLICY_FILE, write_sample


def main(folder: Path, entries: int, seed: int, days: int, kind: str | None) -> int:
    """0: written; 2: not, with the reason. The honest checkpoint of a damaged log lies beside it, for `--since`."""
    if entries < 0 or days < 1:
        sys.stderr.write("sample failed: --entries is at least 0, --days at least 1\n")
        return 2
    if kind is not None and kind not in DAMAGES:
        sys.stderr.write(f"sample failed: --damage is one of {', '.join(DAMAGES)}\n")
        return 2
    honest = folder.with_name(f"{folder.name}.{CHECKPOINT_FILE}")
    try:
        keys = write_sample(folder, entries, seed, days)
        if kind is not None:
            shutil.copy(folder / CHECKPOINT_FILE, honest)
            damage(folder, keys, kind)
    except (ExportError, TooSmall, OSError) as error:
        sys.stderr.write(f"sample failed: {error}\n")
        return 2
    since = f" --since {honest}" if kind is not None else ""
    print(
        f"python -m services.audit verify --log {folder} --key {folder / KEY_FILE}"
        f" --policy {folder / POLICY_FILE}{since}"
    )
    return 0
