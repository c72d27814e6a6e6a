"""Tests about the documentation: what it says is there, and what is there it says."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path

import pytest

from tests.repo.sources import (
    DOCS,
    ROOT,
    SERVICES,
    anchors,
    documents,
    files,
    modules,
    name_of,
    none,
    prose,
    proto,
    rows,
    text_of,
)

# Written by `make bench` when somebody measures.
WRITTEN_BY_US = "docs/benchmarks.md"
RULE = re.compile(r"\b(?:LC|AP|NB|FL|RT|DP|DC|AC|SC|UI|NM)-\d{2}\b")
LINK = re.compile(r"!?\[[^]]*]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:chassis|services|deploy|docs|proto|samples|tests|requirements)/[\w./*{},-]+)`")


# --- links and paths ----------------------------------------------------------------------------


@pytest.mark.parametrize("page", documents(), ids=name_of)
def test_links_lead_somewhere(page):
    broken = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            broken.append(target)
    none(broken)


@pytest.mark.parametrize("page", documents(), ids=name_of)
def test_files_that_are_named_exist(page):
    missing = [
        named
        for named in PATH.findall(prose(page))
        if "{" not in named and named != WRITTEN_BY_US and not any(ROOT.glob(named.rstrip("/")))
    ]
    none(missing)


def test_every_page_of_documentation_is_linked():
    """What nobody links, nobody reads."""
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in documents()
        for target in LINK.findall(text_of(page))
        if not re.match(r"[a-z]+:", target)
    }
    lost = [name_of(page) for page in documents() if page.is_relative_to(DOCS) and page not in linked]
    none(lost)


# --- decisions ----------------------------------------------------------------------------------


def decisions() -> list[Path]:
    """The records of decisions."""
    return sorted((DOCS / "adr").glob("[0-9]*.md"))


def test_decisions_are_numbered_without_a_hole_and_listed():
    index = text_of(DOCS / "adr" / "README.md")
    assert [path.name[:4] for path in decisions()] == [f"{number:04}" for number in range(1, len(decisions()) + 1)]
    for path in decisions():
        assert f"]({path.name})" in index, path.name


@pytest.mark.parametrize("path", decisions(), ids=name_of)
def test_a_decision_has_its_four_parts_on_one_page(path):
    text = text_of(path)
    assert text.startswith(f"# {path.name[:4]}: ")
    assert re.findall(r"^## (.+)$", text, flags=re.M) == ["Context", "Decision", "Consequences", "Alternatives"]
    assert len(text.splitlines()) <= 60


def test_decisions_that_are_cited_exist():
    numbers = {path.name[:4] for path in decisions()}
    wrong = [
        f"{name_of(path)} {cited}"
        for path in files()
        for cited in re.findall(r"\bADR-(\d{4})\b", text_of(path))
        if cited not in numbers
    ]
    none(wrong)


# --- rules --------------------------------------------------------------------------------------


def test_rules_that_are_cited_are_explained_and_the_other_way_round():
    explained = set(re.findall(r"^- \*\*([A-Z]{2}-\d{2})\*\*", text_of(DOCS / "domain.md"), flags=re.M))
    cited: dict[str, str] = {}
    for path in files():
        if (
            path.suffix in (".py", ".proto", ".sql", ".html", ".css", ".js", ".csv", ".yaml")
            or path.name == "README.md"
        ):
            cited |= dict.fromkeys(RULE.findall(text_of(path)), name_of(path))
    assert {rule: place for rule, place in cited.items() if rule not in explained} == {}
    assert explained - set(cited) == set()


def test_no_page_is_cited_that_this_repository_does_not_have():
    """A reader has nothing but this repository."""
    here = {path.name for path in files()} | {Path(WRITTEN_BY_US).name}
    wrong = [
        f"{name_of(path)} {cited}"
        for path in files()
        if path.suffix in (".py", ".proto", ".sql", ".html", ".css", ".js", ".md", ".yaml")
        for cited in re.findall(r"\b([\w-]+\.md)\b", text_of(path))
        if cited not in here
    ]
    wrong += [name_of(path) for path in modules(tests=True) if re.search(r"\barchitecture (section|\()", text_of(path))]
    none(wrong)


# --- words --------------------------------------------------------------------------------------


def glossary() -> list[list[str]]:
    """Rows of the glossary: term, reading, identifier, meaning."""
    found = [line for line in text_of(DOCS / "glossary.md").splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in found]
    return [row for row in table if row[0] != "日本語" and not row[0].startswith("---")]


def test_rows_of_the_glossary_are_whole():
    for row in glossary():
        assert len(row) == 4, row
        term, reading, identifier, meaning = row
        assert term, row
        assert re.fullmatch(r"[ぁ-んー・／、 ]+|–", reading), row
        assert identifier == "–" or re.fullmatch(r"`[^`]+`(, `[^`]+`)*", identifier), row
        assert meaning.endswith("."), row
    terms = [row[0] for row in glossary()]
    assert len(terms) == len(set(terms))


def test_identifiers_of_the_glossary_are_those_of_the_code():
    code = "\n".join(
        text_of(path)
        for path in files()
        if path.suffix in (".proto", ".sql") or (path.suffix == ".py" and "tests" not in path.parts)
    )
    unknown = [
        identifier
        for row in glossary()
        for identifier in re.findall(r"`([^`]+)`", row[2])
        if not re.search(rf"(?<![A-Za-z]){re.escape(identifier)}(?![A-Za-z])", code)
    ]
    none(unknown)


def test_the_glossary_has_every_state_kind_and_role():
    known = set(re.findall(r"`([^`]+)`", " ".join(row[2] for row in glossary())))
    wanted = {"clerk", "records_officer", "records_manager", "audit_officer", "system_admin"}
    for service, file in (("documents", "documents_service"), ("approvals", "approvals_service")):
        for name, enum in proto(service, file).enum_types_by_name.items():
            prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() + "_"
            wanted |= {value.removeprefix(prefix).lower() for value in enum.values_by_name} - {"unspecified"}
    assert wanted - known == set()


# --- flows, security, services --------------------------------------------------------------------


def test_flows_are_short_and_say_what_is_true_after_a_crash():
    sections = re.split(r"^## ", text_of(DOCS / "flows.md"), flags=re.M)[1:]
    numbered = [section for section in sections if re.match(r"\d+\. ", section)]
    assert len(numbered) >= 7
    for section in numbered:
        title, _, body = section.partition("\n")
        steps = re.findall(r"^\d+\. ", body, flags=re.M)
        assert steps, title
        assert len([line for line in body.splitlines() if line.strip()]) <= 20, title
        assert "dies" in body, title


def test_every_promise_is_kept_in_the_security_page_with_its_tests():
    text = text_of(DOCS / "security.md")
    for number in range(1, 10):
        section = re.search(rf"^### I{number}\. .*?(?=^#)", text, flags=re.M | re.S)
        assert section, f"I{number}"
        if number != 6:
            assert re.search(r"\(\.\./(tests|services|chassis|deploy)/[^)]*\.py\)", section.group()), (
                f"I{number} names no test"
            )


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_short_readme(service):
    readme = ROOT / "services" / service / "README.md"
    assert readme.is_file()
    assert 10 <= len(text_of(readme).splitlines()) <= 60


def test_targets_of_make_are_documented_and_the_other_way_round():
    targets = set(re.findall(r"^([a-z-]+):.*##", text_of(ROOT / "Makefile"), flags=re.M))
    table = {row[0].strip("`").split()[1] for row in rows(ROOT / "README.md", "Commands")}
    assert table == targets - {"help"}
    for page in documents():
        for target in re.findall(r"`(?:[A-Z]+=\S+ )?make ([a-z-]+)", text_of(page)):
            assert target in targets, f"{name_of(page)}: make {target}"


def test_the_readme_begins_in_japanese_and_shows_pictures_that_exist():
    text = text_of(ROOT / "README.md")
    first = text.split("\n\n")[1]
    assert re.search(r"[\u3040-\u30ff]", first)
    for image in re.findall(r"\((docs/img/[^)]+)\)", text):
        assert (ROOT / image).is_file(), image


# --- settings -------------------------------------------------------------------------------------


def settings_of(service: str) -> dict[str, str]:
    """Every setting of a service, over all its commands: name → default as documented, or "required"."""
    module = importlib.import_module(f"services.{service}.settings")
    found: dict[str, str] = {}
    for cls in vars(module).values():
        if not (isinstance(cls, type) and dataclasses.is_dataclass(cls) and cls.__name__.endswith("Settings")):
            continue
        if cls.__name__ == "ServiceSettings" or cls.__module__ != module.__name__:
            continue
        for field in dataclasses.fields(cls):
            name = f"KANKETSU_{field.name.upper()}"
            default = documented_default(field)
            assert found.setdefault(name, default) == default, f"{service} {name} has two defaults"
    return found


def documented_default(field: dataclasses.Field[object]) -> str:
    """As the table writes it."""
    if field.default_factory is not dataclasses.MISSING:
        return "host name"
    if field.default is dataclasses.MISSING:
        return "required"
    value = field.default
    if value in ("", (), None):
        return "–"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_settings_of_all_services_are_documented():
    common = importlib.import_module("chassis.settings").ServiceSettings
    expected = {f"KANKETSU_{field.name.upper()}": documented_default(field) for field in dataclasses.fields(common)}
    assert documented("Settings of all services") == expected


@pytest.mark.parametrize("service", SERVICES)
def test_settings_are_documented_as_they_are(service):
    common = importlib.import_module("chassis.settings").ServiceSettings
    shared = {f"KANKETSU_{field.name.upper()}" for field in dataclasses.fields(common)}
    expected = {name: default for name, default in settings_of(service).items() if name not in shared}
    assert documented(f"Settings of {service}") == expected


def documented(heading: str) -> dict[str, str]:
    """Name and default of each row, with `_FILE` and backticks taken off."""
    return {row[0].strip("`"): row[1].strip("`") for row in rows(DOCS / "operations.md", heading)}


def test_the_readme_presents_every_service():
    names = {re.sub(r"[`*\[]|].*", "", row[0]) for row in rows(ROOT / "README.md", "Services")}
    assert names == set(SERVICES)
