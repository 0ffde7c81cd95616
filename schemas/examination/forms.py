"""The form in a message, held against the fields that the service has in the catalogue. Adapters rely on what passes here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from lxml import etree

from schemas.catalogue import FieldSpec, Service
from schemas.din91379 import first_disallowed
from schemas.findings import Breach

_VALUES: Final[Callable[[etree._Element], Any]] = etree.XPath("inhalt/formular/feld/wert")
_FIELD_ID: Final = re.compile(r"[A-Z][0-9]{8,11}")
"""The form of a field's id. Another text in its place may be personal, so it is not quoted."""


def filled_in(message: etree._Element) -> dict[str, list[etree._Element]]:
    """By the ids of fields their values that are not blank (elements `wert`)."""
    filled: dict[str, list[etree._Element]] = {}
    for wert in _VALUES(message):
        if (text := wert.text) and not text.isspace():
            filled.setdefault(wert.getparent().get("id", "").strip(), []).append(wert)
    return filled


def breaches(message: etree._Element, service: Service, *, whole: bool) -> Iterator[Breach]:
    """What does not fit in the form of a message. Required fields have to be there where it is `whole`, as in an application.

    Services without fields in the catalogue take any form. A value may be blank; then the field counts as left out.
    """
    form = message.find("inhalt/formular") if service.fields else None
    if form is None:
        return
    uri = form.find("schemaUri")
    if uri is not None and (uri.text or "").strip() != service.form:
        yield Breach(f"expected {service.form}", uri, value=uri.text)
        return
    filled = filled_in(message)
    for field_id, values in filled.items():
        spec = service.by_field_id.get(field_id)
        if spec is None:
            shown = field_id if _FIELD_ID.fullmatch(field_id) else "of this id"
            yield Breach(f"this form has no field {shown}", values[0], value=field_id)
        elif len(values) > 1 and not spec.many:
            yield Breach(f"the field {field_id} has one value at most", values[1])
        else:
            yield from _among(values, spec)
    if whole and not service.required_ids <= filled.keys():
        yield Breach(f"required and not filled: {', '.join(sorted(service.required_ids - filled.keys()))}", form)


def _among(values: list[etree._Element], spec: FieldSpec) -> Iterator[Breach]:
    for wert in values:
        text = wert.text or ""
        if wrong := _wrong_with(text, spec):
            yield Breach(f"{spec.id}: {wrong}", wert, value=text)


def _wrong_with(value: str, spec: FieldSpec) -> str:
    """What is wrong with a value, in words; empty when nothing is."""
    if not spec.takes(value):
        return f"expected {_WANTED[spec.kind]}" + (f" {', '.join(spec.codes)}" if spec.codes else "")
    found = first_disallowed(value, spec.datatype) if spec.datatype != "C" else None  # that every text has to fit, by a rule of its own
    return found.told(spec.datatype) if found else ""


_WANTED = {"date": "a date like 2026-04-01", "integer": "an integer in digits", "code": "one of"}
