"""Every question that a check puts to AWS, held to botocore's own description of the services."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jmespath
import pytest
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.loaders import create_loader
from botocore.model import ListShape, OperationModel, Shape, StructureShape
from botocore.session import get_session
from botocore.utils import parse_timestamp

from scanner.baseline import read_baseline
from scanner.catalogue import Catalogue
from scanner.model import Probe
from scanner.transports.aws_descriptions import descriptions
from scanner.transports.aws_permissions import read_form
from scanner.transports.aws_session import read_instant


def questions() -> list[Probe]:
    """Every AWS question of every check, and the ones that it is put after, each once."""
    found: dict[str, Probe] = {}
    for check in Catalogue().checks():
        for fact in check.facts:
            probe: Probe | None = fact.probe
            while probe is not None and probe.via == "aws":
                found[probe.key] = probe
                probe = probe.each
    return list(found.values())


QUESTIONS = questions()
NAMES = [f"{probe.ask[1]}.{probe.ask[2]}-{number}" for number, probe in enumerate(QUESTIONS)]
AROUND = ("_account", "_partition", "_region", "_of")
Form = Shape | dict[str, Any] | None
"""What stands somewhere in an answer: a shape of botocore, a mapping made of several, or what nobody describes."""


@cache
def operations(service: str) -> dict[str, OperationModel]:
    model = get_session().get_service_model(service)
    return {xform_name(name): model.operation_model(name) for name in model.operation_names}


def operation_of(probe: Probe) -> OperationModel:
    return operations(str(probe.ask[1]))[str(probe.ask[2])]


def read(path: str, form: Form, lost: list[str]) -> Form:
    """What a JMESPath leads to; words that are not there are added to `lost`."""
    return _walk(jmespath.compile(path).parsed, form, lost) if path else form


def _walk(node: dict[str, Any], form: Form, lost: list[str]) -> Form:
    kind, inner = node["type"], node["children"]
    match kind:
        case "identity" | "current":
            return form
        case "field":
            return _member(form, node["value"], lost)
        case "index":
            return _element(form)
        case "subexpression" | "index_expression" | "pipe":
            for one in inner:
                form = _walk(one, form, lost)
            return form
        case "projection" | "filter_projection" | "value_projection":
            element = _element(_walk(inner[0], form, lost))
            for condition in inner[2:]:
                _walk(condition, element, lost)
            return _walk(inner[1], element, lost)
        case "flatten":
            return _walk(inner[0], form, lost)
        case "multi_select_dict":
            return {one["value"]: _walk(one["children"][0], form, lost) for one in inner}
    for one in inner:  # functions, comparisons, literals: what they read must be there, what they make is open
        _walk(one, form, lost)
    return None


def _element(form: Form) -> Form:
    while isinstance(form, ListShape):
        form = form.member
    return form


def _member(form: Form, word: str, lost: list[str]) -> Form:
    form = _element(form)
    if isinstance(form, dict):
        members: Any = form
    elif isinstance(form, StructureShape):
        members = form.members
    else:
        if form is not None and form.type_name not in {"map", "string"}:
            lost.append(word)
        return None
    if word not in members:
        lost.append(word)
        return None
    found: Form = members[word]
    return found


def row_of(probe: Probe, lost: list[str]) -> Form:
    """What a row of the question's reply holds."""
    return _element(read(read_form(probe)["items"], operation_of(probe).output_shape, lost))


def scope_of(probe: Probe) -> Form:
    """What a row's own name and the next question may be made of."""
    row = row_of(probe, [])
    members = row.members if isinstance(row, StructureShape) else row if isinstance(row, dict) else {}
    return {**members, **dict.fromkeys(AROUND), "_": row}


def test_there_are_many_questions() -> None:
    assert len(QUESTIONS) > 150


@pytest.mark.parametrize("probe", QUESTIONS, ids=NAMES)
def test_the_operation_exists_and_takes_these_parameters(probe: Probe) -> None:
    model = operation_of(probe)
    given = set(read_form(probe)["params"])
    known = set(model.input_shape.members) if model.input_shape else set()
    required = set(model.input_shape.required_members) if model.input_shape else set()
    assert given <= known
    assert required <= given


@pytest.mark.parametrize("probe", QUESTIONS, ids=NAMES)
def test_the_answer_has_the_fields_that_are_read(probe: Probe) -> None:
    lost: list[str] = []
    row_of(probe, lost)
    read(read_form(probe)["identity"], scope_of(probe), lost)
    assert lost == []


@pytest.mark.parametrize("probe", [one for one in QUESTIONS if one.each], ids=lambda probe: str(probe.ask[2]))
def test_a_second_question_is_put_by_what_the_first_one_tells(probe: Probe) -> None:
    assert probe.each is not None
    lost: list[str] = []
    for path in read_form(probe)["params"].values():
        read(str(path), scope_of(probe.each), lost)
    assert lost == []


def test_a_field_that_aws_does_not_tell_is_found_out() -> None:
    probe = next(one for one in QUESTIONS if one.ask[2] == "describe_volumes")
    lost: list[str] = []
    read(
        "Volumes[?State == 'in-use'].{a: Attachments[0].Wrong, b: Encrypted} | [0].c",
        operation_of(probe).output_shape,
        lost,
    )
    assert lost == ["Wrong", "c"]


def settings_asked_for() -> list[tuple[str, str, Probe]]:
    """Control, dotted path and question, where a control asks for one setting out of the rows of one question."""
    catalogue = Catalogue()
    found = []
    for control in read_baseline(catalogue.baseline_file("aws"), catalogue).controls:
        for term in (*control.terms, *control.when):
            facts = catalogue.check(term.check).facts
            if "key" in term.given and len(facts) == 1:
                found.append((control.id, str(term.given["key"]), facts[0].probe))
    return found


def test_every_setting_that_a_control_asks_for_exists() -> None:
    asked = settings_asked_for()
    assert len(asked) > 80
    assert [(control, key) for control, key, probe in asked if not _told(row_of(probe, []), key)] == []


def _told(row: Form, key: str) -> bool:
    """Whether a row, or one of its members (where the check goes into it by itself), has the path."""
    lost: list[str] = []
    form = row
    for word in key.split("."):
        form = _member(form, word, lost)
    if not lost:
        return True
    members = row.members.values() if isinstance(row, StructureShape) else ()
    return any(isinstance(one, StructureShape) and _told(one, key) for one in members)


@pytest.mark.parametrize(
    "told",
    [
        *("2026-01-30T00:00:00Z", "2026-01-30T10:11:12.123Z", "2026-01-30T10:11:12+02:00", "2026-01-30T10:11:12"),
        *("2026-01-30", "Fri, 30 Jan 2026 10:11:12 GMT", "20260130T101112Z", 1769767872, 1769767872.5, "1769767872"),
    ],
)
def test_a_date_is_read_as_boto_reads_it_in_whatever_form(told: Any) -> None:
    assert read_instant(told) == parse_timestamp(told)


@pytest.mark.parametrize("kind", ["service-2", "endpoint-rule-set-1", "paginators-1"])
def test_services_are_described_as_botocore_itself_finds_them(kind: str, tmp_path: Path) -> None:
    own = tmp_path / "of-our-own" / "2026-01-01"
    own.mkdir(parents=True)
    (own / "service-2.json").write_text('{"metadata": {}}')
    theirs = create_loader(str(tmp_path))
    for service in ("rds", "sts", "of-our-own", "nobody-knows"):
        if service in theirs.list_available_services(kind):
            told = descriptions(str(tmp_path)).load_service_model(service, kind)
            assert told == theirs.load_service_model(service, kind)
        else:
            with pytest.raises(UnknownServiceError):
                descriptions(str(tmp_path)).load_service_model(service, kind)
