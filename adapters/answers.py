"""What a back office answered, read as it declares it. Portals keep to the bus's rules, back offices to their own; both may be hostile.

1. part     of a multipart answer the root (RFC 2387): so services with MTOM answer, even where nothing is attached
2. text     by byte order mark or zero bytes, else by the charset of the content type, else by the XML declaration, else as UTF-8
            (RFC 7303, 3); where that cannot be read, by the next of these. What is none of them gets U+FFFD for each strange byte, which
            no reference may have (`adapters.interface.Delivered`): an umlaut in a field that nobody reads does no harm
3. content  XML without DOCTYPE, under the limits of `schemas.xml`; or JSON. Its first character tells, not its content type. XML is
            parsed in a process of its own (`adapters.xml_answers`)
"""

from __future__ import annotations

import base64
import codecs
import json
import quopri
import re
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from email.parser import HeaderParser
from typing import Final

from lxml import etree

from schemas import xml
from schemas.errors import Rejected

_BLANK: Final = "\ufeff\0 \t\r\n"
_BEGINNING: Final = re.compile(r"<[^!?/<>\s]")
_DECLARATION: Final = re.compile(r"<\?xml\s[^>]*\?>")
_DECLARED: Final = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"']+)["']""")
_DECLARED_WITHIN_BYTES: Final = 1000
_LABEL: Final = re.compile(r"[A-Za-z0-9._:-]{1,30}")
_CHARACTER_SETS: Final = re.compile(r"ascii|utf-8|iso8859-\d+|cp\d+")
"""As Python names them. It knows others that are no character sets, such as `unicode_escape`, and some that are read slowly. UTF-16 and
UTF-32 show in the bytes; what only says so, as writers of .NET do of a text that is sent in UTF-8, is something else.
"""
_MOST_PARTS: Final = 100
_LONGEST_CONTENT_TYPE: Final = 1000
_LONGEST_HEAD_BYTES: Final = 8 * 1024
"""The library's time for parameters of a header grows with the square of their length."""
_MOST_BYTES_PER_BYTE: Final = 3
"""What a byte of another character set takes in UTF-8."""
_TRANSFER_ENCODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {"base64": base64.b64decode, "quoted-printable": quopri.decodestring}


class Unreadable(ValueError):
    """Raised where an answer cannot be read; the text says what it is not, and quotes nothing of it."""


class Foreign(Unreadable):
    """Raised where an answer can be read, but is a page for people or another protocol, so it is not the back office's."""


def text(content: bytes, content_type: str = "") -> str:
    """The text of an answer, without what is blank at its ends.

    Raises:
        Unreadable: it says that it has parts, and has none.
    """
    return _read(content, content_type)[0]


def element(content: bytes, content_type: str = "") -> etree._Element:
    """The root element of an answer in XML, parsed in this process: for twins and tests, which hold no logins.

    Raises:
        Unreadable: it is not XML, or a page for people, or asks too much of its reader.
    """
    try:
        root = parsed(undeclared(text(content, content_type)))
    except Rejected as error:
        raise Unreadable(f"not XML that may be read: {error.problem.code}") from None
    require_no_page(etree.QName(root).localname)
    return root


def written(content: bytes, content_type: str = "") -> tuple[str, str]:
    """The element that a document of ours in XML is, and its character set. Other than an answer it has to be read to its last letter.

    It is not parsed: it was made of what a stranger wrote, in a process that this one must not trust (docs/decisions/0027).

    Raises:
        Unreadable: it does not begin as an element does, or is not in its character set.
    """
    said, charset = _read(content, content_type)
    if charset is None:
        raise Unreadable("not in its character set")
    element_alone = _without_declaration(said).strip(_BLANK)
    if not _BEGINNING.match(element_alone):
        raise Unreadable("not XML that begins with an element")
    return element_alone, charset.removesuffix("-sig")


def undeclared(said: str) -> bytes:
    """XML in UTF-8: what its declaration says holds no more."""
    return _without_declaration(said).encode()


def parsed(undeclared: bytes) -> etree._Element:
    """The root element.

    Raises:
        Rejected: it is not XML that may be read.
    """
    return xml.parse(undeclared, max_size_bytes=_MOST_BYTES_PER_BYTE * xml.MAX_SIZE_BYTES)


def require_no_page(name: str) -> None:
    """Pass if a root element of this local name can be the back office's.

    Raises:
        Foreign: it is that of a page for people.
    """
    if name.lower() == "html":
        raise Foreign("a page for people")


def _read(content: bytes, content_type: str) -> tuple[str, str | None]:
    """Text, and the character set in which it could be read."""
    content, content_type = _root_part(content, content_type)
    for charset in _charsets(content, content_type):
        try:
            return content.decode(charset).strip(_BLANK), charset
        except UnicodeDecodeError:
            continue
    return content.decode("utf-8", "replace").strip(_BLANK), None


def _without_declaration(said: str) -> str:
    declaration = _DECLARATION.match(said)
    return said[declaration.end() if declaration else 0 :]


def _charsets(content: bytes, content_type: str) -> Iterator[str]:
    """Those that may be meant, the strongest sign first."""
    by_bytes = json.detect_encoding(content)  # for XML as for JSON: both begin with a character of ASCII
    if by_bytes != "utf-8":
        yield by_bytes
    declared = _DECLARED.match(content[:_DECLARED_WITHIN_BYTES])
    for label in (_header(content_type).get_content_charset(), declared and declared[1].decode("ascii", "replace")):
        if label and _is_known(label):
            yield label
    yield "utf-8"


def _is_known(label: str) -> bool:
    if not _LABEL.fullmatch(label):
        return False
    try:
        return _CHARACTER_SETS.fullmatch(codecs.lookup(label).name) is not None
    except LookupError:
        return False


def _root_part(content: bytes, content_type: str) -> tuple[bytes, str]:
    """The part that `start` names, else the first, and its own content type; an answer in one piece as it is."""
    header = _header(content_type)
    boundary = header.get_boundary()
    if header.get_content_maintype() != "multipart" or boundary is None:
        return content, content_type
    delimiter = rb"(?:\A|\r?\n)--" + re.escape(boundary.encode("ascii", "replace")) + rb"(?:--)?[ \t]*(?=\r?\n|\Z)"
    pieces = [re.split(rb"\r?\n\r?\n", piece, maxsplit=1) for piece in re.split(delimiter, content, maxsplit=_MOST_PARTS)[1:]]
    parts = [
        (HeaderParser().parsestr(piece[0].decode("latin-1").lstrip()), piece[1])
        for piece in pieces
        if len(piece) > 1 and len(piece[0]) <= _LONGEST_HEAD_BYTES
    ]
    if not parts:
        raise Unreadable("multipart without a part")
    start = _content_id(str(header.get_param("start", "")))
    head, body = next((part for part in parts if start and _content_id(part[0].get("Content-ID", "")) == start), parts[0])
    return _decoded(body, head.get("Content-Transfer-Encoding", "")), head.get("Content-Type", "")


def _content_id(text: str) -> str:
    """Some write it with angle brackets in one place and without in the other."""
    return text.strip().strip("<>")


def _decoded(body: bytes, transfer_encoding: str) -> bytes:
    decode = _TRANSFER_ENCODINGS.get(transfer_encoding.strip().lower())
    try:
        return body if decode is None else decode(body)
    except ValueError:
        raise Unreadable("a part that is not encoded as it says") from None


def _header(content_type: str) -> Message:
    header = Message()
    header["Content-Type"] = content_type[:_LONGEST_CONTENT_TYPE] or "application/octet-stream"
    return header
