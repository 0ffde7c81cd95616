"""`stadtbus adapter list|check|try|record|diff`: what they print, and how they end."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from shutil import copytree

import pytest
import yaml
from typer.testing import CliRunner, Result

from adapters import registry
from adapters.augsburg.gewerbe import AugsburgGewerbe
from adapters.conformance import checks, handing_over, translation
from adapters.conformance.bench import Bench
from adapters.conformance.expectations import Broken
from adapters.protocols import mapped
from adapters.protocols.drop import Drop
from schemas import catalogue, problems
from schemas.catalogue import Catalogue, Office
from schemas.errors import Rejected, UsageError
from stadtbus.adapter_tools import check, listing
from stadtbus.cli import app
from stadtbus.commands import terminal
from stadtbus.settings import Settings

OFFICE = "nuernberg.meldewesen"
TRADE = "muenchen.gewerbe"
SAMPLE = registry.folder(TRADE) / "samples" / "antrag-person.xml"
BEGIN = 'beginn: {required: "self::e:einreichung.antrag.0100"}'


def give(*arguments: str) -> Result:
    """What the command does."""
    return CliRunner().invoke(app, ["adapter", *arguments])


async def kept(bench: Bench) -> None:
    """All is well."""
    assert await bench.adapter.check()


async def not_kept(_: Bench) -> None:
    """Nothing is ever lost."""
    raise Broken("it was lost")


async def failing(_: Bench) -> None:
    """It does not fail."""
    raise ValueError("with the name of somebody")


def test_list() -> None:
    """Every office of the catalogue is listed with its package, its twin and its services."""
    rows = json.loads(give("list", "--json").stdout)
    assert [row["office"] for row in rows if row["services"]] == catalogue.load().offices
    assert all(row["adapter"] and row["twin"] and row["package"] for row in rows)


def test_office_without_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    """An office of the catalogue that nobody can deliver to is a finding."""
    monkeypatch.setattr(listing, "entry_points", lambda **_: ())
    assert give("list").exit_code == 1


def test_office_with_two_adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two packages with an adapter for one office are told where adapters are listed, not only where one is wanted."""
    twice = (*entry_points(group=registry.ADAPTERS), EntryPoint(OFFICE, "other:Adapter", registry.ADAPTERS))
    monkeypatch.setattr(listing, "entry_points", lambda group: twice if group == registry.ADAPTERS else entry_points(group=group))
    monkeypatch.setattr(terminal.console, "width", 200)
    result = give("list")
    assert result.exit_code == 1
    assert "more than one: other:Adapter, stadtbus; uninstall all but one" in result.stdout


def without(office: str, known: Catalogue) -> Catalogue:
    """The catalogue with one office less."""
    cities = [
        city.model_copy(update={"offices": tuple(one for one in city.offices if f"{city.city}.{one.id}" != office)})
        for city in known.cities.values()
    ]
    return Catalogue(known.services.values(), known.accounts.values(), cities, pages=known.pages)


def test_office_that_is_not_in_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """An office that the page of its city does not name is told first, with the page and the lines to add."""
    monkeypatch.setattr(Settings, "load_catalogue", lambda _: without(TRADE, catalogue.load()))
    result = give("check", TRADE, "--json")
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)
    (flaw,) = report["flaws"]
    assert (flaw["rule"], flaw["page"], flaw["detail"]) == ("catalogue", "muenchen.yaml", f"'{TRADE}' is not in the catalogue")
    lines = yaml.safe_load(flaw["hint"].partition("\n")[2])
    assert [(one["id"], one["services"][0]["service"]) for one in lines] == [("gewerbe", "gewerbe-anmelden")]
    assert Office.model_validate(lines[0]).authority == "ags:09162000"
    assert "add these lines under 'offices:' in the page of muenchen, muenchen.yaml" in give("check", TRADE).stdout.replace("\n", " ")


def test_office_of_another_name_in_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the page of the city has an office that no adapter is for, the two names may mean the same."""
    known = catalogue.load()
    city = known.cities["muenchen"]
    offices = [one.model_copy(update={"id": "gewerb"}) if one.id == "gewerbe" else one for one in city.offices]
    changed = {**known.cities, "muenchen": city.model_copy(update={"offices": tuple(offices)})}
    monkeypatch.setattr(Settings, "load_catalogue", lambda _: Catalogue(known.services.values(), known.accounts.values(), changed.values()))
    assert "'muenchen.gewerb' is, and has no adapter" in give("check", TRADE).stdout.replace("\n", " ")


def test_city_that_is_not_in_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A city without a page is told as such."""
    known = catalogue.load()
    cities = [city for city in known.cities.values() if city.city != "muenchen"]
    monkeypatch.setattr(Settings, "load_catalogue", lambda _: Catalogue(known.services.values(), known.accounts.values(), cities))
    assert "the city 'muenchen' is not in the catalogue" in give("check", TRADE).stdout


def test_page_and_mapping_that_disagree(changed: Path) -> None:
    """A message that the page of the city takes and the mapping refuses is told: each would be a dead letter."""
    change(changed, "einreichung.nachtrag.0110, einreichung.ruecknahme.0130]", "einreichung.nachtrag.0110]")
    change(changed, "    einreichung.ruecknahme.0130: ruecknahme\n", "")
    change(changed, "  \"@grund\": code('grund', grund/code)\n", "")
    result = give("check", TRADE, "--json")
    (flaw,) = json.loads(result.stdout)[0]["flaws"]
    assert (flaw["rule"], flaw["line"]) == ("messages", 3)
    assert "takes 'einreichung.ruecknahme.0130', and this mapping refuses it" in flaw["detail"]


def test_suffix_that_means_another_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files called `.json` with a table in them are told; a suffix that may hold anything is not."""
    monkeypatch.setattr(check, "CHECKS", (kept,))
    for suffix, rules in ((".json", ["suffix"]), (".dat", []), (".csv", [])):
        monkeypatch.setattr(AugsburgGewerbe, "drop", Drop(suffix=suffix))
        (report,) = json.loads(give("check", "augsburg.gewerbe", "--json").stdout)
        assert [flaw["rule"] for flaw in report["flaws"]] == rules


def test_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept promises end with 0, a broken one with 1 and what happened instead; a failure is named by its kind alone."""
    monkeypatch.setattr(check, "CHECKS", (kept,))
    assert give("check", OFFICE).exit_code == 0
    monkeypatch.setattr(check, "CHECKS", (kept, not_kept, failing))
    result = give("check", OFFICE, "--json")
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)
    assert [check["broken"] for check in report["checks"]] == ["", "it was lost", "ValueError where nothing should fail"]
    assert report["checks"][1]["title"] == "Nothing is ever lost."


def test_check_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person reads the promise and what happened instead."""
    monkeypatch.setattr(check, "CHECKS", (kept, not_kept))
    assert "1 of 2 checks kept" in (said := give("check", OFFICE).stdout)
    assert "Nothing is ever lost." in said
    assert "but: it was lost" in said


@pytest.fixture
def changed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mapping of an office, in a copy of its folder that a test can change."""
    folder = tmp_path / "office"
    copytree(registry.folder(getattr(request, "param", TRADE)), folder)
    monkeypatch.setattr(registry, "folder", lambda _: folder)
    monkeypatch.setattr(mapped, "getfile", lambda _: folder / "adapter.py")
    return folder / "mapping.yaml"


def change(page: Path, old: str, new: str) -> None:
    """Write the mapping with something else in one place."""
    before = page.read_text(encoding="utf-8")
    assert before.count(old) == 1
    page.write_text(before.replace(old, new), encoding="utf-8")


def test_check_names_what_a_mapping_loses(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that nobody reads any more is named with file and line; the promises wait until that is mended."""
    monkeypatch.setattr(check, "CHECKS", (not_kept,))
    change(changed, BEGIN, "beginn: null")
    result = give("check", TRADE, "--json")
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)
    (flaw,) = report["flaws"]
    assert (flaw["rule"], flaw["page"], report["checks"]) == ("lost", str(changed), [])
    assert flaw["line"]
    assert "nobody reads feld('F99000202')" in flaw["detail"]
    assert "docs/mappings.md" in give("check", TRADE).stdout


def test_samples_that_differ(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes out otherwise than recorded is a finding, until it is recorded anew."""
    monkeypatch.setattr(check, "CHECKS", (kept,))
    change(changed, BEGIN, "beginn: date(feld('F99000202'), 'DD.MM.YYYY')")
    assert "samples/antrag-person.xml: something else" in give("check", TRADE).stdout
    assert "antrag-person.expected.xml" in give("record", TRADE).stdout.replace("\n", "")
    assert give("check", TRADE).exit_code == 0


def test_diff(changed: Path, tmp_path: Path) -> None:
    """The line that a changed mapping changes is shown before and after, under the name of the sample; no change ends with 0."""
    (tmp_path / "old.yaml").write_bytes(changed.read_bytes())
    assert give("diff", TRADE, "--against", str(tmp_path / "old.yaml")).exit_code == 0
    change(changed, BEGIN, "beginn: date(feld('F99000202'), 'DD.MM.YYYY')")
    result = give("diff", TRADE, "--against", str(tmp_path / "old.yaml"), "--json")
    assert result.exit_code == 1
    lines = {one["sample"]: one["diff"] for one in json.loads(result.stdout)}[SAMPLE.name]
    assert [line.strip("+- ") for line in lines if line.startswith(("- ", "+ "))] == [
        "<beginn>2026-04-01</beginn>",
        "<beginn>01.04.2026</beginn>",
    ]
    assert f"samples/{SAMPLE.name}" in give("diff", TRADE, "--against", str(tmp_path / "old.yaml")).stdout


def test_try(tmp_path: Path) -> None:
    """Message and document stand side by side, on the terminal and on a page; all of it is in the document or left out on purpose."""
    page = tmp_path / "page.html"
    result = give("try", str(SAMPLE), "--adapter", TRADE, "--html", str(page))
    assert result.exit_code == 0
    for said in (result.stdout, page.read_text(encoding="utf-8")):
        assert "feld(" in said
        assert "application/xml" in said


def test_try_marks_what_is_left_out(changed: Path) -> None:
    """A value that does not get into the document, and of which the mapping does not say that it need not, is named."""
    change(changed, "ignored:\n", "ignored:\n  antragsteller/vertrauensniveau: null\n")
    result = give("try", str(SAMPLE), "--adapter", TRADE, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["unmapped"] == [f"antragsteller/vertrauensniveau/{name}" for name in ("niveau", "konto")]
    assert "not in the document: antragsteller/" in give("try", str(SAMPLE), "--adapter", TRADE).stdout


def test_try_with_a_message_that_is_refused() -> None:
    """The message is shown beside the reason."""
    result = give("try", str(SAMPLE.with_name("nachtrag.xml")), "--adapter", "augsburg.gewerbe")
    assert result.exit_code == 1
    assert "refused: not an application" in result.stdout
    assert "leistung/code" in result.stdout


ENCODINGS = ("ISO-8859-1", "ISO-8859-15", "windows-1252", "UTF-16")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_documents_in_any_encoding(changed: Path, tmp_path: Path, encoding: str) -> None:
    """A document that is not UTF-8 is shown, compared and recorded like any other: the rule of UTF-8 is one for portals."""
    (tmp_path / "old.yaml").write_bytes(changed.read_bytes())
    change(changed, "{format: xml, ", f"{{format: xml, encoding: {encoding}, ")
    result = give("try", str(SAMPLE), "--adapter", TRADE, "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert shown["content_type"] == f"application/xml; charset={encoding}"
    assert "Đặng" in shown["document"]
    assert any(one["targets"] == ["antragsteller/name"] and one["path"].endswith("familienname/name") for one in shown["values"])
    assert give("diff", TRADE, "--against", str(tmp_path / "old.yaml")).exit_code == 0  # the same text in another encoding
    assert give("record", TRADE).exit_code == 0
    assert f"encoding='{encoding}'" in changed.with_name("samples").joinpath("antrag-person.expected.xml").read_bytes().decode(encoding)


SOAP = "muenchen.meldewesen"


@pytest.mark.parametrize("changed", [SOAP], indirect=True)
@pytest.mark.parametrize("rule", ["", "\n  unrepresentable: transliterate"], ids=["references", "transliterated"])
@pytest.mark.parametrize("encoding", ENCODINGS[:3])
def test_soap_in_any_encoding(changed: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, rule: str) -> None:
    """A SOAP back office that wants another encoding is connected like any other: recorded, checked and tried."""
    monkeypatch.setattr(
        check, "CHECKS", (translation.same_input_same_bytes, translation.characters_survive, handing_over.find_before_and_after)
    )
    page = changed.read_text(encoding="utf-8")
    changed.write_text(page.replace("format: xml", f"format: xml\n  encoding: {encoding}{rule}", 1), encoding="utf-8")
    assert give("record", SOAP).exit_code == 0
    result = give("check", SOAP)
    assert (result.exit_code, "3 of 3 checks kept" in result.stdout) == (0, True), result.output
    assert give("try", str(changed.parent / "samples" / "person.xml"), "--adapter", SOAP).exit_code == 0


def test_ids_of_the_message(tmp_path: Path) -> None:
    """What is shown of a message has its own ids: that of the message and that of the case."""
    document = json.loads(give("try", str(SAMPLE), "--adapter", TRADE, "--json").stdout)["document"]
    assert 'antragsnummer="0f6f1c1e-1c1a-4d59-9d0e-1b9a4a6d7e01" vorgang="7d3f0c52-6a0e-4c1e-9f53-0d8f0f9e4b11"' in document


@pytest.mark.parametrize("columns", ["80", "120"])
def test_try_has_a_line_per_value(columns: str) -> None:
    """Where a value comes from, where it goes and what it is stands in one line; no word is broken at 80 columns but long values."""
    result = CliRunner(env={"COLUMNS": columns}).invoke(app, ["adapter", "try", str(SAMPLE), "--adapter", TRADE])
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert any(line.split() == ["feld('F99000202')", "betrieb/beginn", "2026-04-01"] for line in lines)
    assert any(line.split()[:1] == ["vornamen/name"] for line in lines)
    assert "…" not in result.stdout


def test_try_shows_what_letters_become() -> None:
    """A value that is something else in the document is shown as both, a table by its columns."""
    sample = registry.folder("augsburg.gewerbe") / "samples" / "besondere-zeichen.xml"
    result = CliRunner(env={"COLUMNS": "120"}).invoke(app, ["adapter", "try", str(sample), "--adapter", "augsburg.gewerbe"])
    assert result.exit_code == 0
    assert "Đặng Łucja → Dang Lucja" in result.stdout
    assert "Vornamen, row 1" in result.stdout


def test_try_knows_what_a_table_reads(changed: Path) -> None:
    """A value that a table takes for one of "all others" is read, and not shown as lost."""
    change(changed, 'strasse: {required: "self::e:einreichung.antrag.0100"}', "strasse: code('x', feld('F99000203'))")
    change(changed, "codes:\n", 'codes:\n  x: {Am Dom: "1", "*": "9"}\n')
    shown = json.loads(give("try", str(SAMPLE), "--adapter", TRADE, "--json").stdout)
    assert shown["unmapped"] == []


def test_reason_of_a_refusal_comes_last() -> None:
    """The last line says why a message is refused: what is above has left the screen."""
    result = give("try", str(SAMPLE.with_name("nachtrag.xml")), "--adapter", "augsburg.gewerbe")
    assert result.stdout.strip().splitlines()[-1] == "refused: not an application; so nothing is in a document"


def test_record_with_samples_that_are_refused(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample that the mapping refuses is a finding with its file and reason, and recorded as refused; the others are written."""
    folder = changed.with_name("samples")
    (folder / "0-ohne.xml").write_bytes(SAMPLE.read_bytes().replace(b"F99000202", b"F99000299"))
    (folder / "1-kaputt.xml").write_bytes(b"<a>")
    before = (folder / "antrag-person.expected.xml").stat().st_mtime_ns
    result = give("record", TRADE)
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    said = result.stdout.replace("\n", "")
    assert "0-ohne.xml: refused: missing: betrieb/beginn" in said
    assert "1-kaputt.xml: " in said
    assert (folder / "antrag-person.expected.xml").stat().st_mtime_ns > before
    assert (folder / "0-ohne.refused.txt").read_text(encoding="utf-8").startswith("missing: betrieb/beginn")

    (folder / "1-kaputt.xml").unlink()
    assert give("record", TRADE).exit_code == 0
    monkeypatch.setattr(check, "CHECKS", (translation.same_input_same_bytes,))
    assert give("check", TRADE).exit_code == 0
    (folder / "0-ohne.refused.txt").write_text("something else\n", encoding="utf-8")
    assert "samples/0-ohne.xml: something else comes of it" in give("check", TRADE).stdout


def test_sample_that_is_no_message(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file among the samples that is no message is named, in words for who wrote the samples."""
    monkeypatch.setattr(check, "CHECKS", (translation.same_input_same_bytes,))
    (changed.with_name("samples") / "kaputt.xml").write_bytes(b"<a>")
    error = give("check", TRADE).exception
    assert isinstance(error, UsageError)
    assert error.problem is problems.SAMPLE_UNREADABLE
    assert (error.where or "").endswith("kaputt.xml")


async def speaks_to_portals(_: Bench) -> None:
    """It is not refused like a portal."""
    raise Rejected(problems.ENCODING)


def test_refusals_for_portals_are_not_shown_to_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be told to a portal is a promise that an adapter does not keep, and not the end of the command."""
    monkeypatch.setattr(check, "CHECKS", (speaks_to_portals,))
    result = give("check", OFFICE)
    assert result.exit_code == 1
    assert "Rejected where nothing should fail" in result.stdout


def test_page_that_cannot_be_written(tmp_path: Path) -> None:
    """A place that does not exist is an error of the caller."""
    with pytest.raises(UsageError, match="file-unwritable"):
        CliRunner().invoke(
            app, ["adapter", "try", str(SAMPLE), "--adapter", TRADE, "--html", str(tmp_path / "no" / "page.html")], catch_exceptions=False
        )


def test_every_check_says_what_it_is_about() -> None:
    """The first line of each check is a promise; no two have the same name."""
    assert len({check.__name__ for check in checks.CHECKS}) == len(checks.CHECKS)
    assert all((check.__doc__ or "").splitlines()[0].endswith(".") for check in checks.CHECKS)


@pytest.mark.parametrize("command", [["record"], ["diff", "--against", str(SAMPLE.parents[1] / "mapping.yaml")]], ids=["record", "diff"])
def test_office_without_a_mapping(command: list[str]) -> None:
    """An office that gets messages unchanged has nothing to record or to compare, and is told so."""
    refused = give(*command, "nuernberg.bau").exception
    assert isinstance(refused, UsageError)
    assert refused.problem is problems.MAPPING_MISSING
