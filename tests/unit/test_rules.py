"""The rules beside the XSD: each has its words, its code and a message that breaks it and nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas import catalogue, message
from schemas.examination import rules, schema_table
from schemas.examination.examine import Examined, examine
from schemas.examination.rules import RULES
from schemas.examination.rules.subject import Claim
from schemas.findings import Severity
from tests import builders

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
VALID = message.write(builders.application()).decode()
ID, NIL, MAX = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(UUID(int=0)), str(UUID(int=2**128 - 1))
FILE = (
    "<anlagen><anlage><anlagenID>0b7d3c52-61a4-4b0e-8f0a-3f6f1d2c9a01</anlagenID><zweck>attachment</zweck><dateiname>plan.pdf</dateiname>"
    f"<mimeType>application/pdf</mimeType><groesseBytes>10</groesseBytes><sha512>{'a' * 128}</sha512></anlage></anlagen>"
)
WITH_FILE = VALID.replace("</inhalt>", f"</inhalt>{FILE}")
BROKEN = {
    "no-empty-text": VALID.replace("<name>Schön</name>", "<name></name>"),
    "id-is-uuid": VALID.replace("<antragsidentifikation>", "<antragsidentifikation>x"),
    "version-known": VALID.replace('version="1.0"', 'version="1.7"'),
    "attachment-count": WITH_FILE.replace(FILE, "<anlagen>" + FILE[len("<anlagen>") : -len("</anlagen>")] * 101 + "</anlagen>"),
    "attachment-hash": WITH_FILE.replace("a" * 128, "A" * 128),
    "points-nowhere": f"{VALID}<?xml-stylesheet href='http://example.org/'?>",
    "type-matches-root": VALID.replace("<code>0100</code>", "<code>0170</code>"),
    "id-identifies": re.sub(f"(?<=<antragsidentifikation>){ID}", NIL, VALID),
    "time-complete": VALID.replace(".000+00:00</erst", "</erst"),
    "key-in-directory": VALID.replace("<kennung>kop:00000001", "<kennung>kop-1"),
    "marks-bounded": VALID.replace("Schön", "Scho" + "\u0301\u0327" * 16 + "n"),
    "text-in-nfc": VALID.replace("Schön", "Scho\u0308n"),
    "din-91379": VALID.replace("<name>Schön", "<name>Schön\u2014"),
    "encoded-once": VALID.replace("<ort>Augsburg", "<ort>KÃ¶ln"),
    "test-flag": VALID.replace(' version="1.0"', ' test="true" version="1.0"'),
    "attachment-size": WITH_FILE.replace("<groesseBytes>10<", "<groesseBytes>0<"),
    "attachment-type": WITH_FILE.replace("application/pdf", "pdf"),
    "attachment-name": WITH_FILE.replace("plan.pdf", "../plan.pdf"),
    "code-list-known": VALID.replace(message.SERVICE_LIST, "urn:another:list"),
    "service-known": VALID.replace("99115005104000", "99000000000000"),
    "area-known": VALID.replace("091620000000", "099990000000"),
    "code-known": VALID.replace("<code>DVDV</code>", "<code>FAX</code>", 1),
    "service-offered": VALID.replace("091620000000", "097610000000"),
    "reader-agrees": VALID.replace("<kennung>ags:09162000", "<kennung>psw:09162000"),
    "form-fits": VALID.replace("<wert>2026-03-01</wert>", "<wert>bald</wert>"),
}
"""By rule the message that breaks it."""


def examined(text: str, **more: Any) -> Examined:
    """What the examination finds."""
    return examine(text.encode(), schema_table.load(), catalogue.load(), NOW, **more)


def test_every_rule_has_its_message() -> None:
    """No rule is without a message that breaks it; what the messages are derived from breaks none."""
    assert [rule.name for rule in RULES if rule.own] == list(BROKEN)
    assert (examined(VALID).findings, examined(WITH_FILE).findings) == ((), ())


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.own], ids=lambda rule: rule.name)
def test_rule_is_broken_alone(rule: rules.Rule) -> None:
    """The message that breaks a rule breaks this rule only, with its problem, at a place with a line."""
    (found,) = examined(BROKEN[rule.name]).findings
    assert (found.rule, found.problem, found.severity) == (rule.name, rule.problem, rule.own)
    assert found.line
    assert found.path.startswith("/e:einreichung.antrag.0100")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_explains_itself(rule: rules.Rule) -> None:
    """Every rule says in German and English what it asks and how to go on, where it comes from, and a code."""
    assert all(text.endswith((".", ").")) for text in (*rule.texts, rule.problem.hint))
    assert rule.source
    assert rule.texts.en != rule.texts.de
    assert rule.problem.code


def test_names_are_distinct() -> None:
    """A rule is known by its name."""
    assert len({rule.name for rule in RULES} | {rules.ID_USED_ONCE}) == len(RULES) + 1


def test_apostrophe_after_an_accent() -> None:
    """A true name that begins like text encoded twice has no finding."""
    assert examined(VALID.replace("Schön", "Ó’Brien")).findings == ()


ID_FIELDS = {
    "id of the message": (VALID, "nachrichtenUUID"),
    "case": (VALID, "antragsidentifikation"),
    "reference of the portal": (VALID.replace("<antragsid", f"<bezug><referenz>{MAX}</referenz></bezug><antragsid"), "referenz"),
    "message that is meant": (
        VALID.replace("<antragsid", f"<bezug><bezugNachricht>{MAX}</bezugNachricht></bezug><antragsid"),
        "bezugNachricht",
    ),
    "attachment": (WITH_FILE, "anlagenID"),
}


@pytest.mark.parametrize("sent", [" {} ", "\n{}", "{}\t"])
@pytest.mark.parametrize("uri", [message.SERVICE_LIST, message.AREA_LIST_ARS])
def test_blanks_around_the_address_of_a_list_do_not_count(uri: str, sent: str) -> None:
    """An address (xs:anyURI) has no outer blanks, so with them the list is the same one, and its codes are held against it."""
    text = VALID.replace(f'"{uri}"', f'"{sent.format(uri)}"')
    assert (text == VALID, examined(text).findings) == (False, ())
    short = examined(re.sub(r'(<gebiet listURI="[^"]*rs[^"]*"[^>]*><code>)\d{12}', r"\g<1>09162000", text)).findings
    assert [found.rule for found in short] == ["code-known"]


@pytest.mark.parametrize("name", ID_FIELDS)
@pytest.mark.parametrize("digits", ["0", "f", "F", "1", "e"])
def test_an_id_has_to_identify(name: str, digits: str) -> None:
    """Nil, max and one digit all along are no id, in whichever field and with whichever version and variant; the field is named."""
    text, field = ID_FIELDS[name]
    for empty in (re.sub("x", digits, one) for one in ("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx")):
        changed = re.sub(f"(?<=<{field}>)[0-9a-f-]{{36}}", empty, text)
        (found,) = examined(changed).findings
        assert (found.rule, found.problem.code) == ("id-identifies", "id-identifies-nothing")
        assert found.path.endswith(f"/{field}")


@pytest.mark.parametrize("written", ["{{{}}}", "urn:uuid:{}", "({})"])
def test_an_id_is_written_in_one_form(written: str) -> None:
    """Braces and `urn:uuid:` are refused of genuine messages too, where no schema says so; capitals are the same id."""
    other = re.sub(f"(?<=UUID>)({ID})", lambda found: written.format(found[1]), PERMIT)
    assert "id-is-uuid" in {one.rule for one in genuine(other).errors}
    capitals = re.sub(f"(?<=UUID>)({ID})", lambda found: found[1].upper(), PERMIT)
    assert genuine(capitals).message_id == genuine(PERMIT).message_id is not None


def test_time_in_the_future() -> None:
    """A clock that is a little ahead is forgiven, one that is an hour ahead is not."""
    soon, late = ((NOW + ahead).isoformat(timespec="milliseconds") for ahead in (timedelta(minutes=5), timedelta(hours=1)))
    assert [bool(examined(VALID.replace("2026-03-01T08:30:00.000+00:00", time)).findings) for time in (soon, late)] == [False, True]


TIME = "2026-03-01T08:30:00.000+00:00"


@pytest.mark.parametrize("digits", range(1, 13))
def test_seconds_may_have_any_number_of_digits(digits: int) -> None:
    """.NET writes up to seven and drops zeros at the end, Java writes nine; what we hold of it is cut to microseconds."""
    written = f"2026-03-01T08:30:00.{'123456789012'[:digits]}+00:00"
    found = examined(VALID.replace(TIME, written))
    assert found.findings == ()
    assert found.root is not None
    assert message.read(found.root).created_at.microsecond == int("123456789012"[:digits].ljust(6, "0")[:6])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2026-03-01T08:30:00+00:00", "the milliseconds are missing"),
        ("2026-03-01T08:30:00.25", "the time zone is missing"),
        ("2026-03-01T24:00:00.0Z", "midnight is 00:00:00 of the next day"),
        ("2999-03-01T08:30:00.000Z", "the time lies in the future"),
        ("0001-01-01T00:00:00.000Z", "lies before 2010"),
        ("1970-01-01T00:00:00.000Z", "lies before 2010"),
        ("2001-01-01T00:00:00.000Z", "lies before 2010"),
        ("12026-03-01T08:30:00.000Z", "expected date and time like"),
        ("-2026-03-01T08:30:00.000Z", "expected date and time like"),
    ],
)
def test_what_is_wrong_with_a_time_is_told_truly(text: str, sentence: str) -> None:
    """Of a time that the schema takes the sentence says what is wrong, not what might be."""
    (found,) = examined(VALID.replace(TIME, text)).findings
    assert (found.rule, sentence in found.detail) == ("time-complete", True)


def test_test_messages_where_they_may_be() -> None:
    """A system without real back offices takes messages with the test flag."""
    assert examined(BROKEN["test-flag"], accept_test=True).findings == ()


def genuine(text: str) -> Examined:
    """A genuine message, of a standard without a schema set."""
    row = schema_table.Row("XBau", "http://www.xleitstelle.de/xbau/2/6", own=False, schema_set=None)
    known = schema_table.SchemaTable([row])
    return examine(text.encode(), known, catalogue.load(), NOW, claim=Claim("99012008000000", "095640000000"))


PERMIT = builders.permit().body.decode()


@pytest.mark.parametrize(
    ("rule", "changed", "severity"),
    [
        ("type-matches-root", PERMIT.replace("<code>0200</code>", "<code>0201</code>"), Severity.WARNING),
        ("id-is-uuid", re.sub(f"(?<=UUID>){ID}", "0815", PERMIT), Severity.ERROR),
        ("id-is-uuid", re.sub(f"(?<=UUID>){ID}", "", PERMIT), Severity.ERROR),
        ("id-is-uuid", re.sub(f"<nachrichtenUUID>{ID}</nachrichtenUUID>", "", PERMIT), Severity.ERROR),
        ("id-identifies", re.sub(f"(?<=UUID>){ID}", NIL, PERMIT), Severity.ERROR),
        ("time-complete", PERMIT.replace("+00:00</erst", "</erst"), Severity.WARNING),
        ("no-empty-text", PERMIT.replace("<name>Testportal</name>", "<name></name>"), Severity.WARNING),
        ("key-in-directory", PERMIT.replace("<kennung>kop:09564000", "<kennung>xxx:1"), Severity.WARNING),
        ("text-in-nfc", PERMIT.replace("Äußere", "A\u0308ußere"), Severity.WARNING),
        ("test-flag", PERMIT.replace(' version="', ' test="false" version="', 1), Severity.ERROR),
        ("reader-agrees", PERMIT.replace("<kennung>bab:09564000", "<kennung>bab:09162000"), Severity.ERROR),
        ("reader-agrees", PERMIT.replace("<kennung>bab:09564000</kennung>", ""), Severity.ERROR),
        ("header-once", PERMIT.replace("</autor>", "</autor><autor><kennung>psw:01003110</kennung></autor>"), Severity.ERROR),
        ("header-once", PERMIT.replace("</autor>", '</autor><x:autor xmlns:x="urn:y"/>'), Severity.ERROR),
        ("header-once", PERMIT.replace("<kennung>bab", "<kennung>bab:09564000</kennung><kennung>bab"), Severity.ERROR),
        ("header-once", PERMIT.replace("<nachrichtenUUID>", f"<nachrichtenUUID>{ID}</nachrichtenUUID><nachrichtenUUID>"), Severity.ERROR),
        ("header-once", PERMIT.replace("</nachrichtenkopf.g2g>", "</nachrichtenkopf.g2g><nachrichtenkopf.g2g/>"), Severity.ERROR),
        ("reader-agrees", re.sub("<leser>.*</leser>", "", PERMIT), Severity.ERROR),
    ],
)
def test_genuine_messages_are_judged_less_strictly(rule: str, changed: str, severity: Severity) -> None:
    """Genuine messages travel unchanged: a breach of most header rules is recorded, not refused; wrong reader and test flag refuse."""
    assert changed != PERMIT
    assert (rule, severity) in {(found.rule, found.severity) for found in genuine(changed).findings}
    assert [found.rule for found in genuine(PERMIT).findings] == ["xsd"]  # that nobody has its schema here


HEADER = re.search("<nachrichtenkopf.g2g>.*</nachrichtenkopf.g2g>", PERMIT)[0]  # type: ignore[index]
HEADERLESS = {
    "header of another name": PERMIT.replace("nachrichtenkopf.g2g", "kopf"),
    "header in the namespace of the body": PERMIT.replace("nachrichtenkopf.g2g>", "xbau:nachrichtenkopf.g2g>"),
    "header in a namespace of nobody": PERMIT.replace("<nachrichtenkopf.g2g>", '<nachrichtenkopf.g2g xmlns="urn:x">'),
    "header behind the body": PERMIT.replace(HEADER, "").replace("</xbau:", f"{HEADER}</xbau:"),
    "no header": PERMIT.replace(HEADER, ""),
    "nothing but a root": '<xbau:kaffee xmlns:xbau="http://www.xleitstelle.de/xbau/2/6"/>',
}


@pytest.mark.parametrize("name", HEADERLESS)
def test_a_standard_with_a_header_needs_it(name: str) -> None:
    """Without the header that XBau has, nothing says who wrote a message and for whom: it is refused, not taken unchecked."""
    assert HEADERLESS[name] != PERMIT
    (found,) = genuine(HEADERLESS[name]).errors
    assert (found.rule, found.problem.code, found.line) == ("header-there", "header-not-read", 1 if "root" in name else 2)


@pytest.mark.parametrize(
    ("namespace", "header", "severity"),
    [
        ("http://www.osci.de/xmeld2511a", None, Severity.ERROR),
        ("http://www.osci.de/xmeld2511a", "optional", Severity.WARNING),
        ("http://www.xjustiz.de", None, Severity.ERROR),
        ("http://www.xjustiz.de", "optional", Severity.WARNING),
        ("http://www.xjustiz.de", "required", Severity.ERROR),
    ],
)
def test_the_row_says_whether_a_header_is_needed(namespace: str, header: Any, severity: Severity) -> None:
    """Needed by default, of whatever standard; where the row says otherwise a warning tells what was not checked."""
    known = schema_table.SchemaTable([schema_table.Row("X", namespace, own=False, schema_set=None, header=header)])
    found = examine(
        f'<x:a.0100 xmlns:x="{namespace}"/>'.encode(), known, catalogue.load(), NOW, claim=Claim("99012008000000", "095640000000")
    )
    assert (severity, "header-not-read") in {(one.severity, one.problem.code) for one in found.findings}
    assert bool(found.errors) == (severity is Severity.ERROR)


def test_no_value_leaves_by_the_words() -> None:
    """The value at a finding is beside it, for those who ask for it, and never in its words."""
    (found,) = examined(BROKEN["din-91379"].replace("Schön", "Kanarienvogel")).findings
    assert "Kanarienvogel" in (found.value or "")
    assert "Kanarienvogel" not in f"{found.detail}{found.path}{found!r}{found.as_dict()}"
