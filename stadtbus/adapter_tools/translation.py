"""What goes into a translation, and what comes out: a message from a file, the mapping of an office, and a document as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from lxml import etree

from adapters.conformance import bench
from adapters.conformance.read import charset_of
from adapters.interface import Document, Submission
from adapters.mapping import Mapping
from adapters.protocols import mapped
from schemas import problems, xml
from schemas.errors import UsageError
from schemas.message.header import read_header

_CASE: Final = "antragsidentifikation"


def submission_from(file: Path, office: str) -> Submission:
    """The message of a file as an adapter gets it: with its own ids, and new ones where it has none, as genuine messages have no case.

    Raises:
        UsageError: file-unreadable.
        Rejected: the file holds no message.
    """
    try:
        body = file.read_bytes()
    except OSError as error:
        raise UsageError(problems.FILE_UNREADABLE, error.strerror or "", where=str(file)) from None
    root = xml.parse(body)
    head = read_header(root)
    message_id = _id(head.message_id if head else "") or uuid4()
    return bench.as_submission(office, body, message_id, _id(root.findtext(_CASE, "")) or message_id)


def _id(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def mapping_of(office: str) -> Mapping:
    """The mapping of an office.

    Raises:
        UsageError: office-unknown, mapping-missing where its adapter has none, or one that cannot be loaded.
    """
    path = mapped.page_of(office)
    if path is None:
        raise UsageError(problems.MAPPING_MISSING, "its adapter translates by itself, or not at all", where=office)
    return Mapping.load(path)


def readable(document: Document) -> str:
    """The document as text that people can read: XML and JSON with a line per value; as it is where it is not what it says."""
    charset = charset_of(document.content_type)
    try:
        if "xml" in document.content_type:
            return etree.tostring(xml.parse_declared(document.content, charset), pretty_print=True, encoding="unicode")
        text = document.content.decode(charset)
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2) if "json" in document.content_type else text
    except (ValueError, LookupError):
        return document.content.decode("utf-8", "backslashreplace")
