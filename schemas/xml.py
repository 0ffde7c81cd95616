"""The one place that parses XML. Nothing else in the project may call a raw parser (ruff forbids it).

Steps: (1) size, (2) encoding, (3) parser that expands no entity and opens no file, (4) no DOCTYPE, (5) caps on elements,
depth and attributes. libxml2's error texts quote values of the message, which may be personal: only line, column and the name of
its rule leave this module.
"""

from __future__ import annotations

import re
from typing import Any, Final

from lxml import etree

from schemas import problems
from schemas.errors import Rejected

MAX_SIZE_BYTES: Final = 1_000_000
"""A record stays below 1 MiB with its headers."""
MAX_ELEMENTS: Final = 20_000
MAX_DEPTH: Final = 100
MAX_ATTRIBUTES: Final = 50
"""Attributes and namespace declarations of one element."""

_DECLARED_ENCODING = re.compile(rb"""^<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ENCODINGS: Final = (b"utf-8", b"utf8", b"us-ascii")
_BOM_UTF8 = b"\xef\xbb\xbf"


def parse(body: bytes, *, max_size_bytes: int = MAX_SIZE_BYTES) -> etree._Element:
    """The root element of a document from outside.

    Raises:
        Rejected: message-too-large, encoding-not-allowed, not-well-formed, doctype-forbidden or message-too-complex.
    """
    _check_size(body, max_size_bytes)  # 1
    _check_encoding(body)  # 2
    root = _parse(body)  # 3
    _check_doctype(root)  # 4
    _check_complexity(body, root)  # 5
    return root


def parse_declared(content: bytes, charset: str | None = None) -> etree._Element:
    """The root element of a document that a back office wrote, or that is written for one: read in the encoding that it declares.

    The rule of UTF-8 is one for portals, whose messages are read with `parse`. `charset` is that of a Content-Type, which counts more
    than what the document says (RFC 7303).

    Raises:
        ValueError: it cannot be read, with the code of the reason and never with anything of the document.
    """
    try:
        _check_size(content, MAX_SIZE_BYTES)
        root = _parse(content, charset)
        _check_doctype(root)
        _check_complexity(etree.tostring(root, encoding="UTF-8"), root)
    except Rejected as error:
        raise ValueError(error.problem.code) from None
    except LookupError:
        raise ValueError(problems.ENCODING.code) from None
    return root


def instructions(body: bytes) -> list[int]:
    """The lines of the processing instructions in a document that `parse` has taken; it leaves them out of what it returns."""
    root = etree.fromstring(body, _parser(remove_pis=False))
    found: Any = root.getroottree().xpath("//processing-instruction()")
    return [one.sourceline or 1 for one in found]


def _check_size(body: bytes, limit: int) -> None:
    if len(body) > limit:
        raise Rejected(problems.TOO_LARGE, f"{len(body)} bytes; the limit is {limit}")


def _check_encoding(body: bytes) -> None:
    """UTF-8 only (XInneres S001): UTF-7, UTF-16 and Latin-1 declarations are refused before a parser sees them."""
    if b"\0" in body[:2]:  # libxml2 recognises UTF-16 and UTF-32 by these, and ASCII in them is UTF-8 too
        raise Rejected(problems.ENCODING, "the message begins like UTF-16 or UTF-32")
    if (declared := _DECLARED_ENCODING.match(body.removeprefix(_BOM_UTF8))) and declared[1].lower() not in _ENCODINGS:
        raise Rejected(problems.ENCODING, "the XML declaration names another encoding")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(problems.ENCODING, f"the byte at position {error.start} is not UTF-8") from None


def _parse(body: bytes, charset: str | None = None) -> etree._Element:
    parser = _parser(charset)
    try:
        return etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise Rejected(problems.NOT_WELL_FORMED, _syntax_rule(parser), where=f"line {line}, column {column}") from None


def _parser(charset: str | None = None, *, remove_pis: bool = True) -> etree.XMLParser:
    """One per call: they are cheap and must not be shared between threads.

    `collect_ids` stays untouched: switching it off makes lxml open external DTD files.
    """
    return etree.XMLParser(
        encoding=charset,
        resolve_entities="internal",  # type: ignore[arg-type] # the stubs know only bool
        no_network=True,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=remove_pis,
    )


def _syntax_rule(parser: etree.XMLParser) -> str:
    last = parser.error_log.last_error
    return f"libxml2 rule {last.type_name}" if last is not None else "the document is empty"


def _check_doctype(root: etree._Element) -> None:
    if root.getroottree().docinfo.doctype:  # type: ignore[attr-defined] # the stubs lack it
        raise Rejected(problems.DOCTYPE)


def _check_complexity(body: bytes, root: etree._Element) -> None:
    """Most messages are far from any limit, which shows without a look at each element: one with others in it needs two `<`, one
    alone needs one, and an attribute or namespace a `=`.
    """
    marks = body.count(b"<")
    if marks <= 2 * MAX_DEPTH and body.count(b"=") <= MAX_ATTRIBUTES:
        return
    if marks > MAX_ELEMENTS or body.count(b"xmlns") > MAX_ATTRIBUTES or _WIDE_OR_DEEP(root):
        _find_excess(root)


_WIDE_OR_DEEP: Final = etree.XPath(f"//*[@*[{MAX_ATTRIBUTES + 1}]] or {'/*' * (MAX_DEPTH + 1)}")


def _find_excess(root: etree._Element) -> None:
    elements = depth = declared = 0
    for event, element in etree.iterwalk(root, events=("start-ns", "start", "end")):
        if event == "start-ns":  # counted one by one: `nsmap` walks to the root for each element
            declared += 1
            continue
        if event == "end":
            depth -= 1
            continue
        elements += 1
        depth += 1
        if elements > MAX_ELEMENTS:
            raise Rejected(problems.TOO_COMPLEX, f"more than {MAX_ELEMENTS} elements")
        if depth > MAX_DEPTH:
            raise Rejected(problems.TOO_COMPLEX, f"nested deeper than {MAX_DEPTH}")
        if len(element.attrib) > MAX_ATTRIBUTES or declared > MAX_ATTRIBUTES:
            raise Rejected(problems.TOO_COMPLEX, f"an element with more than {MAX_ATTRIBUTES} attributes or namespaces")
        declared = 0
