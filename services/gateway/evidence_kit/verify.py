"""完結した文書の証拠一式を確かめます。Verifies the evidence of a completed document.

python3 verify.py [folder]    exit code 0 if everything is right, 1 otherwise. Python 3.11 or newer, nothing else;
the signature is checked as well where the `cryptography` package is installed.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path


def sha256(data: bytes) -> str:
    """hex."""
    return hashlib.sha256(data).hexdigest()


def canonical(value: object) -> bytes:
    """RFC 8785 for text, whole numbers, booleans, and ASCII names, which is all that a version holds."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def tree_root(leaf: bytes, index: int, size: int, siblings: list[bytes]) -> bytes:
    """Root of the tree of `size` leaves that has `leaf` at `index` (RFC 9162 2.1.3.2); ValueError if none has."""
    if not 0 <= index < size:
        raise ValueError("index outside the tree")
    node, last = hashlib.sha256(b"\0" + leaf).digest(), size - 1
    for sibling in siblings:
        if last == 0:
            raise ValueError("too many hashes")
        if index % 2 == 1 or index == last:
            node = hashlib.sha256(b"\1" + sibling + node).digest()
            while index % 2 == 0 and index != 0:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + sibling).digest()
        index, last = index >> 1, last >> 1
    if last != 0:
        raise ValueError("too few hashes")
    return node


def signature_is_good(note: bytes, key: str) -> bool:
    """Whether the signed note (c2sp.org/signed-note) carries a good Ed25519 signature of the key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    name, key_id, encoded = key.split("+", 2)
    public = base64.b64decode(encoded)
    if public[0] != 1 or hashlib.sha256(name.encode() + b"\n" + public).hexdigest()[:8] != key_id:
        return False
    text, _, lines = note.rpartition(b"\n\n")
    for line in lines.decode().splitlines():
        _, signer, signature = line.split(" ")
        raw = base64.b64decode(signature)
        if signer == name and raw[:4].hex() == key_id:
            try:
                Ed25519PublicKey.from_public_bytes(public[1:]).verify(raw[4:], text + b"\n")
            except InvalidSignature:
                return False
            return True
    return False


def check(folder: Path) -> bool:
    """Print one line per finding."""
    good = True

    def say(what: str, right: bool) -> None:
        nonlocal good
        good = good and right
        print(f"{'正しい      ' if right else '一致しない  '} {what}")

    raw = (folder / "manifest.json").read_bytes()
    manifest, leaf = json.loads(raw), (folder / "leaf.json").read_bytes()
    record = json.loads(leaf)
    say("完結記録はログにあるもの (manifest.json)", record["detail"]["manifest_digest"] == sha256(raw))
    say("記録はこの文書のもの (leaf.json)", record["object"]["id"] == manifest["document_id"])
    say("決裁された版 (version)", sha256(canonical(manifest["version"])) == manifest["version_digest"])

    files = sorted((folder / "files").iterdir()) if (folder / "files").is_dir() else []
    found = {path.name.split("_")[0]: sha256(path.read_bytes()) for path in files}
    for number, attachment in enumerate(manifest["attachments"], 1):
        say(f"添付 {number} {attachment['file_name']}", found.pop(f"{number:02}", "") == attachment["sha256"])
    say("余分なファイルはない (files/)", not found)

    comments = {one["decision_id"]: one["comment"] for one in json.loads((folder / "decisions.json").read_bytes())}
    digests = {one["decision_id"]: one["comment_digest"] for one in manifest["decisions"]}
    say(
        "処理と意見 (decisions.json)",
        all(
            name in comments and (sha256(comments[name].encode()) if comments[name] else "") == digest
            for name, digest in digests.items()
        ),
    )

    head, _, note = (folder / "completed.tlog-proof").read_bytes().partition(b"\n\n")
    lines = head.decode().splitlines()
    index = int(lines[1].removeprefix("index "))
    origin, size, root = note.decode().splitlines()[:3]
    try:
        proven = tree_root(leaf, index, int(size), [base64.b64decode(line) for line in lines[2:]])
    except ValueError:
        proven = b""
    say(f"ログの {index} 番目の記録 ({origin}、全 {size} 件)", proven == base64.b64decode(root))

    try:
        say("目録の署名", signature_is_good(note, (folder / "log.vkey").read_text().strip()))
    except ImportError:
        print("確かめていない 目録の署名（Python の cryptography がありません。README.txt の 2. を見てください）")
    return good


if __name__ == "__main__":
    sys.exit(0 if check(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)) else 1)
