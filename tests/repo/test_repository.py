"""Tests about the code as a whole: what no single service can promise alone.

Each says one rule and lists every place that breaks it. Nothing runs but the import of policies and stubs.
"""

from __future__ import annotations

import ast
import importlib
import re

import pytest

from chassis.interceptors import Policy
from kanketsu.event.v1.envelope_pb2 import Envelope
from services.approvals import consumer as approvals_consumer
from services.approvals.cases import envelopes as case_events
from services.documents import consumer as documents_consumer
from services.documents import events as document_events
from services.documents.sheets import words
from services.gateway.pages import vocabulary
from services.gateway.pages.vocabulary import RECORDED_ACTIONS
from services.gateway.sentences import FIELD_PROBLEMS, REFUSALS
from tests.repo import sources
from tests.repo.sources import (
    ROOT,
    RPC_SERVICES,
    SERVICES,
    argument,
    calls,
    contracts,
    files,
    literal,
    modules,
    name_of,
    none,
    proto,
    reasons,
    rpcs,
    text_of,
    tree_of,
    where,
)

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
ACTION = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")

# Refused in the chassis, before a service has its say; the gateway knows the words by status.
REASONS_OF_CHASSIS = {
    "CALLER_NOT_ALLOWED",
    "DATABASE_UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "DEADLINE_REQUIRED",
    "INTERNAL",
    "INVALID_FIELDS",
    "NOT_FOUND",
    "NOT_RECORDED",
    "UNAUTHENTICATED",
}
# Refused in the chassis on behalf of every service that answers writes; their own protos know it.
REASONS_OF_WRITES = {"REQUEST_ID_REUSED"}
WRITING_SERVICES = ("documents", "approvals", "audit")
# RPCs whose refusals cannot name their object: the first message of a stream says what it is about.
NAMELESS = {("documents", "UploadAttachment")}
# The catch-alls: the interceptor, the consumer loop, the ASGI edge.
CATCH_ALLS = {"chassis/events.py": 1, "chassis/interceptors.py": 2, "services/gateway/edge.py": 1}
FORBIDDEN_MODULES = {"common", "utils", "util", "helpers", "misc", "base", "core", "shared", "manager"}
# What a rule may not import: the clock, chance, the outside world, and all of ours but errors.
IMPURE = {"asyncio", "os", "pathlib", "random", "secrets", "socket", "subprocess", "time", "uuid"}
IMPURE |= {"chassis", "grpc", "kanketsu", "minio", "nats", "psycopg"}
# Words of the city's work; the chassis knows none of them.
NOUNS = {"document", "draft", "attachment", "approval", "case_id", "decision", "enforcement", "dispatch"}


def policy_of(service: str) -> Policy:
    """The one Policy object of a service: in policy.py, or in api.py beside the handlers it is about."""
    modules = [importlib.import_module(f"services.{service}.{name}") for name in ("policy", "api")]
    found = {id(value): value for module in modules for value in vars(module).values() if isinstance(value, Policy)}
    assert len(found) == 1, f"{service} has {len(found)} policies"
    return next(iter(found.values()))


# --- contracts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("service", RPC_SERVICES)
def test_only_the_gateway_may_call_a_service(service):
    """Depth one (ADR-0002)."""
    policy = policy_of(service)
    assert policy.service == service
    assert policy.callers == {one.full_name: frozenset({"gateway"}) for one in contracts(service)}


@pytest.mark.parametrize("service", RPC_SERVICES)
def test_every_rpc_says_how_its_refusal_stands_in_the_log(service):
    refusals = policy_of(service).refusals
    methods = {method.name: method for method in rpcs(service)}
    assert set(refusals) == set(methods)
    for name, refusal in refusals.items():
        assert ACTION.fullmatch(refusal.action), name
        assert refusal.object_type, name
        fields = methods[name].input_type.fields_by_name
        if refusal.id_field:
            assert refusal.id_field in fields, f"{name} has no field {refusal.id_field}"
        else:
            assert (service, name) in NAMELESS or f"{refusal.object_type}_id" not in fields, (
                f"{name} could name its {refusal.object_type}"
            )


@pytest.mark.parametrize("service", RPC_SERVICES)
def test_no_request_carries_an_actor(service):
    """Who acts is in the signed identity (ADR-0012). The log may be searched by actor."""
    claimed = {
        f"{method.name}.{field.name}"
        for method in rpcs(service)
        for field in method.input_type.fields
        if field.name in {"actor", "staff", "user", "user_id", "roles", "principals", "tenant", "tenant_id"}
    }
    assert claimed - {"ListEntries.actor", "DescribePrincipals.principals"} == set()


@pytest.mark.parametrize("service", RPC_SERVICES)
def test_every_write_can_be_repeated(service):
    """A writing RPC takes request_id. AppendRecords has the numbers of its records instead, AddCheckpoint the old size."""
    reading = ("Get", "List", "Read", "Find", "Describe", "Resolve", "Count")
    for method in rpcs(service):
        parts = [method.input_type, *(field.message_type for field in method.input_type.fields if field.message_type)]
        fields = {name for part in parts for name in part.fields_by_name}
        if not method.name.startswith((*reading, "AppendRecords", "AddCheckpoint")):
            assert "request_id" in fields, f"{method.name} has no request_id"


def test_no_tenant_stands_in_data():
    """One municipality is one release (ADR-0004)."""
    suffixes = (".proto", ".sql", ".py")
    found = [name_of(path) for path in files() if path.suffix in suffixes and "tenant_id" in text_of(path)]
    assert found in ([], ["tests/repo/test_repository.py"])


# --- refusals and their words -------------------------------------------------------------------


@pytest.mark.parametrize("service", RPC_SERVICES)
def test_every_refusal_has_words_in_both_languages(service):
    for reason in sorted(reasons(service)):
        sentence = REFUSALS.get((service, reason)) or REFUSALS.get(("", reason))
        assert sentence, f"{service} {reason} has no sentence"
        assert JAPANESE.search(sentence.title), reason
        assert JAPANESE.search(sentence.detail), reason
        assert sentence.title_en, reason
        assert sentence.detail_en, reason
        assert not JAPANESE.search(sentence.title_en + sentence.detail_en), reason


def test_no_words_for_refusals_that_nobody_makes():
    known = {(service, reason) for service in RPC_SERVICES for reason in reasons(service)}
    orphans = {key for key in REFUSALS if key[0] in RPC_SERVICES and key not in known}
    none(f"{service} {reason}" for service, reason in orphans)


def test_services_refuse_with_reasons_of_their_proto():
    """A reason that the proto does not know has no words and no contract."""
    wrong = []
    for service in RPC_SERVICES:
        allowed = reasons(service) | REASONS_OF_CHASSIS
        for path in modules(f"services/{service}"):
            for call in calls(path, "DomainError"):
                reason = literal(argument(call, 1, "reason"))
                if reason is not None and reason not in allowed:
                    wrong.append(f"{where(path, call)} {reason}")
    for path in modules("chassis"):
        for call in calls(path, "DomainError"):
            reason = literal(argument(call, 1, "reason"))
            if reason is not None and reason not in REASONS_OF_CHASSIS | REASONS_OF_WRITES:
                wrong.append(f"{where(path, call)} {reason}")
    wrong += [f"{name} {reason}" for name in WRITING_SERVICES for reason in REASONS_OF_WRITES - reasons(name)]
    none(wrong)


def test_every_reason_can_happen():
    """A reason that no code names is a promise without a check."""
    for service in RPC_SERVICES:
        code = "\n".join(text_of(path) for path in (*modules(f"services/{service}"), *modules("chassis")))
        none(f"{service} {reason}" for reason in reasons(service) if f'"{reason}"' not in code)


def test_every_problem_of_a_field_has_words():
    """What a service finds wrong with a field is a word; people read a sentence."""
    wrong = set()
    for path in modules("services", "chassis"):
        for call in calls(path, "FieldViolation"):
            problem = literal(argument(call, 1, "problem"))
            if problem is not None and problem not in FIELD_PROBLEMS:
                wrong.add(f"{where(path, call)} {problem}")
    for problem, (japanese, english) in FIELD_PROBLEMS.items():
        if not JAPANESE.search(japanese) or not english or JAPANESE.search(english):
            wrong.add(problem)
    none(wrong)


# --- events and the log -------------------------------------------------------------------------


def event_messages(service: str) -> set[str]:
    """Messages of events.proto that no other message contains: the events themselves."""
    messages = proto(service, "events").message_types_by_name
    parts = {
        field.message_type.name for one in messages.values() for field in one.fields if field.message_type is not None
    }
    return set(messages) - parts


def actions_of(service: str) -> dict[str, str]:
    """Actions that the service writes into the log, and where."""
    found: dict[str, str] = {}

    def add(node: ast.expr | None, place: str) -> None:
        for one in ast.walk(node) if node is not None else ():
            text = literal(one) if isinstance(one, ast.expr) else None
            if text and ACTION.fullmatch(text):
                found[text] = place

    for path in modules(f"services/{service}"):
        for name, position in (("Access", 99), ("Envelope", 99), ("Leaf", 99), ("Fact", 1), ("Refusal", 0)):
            for call in calls(path, name):
                if path.name != "errors.py":
                    add(argument(call, position, "action"), where(path, call))
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any("ACTION" in getattr(target, "id", "") for target in targets) and isinstance(
                    node.value, ast.Dict
                ):
                    for value in node.value.values:
                        add(value, where(path, node))
    return found


@pytest.mark.parametrize("service", ["documents", "approvals"])
def test_every_event_is_produced_under_an_action_of_the_log(service):
    """An event that nobody sends is a fossil; one without an action would be no leaf."""
    code = "\n".join(text_of(path) for path in modules(f"services/{service}"))
    unsent = {name for name in event_messages(service) if not re.search(rf"\b{name}\b", code)}
    none(unsent)
    assert actions_of(service)


def test_who_is_awaited_listens():
    """An outbox row stays until everybody it names has confirmed it (ADR-0003): nobody may be named who never hears it."""
    cases = proto("approvals", "events").message_types_by_name.values()
    of_cases = [one.name for one in cases if "snapshot" in one.fields_by_name]
    assert case_events.AWAITS == ("audit", "documents")
    assert not [name for name in of_cases if not hears(documents_consumer.CASES, f"kanketsu.approvals.case.{name}")]

    # Of the directory documents is awaited for units alone, and hears of every change.
    assert documents_consumer.DIRECTORY == "kanketsu.approvals.directory.DirectoryChanged"

    awaiting = {
        name
        for name in event_messages("documents")
        if "approvals"
        in document_events.awaited_by(Envelope(type=f"kanketsu.documents.v1.{name}", aggregate="document"))
    }
    assert awaiting == {
        *("DocumentSubmitted", "DocumentAssigned", "DocumentCompleted", "OwnerChanged"),
        *("BreakGlassConsented", "BreakGlassEnded"),
    }
    of = {name: "break_glass" if name.startswith("BreakGlass") else "document" for name in awaiting}
    assert {f"kanketsu.documents.{of[name]}.{name}" for name in awaiting} == set(approvals_consumer.SUBJECTS)


def hears(pattern: str, subject: str) -> bool:
    """Whether a subscription gets a subject: `*` is one word, `>` the rest."""
    words = {"*": r"[^.]+", ">": r".+"}
    return (
        re.fullmatch(r"\.".join(words.get(word, re.escape(word)) for word in pattern.split(".")), subject) is not None
    )


def test_every_action_of_the_log_has_a_japanese_name():
    """What an audit officer reads (SC-06); an action without a word would show its code name."""
    nameless = {
        f"{place} {action}"
        for service in SERVICES
        for action, place in actions_of(service).items()
        if action not in RECORDED_ACTIONS
    }
    events = text_of(ROOT / "proto/kanketsu/documents/v1/events.proto")
    comment = re.search(r"//([^/]*)\n\s*string change = 2;", events)
    assert comment, "DocumentChanged has no change any more"
    made_up = {f"document.{word}" for word in re.findall(r'"(\w+)"', comment[1])}
    made_up |= {"epoch.open", "epoch.close", "epoch.heartbeat", "epoch.recovered"}
    none(nameless | made_up - set(RECORDED_ACTIONS))


def test_the_approval_sheet_and_the_pages_speak_the_same_words():
    """UI-02, UI-04: services share no code of the city's work, so the words stand in both."""
    for name in ("DECISION_CLASSES", "DISPATCH_METHODS"):
        assert getattr(words, name) == getattr(vocabulary, name)
    assert {name: vocabulary.ACTIONS[name] for name in words.ACTS} == words.ACTS
    assert [word for word in words.DISCLOSURES if word] == list(vocabulary.DISCLOSURES.values())
    assert [word for word in words.PERSONAL_INFORMATION if word] == list(vocabulary.PERSONAL_INFORMATION.values())
    assert [word for word in words.VIEW_CLASSES if word] == list(vocabulary.VIEW_CLASSES.values())
    assert {kept: words.retention(kept) for kept in vocabulary.RETENTIONS} == vocabulary.RETENTIONS
    assert {state: vocabulary.STEP_STATES[state] for state in words.SEALS if state != "submitted"} == {
        state: word for state, word in words.SEALS.items() if state != "submitted"
    }


def test_no_japanese_names_for_actions_that_nobody_writes():
    """A name that stays after its action went would look as if the log had it."""
    code = "\n".join(text_of(path) for path in modules("services", "chassis") if path.name != "vocabulary.py")
    events = text_of(ROOT / "proto/kanketsu/documents/v1/events.proto")
    fossils = {
        action
        for action in RECORDED_ACTIONS
        if f'"{action}"' not in code and f'"{action.removeprefix("document.")}"' not in events
    }
    none(fossils)


# --- code ---------------------------------------------------------------------------------------


def test_the_environment_is_read_in_settings_only():
    wrong = []
    for path in modules("chassis", "services"):
        if path.name == "settings.py":
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"):
                wrong.append(where(path, node))
    none(wrong)


def test_statements_name_their_columns():
    star = re.compile(r"\bSELECT\s+(?:\w+\.)?\*|\bRETURNING\s+\*", re.I)
    wrong = [
        f"{name_of(path)}: {match.group()}"
        for path in files()
        if path.suffix in (".py", ".sql") and name_of(path).startswith(("services/", "chassis/", "deploy/"))
        for match in star.finditer(text_of(path))
    ]
    none(wrong)


def test_sql_stands_in_stores():
    """Services keep SQL where it can be read together: stores, and the small modules that are nothing but SQL."""
    statement = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b [a-z(%{]")
    homes = re.compile(r"(store|requests|sequencer|load(er)?|sweeper|content_locks)\.py$")
    wrong = [
        where(path, node)
        for path in modules("services")
        if not homes.search(path.name)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and statement.search(node.value)
    ]
    none(wrong)


def test_everything_is_caught_in_three_places_only():
    """ADR-0005: elsewhere an unexpected error must stay one. To clean up and raise on is no catching."""
    found: dict[str, int] = {}
    for path in modules("chassis", "services", "deploy"):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler) and not _raises_on(node):
                kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                if any(kind is None or getattr(kind, "id", "") in ("Exception", "BaseException") for kind in kinds):
                    found[name_of(path)] = found.get(name_of(path), 0) + 1
    assert found == CATCH_ALLS


def _raises_on(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_no_module_has_a_name_that_says_nothing():
    wrong = [
        name_of(path)
        for path in modules(tests=True)
        if {part.removesuffix(".py") for part in path.relative_to(ROOT).parts} & FORBIDDEN_MODULES
    ]
    none(wrong)


def test_the_chassis_knows_no_noun_of_the_city():
    """It imports no service and none of their messages, and names nothing after them."""
    wrong = []
    for path in modules("chassis"):
        for node in ast.walk(tree_of(path)):
            imported = []
            if isinstance(node, ast.Import):
                imported = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom):
                imported = [node.module or ""]
            if any(re.match(r"services\b|kanketsu\.(?!event\b)|deploy\b|samples\b|tests\b", one) for one in imported):
                wrong.append(where(path, node))
            names = [getattr(node, part, None) for part in ("id", "attr", "arg", "name")]
            if any(noun in one.lower() for one in names if isinstance(one, str) for noun in NOUNS):
                wrong.append(where(path, node))
    none(wrong)


def test_services_never_import_each_other():
    """import-linter checks it too; this names the line."""
    wrong = []
    for service in SERVICES:
        others = "|".join(one for one in (*RPC_SERVICES, "gateway") if one != service)
        for path in modules(f"services/{service}", tests=True):
            for number, line in enumerate(text_of(path).splitlines(), start=1):
                if re.match(rf"\s*(from|import) services\.({others})\b", line):
                    wrong.append(f"{name_of(path)}:{number}")
    none(wrong)


def test_rules_are_pure():
    """domain.py computes: no clock, no chance, no input or output. Time and ids are arguments."""
    allowed = {"chassis.errors", "chassis.wareki"}
    wrong = []
    for path in modules("services"):
        if path.name not in ("domain.py", "retention.py", "textrules.py"):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
                for one in names:
                    top = one.split(".")[0]
                    if top in IMPURE and one not in allowed:
                        wrong.append(f"{where(path, node)} imports {one}")
            if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today") and _is_clock(node.value):
                wrong.append(f"{where(path, node)} reads the clock")
    none(wrong)


def _is_clock(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and getattr(node, "attr", getattr(node, "id", "")) in (
        "datetime",
        "date",
        "clock",
    )


def test_nothing_is_unfinished():
    """No stubs, no silenced checks, no doubles of our own parts."""
    # Written in two halves, so that this file does not find itself.
    words = ("TO" + "DO", "FIX" + "ME", "Not" + "ImplementedError", "type: " + "ignore", "unittest." + "mock")
    marks = re.compile("|".join(words))
    wrong = [
        f"{name_of(path)}:{number}: {line.strip()[:80]}"
        for path in files()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if marks.search(line)
    ]
    none(wrong)


def test_every_module_says_its_job():
    """A docstring on every module, and on every public function of what we run."""
    wrong = []
    for path in modules("chassis", "services", "deploy"):
        tree = tree_of(path)
        if tree.body and not ast.get_docstring(tree):
            wrong.append(name_of(path))
        wrong += [f"{where(path, node)} {node.name}" for node in _public(tree) if not ast.get_docstring(node)]
    none(wrong)


def _public(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Public functions of a module."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]


# --- the repository speaks of nothing but itself --------------------------------------------------


def test_no_machine_and_no_package_index_is_named():
    """The same tree works on every machine and every network; locks carry hashes, not addresses."""
    words = [
        "/wo" + "rk/",
        "/ho" + "me/",
        "/ro" + "ot/",
        "/tmp/k" + "k",
        "py" + "pi.org",
        "python" + "hosted",
        "npm" + "js.org",
        "proxy." + "golang",
        "index" + "-url",
        "trusted" + "-host",
        "../sha" + "red",
    ]
    wrong = [
        f"{name_of(path)}:{number} {word}"
        for path in (*files(), ROOT / "requirements" / "dev.txt")
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        for word in words
        if word in line
    ]
    none(wrong)


def test_every_runtime_requirement_is_used():
    """What nobody imports is removed, not kept in case (ADR-0013)."""
    modules_of = {
        "grpcio": "grpc",
        "grpcio-status": "grpc_status",
        "grpcio-health-checking": "grpc_health",
        "protobuf": "google.protobuf",
        "psycopg": "psycopg",
        "psycopg-pool": "psycopg_pool",
        "nats-py": "nats",
        "opentelemetry-sdk": "opentelemetry.sdk",
        "opentelemetry-exporter-otlp-proto-http": "opentelemetry.exporter.otlp.proto.http",
        "jntajis-python": "jntajis",
        "pylopdf-fonts-jp": "pylopdf_fonts_jp",
        "pyyaml": "yaml",
        "rfc3161-client": "rfc3161_client",
        "uuid-utils": "uuid_utils",
    }
    # Used by name: uvicorn's protocol, and FastAPI's reader of forms.
    by_name = {"httptools": 'http="httptools"', "python-multipart": ".form("}
    code = "\n".join(text_of(path) for path in modules("chassis", "services", "deploy", "samples"))
    unused = []
    for line in text_of(ROOT / "requirements" / "runtime.in").split():
        name = re.split(r"[\[<>=~]", line)[0]
        module = re.escape(modules_of.get(name, name))
        if name in by_name:
            used = by_name[name] in code
        else:
            used = re.search(rf"^\s*(from|import) {module}\b", code, flags=re.M) is not None
        if not used:
            unused.append(name)
    none(unused)


def test_the_sources_of_this_test_are_complete():
    """The reading of the repository itself: it sees our files and no foreign ones."""
    names = {name_of(path) for path in files()}
    assert {"README.md", "Makefile", "chassis/recorder.py", "tests/repo/sources.py"} <= names
    assert not any(name.startswith((".venv/", "build/", ".state/")) for name in names)
    assert not any(name.startswith(sources.FOREIGN) for name in names)
