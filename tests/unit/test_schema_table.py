"""The schema table and schema sets of an operator, with schemas made here."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
import yaml
from lxml import etree
from typer.testing import CliRunner

from schemas import message, problems, xml
from schemas.errors import Rejected, UsageError
from schemas.examination import schema_table
from schemas.examination.schema_table import SchemaTable
from schemas.findings import Severity
from schemas.schema_set import SchemaSet
from stadtbus import cli
from stadtbus.commands.schemas import schemas_app
from tests import builders

TODAY = date(2026, 6, 1)
NAMESPACE = "http://example.org/probe/2/6"
CANARY = "Quellwasser"
SCHEMA = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:p="{NAMESPACE}" xmlns:k="http://example.org/kopf"
  targetNamespace="{NAMESPACE}" elementFormDefault="qualified">
  <xs:import namespace="http://example.org/kopf" schemaLocation="{{location}}"/>
  <xs:element name="probe.antrag.0100"><xs:complexType><xs:sequence>
    <xs:element name="wert" type="k:Wert" maxOccurs="unbounded"/></xs:sequence><xs:attribute name="id" type="xs:int" use="required"/></xs:complexType></xs:element>
</xs:schema>"""
IMPORTED = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://example.org/kopf">
  <xs:simpleType name="Wert"><xs:restriction base="xs:string"><xs:maxLength value="5"/></xs:restriction></xs:simpleType>
</xs:schema>"""
ROW = {"name": "Probe 2.6", "namespace": NAMESPACE, "folder": "probe", "entry": "probe.xsd", "imports": ["kosit"]}
NONE = {"name": "Probe 2.7", "namespace": "http://example.org/probe/2/7", "schema": "none"}


def probe(values: list[str], root: str = "probe.antrag.0100") -> etree._Element:
    """A message of the operator's standard."""
    inner = "".join(f"<p:wert>{value}</p:wert>\n" for value in values)
    return xml.parse(f'<p:{root} id="1" xmlns:p="{NAMESPACE}">\n{inner}</p:{root}>'.encode())


def of(namespace: str) -> etree._Element:
    """A message of which only the namespace counts."""
    return etree.Element(f"{{{namespace}}}probe.antrag.0100" if namespace else "probe.antrag.0100")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An operator's folder whose schema names its import by an address that nobody may call."""
    operator = tmp_path / "operator"
    for name in ("probe", "kosit"):
        (operator / name).mkdir(parents=True)
    write_schema(operator, "http://xoev.de.invalid/schemata/kopf/1_0/kopf.xsd")
    (operator / "kosit/kopf.xsd").write_text(IMPORTED, encoding="utf-8")
    write_rows(operator, ROW, NONE)
    return operator


def write_schema(folder: Path, location: str) -> None:
    """The entry file with its import from a place."""
    (folder / "probe/probe.xsd").write_text(SCHEMA.format(location=location), encoding="utf-8")


def write_rows(folder: Path, *rows: object) -> None:
    """The page of the operator."""
    (folder / "schemas.yaml").write_text(yaml.safe_dump(list(rows)), encoding="utf-8")


def broken(folder: Path) -> UsageError:
    """What is said of the schema set of Probe 2.6."""
    with pytest.raises(UsageError) as refused:
        schema_table.load(folder).row_for(of(NAMESPACE), TODAY).findings(probe(["a"]))
    assert refused.value.problem == problems.SCHEMA_SET
    return refused.value


# --- rows


def test_our_own_row_is_always_there(folder: Path) -> None:
    """With and without an operator's folder our messages are known, and their rules refuse."""
    root = xml.parse(message.write(builders.application()))
    for known in (schema_table.load(), schema_table.load(folder)):
        row = known.row_for(root, TODAY)
        assert row.own
        assert row.findings(root) == []


def test_row_is_found_by_exact_namespace(folder: Path) -> None:
    """The namespace of the root selects the row; the operator's rows do not refuse by rules."""
    row = schema_table.load(folder).row_for(of(NAMESPACE), TODAY)
    assert (row.name, row.own) == ("Probe 2.6", False)


@pytest.mark.parametrize(
    "namespace",
    [f"{message.NAMESPACE}.1", message.NAMESPACE.replace("1.0", "2.0"), "http://example.org/probe/2/60", "http://example.org/probe/3"],
)
def test_other_version_names_the_accepted_ones(folder: Path, namespace: str) -> None:
    """V000: a known standard in another version is refused with the versions that are taken, and only those."""
    with pytest.raises(Rejected) as refused:
        schema_table.load(folder).row_for(of(namespace), TODAY)
    assert refused.value.problem == problems.UNKNOWN_VERSION
    expected = message.NAMESPACE if "einreichung" in namespace else f"{NAMESPACE}, {NONE['namespace']}"
    assert refused.value.detail == f"accepted: {expected}"
    assert refused.value.where == f"namespace {namespace}"


@pytest.mark.parametrize("namespace", ["", "http://example.org/probe", "http://example.org/probe/2/6/", f"{NAMESPACE.upper()}", "urn:x"])
def test_unknown_namespace_is_refused_by_name(folder: Path, namespace: str) -> None:
    """V001: a namespace nobody knows is named, with all that are known; there is no nearly right."""
    with pytest.raises(Rejected) as refused:
        schema_table.load(folder).row_for(of(namespace), TODAY)
    assert refused.value.problem == problems.UNKNOWN_MESSAGE
    assert refused.value.detail == f"known namespaces: {message.NAMESPACE}, {NAMESPACE}, {NONE['namespace']}"
    assert namespace in (refused.value.where or "")


@pytest.mark.parametrize(
    ("day", "taken"),
    [("2026-04-30", False), ("2026-05-01", True), ("2026-12-31", True), ("2027-01-01", False)],
    ids=str,
)
def test_window_includes_both_days(folder: Path, day: str, taken: bool) -> None:
    """A version is taken from its first to its last day; outside the others are named."""
    write_rows(folder, ROW | {"valid_from": date(2026, 5, 1), "valid_to": date(2026, 12, 31)}, NONE)
    known = schema_table.load(folder)
    if taken:
        assert known.row_for(of(NAMESPACE), date.fromisoformat(day)).name == "Probe 2.6"
    else:
        with pytest.raises(Rejected, match=f"accepted: {NONE['namespace']}$") as refused:
            known.row_for(of(NAMESPACE), date.fromisoformat(day))
        assert refused.value.problem == problems.UNKNOWN_VERSION


def test_no_version_left_is_said(folder: Path) -> None:
    """When all versions have ended the answer does not name one of them."""
    write_rows(folder, ROW | {"valid_to": date(2026, 5, 31)})
    with pytest.raises(Rejected, match="accepted: no version today"):
        schema_table.load(folder).row_for(of(NAMESPACE), TODAY)


FAMILIES = {
    "http://www.osci.de/xmeld2511a": "http://www.osci.de/xmeld",
    "http://www.osci.de/xauslaender2611": "http://www.osci.de/xauslaender",
    "http://www.xleitstelle.de/xbau/2/6": "http://www.xleitstelle.de/xbau/",
    "http://www.xleitstelle.de/xbau/kernmodul/1/3/0": "http://www.xleitstelle.de/xbau/kernmodul/",
    "https://www.xleitstelle.de/xbeteiligung/12": "https://www.xleitstelle.de/xbeteiligung/",
    "http://www.xgewerbeanzeige.de/spezifikation/2.2": "http://www.xgewerbeanzeige.de/spezifikation/",
    "urn:xoev-de:xunternehmen:standard:gewerbesteuer_1.4": "urn:xoev-de:xunternehmen:standard:gewerbesteuer_",
    "https://gitlab.opencode.de/akdb/xoev/xwasser/-/raw/main/V1_0_0": "https://gitlab.opencode.de/akdb/xoev/xwasser/-/raw/main/",
    "http://www.xjustiz.de": "http://www.xjustiz.de",
}


@pytest.mark.parametrize(("namespace", "family"), FAMILIES.items(), ids=FAMILIES)
def test_family_is_the_namespace_without_version(namespace: str, family: str) -> None:
    """The namespaces that XÖV standards use end in a version, and the rest is common to all versions."""
    assert schema_table.Row("x", namespace, own=False, schema_set=None).family == family


# --- the operator's page

FAULTS = {
    "no list": ("name: x", 1, "a list of rows is expected"),
    "empty": ("", 1, "a list of rows is expected"),
    "no yaml": ("- a\n- [", 2, "not YAML"),
    "no such day": ("- {name: x, namespace: urn:x, schema: none, valid_to: 2026-02-31}", 1, "not YAML"),
    "unknown key": ("- name: x\n  namespace: urn:x\n  schema: none\n  prefix: p", 4, "prefix: unknown key 'prefix'"),
    "no namespace": ("\n- {name: x, schema: none}", 2, "namespace: is missing"),
    "neither schema nor none": ("- {name: x, namespace: urn:x}", 1, "give folder and entry"),
    "empty schema": ("- {name: x, namespace: urn:x, schema: }", 1, "give folder and entry"),
    "both": ("- {name: x, namespace: urn:x, schema: none, folder: x}", 1, "stands alone"),
    "entry elsewhere": (
        "- {name: x, namespace: urn:x, folder: x,\n   entry: ../x.xsd}",
        2,
        "entry: expected the name of a file that ends in .xsd",
    ),
    "day as a number": ("- {name: x, namespace: urn:x, schema: none, valid_from: 0}", 1, "expected a day"),
    "day as digits": ("- {name: x, namespace: urn:x, schema: none, valid_from: '1767571200'}", 1, "expected a day"),
    "window": ("- {name: x, namespace: urn:x, schema: none, valid_from: 2026-02-01, valid_to: 2026-01-01}", 1, "valid_to lies before"),
    "twice": (2 * "- {name: x, namespace: urn:x, schema: none}\n", 2, "this namespace has a row already"),
    "ours": (f"- name: x\n  namespace: {message.NAMESPACE}\n  schema: none", 2, "this namespace has a row already"),
}


@pytest.mark.parametrize(("page", "line", "told"), FAULTS.values(), ids=FAULTS)
def test_fault_of_the_page_is_told_with_its_place(folder: Path, page: str, line: int, told: str) -> None:
    """A wrong `schemas.yaml` is refused when it is loaded, naming file, line and what is wrong."""
    (folder / "schemas.yaml").write_text(page, encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        schema_table.load(folder)
    assert told in refused.value.detail
    assert refused.value.where == f"{folder / 'schemas.yaml'}, line {line}"


def test_folder_without_a_page_is_told(tmp_path: Path) -> None:
    """A folder that was named by mistake is not the same as none."""
    with pytest.raises(UsageError, match=r"schemas\.yaml cannot be read"):
        schema_table.load(tmp_path)


# --- what operators read and type

PAGE = (Path(__file__).parents[2] / "docs/genuine-messages.md").read_text(encoding="utf-8")


def test_example_of_the_guide_is_a_page(tmp_path: Path) -> None:
    """The `schemas.yaml` of the guide can be loaded as it is printed."""
    (example,) = re.findall(r"```yaml\n(- name: .*?)```", PAGE, re.DOTALL)
    (tmp_path / "schemas.yaml").write_text(example, encoding="utf-8")
    assert [row.name for row in schema_table.load(tmp_path).rows[1:]] == ["XBau 2.6"]


def test_guide_explains_every_key() -> None:
    """The guide's table of keys has each that a row can have."""
    keys = {field.alias or name for name, field in schema_table._Entry.model_fields.items()}
    explained = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert keys <= {key for cell in explained for key in re.findall(r"`(\w+)[:`]", cell)}


def test_config_check_reads_the_page(configured: Path) -> None:
    """`stadtbus config check` finds a fault in `schemas.yaml`, not the first message."""
    (configured / "schemas.yaml").write_text("- {}", encoding="utf-8")
    told = CliRunner().invoke(cli.app, ["config", "check"]).exception
    assert isinstance(told, UsageError)
    assert "schemas.yaml, line 1" in (told.where or "")


# --- schema sets


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


def test_table_without_rows_knows_ours() -> None:
    """A table is never empty."""
    assert [row.namespace for row in SchemaTable().rows] == [message.NAMESPACE]


# --- the commands


@pytest.fixture
def configured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's folder, named in the settings."""
    monkeypatch.delenv("STADTBUS_CONFIG", raising=False)
    monkeypatch.setenv("STADTBUS_SCHEMAS__FOLDER", str(folder))
    return folder


def test_list_shows_every_row(configured: Path) -> None:
    """`stadtbus schemas list` names each namespace, and says where the body is not checked."""
    shown = CliRunner().invoke(schemas_app, ["list"])
    assert shown.exit_code == 0
    assert "Probe 2.6" in shown.output
    assert "none: body not checked" in shown.output
    rows = json.loads(CliRunner().invoke(schemas_app, ["list", "--json"]).output)
    assert [(row["namespace"], row["schema"], row["taken_today"]) for row in rows] == [
        (message.NAMESPACE, "einreichung-1.0.xsd", True),
        (NAMESPACE, "probe.xsd", True),
        (NONE["namespace"], None, True),
    ]


def test_check_tries_every_row(configured: Path) -> None:
    """`stadtbus schemas check` ends with 0 when all rows can be used, with 1 and the reason when one cannot."""
    fine = CliRunner().invoke(schemas_app, ["check"])
    assert (fine.exit_code, fine.output) == (0, f"3 of 3 rows can be used; without a schema set: {NONE['namespace']}\n")
    (configured / "kosit/kopf.xsd").unlink()
    told = CliRunner().invoke(schemas_app, ["check"])
    assert told.exit_code == 1
    assert "2 of 3 rows" in told.output
    assert "kopf.xsd is in none of the folders" in told.output
    as_json = CliRunner().invoke(schemas_app, ["check", "--json"])
    assert as_json.exit_code == 1
    assert json.loads(as_json.output)["broken"][NAMESPACE]["code"] == "schema-set-broken"
