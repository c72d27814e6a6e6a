"""The policy file, and which answers are believed."""

from __future__ import annotations

import itertools

import pytest

from services.audit import note
from services.audit.cosignatures.domain import believable_line
from services.audit.note import COSIGNATURE_V1, NoteError, SigningKey
from services.audit.quorum import Policy, PolicyError
from services.audit.witness.tests.other_city import TOYONAKA


def vkey(number: int) -> str:
    return SigningKey.from_seed(f"witness-{number}.example", bytes([number]) * 32, COSIGNATURE_V1).verifier.vkey


X = [f"witness X{n} {vkey(n)} https://x{n}.example/witness" for n in (1, 2, 3)]
Y = [f"witness Y{n} {vkey(n + 3)}" for n in (1, 2, 3)]
GROUPS = ["group X 2 X1 X2 X3", "group Y any Y1 Y2 Y3", "group both all X Y"]


def parse(*lines: str) -> Policy:
    return Policy.parse("\n".join(lines).encode())


def test_a_quorum_over_two_groups():
    """c2sp.org/tlog-policy: two of three X and one of three Y, over every set of witnesses."""
    policy = parse(f"log {TOYONAKA.key.verifier.vkey}", *X, *Y, *GROUPS, "\t# 定足数 ", "", "  quorum\tboth ")
    names = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
    for count in range(7):
        for chosen in itertools.combinations(names, count):
            few = [name for name in chosen if name[0] == "X"]
            assert policy.is_met(chosen) == (len(few) >= 2 and len(few) < count)
    assert policy.demands
    assert policy.witnesses["X2"].url == "https://x2.example/witness"
    assert policy.witnesses["Y1"].url == ""


def test_a_single_witness_and_none():
    assert parse(X[0], "quorum X1").is_met({"X1"})
    assert not parse(X[0], "quorum X1").is_met(())
    none = parse(X[0], "quorum none")
    assert none.is_met(())
    assert not none.demands
    assert not Policy().demands


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "no quorum"),
        ([X[0]], "no quorum"),
        (["quorum none", "quorum none"], "line 2: there is a quorum"),
        (["quorum X1"], "line 1: X1 is not defined"),
        (["quorum X1", X[0]], "line 1: X1 is not defined"),
        (["witness none " + vkey(1), "quorum none"], "defined already"),
        ([X[0], X[0].replace("X1", "X2")], "line 2: this witness's key was listed before"),
        ([X[0], f"witness X1 {vkey(2)}"], "line 2: X1 is defined already"),
        ([X[0], "group X1 any X1"], "defined already"),
        ([X[0], "group G any"], "line 2: expected"),
        ([X[0], "group G any none"], "none is not defined"),
        ([X[0], "group G 0 X1"], "not possible"),
        ([X[0], "group G 2 X1"], "not possible"),
        ([X[0], "group G 01 X1"], "not possible"),
        ([X[0], "group G most X1"], "not possible"),
        ([X[0], "group G any X1 X1"], "member already"),
        ([X[0], "group G any X1", "group H any X1"], "member already"),
        ([X[0], "group G any G"], "not defined"),
        ([f"witness X {TOYONAKA.key.verifier.vkey}", "quorum X"], "not the key of a witness"),
        ([f"log {vkey(1)}", "quorum none"], "not the key of a log"),
        (["quorum none", "witness X1"], "line 2: expected"),
        (["quorums none"], "line 1: expected"),
        (["quorum none\r"], "control characters"),
        (["# \x00", "quorum none"], "control characters"),
    ],
)
def test_a_policy_that_breaks_a_rule_names_the_line(lines, problem):
    with pytest.raises(PolicyError, match=problem):
        parse(*lines)


def test_thirty_two_of_everything_can_be_read():
    witnesses = [f"witness w{n} {vkey(n)}" for n in range(32)]
    groups = [f"group g{n} any w{n}" for n in range(32)]
    policy = parse(*witnesses, *groups, "group all 32 " + " ".join(f"g{n}" for n in range(32)), "quorum all")
    assert policy.is_met({f"w{n}" for n in range(32)})
    assert not policy.is_met({f"w{n}" for n in range(31)})


WITNESS = SigningKey.from_seed("witness-1.example", bytes([1]) * 32, COSIGNATURE_V1)
OTHER = SigningKey.from_seed("witness-1.example", bytes([2]) * 32, COSIGNATURE_V1)
SIGNED = TOYONAKA.checkpoint(7)
TEXT = note.parse_note(SIGNED).text
NOW = 1_795_000_000


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\n",
        "よい\n".encode(),
        WITNESS.sign(TEXT, NOW)[:-1],
        b"\n" + WITNESS.sign(TEXT, NOW),
        OTHER.sign(TEXT, NOW),  # another key under the same name
        WITNESS.sign(TOYONAKA.checkpoint(8), NOW),
        WITNESS.sign(TEXT, 0),
        WITNESS.sign(TEXT, NOW + 301),
        WITNESS.sign(TEXT, NOW - 301),
        WITNESS.sign(TEXT, 2**63),
        WITNESS.sign(TEXT, NOW) + WITNESS.sign(b"other\n", NOW),
        SigningKey.from_seed("witness-1.example", bytes([1]) * 32).sign(TEXT),  # not a cosignature
        WITNESS.sign(TEXT, NOW) + b"\n" + WITNESS.sign(TEXT, NOW),
        WITNESS.sign(TEXT, NOW) * 65,
    ],
)
def test_answers_that_are_not_believed(answer):
    with pytest.raises(NoteError):
        believable_line(answer, SIGNED, WITNESS.verifier, NOW)


def test_lines_of_unknown_keys_are_left_out():
    line = WITNESS.sign(TEXT, NOW - 299)
    assert believable_line(OTHER.sign(TEXT, NOW) + line, SIGNED, WITNESS.verifier, NOW) == (line, NOW - 299)
