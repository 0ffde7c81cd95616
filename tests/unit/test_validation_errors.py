"""What is wrong with a page is told in our words, whichever page and whatever is wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from adapters.mapping.page import Spec
from consumers.settings import DeliverySettings
from schemas import validation_errors
from schemas.catalogue import Account, City, Service
from schemas.errors import UsageError
from stadtbus import settings
from stadtbus.settings import Settings

LIBRARY = re.compile(
    r"Input|should|valid (string|integer|number|boolean|list|dict|tuple)|permitted|Extra|Field required|discriminator|Value error|"
    r"pydantic|constrained|instance|\bitems? after|tag 'format'|Unable|union|\bstr\b|\bint\b|\bbool\b"
)
TARGET = "target: {format: json}\n"


def told(model: type[BaseModel], text: str) -> list[str]:
    """What is told of a page."""
    try:
        model.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        return [str(one) for one in validation_errors.sentences(error, model)]
    return []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"{TARGET}document: {{x: {{value: a, requried: true}}}}",
            ["document.x.requried: unknown key 'requried'; did you mean 'required'?"],
        ),
        (f"{TARGET}document: {{name: {{vlaue: a}}}}", ["document.name.vlaue: unknown key 'vlaue'; did you mean 'value'?"]),
        (f"{TARGET}dokument: {{x: {{value: a}}}}", ["document: is missing", "dokument: unknown key 'dokument'; did you mean 'document'?"]),
        (f"{TARGET}document: {{x: {{value: 5}}}}", ["document.x.value: expected a text, found a number: write it in quotes"]),
        (f"{TARGET}document: {{x: {{default: no}}}}", ["document.x.default: expected a text, found true or false: write it in quotes"]),
        (f"{TARGET}document: {{x: {{default: 2026-04-01}}}}", ["document.x.default: expected a text, found a date: write it in quotes"]),
        (f"{TARGET}document: {{x: {{value: [a]}}}}", ["document.x.value: expected a text, found a list"]),
        (f"{TARGET}document: {{x: [a]}}", ["document.x: expected keys with values below it, found a list"]),
        (f"{TARGET}document: {{x: {{fields: a}}}}", ["document.x.fields: expected keys with values below it, found a text"]),
        (
            f"{TARGET}document: {{x: {{fields: {{y: {{widht: 3}}}}}}}}",
            ["document.x.fields.y.widht: unknown key 'widht'; did you mean 'width'?"],
        ),
        (f"{TARGET}document: {{x: {{value: ''}}}}", ["document.x.value: is shorter than 1 characters"]),
        (f"{TARGET}document: {{x: {{value: a, required: [a]}}}}", ["document.x.required: expected true or false or a text, found a list"]),
        (
            f"{TARGET}document: {{x: {{value: a, align: lefft}}}}",
            ["document.x.align: expected one of 'left', 'right'; did you mean 'left'?"],
        ),
        (f"{TARGET}document: {{x: {{value: a, width: 0}}}}", ["document.x.width: has to be at least 1"]),
        (f"{TARGET}document: {{x: {{value: a, width: wide}}}}", ["document.x.width: expected a whole number, found a text"]),
        (f"{TARGET}document: {{x: {{value: a, each: b}}}}", ["document.x: 'each' and 'at' need 'fields' below them"]),
        (
            f"{TARGET}codes: {{t: {{1: a}}}}\ndocument: {{x: {{value: a}}}}",
            ["codes.t.1: expected a text, found a number: write it in quotes"],
        ),
        (
            f"{TARGET}codes: {{t: {{a: 000}}}}\ndocument: {{x: {{value: a}}}}",
            ["codes.t.a: expected a text, found a number: write it in quotes"],
        ),
        (f"{TARGET}document: {{}}", ["document: has fewer than 1 entries"]),
        (
            "target: {format: yaml}\ndocument: {x: {value: a}}",
            ["target: 'format' is not known; it is one of 'xml', 'json', 'csv', 'fixed'"],
        ),
        ("target: {format: cvs}\ndocument: {x: {value: a}}", ["did you mean 'csv'?"]),
        (
            "target: {encoding: UTF-8}\ndocument: {x: {value: a}}",
            ["target: 'format' is missing; it is one of 'xml', 'json', 'csv', 'fixed'"],
        ),
        (
            "target: {format: csv, seperator: ';'}\ndocument: {x: {value: a}}",
            ["target.seperator: unknown key 'seperator'; did you mean 'separator'?"],
        ),
        (
            "target: {format: csv, separator: ';;'}\ndocument: {x: {value: a}}",
            ["target.separator: expected one character, and no quote or line end"],
        ),
        ("target: {format: csv, encoding: klingon}\ndocument: {x: {value: a}}", ["target: there is no encoding 'klingon'"]),
        ("target: {format: json}\nmessages: [x]\ndocument: {x: {value: a}}", ["messages.0: expected one of 'einreichung.antrag.0100'"]),
        ("[]", ["expected keys with values below it, found a list"]),
    ],
)
def test_mappings(text: str, expected: list[str]) -> None:
    """Typing mistakes in a mapping are told by place, with what was meant or what is expected."""
    found = told(Spec, text)
    assert len(found) == len(expected)
    assert [one for one, said in zip(found, expected, strict=True) if said not in one] == []


@pytest.mark.parametrize(
    ("model", "text", "expected"),
    [
        (City, "{city: X, name: 1, ags: 09362000, ars: '1', promised: x, offices: []}", "name: expected a text, found a number"),
        (
            City,
            "{city: x1, name: n, ags: '09362000', ars: '093620000000', ofices: []}",
            "ofices: unknown key 'ofices'; did you mean 'offices'?",
        ),
        (Account, "{id: bund, name: B, levels: [five]}", "levels.0: expected a whole number, found a text"),
        (Service, "{id: a1, name: n, leika: ['1'], form: f}", "leika.0: expected a LeiKa key: 14 digits in quotes, 99 first"),
        (
            Service,
            "{id: a1, name: n, leika: ['99115005104000'], form: f, fields: [{id: F1, example: x, name: ''}]}",
            "fields.0.id: expected the id",
        ),
        (DeliverySettings, "{delayed_retries: lots}", "delayed_retries: expected a whole number, found a text"),
    ],
)
def test_other_pages(model: type[BaseModel], text: str, expected: str) -> None:
    """Pages of the catalogue and settings are told in the same words."""
    found = told(model, text)
    assert any(one.startswith(expected) for one in found), found
    assert not any(map(LIBRARY.search, found))


def _models(annotation: Any, seen: set[Any]) -> set[Any]:
    for part in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(part, type) and issubclass(part, BaseModel) and part not in seen:
            seen.add(part)
            for field in part.model_fields.values():
                _models(field.annotation, seen)
        elif part is not annotation:
            _models(part, seen)
    return seen


MODELS = sorted({one for model in (Spec, City, Service, Account, Settings) for one in _models(model, set())}, key=lambda one: one.__name__)
WRONG: list[Any] = [None, True, 0, -1, 10**30, 1.5, float("inf"), "", " ", "x", "x" * 5000, [], ["x"], [None], {}, {"x": None}, {1: 2}]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_word_of_a_library(model: type[BaseModel]) -> None:
    """Whatever stands where something else belongs, in whichever key: no sentence is the library's, and no value is repeated."""
    for value in WRONG:
        if model is Settings and value == {1: 2}:  # its keys are arguments
            continue
        pages = [value, *({name: value} for name in model.model_fields), *({name: {"nmae": value}} for name in model.model_fields)]
        for page in pages:
            try:
                model.model_validate(page)
            except ValidationError as error:
                found = [str(one) for one in validation_errors.sentences(error, model)]
                assert found
                assert not any(map(LIBRARY.search, found)), (page, found)
                assert not any("x" * 50 in one for one in found)


def test_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt key of the settings is told with what was meant."""
    page = tmp_path / "stadtbus.yaml"
    page.write_text("delivery: {delayed_retires: 3}\n", encoding="utf-8")
    monkeypatch.setenv("STADTBUS_CONFIG", str(page))
    with pytest.raises(UsageError) as caught:
        settings.load()
    assert caught.value.detail == "delivery.delayed_retires: unknown key 'delayed_retires'; did you mean 'delayed_retries'?"
    assert caught.value.where == f"{page}, line 1"
    for text, line in (
        ("kafka: {}\ndelivery:\n  delayed_retries: four\n", 3),
        ("kafka: {}\n\nlogs: {}\nkafka: {}\n", 4),
        ("a: [\n\nb: }", 3),
    ):
        page.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError) as caught:
            settings.load()
        assert caught.value.where == f"{page}, line {line}"
    for text in ("password: *Kanarienvogel\n", "password: !Kanarienvogel x\n", "password: %Kanarienvogel\n"):
        page.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError) as caught:
            settings.load()
        assert "Kanarienvogel" not in caught.value.diagnostics()
    monkeypatch.setenv("STADTBUS_DELIVERY__DELAYED_RETRIES", "four")
    page.write_text("delivery: {delayed_retries: 4}\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        settings.load()
    assert caught.value.where == "environment, STADTBUS_DELIVERY__DELAYED_RETRIES"
    monkeypatch.delenv("STADTBUS_DELIVERY__DELAYED_RETRIES")
    for text in ("1: 2\n", "[a]\n"):
        page.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match="settings-invalid"):
            settings.load()
