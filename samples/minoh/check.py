"""Says what is wrong with the sample city, a line each; nothing when all is well.

    python -m samples.minoh.check [FOLDER]

References, intervals, vocabularies, routes (built here independently of the approvals
service) and files. A municipality can run it over tables of its own.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from samples.minoh.city import City, Row, in_force, read_city
from samples.minoh.routes import DECISION_CLASSES, LINE, NoRoute, amount_fits, build_route, find_post, replay

# The sample's today, and days later in the fiscal year on which every route still holds.
TODAY = datetime.fromisoformat("2026-11-23T10:00:00+09:00")
LATER = [datetime.fromisoformat(day + "T10:00:00+09:00") for day in ("2026-12-28", "2027-02-15", "2027-03-30")]

BODIES = {
    "mayor",
    "education",
    "fire",
    "water",
    "boatrace",
    "hospital",
    "council",
    "election",
    "audit_commission",
    "equity",
    "agriculture",
    "assessment",
}
RANKS = {"member", *LINE}
APPOINTMENT_KINDS = {"main", "concurrent", "joint", "deputizing", "acting"}
ABSENCE_REASONS = {"business_trip", "leave", "sick", "training"}
ROLES = {"records_officer", "records_manager", "audit_officer", "system_admin"}
RETENTIONS = {"1", "3", "5", "10", "30", "perpetual", "perpetual_use", "under_1"}
DISCLOSURES = {"open", "partial", "closed"}
PERSONAL = {"none", "personal", "sensitive"}
SENDER_KINDS = {"citizen", "company", "government", "internal", "other"}
MEDIA = {"post", "counter", "lgwan", "mail", "e_application"}
METHODS = {"post", "counter", "mail", "lgwan", "internal"}
REPLAYED = {"draft": "circulating", "decided": "decided", "enforced": "decided", "completed": "decided"}

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def check(city: City) -> list[str]:
    """Every problem found, in the order of the tables; an empty list when the city is sound."""
    problems: list[str] = []
    for part in (organisation, rules, file_plan, receipts, documents):
        problems.extend(part(city))
    return problems


def organisation(city: City) -> Iterator[str]:
    units = keys(city.units, "unit_id")
    posts = keys(city.posts, "post_id")
    staff = keys(city.staff, "staff_id")
    for table, key in (("units", "unit_id"), ("posts", "post_id"), ("staff", "staff_id"), ("staff", "login")):
        yield from duplicates(table, key, getattr(city, table))
    for table in ("units", "posts", "staff", "appointments", "roles", "decision_rules"):
        yield from bad_intervals(table, getattr(city, table))

    for unit in city.units:
        name = unit["unit_id"]
        if unit["body"] not in BODIES:
            yield f"unit {name}: body {unit['body']}"
        if unit["parent_id"]:
            parent = units.get(unit["parent_id"])
            if parent is None:
                yield f"unit {name}: no parent {unit['parent_id']}"
            elif parent["body"] != unit["body"]:
                yield f"unit {name}: its parent belongs to another body"
        if not unit["symbol"]:
            yield f"unit {name}: no symbol"
    for post in city.posts:
        name = post["post_id"]
        if post["rank"] not in RANKS:
            yield f"post {name}: rank {post['rank']}"
        yield from inside(f"post {name}", post, units.get(post["unit_id"]), post["unit_id"])
        for covered in filter(None, post["covers"].split(";")):
            if covered not in units:
                yield f"post {name}: covers unknown {covered}"
    for row in city.appointments:
        name = f"appointment {row['staff_id']} to {row['post_id']}"
        if row["kind"] not in APPOINTMENT_KINDS:
            yield f"{name}: kind {row['kind']}"
        yield from inside(name, row, posts.get(row["post_id"]), row["post_id"])
        yield from inside(name, row, staff.get(row["staff_id"]), row["staff_id"])
    yield from overlaps(city)

    for row in city.absences:
        if row["staff_id"] not in staff or row["reason_code"] not in ABSENCE_REASONS:
            yield f"absence {row}: unknown staff or reason"
        start, end = datetime.fromisoformat(row["from_at"]), datetime.fromisoformat(row["to_at"])
        if start >= end or start.utcoffset() is None or end.utcoffset() is None:
            yield f"absence {row}: interval"
    for row in city.roles:
        if row["role"] not in ROLES:
            yield f"role {row}: unknown role"
        yield from inside(f"role {row['role']} of {row['staff_id']}", row, staff.get(row["staff_id"]), row["staff_id"])
    orders: dict[str, list[int]] = {}
    for row in city.substitutes:
        if row["post_id"] not in posts or row["substitute_post_id"] not in posts:
            yield f"substitute {row}: unknown post"
        orders.setdefault(row["post_id"], []).append(int(row["order"]))
    for post_id, order in orders.items():
        if order != list(range(1, len(order) + 1)):
            yield f"substitutes of {post_id}: order {order}"


def overlaps(city: City) -> Iterator[str]:
    """One holder per post at a time, and one main post per person at a time."""
    for index, row in enumerate(city.appointments):
        for other in city.appointments[index + 1 :]:
            if (row["valid_to"] or "9999") <= other["valid_from"] or (other["valid_to"] or "9999") <= row["valid_from"]:
                continue
            if row["post_id"] == other["post_id"]:
                yield f"post {row['post_id']}: held by {row['staff_id']} and {other['staff_id']} at once"
            if row["staff_id"] == other["staff_id"] and row["kind"] == other["kind"] == "main":
                yield f"staff {row['staff_id']}: two main posts at once"


def rules(city: City) -> Iterator[str]:
    units, posts = keys(city.units, "unit_id"), keys(city.posts, "post_id")
    yield from duplicates("decision_rules", "rule_id", city.decision_rules)
    for rule in city.decision_rules:
        name = f"rule {rule['rule_id']}"
        if rule["body"] not in BODIES or rule["decision_class"] not in DECISION_CLASSES:
            yield f"{name}: body or decision class"
        if rule["unit_id"] and (rule["unit_id"] not in units or units[rule["unit_id"]]["body"] != rule["body"]):
            yield f"{name}: unit {rule['unit_id']}"
        if rule["amount_min"] and rule["amount_max"] and int(rule["amount_min"]) > int(rule["amount_max"]):
            yield f"{name}: amounts"
        if bool(rule["concurrence_posts"]) != bool(rule["concurrence_after"]):
            yield f"{name}: concurrence posts and their place go together"
        if rule["concurrence_after"] and rule["concurrence_after"] not in LINE:
            yield f"{name}: concurrence after {rule['concurrence_after']}"
        for post in filter(None, (rule["concurrence_posts"] + ";" + rule["review_posts"]).split(";")):
            if post not in posts or city.holder(post, TODAY.date()) is None:
                yield f"{name}: post {post} is unknown or vacant"
        if in_force(rule, TODAY.date()):
            yield from deciders(city, rule)
        yield from ambiguous(city, rule)


def deciders(city: City, rule: Row) -> Iterator[str]:
    """Every unit with clerks, to which the rule applies, has a decider in office (AP-01, AP-02)."""
    today = TODAY.date()
    drafting = {p["unit_id"] for p in city.posts if p["rank"] == "member" and in_force(p, today)}
    for unit in city.units:
        unit_id = unit["unit_id"]
        applies = rule["unit_id"] in city.lineage(unit_id) if rule["unit_id"] else unit["body"] == rule["body"]
        if not applies or unit_id not in drafting or not in_force(unit, today):
            continue
        try:
            decider = find_post(city, unit_id, rule["decision_class"], today)
        except NoRoute as problem:
            yield f"rule {rule['rule_id']}: {problem}"
            continue
        if decider is None or city.holder(decider, today) is None:
            yield f"rule {rule['rule_id']}: nobody decides as {rule['decision_class']} for {unit_id}"


def ambiguous(city: City, rule: Row) -> Iterator[str]:
    """No amount on any day may fall under two rules of the same body, unit and matter."""
    for other in city.decision_rules:
        same = all(rule[key] == other[key] for key in ("body", "unit_id", "matter"))
        if not same or other["rule_id"] <= rule["rule_id"]:
            continue
        apart = (rule["valid_to"] or "9999") <= other["valid_from"] or (other["valid_to"] or "9999") <= rule[
            "valid_from"
        ]
        bounds = [int(r["amount_min"] or 0) for r in (rule, other)]
        if not apart and any(amount_fits(rule, amount) and amount_fits(other, amount) for amount in bounds):
            yield f"rules {rule['rule_id']} and {other['rule_id']}: both cover the same amount"


def file_plan(city: City) -> Iterator[str]:
    units, classes = keys(city.units, "unit_id"), keys(city.classes, "class_code")
    matters = {(rule["body"], rule["matter"]) for rule in city.decision_rules}
    yield from duplicates("classes", "class_code", city.classes)
    yield from duplicates("folders", "folder_id", city.folders)
    for row in city.classes:
        name = f"class {row['class_code']}"
        if row["retention"] not in RETENTIONS:
            yield f"{name}: retention {row['retention']}"
        if row["disclosure"] not in DISCLOSURES or row["personal_information"] not in PERSONAL:
            yield f"{name}: disclosure or personal information"
        if row["paper_only"] not in {"true", "false"} or row["after_expiry"] != "dispose":
            yield f"{name}: paper_only or after_expiry"
        if row["view_class"] not in {"city", "department", "unit", "section", "designated"}:
            yield f"{name}: view_class {row['view_class']}"
        if row["unit_id"] and row["unit_id"] not in units:
            yield f"{name}: unit {row['unit_id']}"
        bodies = {units[row["unit_id"]]["body"]} if row["unit_id"] in units else BODIES
        for body in sorted(bodies):
            if (body, row["matter"]) not in matters:
                yield f"{name}: no rule for {row['matter']} in {body}"
    for row in city.folders:
        name = f"folder {row['folder_id']}"
        owner = classes.get(row["class_code"])
        if owner is None or row["unit_id"] not in units:
            yield f"{name}: unknown class or unit"
        elif owner["unit_id"] not in ("", row["unit_id"]):
            yield f"{name}: the class belongs to {owner['unit_id']}"
        if not row["fiscal_year"].isdecimal():
            yield f"{name}: fiscal year {row['fiscal_year']}"
    templates = keys(city.body_templates, "body_template_id")
    for row in city.follow_ups:
        name = f"follow-up {row['follow_up_id']}"
        if row["class_code"] not in classes or row["next_class_code"] not in classes:
            yield f"{name}: unknown class"
        if row["body_template_id"] and row["body_template_id"] not in templates:
            yield f"{name}: unknown body template"
        done = city.receipts if row["after_kind"] == "receipt" else city.documents
        wanted = [*(one["title"] for one in done), *(one["title"] for one in city.follow_ups)]
        if not any(row["after_words"] in title for title in wanted):
            yield f"{name}: follows nothing of this city"


def receipts(city: City) -> Iterator[str]:
    units, staff, classes = keys(city.units, "unit_id"), keys(city.staff, "staff_id"), keys(city.classes, "class_code")
    for receipt in city.receipts:
        name = f"receipt {receipt['key']}"
        if receipt["sender_kind"] not in SENDER_KINDS or receipt["medium"] not in MEDIA:
            yield f"{name}: sender_kind or medium"
        if receipt["unit_id"] not in units or receipt["clerk"] not in staff or receipt["class_code"] not in classes:
            yield f"{name}: unknown unit, clerk or class"
        dates = [date.fromisoformat(receipt[key]) for key in ("arrived_on", "received_on", "due_on")]
        if dates != sorted(dates):
            yield f"{name}: arrived, received and due are not in order (LC-01)"
        yield from bad_files(city, name, receipt["attachments"])


def documents(city: City) -> Iterator[str]:
    classes, folders = keys(city.classes, "class_code"), keys(city.folders, "folder_id")
    received = {receipt["key"] for receipt in city.receipts}
    named = [document["key"] for document in city.documents]
    for key in sorted({key for key in named if named.count(key) > 1}):
        yield f"document {key}: twice"
    for document in city.documents:
        name = f"document {document['key']}"
        folder, file_class = folders.get(document["folder_id"]), classes.get(document["class_code"])
        if folder is None or file_class is None or folder["class_code"] != document["class_code"]:
            yield f"{name}: folder or class"
            continue
        if folder["unit_id"] != document["unit_id"]:
            yield f"{name}: the folder belongs to {folder['unit_id']}"
        if file_class["paper_only"] == "true":
            yield f"{name}: the class stays on paper (decision 13)"
        if document["disclosure"] not in DISCLOSURES or document["personal_information"] not in PERSONAL:
            yield f"{name}: disclosure or personal information"
        if "receipt" in document and document["receipt"] not in received:
            yield f"{name}: receipt {document['receipt']}"
        if not document["title"] or len(document["title"]) > 100:
            yield f"{name}: title (NB-13)"
        yield from names_in_title(city, name, document)
        enforcement = document["enforcement"]
        if enforcement["required"] and (enforcement["method"] not in METHODS or not enforcement["addressee"]):
            yield f"{name}: enforcement"
        if document["state"] == "enforced" and not enforcement["required"]:
            yield f"{name}: enforced without need"
        yield from bad_acts(city, name, document)
        yield from bad_files(city, name, document["attachments"])


def bad_acts(city: City, name: str, document: dict[str, Any]) -> Iterator[str]:
    """The acts must lead to the state, on the sample's today and on later days alike."""
    for moment in (TODAY, *LATER):
        try:
            _, steps = build_route(city, document, moment)
            reached = replay(steps, document["drafter"], document["acts"])
        except (NoRoute, ValueError) as problem:
            yield f"{name} on {moment.date()}: {problem}"
            continue
        if reached != REPLAYED.get(document["state"], document["state"]):
            yield f"{name} on {moment.date()}: the acts lead to {reached}, not {document['state']}"
    if document["state"] == "draft" and document["acts"]:
        yield f"{name}: a draft has no acts"


def names_in_title(city: City, name: str, document: dict[str, Any]) -> Iterator[str]:
    """件名 carries no personal names: not the counterparty's, not a colleague's (NB-12)."""
    people = [person["name"] for person in city.staff] + [document.get("counterparty", "")]
    for person in filter(None, people):
        if person in document["title"] or person.replace(" ", "") in document["title"]:
            yield f"{name}: the title names {person}"


def bad_files(city: City, name: str, attachments: list[dict[str, str]]) -> Iterator[str]:
    for attachment in attachments:
        file = city.folder / "files" / attachment["file"]
        if not file.is_file():
            yield f"{name}: no file {attachment['file']}"
        elif file_type(file) != attachment["content_type"]:
            yield f"{name}: {attachment['file']} is {file_type(file)}, not {attachment['content_type']}"
        if not attachment["file"].isascii() or "/" in attachment["name"]:
            yield f"{name}: file name"


def file_type(file: Path) -> str:
    """What the bytes are, whatever the name says; empty when unknown."""
    start = file.read_bytes()[:8]
    if start.startswith(b"%PDF-"):
        return "application/pdf"
    if start == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            entries = archive.namelist()
        return DOCX if "word/document.xml" in entries else XLSX if "xl/workbook.xml" in entries else ""
    text = file.read_bytes().decode("utf-8", errors="replace")
    return "text/plain" if "\ufffd" not in text and "\x00" not in text else ""


def keys(rows: list[Row], key: str) -> dict[str, Row]:
    return {row[key]: row for row in rows}


def duplicates(table: str, key: str, rows: list[Row]) -> Iterator[str]:
    values = [row[key] for row in rows]
    for value in sorted({value for value in values if values.count(value) > 1}):
        yield f"{table}: {key} {value} twice"


def bad_intervals(table: str, rows: list[Row]) -> Iterator[str]:
    for row in rows:
        start = date.fromisoformat(row["valid_from"])
        if row["valid_to"] and date.fromisoformat(row["valid_to"]) <= start:
            yield f"{table}: {row}: ends before it begins"


def inside(name: str, row: Row, outer: Row | None, outer_id: str) -> Iterator[str]:
    """The row's interval lies in that of the thing it belongs to."""
    if outer is None:
        yield f"{name}: {outer_id} does not exist"
    elif row["valid_from"] < outer["valid_from"] or (row["valid_to"] or "9999") > (outer["valid_to"] or "9999"):
        yield f"{name}: outside the time of {outer_id}"


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    problems = check(read_city(folder))
    print("\n".join(problems) or "no problem found")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
