"""Reads the repository itself: which files are ours, their syntax trees, tables and links of the documentation."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("documents", "approvals", "audit", "gateway")
# Services with RPCs; the gateway only calls.
RPC_SERVICES = ("documents", "approvals", "audit")
DOCS = ROOT / "docs"
# Not written here: vendored code, and sample files as cities send them.
FOREIGN = ("tests/e2e/vendor/", "services/gateway/static/dads/", "samples/minoh/files/", "requirements/dev.txt")


@cache
def files() -> tuple[Path, ...]:
    """Every file git tracks or would add, that we wrote."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=30,
    ).stdout.decode()
    paths = (name for name in listed.split("\0") if name and not name.startswith(FOREIGN))
    return tuple(sorted(path for name in paths if (path := ROOT / name).is_file()))


@cache
def text_of(path: Path) -> str:
    """The file as text, "" when it is not text."""
    data = path.read_bytes()
    if b"\0" in data:
        return ""
    return data.decode("utf-8", errors="replace")


def name_of(path: Path) -> str:
    """The path as written in messages and documents."""
    return path.relative_to(ROOT).as_posix()


def modules(*folders: str, tests: bool = False) -> Iterator[Path]:
    """Python files below the folders; those of tests only when asked for."""
    for path in files():
        parts = path.relative_to(ROOT).parts
        if path.suffix != ".py" or (folders and not name_of(path).startswith(tuple(f"{one}/" for one in folders))):
            continue
        if tests or "tests" not in parts[:-1]:
            yield path


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(text_of(path), str(path))


def calls(path: Path, name: str) -> Iterator[ast.Call]:
    """Calls of `name(…)` or `….name(…)` in a module."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            function = node.func
            called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if called == name:
                yield node


def literal(node: ast.expr | None) -> str | None:
    """The text of a string constant, None for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def argument(call: ast.Call, position: int, keyword: str) -> ast.expr | None:
    """An argument given by position or by name."""
    if len(call.args) > position:
        return call.args[position]
    return next((given.value for given in call.keywords if given.arg == keyword), None)


def where(path: Path, node: ast.AST) -> str:
    """`path:line` for messages."""
    return f"{name_of(path)}:{getattr(node, 'lineno', 0)}"


def none(found: Iterable[str]) -> None:
    """Fails with one line per find."""
    lines = sorted(found)
    assert not lines, "\n" + "\n".join(lines)


def proto(service: str, file: str) -> FileDescriptor:
    """`proto("audit", "error_reason")`."""
    module = importlib.import_module(f"kanketsu.{service}.v1.{file}_pb2")
    descriptor: FileDescriptor = module.DESCRIPTOR
    return descriptor


def contracts(service: str) -> list[ServiceDescriptor]:
    """Every gRPC service that a service serves: those of all its `*_service.proto`."""
    names = sorted(path.stem for path in (ROOT / f"proto/kanketsu/{service}/v1").glob("*_service.proto"))
    return [one for name in names for one in proto(service, name).services_by_name.values()]


def rpcs(service: str) -> list[MethodDescriptor]:
    """Every RPC of a service."""
    return [method for one in contracts(service) for method in one.methods]


def reasons(service: str) -> set[str]:
    """Names of the service's ErrorReason without their prefix."""
    names = proto(service, "error_reason").enum_types_by_name["ErrorReason"].values_by_name
    return {name.removeprefix("ERROR_REASON_") for name in names} - {"UNSPECIFIED"}


def documents() -> list[Path]:
    """Every page of documentation, wherever it stands."""
    return [path for path in files() if path.suffix == ".md"]


def prose(path: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(path), flags=re.M | re.S)


def anchors(path: Path) -> set[str]:
    """Anchors of the headings, as GitHub and GitLab make them."""
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", prose(path), flags=re.M):
        plain = re.sub(r"\[([^]]*)]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def rows(path: Path, heading: str) -> list[list[str]]:
    """Cells of the table below a heading, without its head."""
    section = re.split(rf"^#+ +{re.escape(heading)}\s*$", text_of(path), flags=re.M)
    if len(section) != 2:
        raise AssertionError(f"{name_of(path)} has no heading {heading!r}, or more than one")
    table: list[list[str]] = []
    for line in section[1].splitlines():
        if line.startswith("#") and table:
            break
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif table:
            break
    return table[2:]
