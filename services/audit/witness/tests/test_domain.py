"""Which logs a witness knows, and what it says to a submission: rules alone."""

from __future__ import annotations

import datetime as dt

import pytest

from chassis.clock import JST
from services.audit import note
from services.audit.note import COSIGNATURE_V1, SigningKey, VerifierKey
from services.audit.witness.domain import KnownLogs, LogsError
from services.audit.witness.protocol import ProtocolError, Submission, encode_submission, parse_size, parse_submission
from services.audit.witness.tests.other_city import SEED, TOYONAKA, log_of

NOW = dt.datetime(2026, 11, 23, 15, 35, tzinfo=JST)
VKEY = TOYONAKA.key.verifier.vkey


def test_golden_cosignature():
    """c2sp.org/tlog-cosignature v1, cross-checked against an independent witness: seed, name, time and text are fixed."""
    witness = SigningKey.from_seed("witness.example/w1", bytes(range(32)), COSIGNATURE_V1)
    assert witness.verifier.vkey == "witness.example/w1+e75f6532+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    text = b"example.com/log/testdata\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n"
    line = (
        "\u2014 witness.example/w1 519lMgAAAABkGFDLo0vvaVMnQBetpNUCKKILroiWxoSAyyV9iB/cgczFo9ONQdSuKdatX9+k2gg"
        "tjAKaVSHrTWaVvipK5HiRqnepAA==\n"
    ).encode()
    assert witness.sign(text, 1679315147) == line
    assert note.open_note(text + b"\n" + line, [witness.verifier])[1][0].timestamp == 1679315147


# --- known logs -------------------------------------------------------------------------------------------------


def test_a_yearly_log_is_known_in_the_years_that_follow_under_the_same_key_and_another_key_id():
    logs = KnownLogs.parse(f"yearly {VKEY}")
    later = dt.datetime(2027, 4, 1, tzinfo=JST)
    (key,) = logs.keys_of("audit.toyonaka.example/2027", later)
    assert key == VerifierKey("audit.toyonaka.example/2027", note.ED25519, TOYONAKA.key.verifier.public_key)
    assert key.key_id != TOYONAKA.key.verifier.key_id
    assert key == log_of(2027).key.verifier
    # The log may turn its year a little before our clock does.
    assert logs.keys_of("audit.toyonaka.example/2027", dt.datetime(2027, 3, 31, 23, 59, tzinfo=JST)) == [key]


@pytest.mark.parametrize(
    "name",
    [
        "audit.toyonaka.example/2025",  # before the year that was agreed on
        "audit.toyonaka.example/2027",  # has not begun
        "audit.toyonaka.example/9999",
        "audit.toyonaka.example/02026",
        "audit.toyonaka.example/2026/2026",
        "audit.toyonaka.example/２０２６",
        "audit.toyonaka.example/",
        "audit.toyonaka.example",
        "audit.toyonaka.example.evil/2026",
        "audit.suita.example/2026",
    ],
)
def test_other_origins_are_not_known(name):
    assert KnownLogs.parse(f"yearly {VKEY}").keys_of(name, NOW) == []


def test_a_log_that_is_not_yearly_is_known_by_its_one_name():
    logs = KnownLogs.parse(f"log {VKEY}")
    assert logs.keys_of("audit.toyonaka.example/2026", NOW) == [TOYONAKA.key.verifier]
    assert logs.keys_of("audit.toyonaka.example/2027", dt.datetime(2028, 1, 1, tzinfo=JST)) == []


def test_after_a_change_of_keys_both_are_known():
    new = log_of(2026, bytes(32)).key.verifier
    assert KnownLogs.parse(f"yearly {VKEY}\nyearly {new.vkey}").keys_of("audit.toyonaka.example/2026", NOW) == [
        TOYONAKA.key.verifier,
        new,
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("yearly", "line 1: expected"),
        (f"weekly {VKEY}", "line 1: expected"),
        (f"# 豊中市\n\nlog {VKEY} https://log.example", "line 3: expected"),
        (f"log {VKEY[:-2]}AA", "line 1:"),
        (f"log {SigningKey.from_seed('w.example', SEED, COSIGNATURE_V1).verifier.vkey}", "witness's"),
        (f"yearly {SigningKey.from_seed('audit.toyonaka.example', SEED).verifier.vkey}", "line 1:"),
    ],
)
def test_a_list_that_cannot_be_read_names_the_line(text, problem):
    with pytest.raises(LogsError, match=problem):
        KnownLogs.parse(text)


# --- the protocol's bytes ---------------------------------------------------------------------------------------


def test_a_submission_is_read_as_it_was_written():
    submission = Submission(3, TOYONAKA.proof(3, 7), TOYONAKA.checkpoint(7))
    assert len(submission.proof) > 0
    assert parse_submission(encode_submission(submission)) == submission
    empty = Submission(0, (), TOYONAKA.checkpoint(7))
    assert encode_submission(empty).startswith(b"old 0\n\naudit.toyonaka.example/2026\n7\n")
    assert parse_submission(encode_submission(empty)) == empty


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n",
        b"old 0\n\n",
        b"old 00\n\nx\n",
        b"old -1\n\nx\n",
        "old ３\n\nx\n".encode(),
        b"old 99999999999999999999\n\nx\n",
        b"new 0\n\nx\n",
        b"old  0\n\nx\n",
        b"old 0\r\n\nx\n",
        b"old 1\nAAAA\n\nx\n",
        b"old 1\n" + b"A" * 44 + b"\n\nx\n",
        b"old 1\n" + b"A" * 42 + b"B=\n\nx\n",
        b"old 1\n" + b"\n".join([b"A" * 43 + b"="] * 64) + b"\n\nx\n",
        b"old 0\n\n" + b"x" * 65536,
    ],
)
def test_what_is_no_submission_is_refused(body):
    with pytest.raises(ProtocolError):
        parse_submission(body)


@pytest.mark.parametrize("body", [b"", b"7", b"07\n", b"7\n\n", b"-7\n", b"7 \n", "７\n".encode()])
def test_what_is_no_size_is_refused(body):
    with pytest.raises(ProtocolError):
        parse_size(body)
    assert parse_size(b"7\n") == 7
