"""What a message asks its reader to load: XInclude, schema locations, xml:base, processing instructions.

The bus follows none of it. But the message reaches the back office byte for byte, and what reads it there may be less careful.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lxml import etree

from schemas import xml
from schemas.examination.rules.subject import Subject
from schemas.examination.rules.xpaths import Select
from schemas.findings import Breach

_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_LOCATIONS: Final = (f"{_XSI}schemaLocation", f"{_XSI}noNamespaceSchemaLocation")
_BASE: Final = "{http://www.w3.org/XML/1998/namespace}base"
_SIGNS: Final = (b"chemaLocation", b"XInclude", b"xml:base")
_LOCAL: Final = re.compile(r"(?:\./|\.\./)*[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
"""A file beside the message or near it, as published messages of XÖV name their schemas: no address, no root, no drive."""
_INCLUDED: Final[Select] = etree.XPath("//*[starts-with(namespace-uri(), 'http://www.w3.org/') and contains(namespace-uri(), '/XInclude')]")
_POINTING: Final[Select] = etree.XPath(
    "//*[@xml:base or @xsi:schemaLocation or @xsi:noNamespaceSchemaLocation]", namespaces={"xsi": _XSI.strip("{}")}
)


def points_nowhere(subject: Subject) -> bool:
    """True: the message surely asks for nothing; told from its bytes. Namespaces may be written with references, so any of those says nothing."""
    body = subject.body
    return (
        body.count(b"<?") == body.startswith((b"<?xml ", b"\xef\xbb\xbf<?xml "))
        and b"&#" not in body
        and not any(one in body for one in _SIGNS)
    )


def pointers(subject: Subject) -> Iterator[Breach]:
    """Everything that a reader could load something by."""
    for line in xml.instructions(subject.body):
        yield Breach(f"a processing instruction, in line {line}", subject.root)
    for element in _INCLUDED(subject.root):
        yield Breach("an element of XInclude", element)
    for element in _POINTING(subject.root):
        if element.get(_BASE) is not None:
            yield Breach("xml:base", element)
        if any(not _LOCAL.fullmatch(place) for name in _LOCATIONS for place in _places(element, name)):
            yield Breach("xsi:schemaLocation with another place than a file beside the message", element)


def _places(element: etree._Element, name: str) -> list[str]:
    """The places in a schema location: every second word, or all where there is no namespace beside them."""
    words = (element.get(name) or "").split()
    return words[1::2] if name == _LOCATIONS[0] else words
