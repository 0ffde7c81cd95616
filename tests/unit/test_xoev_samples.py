"""Real XÖV material: 12 published messages of two standards are classified right. Skipped where the material is not at hand."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from lxml import etree

from schemas import din91379, problems, xml
from schemas.errors import UsageError
from schemas.examination import schema_table
from schemas.examination.schema_table import SchemaTable
from schemas.message.header import MessageHeader, read_header
from schemas.schema_set import STUBS

MATERIAL = Path(__file__).parents[3] / "shared/xoev"
XBETEILIGUNG = "https://www.xleitstelle.de/xbeteiligung/12"
XWASSER = "https://gitlab.opencode.de/akdb/xoev/xwasser/-/raw/main/V1_0_0"
ROWS: list[dict[str, object]] = [
    {"name": "XBeteiligung 1.2", "namespace": XBETEILIGUNG, "folder": str(MATERIAL / "xbeteiligung"), "entry": "xbeteiligung.xsd"},
    {
        "name": "XWasser 1.0.0",
        "namespace": XWASSER,
        "folder": str(MATERIAL / "xwasser/xsd"),
        "entry": "xwasser.xsd",
        "imports": [str(MATERIAL / "basisnachricht")],
        "stubs": True,
    },
]
SAMPLES = sorted(MATERIAL.glob("*/samples/*.xml"))
INVALID = {"monitoring_plan_maximal.xml", "monitoring_plan_minimal.xml"}
PLAN = "/xwas:vorgang.transportieren.2010/xwas:vorgang/xwas:vorgangType/xwas:untersuchungsplan"
TODAY = date(2026, 6, 1)

pytestmark = pytest.mark.skipif(not SAMPLES, reason=f"the published messages are not at {MATERIAL}")
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> SchemaTable:
    """A schema table as an operator would set it up, whose rows point to the material."""
    folder = tmp_path_factory.mktemp("operator")
    (folder / schema_table.PAGE).write_text(yaml.safe_dump(ROWS, allow_unicode=True), encoding="utf-8")
    return schema_table.load(folder)


def read(sample: Path) -> etree._Element:
    """A published message, through the safe parser."""
    return xml.parse(sample.read_bytes())


def test_there_are_twelve() -> None:
    """Both standards are there with six messages each."""
    assert [sum(standard in str(sample) for sample in SAMPLES) for standard in ("xbeteiligung/", "xwasser/")] == [6, 6]


@each_sample
def test_message_is_classified(sample: Path, known: SchemaTable) -> None:
    """The namespace leads to the right row; ten are valid, two are not."""
    root = read(sample)
    row = known.row_for(root, TODAY)
    assert (row.name, row.own) == ("XWasser 1.0.0" if "xwasser" in str(sample) else "XBeteiligung 1.2", False)
    assert bool(row.findings(root)) == (sample.name in INVALID)


@pytest.mark.parametrize(("name", "lines"), [("monitoring_plan_maximal.xml", (75, 112)), ("monitoring_plan_minimal.xml", (74, 119))])
def test_invalid_message_is_refused_with_the_place(name: str, lines: tuple[int, int], known: SchemaTable) -> None:
    """An element that the schema does not have and the list version of `kategorieProbennahmestelle` are told with line and path."""
    root = read(MATERIAL / "xwasser/samples" / name)
    findings = known.row_for(root, TODAY).findings(root)
    assert {found.problem for found in findings} == {problems.NOT_VALID}
    told = {(found.line, found.path.removeprefix(PLAN)): found.detail for found in findings}
    assert "; expected: datumZeitraum, untersuchungDurch (" in told[lines[0], "/xwas:terminplan/xwas:probennahmestelleKategorie"]
    assert "(SCHEMAV_CVC_AU)" in told[lines[1], "/xwas:probennahmestelle/xwas:kategorieProbennahmestelle/@listVersionID"]
    assert [text for text in _texts(root) if len(text.strip()) > 3 and any(text in found.detail for found in findings)] == []


@each_sample
def test_head_is_read(sample: Path) -> None:
    """XBeteiligung has headers of generation 3, XWasser of generation 2; each gives the whole record."""
    root = read(sample)
    head = _head(root)
    wasser = "xwasser" in str(sample)
    assert (head.generation, head.standard, head.version) == (("G2", "XWasser", "1.0.0") if wasser else ("G3", "XBeteiligung", "1.2"))
    assert head.test == wasser
    assert len(head.message_id) == 36
    assert head.created.startswith("20")
    assert head.type_code.isdigit()


def test_type_code_differs_in_six_of_twelve() -> None:
    """Half of the messages name another type than their root element has; a rule that refused them would refuse what is in use."""
    numbers = [(etree.QName(root).localname.rpartition(".")[2], _head(root).type_code) for root in map(read, SAMPLES)]
    assert sorted(pair for pair in numbers if pair[0] != pair[1]) == [("0020", "0010")] + [("0402", "0401")] * 3 + [("2010", "0010")] * 2


def test_flaws_of_xwasser_are_seen() -> None:
    """Six times without a zone, one message whose authorities have no key, five that escape a character twice."""
    roots = {sample.name: read(sample) for sample in SAMPLES if "xwasser" in str(sample)}
    assert [name for name, root in roots.items() if re.search(r"(Z|[+-]\d\d:\d\d)$", _head(root).created)] == []
    assert [name for name, root in roots.items() if _head(root).reader == _head(root).author == ""] == ["monitoring_plan_maximal.xml"]
    assert sum(any("&amp;" in value for value in (*_texts(root), *_attributes(root))) for root in roots.values()) == 5


@each_sample
def test_din_91379_finds_nothing(sample: Path) -> None:
    """Every text and every attribute value of the published messages fits datatype C."""
    root = read(sample)
    assert [one for text in (*_texts(root), *_attributes(root)) for one in din91379.disallowed(text, "C")] == []


def test_stub_is_needed_for_xwasser_alone(tmp_path: Path) -> None:
    """Without the stand-in for XML Signature XWasser cannot be compiled: the folders hold all the rest."""
    assert [path.name for path in STUBS.iterdir()] == ["xmldsig-core-schema.xsd"]
    (tmp_path / schema_table.PAGE).write_text(yaml.safe_dump([ROWS[1] | {"stubs": False}], allow_unicode=True), encoding="utf-8")
    row = schema_table.load(tmp_path).rows[1]
    assert row.schema_set is not None
    with pytest.raises(UsageError, match=r"^schema-set-broken: xmldsig-core-schema\.xsd is in none"):
        row.schema_set.compile()


def _head(root: etree._Element) -> MessageHeader:
    head = read_header(root)
    assert head is not None
    return head


def _texts(root: etree._Element) -> list[str]:
    return [text for element in root.iter("*") for text in (element.text, element.tail) if text]


def _attributes(root: etree._Element) -> list[str]:
    return [str(value) for element in root.iter("*") for value in element.attrib.values()]
