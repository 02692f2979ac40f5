"""One AWS call, all its pages: from a question to rows, or to the problem that kept them away."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import jmespath
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from scanner.model import Probe, Problem

from .aws_errors import TooLate, TooMuch, code_of, judge
from .aws_permissions import action_of, allowed, read_form
from .aws_session import Account, Clients
from .aws_wire import SHAPES

MAX_PAGES = 2000
_LOGIN = re.compile(r"(https?://[^/@\s:]+):[^/@\s]+@")
MORE = ("NextToken", "nextToken", "NextMarker")
"""Signs of a further page, in the answer of an operation that botocore cannot page through."""


UNPAGED = frozenset({"ec2", "sqs"})
"""Services that tell everything at once where no size of a page is named, or only the first thousand, and no more.
Source: "Pagination" in the EC2 and SQS developer guides.
"""
PAGE, LARGEST = 1000, {"describe_launch_template_versions": 200}
"""The largest page, and those that are smaller without botocore's knowing it. Source: EC2 API reference."""


@dataclass(frozen=True, slots=True)
class Told:
    """A row before it is written down. `place` is the region that its own second wave is asked in.

    item: None where the call proved that there is nothing, and where nothing is asked about the row: `text`, its JSON,
    takes a fifth of the memory.
    """

    subject: str
    region: str
    item: Any
    of: str = ""
    text: str = ""

    @property
    def written(self) -> str:
        """The item as JSON."""
        return self.text or json.dumps(self.item)

    @property
    def place(self) -> str:
        """Buckets and trails are listed in other regions too, and answer where they live."""
        told = self.item if isinstance(self.item, dict) else {}
        return str(told.get("BucketRegion") or told.get("HomeRegion") or self.region)

    def scope(self, account: Account) -> dict[str, Any]:
        """What `identity` and the `params` of a second wave can name: the item's own words, and `_…` around them."""
        around = {"_": self.item, "_account": account.id, "_of": self.of}
        around |= {"_partition": account.partition, "_region": self.region}
        return {**(self.item if isinstance(self.item, dict) else {}), **around}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one call. about: the subject that it was to cover."""

    about: str
    told: tuple[Told, ...] = ()
    problem: Problem | None = None
    detail: str = ""


def put(
    probe: Probe, clients: Clients, account: Account, region: str, parent: Told | None, asked_about: bool = True
) -> Answer:
    """Put a question once: in a region, about a parent's row in the second wave. Raises AuthFailed once expired.

    asked_about: whether a second wave asks about its rows; else only their text is kept.
    """
    service, operation, form = str(probe.ask[1]), str(probe.ask[2]), read_form(probe)
    about = parent.subject if parent else region
    if not allowed(operation):
        return Answer(about, problem="unsupported", detail=f"{operation} is not among the operations that only read")
    action = str(form["permission"])
    params = _params(form, account, parent)
    if parent and None in params.values():  # the row lacks what would be asked about
        return Answer(about, (Told(about, region, None, about),))
    try:
        client = clients.of(service, region)
        if operation not in client.meta.method_to_api_mapping:
            return Answer(about, problem="unsupported", detail=f"this boto3 knows no {service} {operation}")
        action = action_of(service, client.meta.method_to_api_mapping[operation], action)
        pages = _shaped(_pages(client, operation, params))
        return _rows(pages, probe, form, account, region, parent, asked_about)
    except boto.ClientError as error:
        if _proves_absent(error, form["absent"]):
            return Answer(about, (Told(about if parent or form["everywhere"] else account.id, region, None, about),))
        problem, detail = judge(error, action, region)
    except (boto.BotoCoreError, ResponseParserError, TooLate, TooMuch, RecursionError) as error:
        problem, detail = judge(error, action, region)
        if problem == "unreachable" and not clients.offered(service, region, account.partition):
            problem, detail = "unsupported", f"{service} is not offered in {region}"
    return Answer(about, problem=problem, detail=f"{service} {operation}: {detail}")


def same_call(probe: Probe, account: Account, region: str, parent: Told | None) -> str:
    """What is alike for calls that would be the same: two clusters with one group of parameters ask about it once."""
    form = read_form(probe)
    if parent is None or form["identity"]:  # an identity may name what was asked about
        return f"{region} {parent.subject if parent else ''}"
    return f"{region} {json.dumps(_plain(_params(form, account, parent)), sort_keys=True)}"


def of_another(answer: Answer, about: str) -> Answer:
    """The answer to a call that was put once for several things, as that about another of them."""
    if answer.about == about:
        return answer
    return replace(answer, about=about, told=tuple(replace(row, subject=about, of=about) for row in answer.told))


def _params(form: Mapping[str, Any], account: Account, parent: Told | None) -> dict[str, Any]:
    if parent is None:
        return {name: account.id if value == "_account" else value for name, value in form["params"].items()}
    scope = parent.scope(account)
    return {name: jmespath.search(str(path), scope) for name, path in form["params"].items()}


def _shaped(pages: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The pages; one that botocore's parsers stumble over is an error of the answer, not of ours."""
    try:
        yield from pages
    except SHAPES as error:
        raise ResponseParserError(f"an answer of another shape: {type(error).__name__}: {str(error)[:100]}") from error


def _pages(client: Any, operation: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape
    members = shape.members if shape is not None else {}
    if client.meta.service_model.service_name in UNPAGED and "MaxResults" in members:
        size = members["MaxResults"].metadata.get("max") or LARGEST.get(operation, PAGE)
        params = {"MaxResults": min(int(size), PAGE), **params}
    if client.can_paginate(operation):
        yield from client.get_paginator(operation).paginate(**params)
        return
    taken = [key for key in MORE if key in members]
    while True:
        page = getattr(client, operation)(**params)
        tokens = {key: page.pop(key) for key in taken if page.get(key)}
        yield page
        if not tokens or tokens.items() <= params.items():  # a token that leads to itself leads nowhere
            return
        params = {**params, **tokens}


def _proves_absent(error: boto.ClientError, absent: Sequence[str]) -> bool:
    """Whether the refusal proves that nothing is configured. 'Code: words' also demands the words in its message."""
    code, message = code_of(error), str(error.response.get("Error", {}).get("Message", ""))
    forms = [word.partition(": ") for word in absent]
    return any(code == wanted and words.lower() in message.lower() for wanted, _, words in forms)


def _rows(
    pages: Iterator[dict[str, Any]],
    probe: Probe,
    form: Mapping[str, Any],
    account: Account,
    region: str,
    parent: Told | None,
    asked_about: bool,
) -> Answer:
    about = parent.subject if parent else region
    told: list[Told] = []
    size = number = 0
    page: dict[str, Any] = {}
    for number, page in enumerate(pages, 1):
        page.pop("ResponseMetadata", None)
        for item in _items(form["items"], page):
            row = _named(_plain(item), form, account, region, parent)
            row = replace(row, item=row.item if asked_about else None, text=row.written)
            size += len(row.text)
            told.append(row)
        if size > probe.max_bytes or number == MAX_PAGES:
            return Answer(about, problem="truncated", detail=f"more than {probe.max_bytes} bytes or {MAX_PAGES} pages")
    if number == 1 and _cut(page):
        return Answer(about, problem="truncated", detail="there are more pages than can be asked for")
    return Answer(about, tuple(told))


def _cut(page: Mapping[str, Any]) -> bool:
    """Whether a single answer says that there is more: never to be judged as if it were all."""
    return bool(page.get("IsTruncated")) or any(page.get(key) for key in MORE)


def _items(path: str, page: dict[str, Any]) -> list[Any]:
    found = jmespath.search(path, page) if path else [page]
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def _named(item: Any, form: Mapping[str, Any], account: Account, region: str, parent: Told | None) -> Told:
    of = parent.subject if parent else ""
    row = Told(of or (region if form["everywhere"] else account.id), region, item, of)
    if not form["identity"]:
        return row
    name = jmespath.search(form["identity"], row.scope(account))
    return Told(str(name), region, item, of) if name else row


def _plain(value: Any) -> Any:
    """As JSON can hold it: instants in ISO 8601 UTC, bytes as text, and no password in an address."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, str):
        return _LOGIN.sub(r"\1:***@", value)
    return value if isinstance(value, int | float | bool | None) else str(value)
