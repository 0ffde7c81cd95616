"""Bad inputs by their row of the reference (I1 to I20), for tests and as first seeds of the fuzzers. The rows are listed in test_bad_inputs."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator, Mapping
from typing import Final

from schemas import message, problems, xml
from schemas.problems import Problem
from tests import builders

VALID: Final = message.write(builders.application())
BOM: Final = b"\xef\xbb\xbf"


def document(dtd: str, text: str = "") -> bytes:
    """A small document with a DOCTYPE."""
    return f"<!DOCTYPE a {dtd}><a>{text}</a>".encode()


def declared(encoding: str, text: str = "x", padding: str = " ") -> str:
    """A small document that declares an encoding."""
    return f'<?xml version="1.0"{padding}encoding="{encoding}"?><a>{text}</a>'


def nested(depth: int) -> bytes:
    """Elements in elements."""
    return b"<a>" * depth + b"</a>" * depth


def attributes(template: str, count: int) -> bytes:
    """One element with many attributes."""
    return f"<a {' '.join(template.format(number) for number in range(count))}/>".encode()


def zipped(body: bytes) -> bytes:
    """A zip archive with one member."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("message.xml", body)
    return archive.getvalue()


_LAUGHS = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))

REFUSED: Final[Mapping[str, Mapping[str, tuple[bytes, Problem]]]] = {
    "I1": {
        "billion laughs": (document(f'[<!ENTITY l0 "lol">{_LAUGHS}]', "&l9;"), problems.NOT_WELL_FORMED),
        "quadratic blow-up": (document(f'[<!ENTITY x "{"x" * 50_000}">]', "&x;" * 50_000), problems.NOT_WELL_FORMED),
        "blow-up in an attribute": (
            b'<!DOCTYPE a [<!ENTITY x "' + b"x" * 50_000 + b'">]><a b="' + b"&x;" * 50_000 + b'"/>',
            problems.NOT_WELL_FORMED,
        ),
        "recursion": (document('[<!ENTITY x "&y;"><!ENTITY y "&x;">]', "&x;"), problems.NOT_WELL_FORMED),
    },
    "I2": {
        "external entity": (document('[<!ENTITY x SYSTEM "file:///etc/passwd">]', "&x;"), problems.NOT_WELL_FORMED),
        "external entity, unused": (document('[<!ENTITY x SYSTEM "file:///etc/passwd">]'), problems.DOCTYPE),
    },
    "I3": {
        "external DTD": (document('SYSTEM "file:///etc/passwd"'), problems.DOCTYPE),
        "external DTD by name": (document('PUBLIC "-//A//B" "http://127.0.0.1:1/a.dtd"'), problems.DOCTYPE),
        "parameter entity": (document('[<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]'), problems.NOT_WELL_FORMED),
        "harmless entity": (document('[<!ENTITY x "y">]', "&x;"), problems.DOCTYPE),
        "bare DOCTYPE": (document(""), problems.DOCTYPE),
    },
    "I4": {
        "one level too deep": (nested(xml.MAX_DEPTH + 1), problems.TOO_COMPLEX),
        "depth 300": (nested(300), problems.NOT_WELL_FORMED),
        "depth 100,000": (nested(100_000), problems.NOT_WELL_FORMED),
    },
    "I5": {
        "one byte too large": (b"<a>" + b"x" * (xml.MAX_SIZE_BYTES - 6) + b"</a>", problems.TOO_LARGE),
        "text of 11 MB": (b"<a>" + b"x" * 11_000_000 + b"</a>", problems.TOO_LARGE),
        "attribute of 11 MB": (b'<a b="' + b"x" * 11_000_000 + b'"/>', problems.TOO_LARGE),
    },
    "I6": {
        "one element too many": (b"<a>" + b"<b/>" * xml.MAX_ELEMENTS + b"</a>", problems.TOO_COMPLEX),
        "as many elements as bytes allow": (b"<a>" + b"<b/>" * ((xml.MAX_SIZE_BYTES - 7) // 4) + b"</a>", problems.TOO_COMPLEX),
        "2 million elements": (b"<a>" + b"<b/>" * 2_000_000 + b"</a>", problems.TOO_LARGE),
    },
    "I7": {
        "one attribute too many": (attributes('n{}=""', xml.MAX_ATTRIBUTES + 1), problems.TOO_COMPLEX),
        "one namespace too many": (attributes('xmlns:n{}="n"', xml.MAX_ATTRIBUTES + 1), problems.TOO_COMPLEX),
        "90,000 attributes": (attributes('n{}=""', 90_000), problems.TOO_COMPLEX),
        "50,000 namespaces": (attributes('xmlns:n{}="n"', 50_000), problems.TOO_COMPLEX),
        "200,000 attributes": (attributes('n{}=""', 200_000), problems.TOO_LARGE),
    },
    "I8": {
        "Latin-1 bytes": ("<a>Müller</a>".encode("latin-1"), problems.ENCODING),
        "Latin-1 bytes declared UTF-8": (declared("UTF-8", "Müller").encode("latin-1"), problems.ENCODING),
        "truncated": (VALID[:-20], problems.NOT_WELL_FORMED),
        "two roots": (b"<a/><a/>", problems.NOT_WELL_FORMED),
    },
    "I9": {
        "Latin-1 declared": (declared("ISO-8859-1").encode(), problems.ENCODING),
        "UTF-7": (declared("UTF-7", "+AGE-").encode(), problems.ENCODING),
        "UTF-7 after many blanks": (declared("UTF-7", "+AGE-", " " * 500).encode(), problems.ENCODING),
        "UTF-7 after a BOM": (BOM + declared("UTF-7", "+AGE-").encode(), problems.ENCODING),
        "UTF-16": (declared("UTF-16").encode("utf-16"), problems.ENCODING),
        "UTF-16 without BOM": (declared("UTF-16").encode("utf-16-le"), problems.ENCODING),
        "UTF-16 undeclared": ("<?xml version='1.0'?><a/>".encode("utf-16-be"), problems.ENCODING),
        "UTF-32 undeclared": ("<?xml version='1.0'?><a/>".encode("utf-32-be"), problems.ENCODING),
    },
    "I11": {
        "NUL": (b"<a>\0</a>", problems.NOT_WELL_FORMED),
        "NUL reference": (b"<a>&#0;</a>", problems.NOT_WELL_FORMED),
        "control reference": (b"<a>&#1;</a>", problems.NOT_WELL_FORMED),
        "lone surrogate": ("<a>\ud800</a>".encode(errors="surrogatepass"), problems.ENCODING),
        "surrogate reference": (b"<a>&#xD800;</a>", problems.NOT_WELL_FORMED),
        "empty": (b"", problems.NOT_WELL_FORMED),
        "BOM only": (BOM, problems.NOT_WELL_FORMED),
    },
    "I12": {
        "gzip": (gzip.compress(VALID, mtime=0), problems.ENCODING),
        "gzip bomb": (gzip.compress(bytes(50_000_000), mtime=0), problems.ENCODING),
        "zip": (zipped(VALID), problems.ENCODING),
    },
}
"""What the parser refuses: row, name, body and problem."""

READ: Final[Mapping[str, Mapping[str, tuple[bytes, str]]]] = {
    "I10": {
        "comment": ("<a>Mül<!-- -->ler</a>".encode(), "Müller"),
        "processing instruction": ("<a>Mül<?x y?>ler</a>".encode(), "Müller"),
        "CDATA": ("<a>Mül<![CDATA[ler]]></a>".encode(), "Müller"),
    },
    "I19": {
        "NFC": ("<a>M\u00fcller</a>".encode(), "M\u00fcller"),
        "NFD": ("<a>Mu\u0308ller</a>".encode(), "Mu\u0308ller"),
    },
    "I20": {
        "letters of DIN 91379": ("<a>M̂ẞĲk͟h</a>".encode(), "M̂ẞĲk͟h"),
        "emoji": ("<a>😀</a>".encode(), "😀"),
        "right to left": ("<a>\u202eمرحبا</a>".encode(), "\u202eمرحبا"),
        "10,000 characters": (f"<a>{'ü' * 10_000}</a>".encode(), "ü" * 10_000),
    },
}
"""What the parser reads whole and unchanged: row, name, body and text."""

_POINTING: Final = (
    '<!DOCTYPE a [<!ENTITY x SYSTEM "{0}">]><a>&x;</a>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "{0}">]><a b="&x;"/>',
    '<!DOCTYPE a SYSTEM "{0}"><a/>',
    '<!DOCTYPE a PUBLIC "-//A//B" "{0}"><a id="i"/>',
    '<!DOCTYPE a [<!ENTITY % x SYSTEM "{0}"> %x;]><a/>',
    '<?xml-stylesheet href="{0}"?><a/>',
    '<a xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="{0}" parse="text"/></a>',
    '<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="{0}"/>',
    f'<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{message.NAMESPACE} {{0}}"/>',
)


def pointing_to(target: str) -> list[bytes]:
    """Documents that ask their reader to open something, each by another way."""
    return [template.format(target).encode() for template in _POINTING]


def bodies() -> Iterator[bytes]:
    """All of them."""
    yield from (body for row in REFUSED.values() for body, _ in row.values())
    yield from (body for row in READ.values() for body, _ in row.values())
