"""完結した文書の証拠一式を確かめます。Verifies the evidence of a completed document.

python3 verify.py [folder]    exit code 0 if everything is right, 1 otherwise. Python 3.11 or newer, nothing else.
A file `witnesses.vkey` beside it (one verifier key a line, got from the witnesses themselves) has cosignatures checked.
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


def unbase64(text: str) -> bytes:
    """Strict: the one spelling of these bytes. ValueError for any other."""
    data = base64.b64decode(text.encode("ascii"), validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not canonical base64")
    return data


# --- the log (RFC 9162, c2sp.org/tlog-proof, c2sp.org/signed-note, c2sp.org/tlog-cosignature) ---------------------


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


def parse_proof(proof: bytes) -> tuple[int, list[bytes], bytes]:
    """Index, sibling hashes and the signed checkpoint. ValueError if it is not exactly such a file."""
    head, separator, note = proof.partition(b"\n\n")
    lines = head.decode().split("\n")
    number = lines[1].removeprefix("index ") if len(lines) > 1 else ""
    if lines[0] != "c2sp.org/tlog-proof@v1" or not separator or lines[1] != f"index {int(number)}":
        raise ValueError("not a tlog-proof")
    return int(number), [unbase64(line) for line in lines[2:]], note


def parse_key(key: str) -> tuple[str, bytes, int, bytes]:
    """Name, key id, kind (1 a log, 4 a witness) and public key of `name+hash+key`. ValueError if they do not fit."""
    name, key_id, encoded = key.split("+", 2)
    data = unbase64(encoded)
    if len(data) != 33 or hashlib.sha256(name.encode() + b"\n" + data).hexdigest()[:8] != key_id:
        raise ValueError("the hash does not belong to the key")
    return name, bytes.fromhex(key_id), data[0], data[1:]


def signatures_of(note: bytes) -> tuple[bytes, list[tuple[str, bytes, bytes]]]:
    """The signed text, and name, key id and signature of each line. ValueError if it is not a signed note."""
    text, separator, rows = note.rpartition(b"\n\n")
    if not separator or not rows.endswith(b"\n"):
        raise ValueError("not a signed note")
    found = []
    for row in rows.decode().removesuffix("\n").split("\n"):
        dash, name, encoded = row.split(" ")
        data = unbase64(encoded)
        if dash != "\u2014" or len(data) < 5:
            raise ValueError("malformed signature")
        found.append((name, data[:4], data[4:]))
    return text + b"\n", found


def is_signed(note: bytes, key: str) -> bool:
    """Whether the key (of a log, or of a witness) has signed the note, and no line under it is forged."""
    name, key_id, kind, public = parse_key(key)
    text, lines = signatures_of(note)
    mine = [signature for signer, of, signature in lines if (signer, of) == (name, key_id)]
    if kind == 4:
        return bool(mine) and all(
            ed25519_is_good(public, b"cosignature/v1\ntime %d\n" % int.from_bytes(one[:8]) + text, one[8:])
            for one in mine
        )
    return kind == 1 and bool(mine) and all(ed25519_is_good(public, text, one) for one in mine)


# --- Ed25519 (RFC 8032 5.1.7), so that nothing has to be installed -------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]


def _add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(number: int, point: Point) -> Point:
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = _add(result, point)
        point = _add(point, point)
        number >>= 1
    return result


def _point(data: bytes) -> Point:
    """The point these 32 bytes stand for; ValueError for none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if len(data) != 32 or y >= P:
        raise ValueError("not a point")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        raise ValueError("not a point")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = _point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def ed25519_is_good(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the private half of `public` (32 bytes) made the signature (64 bytes) over the message."""
    try:
        key, first = _point(public), _point(signature[:32])
    except ValueError:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or scalar >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    left, right = _times(scalar, BASE), _add(first, _times(challenge, key))
    same_x = (left[0] * right[2] - right[0] * left[2]) % P == 0
    return same_x and (left[1] * right[2] - right[1] * left[2]) % P == 0


# --- the evidence --------------------------------------------------------------------------------------------------


class Report:
    """One line per finding."""

    def __init__(self) -> None:
        self.good = True

    def say(self, what: str, right: bool) -> None:
        self.good = self.good and right
        print(f"{'正しい      ' if right else '一致しない  '} {what}")

    def unchecked(self, what: str) -> None:
        print(f"確かめていない {what}")


def check_content(folder: Path, leaf: bytes, report: Report) -> None:
    """The leaf names the manifest; the manifest names everything else."""
    raw = (folder / "manifest.json").read_bytes()
    manifest, record = json.loads(raw), json.loads(leaf)
    report.say("完結記録はログにあるもの (manifest.json)", record["detail"]["manifest_digest"] == sha256(raw))
    report.say("記録はこの文書のもの (leaf.json)", record["object"]["id"] == manifest["document_id"])
    report.say("決裁された版 (version)", sha256(canonical(manifest["version"])) == manifest["version_digest"])

    files = sorted(path for path in (folder / "files").rglob("*") if path.is_file())
    found = {path.name.split("_")[0]: sha256(path.read_bytes()) for path in files}
    extra = len(files) != len(manifest["attachments"])
    for number, attachment in enumerate(manifest["attachments"], 1):
        report.say(f"添付 {number} {attachment['file_name']}", found.pop(f"{number:02}", "") == attachment["sha256"])
    report.say("余分なファイルはない (files/)", not found and not extra)

    written = (folder / "decisions.json").read_bytes()
    told = json.loads(written)
    kept = {one["decision_id"]: one for one in manifest["decisions"]}
    report.say(
        "処理と意見 (decisions.json)",
        # As it was written: a name that stands twice would hide the first.
        written == json.dumps(told, ensure_ascii=False, indent=2).encode()
        and [one["decision_id"] for one in told] == list(kept)
        and all(is_told_as_kept(one, kept[one["decision_id"]]) for one in told),
    )

    earlier = [act for case in manifest.get("earlier_cases", ()) for act in case["decisions"] if "comment" in act]
    if earlier:
        report.say(
            "前の回議の意見 (earlier_cases)",
            all(sha256(act["comment"].encode()) == act["comment_digest"] for act in earlier),
        )


def is_told_as_kept(told: dict[str, str | None], kept: dict[str, str]) -> bool:
    """Whether a decision with its comment says what the manifest says of it, and nothing else. Times there are longer."""
    comment, acted_at = told["comment"] or "", told["acted_at"] or ""
    if (sha256(comment.encode()) if comment else "") != kept["comment_digest"]:
        return False
    if (acted_at[:23], acted_at[-6:]) != (kept["acted_at"][:23], kept["acted_at"][-6:]) or len(acted_at) != 29:
        return False
    if told["id"] != kept["decision_id"]:
        return False
    others = {name: value or "" for name, value in told.items() if name not in ("id", "comment", "acted_at")}
    return all(kept.get(name, "") == value for name, value in others.items())


def check_log(folder: Path, leaf: bytes, key: str, name: str, report: Report) -> bytes:
    """The proof `<name>.tlog-proof` leads from the leaf to a checkpoint that the log has signed; returns it."""
    index, siblings, note = parse_proof((folder / f"{name}.tlog-proof").read_bytes())
    origin, size, root = note.decode().split("\n")[:3]
    try:
        proven = tree_root(leaf, index, int(size), siblings)
    except ValueError:
        proven = b""
    report.say(f"ログの {index} 番目の記録 ({origin}、全 {size} 件、{name})", proven == unbase64(root))
    report.say(f"目録の署名 ({name})", origin == key.split("+")[0] and is_signed(note, key))
    return note


def check_cosignatures(folder: Path, note: bytes, key: str, report: Report) -> None:
    """Lines beside the log's own: checked with the keys in `witnesses.vkey`, named where there is none."""
    known = folder / "witnesses.vkey"
    keys = known.read_text(encoding="utf-8").split() if known.is_file() else []
    for one in keys:
        report.say(f"証人の連署 ({one.split('+')[0]})", is_signed(note, one))
    checked = {parse_key(one)[:2] for one in [key, *keys]}
    for signer, key_id, _ in signatures_of(note)[1]:
        if (signer, key_id) not in checked:
            report.unchecked(f"証人の連署 ({signer})。鍵を証人から受け取り、witnesses.vkey に書いてください")


def check(folder: Path) -> bool:
    """Print one line per finding; whether everything is right."""
    report = Report()
    try:
        leaf = (folder / "leaf.json").read_bytes()
        vkey = (folder / "log.vkey").read_bytes().decode()
        key = vkey.removesuffix("\n")
        report.say("検証鍵の形 (log.vkey)", vkey == f"{key}\n" and parse_key(key)[2] == 1)
        check_content(folder, leaf, report)
        note = check_log(folder, leaf, key, "completed", report)
        report.say("目録の写し (checkpoint)", (folder / "checkpoint").read_bytes() == note)
        check_cosignatures(folder, note, key, report)
        if any((folder / f"stamped.{kind}").exists() for kind in ("tlog-proof", "checkpoint", "tsr")):
            stamped = check_log(folder, leaf, key, "stamped", report)
            report.say("時刻印のある目録 (stamped.checkpoint)", (folder / "stamped.checkpoint").read_bytes() == stamped)
            # Only what the time-stamp is over. Who made it, and when, is for openssl and the authority's certificate.
            token = (folder / "stamped.tsr").read_bytes()
            report.say("時刻印の対象 (stamped.tsr)", hashlib.sha256(stamped).digest() in token)
            report.unchecked("時刻印の署名と時刻。README の手順で、openssl と時刻認証局の証明書で確かめてください")
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        report.say(f"読めない、または形が違う ({type(error).__name__}: {error})", False)
    return report.good


if __name__ == "__main__":
    sys.exit(0 if check(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)) else 1)
