"""Time-stamps and cosignatures that the verifier believes or not, made by openssl's authority and by witnesses' keys."""

import datetime as dt
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.audit import note, verify
from services.audit.export import CHECKPOINT_FILE, KEY_FILE
from services.audit.note import COSIGNATURE_V1, SigningKey
from services.audit.quorum import Policy, PolicyError
from services.audit.sample.making import POLICY_FILE, SampleKeys, write_sample
from services.audit.verify import LogFolder, Options, Verification
from services.audit.verify.timestamps import Authority

SIZE = 600
_CONFIG = """
[tsa]
default_tsa = stamps
[stamps]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
certs = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha512
accuracy = secs:1
[ca]
basicConstraints = critical,CA:TRUE
[stamping]
extendedKeyUsage = critical,timeStamping
"""


class OpensslAuthority:
    """A time-stamp authority of one folder, with a certificate authority of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        (folder / "conf").write_text(_CONFIG)
        (folder / "serial").write_text("01")
        new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj")
        self._openssl(*new, "/CN=CA", "-x509", "-days", "9999", "-keyout", "ca.key", "-out", "ca.pem")
        self._openssl(*new, "/CN=TSA", "-keyout", "tsa.key", "-out", "tsa.csr")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "9998")
        self._openssl(
            "x509", "-req", "-in", "tsa.csr", *signed, "-extfile", "conf", "-extensions", "stamping", "-out", "tsa.pem"
        )

    @property
    def ca_file(self) -> Path:
        return self._folder / "ca.pem"

    def stamp(self, content: bytes, digest: str = "sha256") -> bytes:
        """A TimeStampResp over these bytes, now."""
        (self._folder / "content").write_bytes(content)
        self._openssl("ts", "-query", "-data", "content", f"-{digest}", "-cert", "-out", "query")
        self._openssl("ts", "-reply", "-config", "conf", "-queryfile", "query", "-out", "reply")
        return (self._folder / "reply").read_bytes()

    def _openssl(self, *arguments: str) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._folder)}
        subprocess.run(
            ["openssl", *arguments], cwd=self._folder, env=environment, check=True, capture_output=True, timeout=30
        )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> OpensslAuthority:
    return OpensslAuthority(tmp_path_factory.mktemp("tsa") / "authority")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, authority: OpensslAuthority) -> Path:
    """A log of which every archived checkpoint has a time-stamp."""
    folder = tmp_path_factory.mktemp("stamped") / "log"
    write_sample(folder, SIZE, days=1)
    (folder / "timestamps").mkdir()
    for kept in (folder / "checkpoints").iterdir():
        (folder / "timestamps" / f"{kept.name}.tsr").write_bytes(authority.stamp(kept.read_bytes()))
    return folder


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "log"))


def findings(log: Path, authority: OpensslAuthority | None = None, policy: Policy | None = None) -> list[str]:
    found: list[str] = []
    Verification(
        LogFolder(log),
        SampleKeys.of(1).log.verifier,
        lambda finding: found.append(str(finding)),
        policy=policy,
        authority=Authority(authority.ca_file) if authority else None,
    ).run()
    return found


def first_token(log: Path) -> Path:
    return min((log / "timestamps").iterdir(), key=lambda file: int(file.stem))


# --- time-stamps ------------------------------------------------------------------------------------------------


def test_time_stamps_are_checked_with_the_authority_and_counted_without(
    log: Path, authority: OpensslAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    count = len(list((log / "timestamps").iterdir()))
    assert count == 10
    assert findings(log, authority) == []
    assert verify.main(str(log), log / KEY_FILE) == 0
    assert f"{count} time-stamps not checked" in capsys.readouterr().out
    assert verify.main(str(log), log / KEY_FILE, Options(tsa=authority.ca_file)) == 0
    assert f"{count} time-stamps, " in capsys.readouterr().out


def test_openssl_accepts_the_same_files(log: Path, authority: OpensslAuthority) -> None:
    for token in (log / "timestamps").iterdir():
        kept = log / "checkpoints" / token.stem
        check = ["openssl", "ts", "-verify", "-data", kept, "-in", token, "-CAfile", authority.ca_file]
        subprocess.run(check, check=True, capture_output=True, timeout=30)


def test_a_time_stamp_of_another_checkpoint_is_found(log: Path, authority: OpensslAuthority) -> None:
    one, other = sorted((log / "timestamps").iterdir())[:2]
    one.write_bytes(other.read_bytes())
    assert findings(log, authority) == [f"timestamps/{one.name}: is of other bytes than this checkpoint"]


def test_a_time_stamp_with_another_digest_is_found(log: Path, authority: OpensslAuthority) -> None:
    token = first_token(log)
    token.write_bytes(authority.stamp((log / "checkpoints" / token.stem).read_bytes(), "sha512"))
    assert findings(log, authority) == [f"timestamps/{token.name}: is of other bytes than this checkpoint"]


def test_a_time_stamp_of_another_authority_is_found(log: Path, authority: OpensslAuthority, tmp_path: Path) -> None:
    token = first_token(log)
    forger = OpensslAuthority(tmp_path / "forger")
    token.write_bytes(forger.stamp((log / "checkpoints" / token.stem).read_bytes()))
    [found] = findings(log, authority)
    assert found.startswith(f"timestamps/{token.name}: is no time-stamp of this authority")


def test_a_time_stamp_without_its_checkpoint_is_found(log: Path, authority: OpensslAuthority) -> None:
    token = first_token(log)
    token.rename(token.with_name("599.tsr"))
    assert findings(log, authority) == ["timestamps/599.tsr: belongs to no checkpoint of the archive"]


def test_a_time_stamp_before_the_last_record_is_found(
    authority: OpensslAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records say a time that has not come: whoever stamped them cannot have seen them."""
    from services.audit.sample import making, records

    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=2)
    monkeypatch.setattr(records, "FIRST_DAY", tomorrow)
    monkeypatch.setattr(making, "FIRST_DAY", tomorrow)
    log = tmp_path / "log"
    keys = write_sample(log, 300, days=1)
    kept = min((log / "checkpoints").iterdir(), key=lambda file: int(file.name))
    (log / "timestamps").mkdir()
    (log / "timestamps" / f"{kept.name}.tsr").write_bytes(authority.stamp(kept.read_bytes()))
    found: list[str] = []
    trusted = Authority(authority.ca_file)
    report = lambda finding: found.append(str(finding))  # noqa: E731
    Verification(LogFolder(log), keys.log.verifier, report, authority=trusted).run()
    assert [one.partition(" says ")[0] for one in found] == [f"timestamps/{kept.name}.tsr: it"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_changed_byte_of_a_token_is_found_unless_it_says_the_same(
    log: Path, authority: OpensslAuthority, data: st.DataObject
) -> None:
    """A token that is still believed says the same time of the same bytes: only what nobody signs can differ."""
    token = first_token(log)
    content = token.read_bytes()
    changed = bytearray(content)
    changed[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    trusted = Authority(authority.ca_file)
    signed = (log / "checkpoints" / token.stem).read_bytes()
    token.write_bytes(bytes(changed))
    try:
        found = findings(log, authority)
        if found:
            assert all(one.startswith(f"timestamps/{token.name}: ") for one in found)
        else:
            assert trusted.verify(bytes(changed), signed) == trusted.verify(content, signed)
    finally:
        token.write_bytes(content)


def test_a_cut_or_lengthened_token_is_found(log: Path, authority: OpensslAuthority) -> None:
    token = first_token(log)
    content = token.read_bytes()
    for other in (b"", content[:-1], content[: len(content) // 2], content + b"\0"):
        token.write_bytes(other)
        [found] = findings(log, authority)
        assert found.startswith(f"timestamps/{token.name}: ")


# --- cosignatures -----------------------------------------------------------------------------------------------


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_changed_byte_of_a_cosignature_is_found(log: Path, data: st.DataObject) -> None:
    file = log / CHECKPOINT_FILE
    content = file.read_bytes()
    policy = Policy.parse((log / POLICY_FILE).read_bytes())
    begin = content.index(b"witness.")
    changed = bytearray(content)
    changed[data.draw(st.integers(begin, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(bytes(changed))
    try:
        found = findings(log, policy=policy)
        assert any(one.startswith("checkpoint: ") for one in found), bytes(changed)
    finally:
        file.write_bytes(content)


def test_the_quorum_decides_how_many_witnesses_are_enough(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (key.verifier.vkey for key in SampleKeys.of(1).witnesses)
    stranger = SigningKey.from_seed("witness.nose.example/w", bytes(32), COSIGNATURE_V1).verifier.vkey
    (log / "w.vkey").write_text(second)
    for witnesses, quorum, code in (
        ([first], None, 0),
        ([first, str(log / "w.vkey")], None, 0),
        ([first, second, stranger], 2, 0),
        ([first, second, stranger], None, 1),
        ([first, second, stranger], 3, 1),
        ([stranger], 1, 1),
        ([first], 2, 2),
        ([], 1, 2),
        ([first, first], None, 2),
        ([SampleKeys.of(1).log.verifier.vkey], None, 2),
    ):
        assert verify.main(str(log), log / KEY_FILE, Options(witnesses=witnesses, quorum=quorum)) == code, witnesses
    said = capsys.readouterr()
    assert "too few witnesses cosigned it (2); missing: witness.nose.example/w" in said.out
    assert "was listed before" in said.err
    assert "not the key of a witness" in said.err
    assert verify.main(str(log), log / KEY_FILE, Options(policy=log / POLICY_FILE)) == 0
    assert "2 cosignatures" in capsys.readouterr().out
    assert verify.main(str(log), log / KEY_FILE, Options(policy=log / POLICY_FILE, quorum=1)) == 2


def test_a_cosignature_of_no_time_is_found(log: Path) -> None:
    """Zero is no time (c2sp.org/tlog-witness), nor is one beyond all calendars."""
    keys = SampleKeys.of(1)
    text = note.parse_note((log / CHECKPOINT_FILE).read_bytes()).text
    policy = Policy.of([keys.witnesses[0].verifier])
    for timestamp, said in ((0, "says 1970"), (2**63 - 1, "is of no time")):
        lines = keys.log.sign(text), keys.witnesses[0].sign(text, timestamp)
        (log / CHECKPOINT_FILE).write_bytes(note.sign_note(text, *lines))
        assert any(said in one for one in findings(log, policy=policy))


# --- policies ---------------------------------------------------------------------------------------------------


def test_a_policy_of_groups_counts_its_members() -> None:
    keys = [SigningKey.from_seed(f"w.example/{n}", bytes([n] * 32), COSIGNATURE_V1).verifier for n in range(1, 5)]
    lines = [f"witness {name} {key.vkey} https://{name}.example/" for name, key in zip("abcd", keys, strict=True)]
    text = "\n".join(["# 大阪府内の証人", *lines, "# any of these", "group near 1 a b", "group far all c d", ""])
    either = Policy.parse((text + "group both any near far\nquorum both\n").encode())
    assert [either.is_met(signed) for signed in ("a", "b", "c", "cd", "")] == [True, True, False, True, False]
    assert next(witness.url for witness in either.witnesses.values()) == "https://a.example/"
    assert not Policy.parse((text + "group both 2 near far\nquorum both\n").encode()).is_met("abc")
    assert Policy.parse((text + "quorum d\n").encode()).is_met("d")
    assert Policy.parse(b"quorum none").is_met("")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "witness a",
        "quorum a",
        "group g 1",
        "group g 1 a\nquorum g",
        "quorum none\nquorum none",
        "witness none {w} \nquorum none",
        "witness a {w}\nwitness a {v}\nquorum a",
        "witness a {w}\nwitness b {w}\nquorum a",
        "witness a {w}\ngroup g 2 a\nquorum g",
        "witness a {w}\ngroup g 0 a\nquorum g",
        "witness a {w}\ngroup g 01 a\nquorum g",
        "witness a {w}\ngroup g 1 a a\nquorum g",
        "witness a {l}\nquorum a",
        "log x\nquorum none",
        "wibble\nquorum none",
    ],
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    keys = SampleKeys.of(1)
    w, v = (key.verifier.vkey for key in keys.witnesses)
    with pytest.raises(PolicyError):
        Policy.parse(text.format(w=w, v=v, l=keys.log.verifier.vkey).encode())
