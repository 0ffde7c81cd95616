"""Schema sets: what is told of a message that breaks its schema, and where schemas may not come from."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas import problems, xml
from schemas.errors import UsageError
from schemas.examination import schema_table
from schemas.findings import Finding, Severity
from schemas.schema_set import MAX_FINDINGS, SchemaSet
from tests.operator_schemas import CANARY, IMPORTED, NAMESPACE, ROW, TODAY, of, probe, write_folder, write_rows, write_schema


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An operator's folder with two rows."""
    return write_folder(tmp_path)


def broken(folder: Path) -> UsageError:
    """What is said of the schema set of Probe 2.6."""
    with pytest.raises(UsageError) as refused:
        schema_table.load(folder).row_for(of(NAMESPACE), TODAY).findings(probe(["a"]))
    assert refused.value.problem == problems.SCHEMA_SET
    return refused.value


# --- what breaks a schema


def test_import_is_found_by_file_name(folder: Path) -> None:
    """A schema that names its import by an address on the internet finds it in the row's folders, relative or absolute."""
    assert schema_table.load(folder).row_for(of(NAMESPACE), TODAY).findings(probe(["a", "b"])) == []
    write_rows(folder, ROW | {"folder": str(folder / "probe"), "imports": [str(folder / "kosit")]})
    assert schema_table.load(folder).row_for(of(NAMESPACE), TODAY).findings(probe(["a", "b"])) == []


def test_finding_has_line_path_and_rule_and_no_value(folder: Path) -> None:
    """What breaks the XSD is told with line, path with position, and rule; the value is only there to be revealed."""
    (found,) = schema_table.load(folder).row_for(of(NAMESPACE), TODAY).findings(probe(["a", CANARY]))
    assert (found.problem, found.rule, found.line, found.severity) == (problems.NOT_VALID, "xsd", 3, Severity.ERROR)
    assert found.path == "/p:probe.antrag.0100/p:wert[2]"
    assert found.detail == "the value is too long (SCHEMAV_CVC_MAXLENGTH_VALID)"
    assert found.value == CANARY
    assert CANARY not in repr(found)


NOT_VALID = {
    "attribute value": ("id='{}'><wert>a</wert>", "/@id", "the value is not of its type (SCHEMAV_CVC_DATATYPE_VALID_1_2_1)"),
    "quotes in a value": ("id=\"x' {} '\"><wert>a</wert>", "/@id", "the value is not of its type (SCHEMAV_CVC_DATATYPE_VALID_1_2_1)"),
    "attribute nobody knows": ("x='{}'><wert>a</wert>", "/@x", "an attribute is not allowed here (SCHEMAV_CVC_COMPLEX_TYPE_3_2_1)"),
    "attribute missing": ("/", "/@id", "a required attribute is missing (SCHEMAV_CVC_COMPLEX_TYPE_4)"),
    "text between elements": (
        "id='1'><wert>a</wert>{}",
        "",
        "there is text where only elements may stand (SCHEMAV_CVC_COMPLEX_TYPE_2_3)",
    ),
    "element missing": (
        "id='1'><anders>{}. Expected is ( Wert ).</anders>",
        "/anders",
        "this element is not expected here, or one is missing inside it; expected: wert (SCHEMAV_ELEMENT_CONTENT)",
    ),
}


@pytest.mark.parametrize(("text", "path", "detail"), NOT_VALID.values(), ids=NOT_VALID)
def test_findings_name_attributes_and_what_was_expected(folder: Path, text: str, path: str, detail: str) -> None:
    """Names of attributes, and of the elements that the schema has there, are told; values never, whatever they look like."""
    row = schema_table.load(folder).row_for(of(NAMESPACE), TODAY)
    end = "</probe.antrag.0100>" if ">" in text else ">"
    found = row.findings(xml.parse(f'<probe.antrag.0100 xmlns="{NAMESPACE}" {text.format(CANARY)}{end}'.encode()))[0]
    assert (found.path, found.detail) == (f"/probe.antrag.0100{path}", detail)
    assert CANARY not in repr(found)


def test_path_has_names_in_a_default_namespace(folder: Path) -> None:
    """A message that declares a default namespace gets paths with names too, with positions among those of the same name."""
    row = schema_table.load(folder).row_for(of(NAMESPACE), TODAY)
    text = f'<probe.antrag.0100 id="1" xmlns="{NAMESPACE}"><wert>a</wert><wert>{CANARY}</wert><anders/></probe.antrag.0100>'
    assert [found.path for found in row.findings(xml.parse(text.encode()))] == [
        "/probe.antrag.0100/wert[2]",
        "/probe.antrag.0100/anders",
    ]


def test_unknown_root_element_is_an_unknown_message(folder: Path) -> None:
    """V001: a root element that the schemas of its namespace do not have."""
    (found,) = schema_table.load(folder).row_for(of(NAMESPACE), TODAY).findings(probe(["a"], root="probe.antrag.0999"))
    assert (found.problem, found.path, found.line) == (problems.UNKNOWN_MESSAGE, "/p:probe.antrag.0999", 1)


def test_unknown_element_inside_is_not_an_unknown_message(folder: Path) -> None:
    """X001: where a schema admits any element that it knows, one that it does not know breaks the schema."""
    path = folder / "probe/probe.xsd"
    path.write_text(path.read_text(encoding="utf-8").replace(' maxOccurs="unbounded"/>', "/><xs:any/>"), encoding="utf-8")
    text = f'<p:probe.antrag.0100 id="1" xmlns:p="{NAMESPACE}"><p:wert>a</p:wert><p:anders/></p:probe.antrag.0100>'
    (found,) = schema_table.load(folder).row_for(of(NAMESPACE), TODAY).findings(xml.parse(text.encode()))
    assert (found.problem, found.path) == (problems.NOT_VALID, "/p:probe.antrag.0100/p:anders")


def test_body_without_schema_set_is_said_loudly() -> None:
    """`schema: none` lets the body through with a warning."""
    row = schema_table.Row("Probe", NAMESPACE, own=False, schema_set=None)
    (found,) = row.findings(probe([CANARY]))
    assert (found.problem, found.severity) == (problems.NOT_CHECKED, Severity.WARNING)
    assert "Probe" in found.detail


@pytest.mark.parametrize(
    "name", ["n" * 600, "\u00fc" * 600, "x" + "\u00fc" * 600, "p:x" + "\u00fc" * 200], ids=["ascii", "cut between", "cut inside", "prefix"]
)
def test_place_of_a_name_that_libxml2_cuts_off(folder: Path, name: str) -> None:
    """A breach inside elements with very long names is told at the innermost place that can be told."""
    text = f'<p:probe.antrag.0100 id="1" xmlns:p="{NAMESPACE}"><{name}/></p:probe.antrag.0100>'
    (found,) = schema_table.load(folder).row_for(of(NAMESPACE), TODAY).findings(xml.parse(text.encode()))
    assert (found.problem, found.path) == (problems.NOT_VALID, "/p:probe.antrag.0100")


def test_threads_share_a_schema_set(folder: Path) -> None:
    """Every thread gets the findings of its own message, and the set is compiled once."""
    row = schema_table.load(folder).row_for(of(NAMESPACE), TODAY)
    messages = [probe(["a"] * number + [CANARY]) for number in range(1, 5)] * 50
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(row.findings, messages))
    assert [one[0].line for one in found] == [2 + number for number in range(1, 5)] * 50
    assert {len(one) for one in found} == {1}


# --- where schemas may not come from


@pytest.fixture
def ear() -> Iterator[socket.socket]:
    """A port of this machine that notices a call."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        yield listener


def heard(ear: socket.socket) -> bool:
    """Whether somebody called."""
    try:
        ear.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def test_the_ear_hears(ear: socket.socket) -> None:
    """A call would be noticed: otherwise the next test proves nothing."""
    socket.create_connection(ear.getsockname()).close()
    assert heard(ear)


def test_missing_import_is_told_and_nobody_is_called(folder: Path, ear: socket.socket) -> None:
    """A schema set that lacks a file is refused with the file and its folders; its address is not called."""
    write_schema(folder, f"http://127.0.0.1:{ear.getsockname()[1]}/gone.xsd")
    told = broken(folder)
    assert told.detail == f"gone.xsd is in none of the folders {folder / 'probe'}, {folder / 'kosit'}"
    assert told.where == str(folder / "probe/probe.xsd")
    assert not heard(ear)


def test_import_that_nothing_needs_is_missed_too(folder: Path) -> None:
    """libxml2 passes over an import of which it needs nothing; a schema set that is not whole is refused all the same."""
    unused = '<xs:import namespace="urn:unused" schemaLocation="unused.xsd"/><xs:element'
    path = folder / "probe/probe.xsd"
    path.write_text(path.read_text(encoding="utf-8").replace("<xs:element", unused, 1), encoding="utf-8")
    assert "unused.xsd is in none" in broken(folder).detail


PLACES = [
    "{0}/kopf2.xsd",
    "file://{0}/kopf2.xsd",
    "../../outside/kopf2.xsd",
    "..%2F..%2Foutside%2Fkopf2.xsd",
    "../../outside/",
    "..",
    "kopf2.xsd%00",
]


@pytest.mark.parametrize("place", PLACES)
def test_no_file_outside_the_folders_is_read(folder: Path, tmp_path: Path, place: str) -> None:
    """An import that points out of the folders is not followed, though the file is there and right; its time of access stays."""
    outside = tmp_path / "outside/kopf2.xsd"
    outside.parent.mkdir()
    outside.write_text(IMPORTED, encoding="utf-8")
    long_ago = (0, outside.stat().st_mtime)
    os.utime(outside, long_ago)
    outside.read_bytes()
    if not outside.stat().st_atime:
        pytest.skip("this file system does not note when a file is read")
    os.utime(outside, long_ago)
    write_schema(folder, place.format(outside.parent))
    assert "is in none of the folders" in broken(folder).detail
    assert not outside.stat().st_atime


def test_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    """A symbolic link in a folder does not lead out of it."""
    (folder / "kosit/kopf.xsd").rename(tmp_path / "kopf.xsd")
    (folder / "kosit/kopf.xsd").symlink_to(tmp_path / "kopf.xsd")
    assert broken(folder).detail == f"kopf.xsd is a link out of {folder / 'kosit'}"


@pytest.mark.parametrize("entity", ["file://{0}", "http://127.0.0.1:{1}/secret"])
def test_schema_file_cannot_name_other_files(folder: Path, tmp_path: Path, ear: socket.socket, entity: str) -> None:
    """A DOCTYPE in a schema file opens nothing outside the folders either."""
    (tmp_path / "secret").write_text(CANARY, encoding="utf-8")
    doctype = f'<!DOCTYPE xs:schema [<!ENTITY e SYSTEM "{entity.format(tmp_path / "secret", ear.getsockname()[1])}">]>'
    annotation = "<xs:annotation><xs:documentation>&e;</xs:documentation></xs:annotation>"
    text = IMPORTED.replace("<xs:simpleType", f"{annotation}<xs:simpleType")
    (folder / "kosit/kopf.xsd").write_text(doctype + text, encoding="utf-8")
    assert CANARY not in str(broken(folder).diagnostics())
    assert not heard(ear)


@pytest.mark.parametrize(("text", "reason"), [("<xs:schema", "kopf.xsd"), (IMPORTED.replace("maxLength", "maxLenght"), "kopf.xsd, line 2")])
def test_broken_schema_is_told_with_file_and_line(folder: Path, text: str, reason: str) -> None:
    """A schema that cannot be compiled names the file at fault."""
    (folder / "kosit/kopf.xsd").write_text(text, encoding="utf-8")
    assert reason in broken(folder).detail


def test_missing_entry_is_told(folder: Path) -> None:
    """A row whose entry file is not there says so."""
    (folder / "probe/probe.xsd").unlink()
    assert "probe.xsd is in none of the folders" in broken(folder).detail


def test_stubs_answer_only_where_asked_and_last(folder: Path) -> None:
    """The stand-in for XML Signature serves a row that says so, and a file of the operator goes before it."""
    location = "https://www.w3.org/TR/xmldsig-core/xmldsig-core-schema.xsd"
    imported = f'<xs:import namespace="http://www.w3.org/2000/09/xmldsig#" schemaLocation="{location}"/>'
    path = folder / "probe/probe.xsd"
    path.write_text(path.read_text(encoding="utf-8").replace("<xs:element", f"{imported}<xs:element", 1), encoding="utf-8")
    assert "xmldsig-core-schema.xsd is in none" in broken(folder).detail
    write_rows(folder, ROW | {"stubs": True})
    assert schema_table.load(folder).row_for(of(NAMESPACE), TODAY).findings(probe(["a"])) == []
    (folder / "kosit/xmldsig-core-schema.xsd").write_text("<not-a-schema/>", encoding="utf-8")
    assert "xmldsig-core-schema.xsd" in broken(folder).detail


def test_faults_are_found_before_the_first_message(folder: Path) -> None:
    """`compile` says what the first message would have met."""
    SchemaSet("probe.xsd", [folder / "probe", folder / "kosit"]).compile()
    with pytest.raises(UsageError, match=r"kopf\.xsd is in none"):
        SchemaSet("probe.xsd", [folder / "probe"]).compile()


def test_endless_faults_are_told_at_once(tmp_path: Path) -> None:
    """A message with more faults than anybody looks at is one finding: the place of each costs a walk over all siblings before it."""
    (tmp_path / "u.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:u" elementFormDefault="qualified"><xs:element name="r">'
        '<xs:complexType><xs:sequence><xs:element name="d" type="xs:date" maxOccurs="unbounded"/></xs:sequence></xs:complexType>'
        "</xs:element></xs:schema>"
    )
    known = SchemaSet("u.xsd", [tmp_path])

    def found(*days: str) -> list[Finding]:
        return known.findings(xml.parse(f"<r xmlns='urn:u'>{''.join(f'<d>{day}</d>' for day in days)}</r>".encode()))

    (one,) = found(*["x"] * 19_000)
    assert (one.path, "more than 2000 places" in one.detail) == ("/r", True)
    assert len(found(*["x"] * 2_000)) == MAX_FINDINGS
    assert found(*["2026-03-01"] * 19_000) == []
    assert found(*[" 2026-03-01 "] * 2_000) == []
