"""The header in its three generations; real messages are in tests/unit/test_xoev_samples.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas import message
from schemas.message.header import G2G_NAMESPACE, Generation, MessageHeader, read_header
from tests import builders

IDENTIFICATION = (
    "<{i}identifikation.nachricht><{i}nachrichtenUUID>6E1D5F4A-0000-4000-8000-00000000000A</{i}nachrichtenUUID>"
    "<{i}nachrichtentyp listURI='urn:x' listVersionID='1'><code>0100</code><name>probe.antrag.0100</name></{i}nachrichtentyp>"
    "<{i}erstellungszeitpunkt>2026-03-01T09:30:00</{i}erstellungszeitpunkt></{i}identifikation.nachricht>"
)
LEGACY_PARTY = (
    "<{i}{party}><{i}behoerdenkennung><{i}praefix listURI='urn:p'><code>{prefix}</code></{i}praefix>"
    "<{i}kennung listURI='urn:k'><code>{key}</code></{i}kennung></{i}behoerdenkennung>"
    "<{i}erreichbarkeit><{i}kanal><code>01</code></{i}kanal><{i}kennung>nobody@example.org</{i}kennung></{i}erreichbarkeit>"
    "<{i}behoerdenname>Amt</{i}behoerdenname></{i}{party}>"
)
ROOT = 'produkt="p" standard="Probe" version="2.1"'


def g1(prefix: str) -> str:
    """A header as in XInneres up to 4; with a prefix every element but `code` is qualified, as in XGewerbeanzeige."""
    parties = LEGACY_PARTY.format(i=prefix, party="leser", prefix="ags", key="09162000") + LEGACY_PARTY.format(
        i=prefix, party="autor", prefix="kop", key="09161000"
    )
    return (
        f'<g:probe.0100 xmlns:g="http://example.org/probe/2.1" {ROOT}>'
        f"<{prefix}nachrichtenkopf>{IDENTIFICATION.format(i=prefix)}{parties}</{prefix}nachrichtenkopf><g:satz/></g:probe.0100>"
    )


def g2(extra: str = "", attributes: str = "") -> str:
    """A header as we write it."""
    party = "<{0}><verzeichnisdienst listVersionID='3'><code>DVDV</code></verzeichnisdienst><kennung>{1}</kennung><name>Amt</name></{0}>"
    return (
        f'<g:probe.0100 xmlns:g="http://example.org/probe/2.1" {ROOT} {attributes}><nachrichtenkopf.g2g>{IDENTIFICATION.format(i="")}{extra}'
        f"{party.format('leser', 'ags:09162000')}{party.format('autor', 'kop:09161000')}</nachrichtenkopf.g2g></g:probe.0100>"
    )


G3 = (
    '<g:probe.0100 xmlns:g="http://example.org/probe/2.1" xmlns:n="http://xoev.de/schemata/basisnachricht/g2g/1_1" '
    f'xmlns:b="http://xoev.de/schemata/basisnachricht/behoerde/1_1" {ROOT}><n:nachrichtenkopf.g2g>{IDENTIFICATION.format(i="n:")}'
    "<n:leser><b:kennung>ags:09162000</b:kennung></n:leser><n:autor><b:kennung>kop:09161000</b:kennung></n:autor></n:nachrichtenkopf.g2g>"
    "</g:probe.0100>"
)


@pytest.mark.parametrize(
    ("generation", "text"),
    [("G1", g1("")), ("G1", g1("g:")), ("G2", g2()), ("G2", g2("<referenzUUID>x</referenzUUID>")), ("G3", G3)],
    ids=["G1 unqualified", "G1 qualified", "G2", "G2 with more elements", "G3"],
)
def test_generations_give_the_same_record(generation: Generation, text: str) -> None:
    """G1, qualified or not, G2 and G3 say the same; keys of authorities are one text, elements nobody knows are passed over."""
    assert read_header(etree.fromstring(text)) == MessageHeader(
        generation=generation,
        message_id="6E1D5F4A-0000-4000-8000-00000000000A",
        type_code="0100",
        type_name="probe.antrag.0100",
        created="2026-03-01T09:30:00",
        reader="ags:09162000",
        author="kop:09161000",
        standard="Probe",
        version="2.1",
        test=False,
    )


@pytest.mark.parametrize("value", ["true", "false", ""])
def test_test_flag_is_its_presence(value: str) -> None:
    """Any value of `@test`, even false, marks a test message."""
    head = read_header(etree.fromstring(g2(attributes=f'test="{value}"')))
    assert head is not None
    assert head.test


def test_our_own_messages_are_g2() -> None:
    """What we write has the header of generation 2."""
    application = builders.application()
    head = read_header(etree.fromstring(message.write(application)))
    assert head is not None
    assert (head.generation, head.message_id, head.type_code) == ("G2", str(application.message_id), "0100")
    assert (head.reader, head.author) == (application.reader.key, application.author.key)
    assert (head.standard, head.version, head.test) == (message.STANDARD, message.VERSION, False)


NO_HEAD = {
    "xjustiz": '<x:n xmlns:x="http://www.xjustiz.de"><x:nachrichtenkopf xjustizVersion="3.5"><x:eigeneNachrichtenID/></x:nachrichtenkopf></x:n>',
    "tax": "<n><nachrichtenkopf.gewst><nachrichtenID>1</nachrichtenID></nachrichtenkopf.gewst></n>",
    "default namespace": '<n xmlns="http://example.org/probe/2.1"><nachrichtenkopf.g2g/></n>',
    "g2g in a later version": '<n xmlns:n="http://xoev.de/schemata/basisnachricht/g2g/1_2"><n:nachrichtenkopf.g2g/></n>',
    "not first": "<n><a/><nachrichtenkopf.g2g/></n>",
    "empty": "<n/>",
    "only text": "<n>nachrichtenkopf.g2g</n>",
}


@pytest.mark.parametrize("text", NO_HEAD.values(), ids=NO_HEAD)
def test_other_headers_are_not_guessed(text: str) -> None:
    """A message without a common header has none, whatever resembles one."""
    assert read_header(etree.fromstring(text)) is None


def test_comments_and_missing_parts_do_no_harm() -> None:
    """Comments before the header are passed over, and what is missing is empty."""
    head = read_header(etree.fromstring("<n><!-- a --><?b c?><nachrichtenkopf.g2g><leser/></nachrichtenkopf.g2g></n>"))
    assert head is not None
    assert (head.message_id, head.type_code, head.type_name, head.created, head.reader) == ("", "", None, "", "")
    assert (head.standard, head.version) == (None, None)


NAMES = st.sampled_from(
    (
        *("nachrichtenkopf.g2g", "nachrichtenkopf", "identifikation.nachricht", "nachrichtenUUID", "nachrichtentyp", "code"),
        *("leser", "autor", "behoerdenkennung", "praefix", "kennung", "name", "odd"),
    )
)
NAMESPACES = st.sampled_from(["", f"{{{G2G_NAMESPACE}}}", "{http://example.org/probe/2.1}"])
CHARACTERS = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")


@st.composite
def trees(draw: st.DrawFn, depth: int = 4) -> etree._Element:
    """Headers and what resembles them: the right names in any order, number, depth and namespace."""
    element = etree.Element(draw(NAMESPACES) + draw(NAMES))
    element.text = draw(st.none() | st.text(CHARACTERS, max_size=8))
    element.append(etree.Comment("c"))
    element.extend(draw(st.lists(trees(depth - 1), max_size=3)) if depth else [])
    return element


@given(trees())
def test_odd_headers_never_raise(root: etree._Element) -> None:
    """Whatever the elements are, there is a header of texts or none."""
    head = read_header(root)
    if head is not None:
        assert all(isinstance(text, str) for text in (head.message_id, head.type_code, head.created, head.reader, head.author))
