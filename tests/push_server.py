"""A server of the tests' own that behaves as DefectDojo and CISO Assistant were found to behave, traps included."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN = "the-token"
LABELS = ["Very Low", "Low", "Medium", "High", "Very High"]
KEYS = frozenset(
    [
        "title",
        "severity",
        "description",
        "date",
        "mitigation",
        "impact",
        "severity_justification",
        "references",
        "active",
        "risk_accepted",
        "planned_remediation_date",
        "verified",
        "component_name",
        "unique_id_from_tool",
        "vuln_id_from_tool",
        "effort_for_fixing",
        "tags",
        "service",
    ]
)
PLACES = {
    "Asset": "assets", "AppliedControl": "applied-controls", "FindingsAssessment": "findings",
    "RiskAssessment": "risk-scenarios", "SecurityException": "security-exceptions",
}  # fmt: skip
PARENTS = {"FindingsAssessment": "findings-assessments", "RiskAssessment": "risk-assessments"}


@dataclass
class Estate:
    """What both servers hold, by list. fault: what becomes of the next import; posts: imports that came."""

    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    fault: str = ""
    posts: list[dict[str, str]] = field(default_factory=list)
    seen_tokens: set[str | None] = field(default_factory=set)
    page: int = 3
    simple_acceptance: bool = True

    def rows(self, place: str) -> list[dict[str, Any]]:
        return self.lists.setdefault(place, [])

    def add(self, place: str, /, **row: Any) -> dict[str, Any]:
        made = {"id": sum(map(len, self.lists.values())) + 1, **row}
        self.rows(place).append(made)
        return made

    def dojo(self, form: dict[str, str], document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if any(set(one) - KEYS for one in document["findings"]):
            return 400, {"error": "unknown key"}
        product = self._named("products", form["product_name"])
        engagement = self._named("engagements", form["engagement_name"], product=product["id"])
        test = next((one for one in self.rows("tests") if one["engagement"] == engagement["id"]), None)
        test = test or self.add("tests", title=form["test_title"], engagement=engagement["id"])
        test["build_id"] = form.get("build_id")
        sent = {(one["title"], one["description"]): one for one in document["findings"]}
        for row in self.rows("findings"):
            if (row["title"], row["description"]) in sent:
                # What is accepted, or not, stays so, and with it whether it is active.
                same = sent.pop((row["title"], row["description"]))
                kept = {"risk_accepted": row["risk_accepted"], "active": not row["risk_accepted"]}
                row.update({**same, **kept})
            elif form.get("close_old_findings") == "true" and not (row.get("service") and "service" not in form):
                row.update(active=False, is_mitigated=True)
        for one in sent.values():
            self.add("findings", **{**one, "test": test["id"]})
        return 201, {"test": test["id"]}

    def decided(self, id: int, change: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """A change of one finding. Accepting needs the product's leave; active and accepted at once is refused."""
        row = next(one for one in self.rows("findings") if one["id"] == id)
        if change["risk_accepted"] and (change["active"] or not self.simple_acceptance):
            return 400, {"error": "cannot be risk accepted"}
        row.update(change)
        return 200, row

    def _named(self, name: str, wanted: str, **of: Any) -> dict[str, Any]:
        found = [one for one in self.rows(name) if one["name"] == wanted and of.items() <= one.items()]
        return found[0] if found else self.add(name, name=wanted, **of)

    def ciso(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        model, folder = headers["X-Model-Type"], headers["X-Folder-Id"]
        parent = None
        if model in PARENTS:
            update = headers.get("X-On-Conflict") == "update" and headers.get("X-Target-Id")
            found = [one for one in self.rows(PARENTS[model]) if str(one["id"]) == headers.get("X-Target-Id")]
            parent = found[0] if update and found else None
            parent = parent or self.add(PARENTS[model], name=headers["X-Name"], folder={"id": folder})
        rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
        for number, row in enumerate(rows):
            if self.fault == "half" and number >= len(rows) // 2:
                break
            self._keep(model, {**row, **_read(model, row)}, parent, folder)
        return 200, {"results": {"successful": len(rows), "failed": 0}}

    def _keep(self, model: str, row: dict[str, Any], parent: dict[str, Any] | None, folder: str) -> None:
        of = {PARENTS[model].replace("-", "_")[:-1]: {"id": parent["id"]}} if parent else {"folder": folder}
        here = [one for one in self.rows(PLACES[model]) if of.items() <= one.items()]
        same = [one for one in here if one["ref_id"] == row["ref_id"]]
        same = same or [one for one in here if one["name"] == row["name"]]
        if same:
            same[0].update(row)
        else:
            self.add(PLACES[model], **row, **of)


def _read(model: str, row: dict[str, str]) -> dict[str, Any]:
    """A row as it is told afterwards: what it does not know it has dropped without a word."""
    if model == "FindingsAssessment":
        severity = row["severity"] if row["severity"] in {"low", "medium", "high", "critical"} else "undefined"
        return {"severity": severity, "priority": int(row["priority"]), "asset": {"str": f"IT/{row['asset']}"}}
    if model == "RiskAssessment":
        levels = ("inherent_impact", "inherent_proba", "current_impact", "current_proba")
        told: dict[str, Any] = {one: {"name": row[one] if row[one] in LABELS else "--"} for one in levels}
        return {**told, "assets": [{"str": f"IT/{one}"} for one in row["assets"].split("\n")],
                "applied_controls": [{"str": one} for one in row["applied_controls"].split("\n") if one]}  # fmt: skip
    if model == "SecurityException":
        return {}
    return {"type": "Support"} if model == "Asset" else {"priority": int(row["priority"])}


class Server(ThreadingHTTPServer):
    """Listens on a free port of this machine."""

    daemon_threads = True
    estate: Estate

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _say(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _allowed(self) -> bool:
        self.server.estate.seen_tokens.add(self.headers["Authorization"])
        if self.headers["Authorization"] == f"Token {TOKEN}":
            return True
        self._say(401, {"detail": "Invalid token."})
        return False

    def do_GET(self) -> None:
        if not self._allowed():
            return
        parts, estate = urlsplit(self.path), self.server.estate
        asked = dict(parse_qsl(parts.query))
        rows, start = estate.rows(parts.path.strip("/").split("/")[-1]), int(asked["offset"])
        more = start + estate.page < len(rows)
        here = rows[start : start + estate.page]
        self._say(200, {"count": len(rows), "next": "http://192.0.2.1/never" if more else None, "results": here})

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._allowed():
            self._say(*self.server.estate.decided(int(self.path.strip("/").split("/")[-1]), json.loads(body)))

    def do_POST(self) -> None:
        body, estate = self.rfile.read(int(self.headers["Content-Length"])), self.server.estate
        if not self._allowed():
            return
        if estate.fault in {"refused", "moved", "broken"}:
            self._say({"refused": 403, "moved": 302, "broken": 502}[estate.fault], {})
            return
        if self.path.endswith("/reimport-scan/"):
            form, document = _form(self.headers["Content-Type"], body)
            estate.posts.append(form)
            answer = estate.dojo(form, document)
        else:
            estate.posts.append(dict(self.headers.items()))
            answer = estate.ciso(dict(self.headers.items()), body)
        if estate.fault in {"slow", "half"}:
            time.sleep(2.5)
        self._say(*answer)


def _form(content_type: str, body: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    message = email.message_from_bytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + body, policy=email.policy.HTTP
    )
    form: dict[str, str] = {}
    document: dict[str, Any] = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        text = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(text, bytes):
            if name == "file":
                document = json.loads(text)
            else:
                form[name] = text.decode()
    return form, document


def serve(estate: Estate) -> Server:
    """Begin to listen; the caller shuts it down."""
    server = Server(("127.0.0.1", 0), _Handler)
    server.estate = estate
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server
