"""専決規程: versions, what the check finds, import with a dry run, activation by another person. Records office only."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from chassis import clock
from chassis.errors import DomainError
from services.gateway.actions import organisation, rules
from services.gateway.pages import vocabulary
from services.gateway.pages.desk import AtDesk, Desk, absorb
from services.gateway.pages.forms import Form, version_of
from services.gateway.sentences import FIELD_PROBLEMS
from services.gateway.views import View

router = APIRouter()


@router.get("/rules")
async def listed(desk: AtDesk) -> Response:
    """The versions of all bodies, and what is wrong with what is in force on a day."""
    form = desk.query()
    on = form.filter_day("on")
    versions = await rules.versions(desk.clients, desk.caller)
    found = await rules.findings(desk.clients, desk.caller, on=on)
    names = await organisation.names(
        desk.clients, desk.caller, [f"staff:{one['imported_by']}" for one in versions.body["items"]]
    )
    return desk.draw(
        "rules",
        "rules",
        status=422 if form.errors else 200,
        access_record=versions.access_record,
        form=form,
        on=on or clock.today().isoformat(),
        findings=found.body["items"],
        versions=[_named(one, names) for one in versions.body["items"]],
    )


@router.get("/rules/new")
async def new(desk: AtDesk, based_on: str = "") -> Response:
    """The form of an import, filled with a version to begin from."""
    values: dict[str, str] = {}
    if based_on:
        base = (await rules.version(desk.clients, desk.caller, based_on)).body
        values = {"body": base["body"], "rules_csv": base["rules_csv"]}
    return _draw_import(desk, Form(values))


@router.post("/rules")
async def import_version(desk: AtDesk) -> Response:
    """A dry run shows what would change; the import itself makes a draft."""
    form = await desk.form()
    fields = {
        "body": form.required("body", "執行機関を選んでください。"),
        "title": form.required("title", "改正の名称を入力してください。"),
        "valid_from": form.day("valid_from", missing="適用を始める日を入力してください。"),
        "rules_csv": form.lines("rules_csv"),
    }
    if form.errors:
        return _draw_import(desk, form, 422)
    try:
        outcome = (await rules.dry_run(desk.clients, desk.caller, **fields)).body
        form.errors |= {"rules_csv": "".join(_flaw(one) for one in outcome["flaws"])} if outcome["flaws"] else {}
        if form.errors or form.text("next") == "dry_run":
            shown = None if form.errors else await _assessed(desk, outcome)
            return _draw_import(desk, form, 422 if form.errors else 200, shown)
        made = await rules.import_version(desk.clients, desk.caller, **fields, request_id=form.text("request_key"))
    except DomainError as error:
        return _draw_import(desk, form, absorb(form, error))
    return desk.go(f"/rules/{made.body['rule_version_id']}", done="rules_imported")


@router.get("/rules/{rule_version_id}")
async def show(desk: AtDesk, rule_version_id: str) -> Response:
    """A version: its state, what it changes, what the check finds, its lines."""
    return await _draw(desk, rule_version_id, Form())


@router.post("/rules/{rule_version_id}/activate")
async def activate(desk: AtDesk, rule_version_id: str) -> Response:
    """Looked at and found good, by another person."""
    form = await desk.form()
    try:
        await rules.activate(desk.clients, desk.caller, rule_version_id, version_of(form), form.text("request_key"))
    except DomainError as error:
        return await _draw(desk, rule_version_id, form, absorb(form, error, denials=True))
    return desk.go(f"/rules/{rule_version_id}", done="rules_activated")


@router.post("/rules/{rule_version_id}/discard")
async def discard(desk: AtDesk, rule_version_id: str) -> Response:
    """Not wanted, or taken back before its first day."""
    form = await desk.form()
    try:
        await rules.discard(desk.clients, desk.caller, rule_version_id, version_of(form), form.text("request_key"))
    except DomainError as error:
        return await _draw(desk, rule_version_id, form, absorb(form, error))
    return desk.go(f"/rules/{rule_version_id}", done="rules_discarded")


async def _draw(desk: Desk, rule_version_id: str, form: Form, status: int = 200) -> Response:
    answer = await rules.version(desk.clients, desk.caller, rule_version_id)
    version = answer.body
    staff = [f"staff:{one}" for one in (version["imported_by"], version["settled_by"]) if one]
    names = await organisation.names(desk.clients, desk.caller, [*staff, *_principals(version["rules"])])
    upcoming = version["valid_from"] > clock.today().isoformat()
    return desk.draw(
        "rule_version",
        "rules",
        status=status,
        access_record=answer.access_record,
        form=form,
        version=_named(version, names),
        lines=[_line(one, names) for one in version["rules"]],
        outcome=await _assessed(desk, version),
        can_activate=version["state"] == "draft" and version["imported_by"] != desk.caller.identity.staff_id,
        can_discard=version["state"] == "draft" or (version["state"] == "activated" and upcoming),
    )


def _draw_import(desk: Desk, form: Form, status: int = 200, outcome: View | None = None) -> Response:
    return desk.draw(
        "rules_new",
        "rules",
        status=status,
        form=form,
        outcome=outcome,
        body_choices=list(vocabulary.BODIES.items()),
    )


async def _assessed(desk: Desk, outcome: View) -> View:
    """The difference as lines for people, and the findings."""
    found = outcome["difference"]
    pairs = [(one["before"], one["after"]) for one in found["changed"]]
    everything = [*found["added"], *found["removed"], *(one for pair in pairs for one in pair)]
    names = await organisation.names(desk.clients, desk.caller, _principals(everything))
    return {
        "added": [_line(one, names) for one in found["added"]],
        "removed": [_line(one, names) for one in found["removed"]],
        "changed": [(_line(before, names), _line(after, names)) for before, after in pairs],
        "findings": outcome["findings"],
        "blocking": any(one["blocking"] for one in outcome["findings"]),
    }


def _principals(lines: list[View]) -> list[str]:
    posts = {f"post:{post}" for one in lines for post in (*one["concurrence_posts"], *one["review_posts"])}
    return sorted(posts | {f"unit:{one['unit_id']}" for one in lines if one["unit_id"]})


def _line(rule: View, names: dict[str, str]) -> View:
    return rule | {
        "unit_name": names[f"unit:{rule['unit_id']}"] if rule["unit_id"] else "全所属",
        "concurrence": [names[f"post:{post}"] for post in rule["concurrence_posts"]],
        "review": [names[f"post:{post}"] for post in rule["review_posts"]],
    }


def _named(version: View, names: dict[str, str]) -> View:
    return version | {
        "imported_by_name": names.get(f"staff:{version['imported_by']}", version["imported_by"]),
        "settled_by_name": names.get(f"staff:{version['settled_by']}", version["settled_by"]),
    }


def _flaw(flaw: View) -> str:
    column = vocabulary.RULE_COLUMNS.get(flaw["column"] or "", flaw["column"] or "")
    return f"{flaw['line']}行目{column}：{FIELD_PROBLEMS.get(flaw['problem'], FIELD_PROBLEMS['INVALID'])[0]}"
