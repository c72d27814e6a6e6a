"""A person at work, over HTTP: logs in as staff do in a browser, or with a bearer token; then uses the API.

Used by the walkthrough, by the loader of the sample documents and by the system tests.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2


class Refused(Exception):
    """An answer outside 2xx: `status`, and the problem document if there is one."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.problem: dict[str, Any] = {}
        if response.headers.get("content-type", "").startswith("application/problem+json"):
            self.problem = response.json()
        self.reason = str(self.problem.get("reason", ""))
        text = self.problem.get("detail") or response.text[:200]
        if fields := self.problem.get("errors"):
            text += " " + ", ".join(f"{item['field']}: {item['detail']}" for item in fields)
        super().__init__(f"{response.request.method} {response.request.url.path}: {self.status} {self.reason} {text}")


class LoginFailed(Exception):
    """The login did not end in a session."""


@dataclass
class Person:
    """One staff member at one deployment. Close it, or use it as a context manager."""

    url: str
    name: str
    token: str = ""
    timeout: float = 30.0
    http: httpx2.Client = field(init=False)
    _posts: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        # What a browser sends with its own requests; the gateway refuses unsafe ones without it.
        headers["Origin"] = self.url
        self.http = httpx2.Client(base_url=self.url, headers=headers, timeout=self.timeout)

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def log_in(self, login: str) -> None:
        """The authorization code flow, as a browser does it, choosing `login` in the provider's form."""
        response = self._follow(self.http.get("/login"))
        form = _form(response.text)
        if form is None:
            raise LoginFailed(f"no login form at {response.url}")
        action, fields = form
        response = self._follow(self.http.post(urljoin(str(response.url), action), data=fields | {"login": login}))
        if not any(name.endswith("sid") for name in self.http.cookies):
            raise LoginFailed(f"{login}: {response.status_code} at {response.url}")

    def _follow(self, response: httpx2.Response) -> httpx2.Response:
        for _ in range(10):
            location = response.headers.get("location")
            if response.status_code not in (302, 303) or not location:
                return response
            response = self.http.get(urljoin(str(response.url), location))
        raise LoginFailed("too many redirects")

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request to the API; Refused outside 2xx. Writes get an Idempotency-Key."""
        headers: dict[str, str] = dict(options.pop("headers", {}))
        if method != "GET":
            headers.setdefault("Idempotency-Key", str(uuid.uuid4()))
        response = self.http.request(method, f"/api/v1{path}", headers=headers, **options)
        if not 200 <= response.status_code < 300:
            raise Refused(response)
        return response

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """GET, as JSON."""
        answer: dict[str, Any] = self.request("GET", path, params=params).json()
        return answer

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, etag: str = "") -> dict[str, Any]:
        """POST, as JSON; `etag` goes into If-Match."""
        headers = {"If-Match": etag} if etag else {}
        response = self.request("POST", path, json=dict(body or {}), headers=headers)
        answer: dict[str, Any] = response.json() if response.content else {}
        return answer

    def items(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(path, **params, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]

    def document(self, document_id: str) -> tuple[dict[str, Any], str]:
        """A document and its ETag."""
        response = self.request("GET", f"/documents/{document_id}")
        return response.json(), response.headers["etag"]

    def upload(self, document_id: str, path: Path, file_name: str, content_type: str) -> dict[str, Any]:
        """Attach a file, streamed, with its digest announced."""
        digest = hashlib.sha256(path.read_bytes()).digest()
        with path.open("rb") as content:
            response = self.request(
                "POST",
                f"/documents/{document_id}/attachments",
                params={"filename": file_name},
                content=content,
                headers={
                    "Content-Type": content_type,
                    "Content-Length": str(path.stat().st_size),
                    "Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
                },
            )
        answer: dict[str, Any] = response.json()
        return answer

    def submit(self, document_id: str, **facts: Any) -> dict[str, Any]:
        """Take the proposed route and start the circulation."""
        plan = self.post(f"/documents/{document_id}/route", facts)
        _, etag = self.document(document_id)
        return self.post(f"/documents/{document_id}/submit", {"route_plan_id": plan["route_plan_id"]}, etag=etag)

    def act(self, case_id: str, action: str, comment: str = "", **more: Any) -> dict[str, Any]:
        """Read the case and its document, then act on the step that allows it; `more` goes into the body."""
        case = self.get(f"/cases/{case_id}")
        step = next((step for step in case["steps"] if action in step["allowed_actions"]), None)
        if step is None:
            raise LookupError(f"{self.name} may not {action} on case {case_id} now")
        document, _ = self.document(case["document_id"])
        body = {
            "action": action,
            "comment": comment,
            "version_digest": document["version_digest"],
            "read_receipt": document["read_receipt"],
        } | more
        headers = {"If-Match": f'"{case["version"]}"'}
        if step["post_id"] in self.posts():
            # Somebody with several posts acts from the one the step belongs to (AP-44).
            headers["Kanketsu-Post"] = step["post_id"]
        path = f"/cases/{case_id}/steps/{step['step_id']}/act"
        answer: dict[str, Any] = self.request("POST", path, json=body, headers=headers).json()
        return answer

    def posts(self) -> set[str]:
        """Ids of the posts held now; asked once."""
        if not self._posts:
            self._posts = {post["post_id"] for post in self.get("/me")["posts"]}
        return self._posts


class _FirstForm(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None and values.get("method", "").lower() == "post":
            self.action, self._inside = values.get("action", ""), True
        elif tag == "input" and self._inside and values.get("type") == "hidden":
            self.fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def _form(page: str) -> tuple[str, dict[str, str]] | None:
    parser = _FirstForm()
    parser.feed(re.sub(r"<!--.*?-->", "", page, flags=re.DOTALL))
    return None if parser.action is None else (parser.action, parser.fields)
