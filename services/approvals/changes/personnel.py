"""A personnel file (CSV) as the staff and appointments of a day, compared with the organisation as it stands.

The file is the whole staff of the city on that day, one line per appointment. Pure; every problem is named by line, and
with any problem there is no difference at all. Nothing is stripped or normalised: names are kept as written.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from services.approvals.changes import domain
from services.approvals.changes.domain import (
    MAX_TEXT,
    AppointmentRow,
    Change,
    Organisation,
    StaffRow,
    differences,
)
from services.approvals.organisation.domain import AppointmentKind

HEADER = ("staff_id", "name", "kana", "login", "email", "post_id", "kind")
MAX_BYTES = 1_000_000
# More problems than that are one: the wrong file.
MAX_PROBLEMS = 200


@dataclass(frozen=True, order=True)
class Problem:
    """A bad line; line 0 is the whole file."""

    line: int
    # Upper-case word; the gateway has the sentence.
    problem: str
    # The column or id it is about.
    about: str = ""


@dataclass
class Comparison:
    """What the file would change, or what is wrong with it."""

    changes: list[Change] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    made: Organisation = field(default_factory=Organisation)


@dataclass(frozen=True)
class _Line:
    number: int
    member: StaffRow
    post_id: str
    kind: str


def compare(content: bytes, before: Organisation) -> Comparison:
    """The difference between the file and the organisation of the day; who is not in the file leaves."""
    problems: list[Problem] = []
    lines = list(_lines(content, problems))
    staff: dict[str, StaffRow] = {}
    first: dict[str, int] = {}
    appointments: dict[tuple[str, str], AppointmentRow] = {}
    places: dict[tuple[str, str], int] = {}
    for line in lines:
        member, key = line.member, (line.member.staff_id, line.post_id)
        if staff.setdefault(member.staff_id, member) != member:
            problems.append(Problem(line.number, "DIFFERS_FROM_LINE", str(first[member.staff_id])))
        first.setdefault(member.staff_id, line.number)
        if not line.post_id:
            # On the staff, without a post.
            continue
        if line.post_id not in before.posts:
            problems.append(Problem(line.number, "UNKNOWN_POST", line.post_id))
        elif key in appointments:
            problems.append(Problem(line.number, "REPEATS_LINE", str(places[key])))
        else:
            appointments[key] = AppointmentRow(*key, line.kind)
            places[key] = line.number
    if not lines and not problems:
        problems.append(Problem(0, "EMPTY"))
    if problems:
        return Comparison(problems=sorted(set(problems))[:MAX_PROBLEMS])
    roles = {key: row for key, row in before.roles.items() if row.staff_id in staff}
    made = replace(before, staff=staff, appointments=appointments, roles=roles)
    changes = differences(before, made)
    _, findings = domain.after(before, changes)
    for finding in findings:
        problems.append(Problem(_line_of(finding.about, first, places), finding.problem, finding.about))
    if problems:
        return Comparison(problems=sorted(set(problems))[:MAX_PROBLEMS])
    return Comparison(changes=changes, made=made)


def written(organisation: Organisation) -> bytes:
    """The file that says what is: a line for each post of each person, and one without a post for who holds none."""
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(HEADER)
    for staff_id, member in sorted(organisation.staff.items()):
        who = (staff_id, member.name, member.kana, member.login, member.email)
        lines.writerows([*who, row.post_id, row.kind] for row in organisation.held_by(staff_id))
        if not organisation.held_by(staff_id):
            lines.writerow([*who, "", ""])
    # Spreadsheets take a file without the mark for one in the encoding of the terminal.
    return out.getvalue().encode("utf-8-sig")


def _line_of(about: str, first: dict[str, int], places: dict[tuple[str, str], int]) -> int:
    """The last line that speaks of it."""
    spoken = [number for (staff_id, post_id), number in places.items() if about in (staff_id, post_id)]
    return max(spoken, default=first.get(about, 0))


def _lines(content: bytes, problems: list[Problem]) -> Iterator[_Line]:
    if len(content) > MAX_BYTES:
        problems.append(Problem(0, "TOO_LARGE"))
        return
    try:
        # Spreadsheets put a byte order mark in front.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        problems.append(Problem(0, "NOT_UTF8"))
        return
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        for number, cells in enumerate(reader):
            if number == 0:
                if tuple(cells) != HEADER:
                    problems.append(Problem(1, "WRONG_HEADER", ",".join(HEADER)))
                    return
            elif any(cells):
                line = _line(reader.line_num, cells, problems)
                if line is not None:
                    yield line
    except csv.Error:
        problems.append(Problem(reader.line_num, "NOT_CSV"))


def _line(number: int, cells: list[str], problems: list[Problem]) -> _Line | None:
    if len(cells) != len(HEADER):
        problems.append(Problem(number, "WRONG_CELLS", str(len(cells))))
        return None
    without_post = not cells[5] and not cells[6]
    required = HEADER[:5] if without_post else HEADER
    found = [
        Problem(number, "REQUIRED", name)
        for name, cell in zip(HEADER, cells, strict=True)
        if name in required and not cell
    ]
    found += [
        Problem(number, "MALFORMED", name)
        for name, cell in zip(HEADER, cells, strict=True)
        if len(cell) > MAX_TEXT or any(ord(character) < 32 for character in cell)
    ]
    staff_id, name, kana, login, email, post_id, kind = cells
    if kind and kind not in list(AppointmentKind):
        found.append(Problem(number, "UNKNOWN_KIND", kind))
    problems += found
    return None if found else _Line(number, StaffRow(staff_id, name, kana, login, email), post_id, kind)
