"""Forms against the catalogue: what does not fit is found at its place, and what fits passes."""

from __future__ import annotations

import pytest
from lxml import etree

from schemas.catalogue import FieldSpec, Service
from schemas.examination import forms

FORM = "https://stadtbus.example/forms/park/1.0"
SERVICE = Service(
    id="park",
    name="Parken",
    leika=("99000000000001",),
    form=FORM,
    fields=(
        FieldSpec(id="F00000001", name="Tag", kind="date", example="2026-04-01"),
        FieldSpec(id="F00000002", name="Zahl", kind="integer", required=False, example="3"),
        FieldSpec(id="F00000003", name="Art", kind="code", codes=("lang", "kurz"), required=False, many=True, example=("lang",)),
        FieldSpec(id="F00000004", name="Halter", required=False, example="Schön", datatype="A"),
    ),
)


def form(fields: str, uri: str = FORM) -> etree._Element:
    """A message whose form has these fields, written as `F00000001=value F00000002=value;value`."""
    message = etree.Element("message")
    root = etree.SubElement(etree.SubElement(message, "inhalt"), "formular")
    etree.SubElement(root, "schemaUri").text = uri
    for field in fields.split():
        field_id, _, values = field.partition("=")
        element = etree.SubElement(root, "feld", id=field_id)
        for value in values.split(";"):
            etree.SubElement(element, "wert").text = value
    return message


@pytest.mark.parametrize(
    "fields",
    [
        "F00000001=2026-04-01",
        "F00000001=2026-04-01 F00000002=3 F00000003=lang;kurz F00000004=Łukasz",
        "F00000001=2026-04-01 F00000002= F00000004=",
        "F00000003=kurz F00000003=lang F00000001=2026-04-01",
    ],
)
def test_form_that_fits(fields: str) -> None:
    """Required fields are there, every value is of its kind, and a field that may be left out may be empty."""
    assert list(forms.breaches(form(fields), SERVICE, whole=True)) == []


@pytest.mark.parametrize(
    ("fields", "detail", "tag", "value"),
    [
        pytest.param("F00000002=3", "required and not filled: F00000001", "formular", None, id="missing"),
        pytest.param("F00000001=", "required and not filled: F00000001", "formular", None, id="empty"),
        pytest.param("F00000001=bald", "F00000001: expected a date like 2026-04-01", "wert", "bald", id="no date"),
        pytest.param("F00000001=2026-02-30", "F00000001: expected a date like 2026-04-01", "wert", "2026-02-30", id="no such day"),
        pytest.param("F00000001=2026-04-01 F00000002=03", "F00000002: expected an integer in digits", "wert", "03", id="number"),
        pytest.param("F00000001=2026-04-01 F00000003=lang;mittel", "F00000003: expected one of lang, kurz", "wert", "mittel", id="code"),
        pytest.param(
            "F00000001=2026-04-01 F00000004=Ab(c",
            "F00000004: U+0028 (bnl) at position 3 is not of datatype A",
            "wert",
            "Ab(c",
            id="datatype",
        ),
        pytest.param("F00000001=2026-04-01 F00000009=x", "this form has no field F00000009", "wert", "F00000009", id="unknown field"),
        pytest.param("F00000001=2026-04-01;2026-04-02", "the field F00000001 has one value at most", "wert", None, id="two values"),
        pytest.param("F00000001=2026-04-01 F00000001=2026-04-02", "the field F00000001 has one value at most", "wert", None, id="twice"),
    ],
)
def test_form_that_does_not_fit(fields: str, detail: str, tag: str, value: str | None) -> None:
    """The one thing that does not fit is told with its field, at its element; its value stands apart."""
    (found,) = forms.breaches(form(fields), SERVICE, whole=True)
    assert (found.detail, found.element.tag, found.value) == (detail, tag, value)


def test_form_of_another_service() -> None:
    """The form is another one: then its fields are not looked at."""
    (found,) = forms.breaches(form("F00000009=x", "https://stadtbus.example/forms/other/1.0"), SERVICE, whole=True)
    assert (found.detail, found.element.tag) == (f"expected {FORM}", "schemaUri")


def test_part_of_a_form() -> None:
    """An amendment has only what changes."""
    assert list(forms.breaches(form("F00000002=4"), SERVICE, whole=False)) == []


def test_service_without_fields() -> None:
    """Where the catalogue says nothing of a form, it takes any."""
    bare = SERVICE.model_copy(update={"fields": ()})
    assert list(forms.breaches(form("F00000009=x", "urn:any"), bare, whole=True)) == []
