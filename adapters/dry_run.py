"""Asks the translation of an office whether it takes a message, before the bus accepts it: without an adapter, whose settings and secrets nobody has
where submissions come in.

Asked is what needs no settings: a `mapping.yaml`, and a `translate` that is a static method. What another `translate` refuses becomes known when
the submission is delivered, and is a dead letter then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from inspect import getattr_static
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from lxml import etree

from adapters import registry
from adapters.interface import Document, Submission
from adapters.mapping import Mapping
from adapters.protocols.mapped import Mapped, mapping_of
from schemas.catalogue import Catalogue
from schemas.errors import Refused, UsageError
from schemas.examination import examine
from schemas.examination.examine import Refuses

_LONGEST_REASON: Final = 300

Translate = Callable[[Submission], Document]


def prepare(catalogue: Catalogue, schema_folder: Path | None) -> None:
    """As `examine.prepare`, with the translations of the offices of the catalogue. Loads modules and mappings; called once in each worker process.

    Raises:
        UsageError: settings-invalid, schema-set-broken, mapping-invalid.
    """
    examine.prepare(catalogue, schema_folder, refusing(catalogue.offices))


def refusing(offices: Iterable[str]) -> dict[str, Refuses]:
    """By office what its translation refuses, of those whose translation can be asked here.

    Raises:
        UsageError: mapping-invalid.
    """
    asked = {office: translation_of(office) for office in offices}
    return {office: partial(_refuses, office, translate) for office, translate in asked.items() if translate is not None}


def translation_of(office: str) -> Translate | None:
    """What translates for an office without settings; None where there is no adapter here, it cannot be loaded, or needs more.

    Raises:
        UsageError: mapping-invalid.
    """
    try:
        adapter: Any = registry.adapter_class(office)
    except UsageError:
        return None  # `run adapter` says what is wrong with it
    if isinstance(getattr_static(adapter, "translate"), staticmethod):
        translate: Translate = adapter.translate
        return translate
    if issubclass(adapter, Mapped) and adapter.translate is Mapped.translate:
        return Mapping.load(mapping_of(adapter)).document
    return None


def _refuses(office: str, translate: Translate, root: etree._Element, body: bytes, message_id: UUID, at: datetime) -> str | None:
    """Why this message has no form that the office takes, for good; None where it has one."""
    try:
        translate(Submission(message_id, message_id, office, at, body, root))
    except Refused as refused:
        return f"{office}: {refused.reason}"[:_LONGEST_REASON]
    except Exception:  # noqa: BLE001 - a mistake of the translation, which no portal can mend: a dead letter for who can
        return None
    return None
