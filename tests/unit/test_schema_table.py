"""The schema table: which row a message has, the operator's page of rows, and the commands that show and try them."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas import message, problems, xml
from schemas.errors import Rejected, UsageError
from schemas.examination import schema_table
from schemas.examination.schema_table import SchemaTable
from stadtbus import cli
from stadtbus.commands.schemas import schemas_app
from tests import builders
from tests.operator_schemas import NAMESPACE, NONE, ROW, TODAY, of, write_folder, write_rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An operator's folder with two rows."""
    return write_folder(tmp_path)


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
    assert refused.value.where == "namespace of the root element"


@pytest.mark.parametrize("namespace", ["", "http://example.org/probe", "http://example.org/probe/2/6/", f"{NAMESPACE.upper()}", "urn:x"])
def test_unknown_namespace_is_refused_by_name(folder: Path, namespace: str) -> None:
    """V001: a namespace nobody knows is refused, naming all that are known and nothing of the message; there is no nearly right."""
    with pytest.raises(Rejected) as refused:
        schema_table.load(folder).row_for(of(namespace), TODAY)
    assert refused.value.problem == problems.UNKNOWN_MESSAGE
    assert refused.value.detail == f"known namespaces: {message.NAMESPACE}, {NAMESPACE}, {NONE['namespace']}"
    assert refused.value.where == ("namespace of the root element" if namespace else "the root element has no namespace")


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


def test_table_without_rows_knows_ours() -> None:
    """A table is never empty."""
    assert [row.namespace for row in SchemaTable().rows] == [message.NAMESPACE]


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
    keys = {field.alias or name for name, field in schema_table._RowEntry.model_fields.items()}
    explained = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert keys <= {key for cell in explained for key in re.findall(r"`(\w+)[:`]", cell)}


def test_config_check_reads_the_page(configured: Path) -> None:
    """`stadtbus config check` finds a fault in `schemas.yaml`, not the first message."""
    (configured / "schemas.yaml").write_text("- {}", encoding="utf-8")
    told = CliRunner().invoke(cli.app, ["config", "check"]).exception
    assert isinstance(told, UsageError)
    assert "schemas.yaml, line 1" in (told.where or "")


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
