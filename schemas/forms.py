"""A form that was filled in, held against what the catalogue says of its fields: what passes here, every office can rely on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from lxml import etree

from schemas.catalogue import FieldSpec, Service
from schemas.din91379 import misfit

_VALUES: Final[Callable[[etree._Element], Any]] = etree.XPath("inhalt/formular/feld/wert")


class Misfit(NamedTuple):
    """What does not fit, at which element; the value is for `--reveal` only."""

    detail: str
    element: etree._Element
    value: str | None = None


def filled_in(message: etree._Element) -> dict[str, list[etree._Element]]:
    """By the ids of fields their values that are not blank (elements `wert`)."""
    filled: dict[str, list[etree._Element]] = {}
    for wert in _VALUES(message):
        if (text := wert.text) and not text.isspace():
            filled.setdefault(wert.getparent().get("id", "").strip(), []).append(wert)
    return filled


def misfits(message: etree._Element, service: Service, *, whole: bool) -> Iterator[Misfit]:
    """What does not fit in the form of a message. Required fields have to be there where it is `whole`, as in an application.

    Services without fields in the catalogue take any form. A value may be blank; then the field counts as left out.
    """
    form = message.find("inhalt/formular") if service.fields else None
    if form is None:
        return
    uri = form.find("schemaUri")
    if uri is not None and (uri.text or "").strip() != service.form:
        yield Misfit(f"expected {service.form}", uri, uri.text)
        return
    filled = filled_in(message)
    for field_id, values in filled.items():
        spec = service.by_field_id.get(field_id)
        if spec is None:
            yield Misfit("this form has no such field", values[0], field_id)
        elif len(values) > 1 and not spec.many:
            yield Misfit(f"the field {field_id} has one value at most", values[1])
        else:
            yield from _among(values, spec)
    if whole and not service.required_ids <= filled.keys():
        yield Misfit(f"required and not filled: {', '.join(sorted(service.required_ids - filled.keys()))}", form)


def _among(values: list[etree._Element], spec: FieldSpec) -> Iterator[Misfit]:
    for wert in values:
        text = wert.text or ""
        if flaw := _flaw(text, spec):
            yield Misfit(f"{spec.id}: {flaw}", wert, text)


def _flaw(value: str, spec: FieldSpec) -> str:
    """What is wrong with a value; empty when nothing is."""
    if not spec.takes(value):
        return f"expected {_WANTED[spec.kind]}" + (f" {', '.join(spec.codes)}" if spec.codes else "")
    found = misfit(value, spec.datatype) if spec.datatype != "C" else None  # that every text has to fit, by a rule of its own
    return f"{found.code_points} ({found.group}) at position {found.position + 1} is not of datatype {spec.datatype}" if found else ""


_WANTED = {"date": "a date like 2026-04-01", "integer": "an integer in digits", "code": "one of", "text": "text"}
