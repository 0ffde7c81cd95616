"""Nothing that a message asks its reader to load reaches a back office, in whatever way it is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest

from producers.synthetic import permits
from schemas import catalogue
from schemas.examination.examine import examine
from schemas.examination.rules.subject import Claim
from schemas.examination.schema_table import Row, SchemaTable
from tests import builders, evil

NOW: Final = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CATALOGUE: Final = catalogue.load()
TABLE: Final = SchemaTable([Row("XBau", permits.NAMESPACE, own=False, schema_set=None)])
CLAIM: Final = Claim("99012008000000", "095640000000")
XSI: Final = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
PERMIT: Final = builders.permit().body
INCLUDE: Final = '<i:include xmlns:i="{}" href="file:///etc/passwd"/>'

INSIDE: Final = {
    "XInclude": INCLUDE.format("http://www.w3.org/2001/XInclude"),
    "XInclude of a draft": INCLUDE.format("http://www.w3.org/2003/XInclude"),
    "XInclude with a reference": INCLUDE.format("http://www.w3.org/2001/XI&#110;clude"),
    "xml:base": '<x xml:base="http://evil.example/"/>',
    "schema at an address": f'<x {XSI} xsi:schemaLocation="urn:a http://evil.example/a.xsd"/>',
    "schema at the second place": f'<x {XSI} xsi:schemaLocation="urn:a a.xsd urn:b //evil.example/a.xsd"/>',
    "schema at a root": f'<x {XSI} xsi:noNamespaceSchemaLocation="/etc/passwd"/>',
    "schema on a drive": f'<x {XSI} xsi:noNamespaceSchemaLocation="c:\\a.xsd"/>',
    "schema on a share": f'<x {XSI} xsi:noNamespaceSchemaLocation="\\\\evil.example\\a.xsd"/>',
    "schema by a prefix of its own": '<x xmlns:q="http://www.w3.org/2001/XMLSchema-inst&#97;nce" q:noNamespaceSchemaLocation="http://evil.example"/>',
    "an instruction": "<?xml-stylesheet href='http://evil.example'?>",
    "an empty instruction": "<?x?>",
}
BEFORE_AND_BEHIND: Final = {
    "a stylesheet": lambda body: body.replace(b"?>", b"?>\n<?xml-stylesheet href='http://evil.example'?>", 1),
    "a stylesheet without a declaration": lambda body: b"<?xml-stylesheet href='http://evil.example'?>" + body.partition(b"?>")[2].lstrip(),
    "an instruction at the end": lambda body: body + b"<?x y?>",
}
HARMLESS: Final = {
    "a schema beside the message": f'<x {XSI} xsi:schemaLocation="urn:a ../xbau.xsd urn:b schemas/V1_0_0/b.xsd"/>',
    "text like an instruction": "<x><![CDATA[<?xml-stylesheet?>]]></x><!-- <?x?> -->",
    "words": "<x>XInclude, schemaLocation, xml:base</x>",
}


def codes(body: bytes) -> set[str]:
    """What refuses a genuine message."""
    return {one.problem.code for one in examine(body, TABLE, CATALOGUE, NOW, claim=CLAIM).errors}


def within(elements: str) -> bytes:
    """The permit with more in it."""
    head, end, tail = PERMIT.rpartition(b"</")
    return head + elements.encode() + end + tail


@pytest.mark.parametrize("name", INSIDE)
def test_it_is_refused(name: str) -> None:
    """Inside of a genuine message, wherever it stands."""
    assert codes(within(INSIDE[name])) == {"points-elsewhere"}


@pytest.mark.parametrize("name", BEFORE_AND_BEHIND)
def test_it_is_refused_around_the_root(name: str) -> None:
    """Before and behind the message, in genuine ones and in ours."""
    assert codes(BEFORE_AND_BEHIND[name](PERMIT)) == {"points-elsewhere"}
    assert "points-elsewhere" in codes(BEFORE_AND_BEHIND[name](evil.VALID))


def test_in_our_own_messages() -> None:
    """The XSD takes schema locations, as any XSD does; the rule does not."""
    assert codes(evil.VALID.replace(b"produkt=", f'{XSI} xsi:noNamespaceSchemaLocation="http://evil.example" produkt='.encode(), 1)) == {
        "points-elsewhere"
    }


@pytest.mark.parametrize("name", HARMLESS)
def test_what_loads_nothing_is_taken(name: str) -> None:
    """Published messages of XÖV name the schema beside them; words and texts are nothing to load."""
    assert codes(within(HARMLESS[name])) == set()
