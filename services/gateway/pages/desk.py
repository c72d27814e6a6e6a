"""What a page has in front of it: the person, the services, the form they sent; and how it answers.

One `Desk` per request. Forms are believed only with the session's token (beside the origin check of sign-in).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from chassis.errors import DomainError
from services.gateway import errors
from services.gateway.actions import organisation
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.errors import Refusal
from services.gateway.pages import vocabulary
from services.gateway.pages.forms import Form
from services.gateway.pages.rendering import environment
from services.gateway.sentences import FIELD_PROBLEMS

if TYPE_CHECKING:
    from services.gateway.app import Gateway

# Refusals that the person can do something about in the form itself; others have a page of their own.
_HELPED_BY_THE_FORM = frozenset({400, 409, 412, 413, 422, 503, 504})
# After these nobody knows whether the work was done: the same key makes the repetition harmless.
_OUTCOME_UNKNOWN = frozenset({503, 504})


class Desk:
    """One request of one signed-in person."""

    def __init__(self, request: Request, caller: Caller) -> None:
        self.request = request
        self.caller = caller
        self.gateway: Gateway = request.app.state.gateway

    @property
    def clients(self) -> Clients:
        """The services."""
        return self.gateway.clients

    @property
    def unit_ids(self) -> list[str]:
        """Units of the person's posts, the acting one first."""
        acting = self.caller.acting_post
        units = [acting.unit_id] if acting is not None else []
        return units + [post.unit_id for post in self.caller.staff.posts if post.unit_id not in units]

    @property
    def unit_choices(self) -> list[tuple[str, str]]:
        """(id, name) of the person's own units."""
        names = {post.unit_id: post.unit_name for post in self.caller.staff.posts}
        return [(unit_id, names[unit_id]) for unit_id in dict.fromkeys(self.unit_ids)]

    async def form(self) -> Form:
        """The form that was sent, as typed. CROSS_SITE without the session's token."""
        sent = await self.request.form()
        items = [(name, value) for name, value in sent.multi_items() if not isinstance(value, UploadFile)]
        form = Form(dict(items), items=items)
        self.gateway.sign_in.check_form(self.caller, form.text("csrf_token"))
        return form

    def query(self) -> Form:
        """The filter in the address."""
        return Form(dict(self.request.query_params))

    def draw(
        self, template: str, here: str, *, status: int = 200, access_record: str = "", **context: object
    ) -> Response:
        """A page. `here` marks the place in the menu; `access_record` stands for having shown it."""
        session = self.caller.session
        html = (
            environment()
            .get_template(f"pages/{template}.html")
            .render(
                {
                    "tenant_name": _tenant_name(self.gateway),
                    "me": organisation.me(self.caller),
                    "csrf_token": session.csrf if session is not None else "",
                    "session_seconds": self.gateway.sessions.left(session).unless_used if session is not None else 0,
                    "here": here,
                    "counts": None,
                    "unread": self.gateway.people.unread(self.caller.staff.login),
                    "notice": vocabulary.NOTICES.get(self.request.query_params.get("done", "")),
                    "form": Form(),
                }
                | context
            )
        )
        headers = {"Cache-Control": "no-store"}
        if access_record:
            headers["X-Access-Record"] = access_record
        return HTMLResponse(html, status, headers)

    def go(self, path: str, **query: str) -> Response:
        """303 to another page of ours."""
        return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)

    def address(self, **changed: str) -> str:
        """This page with another query: empty values are dropped."""
        query = {name: value for name, value in {**self.request.query_params, **changed}.items() if value}
        query.pop("done", None)
        return f"{self.request.url.path}?{urlencode(query)}" if query else self.request.url.path

    def pager(self, next_cursor: str | None) -> dict[str, str | None]:
        """Addresses for the pager: the first page when this is not it, and the next."""
        return {
            "first_href": self.address(cursor="") if self.request.query_params.get("cursor") else None,
            "next_href": self.address(cursor=next_cursor) if next_cursor else None,
        }


async def _desk(request: Request) -> Desk:
    gateway: Gateway = request.app.state.gateway
    caller = await gateway.sign_in.caller(request)
    made = request.state.desk = Desk(request, caller)
    return made


AtDesk = Annotated[Desk, Depends(_desk)]


def absorb(form: Form, error: DomainError | Refusal, *, denials: bool = False) -> int:
    """Note a refusal on the form it answers and return the status; raise it again when no form can help.

    `denials`: what the person may not do is told there as well, for the page shows what they may.
    """
    refused = error if isinstance(error, Refusal) else errors.refusal_of(error)
    if refused.status not in _HELPED_BY_THE_FORM and not (denials and refused.status == 403):
        raise error
    for violation in refused.fields:
        # "enforcement.planned_on" of the API is one field of the form; "fields.title" is the title of it.
        name = violation.field.removeprefix("fields.").removeprefix("facts.").replace(".", "_")
        problem = FIELD_PROBLEMS.get(violation.problem, FIELD_PROBLEMS["INVALID"])[0]
        label = vocabulary.FIELDS.get(name)
        form.errors.setdefault(name if label else "", f"{label}：{problem}" if label else problem)
    if not refused.fields:
        told = refused.sentence()
        form.errors["comment" if refused.reason == "COMMENT_REQUIRED" else ""] = f"{told.title}。{told.detail}"
    if refused.status in _OUTCOME_UNKNOWN:
        form.request_key = form.text("request_key")
    return refused.status


def error_page(request: Request, refused: Refusal) -> Response:
    """A refusal as a page in plain words, with what to do next."""
    told: dict[str, Any] = errors.describe(refused)
    desk: Desk | None = getattr(request.state, "desk", None)
    links = vocabulary.WAYS_OUT.get(refused.status, vocabulary.WAYS_OUT[0])
    error = told | {"links": links}
    headers = {"Cache-Control": "no-store", **refused.headers}
    if desk is not None:
        page = desk.draw("error", "", status=refused.status, notice=None, error=error)
        page.headers.update(headers)
        return page
    gateway: Gateway = request.app.state.gateway
    context = {"tenant_name": _tenant_name(gateway), "me": None, "notice": None, "error": error}
    html = environment().get_template("pages/error.html").render(context)
    return HTMLResponse(html, refused.status, headers)


def _tenant_name(gateway: Gateway) -> str:
    return gateway.settings.tenant_name or gateway.settings.tenant
