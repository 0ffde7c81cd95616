"""Code lists of others: held whole, equal to what is published, and replaced by what the operator brings."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from infra.settings import SchemaSettings
from producers.settings import GatewaySettings
from schemas import catalogue, codelists, message, xml
from schemas.catalogue import pages
from schemas.catalogue import rules as catalogue_rules
from schemas.codelists import SHIPPED
from schemas.errors import UsageError
from schemas.examination import schema_table
from schemas.examination.examine import examine
from schemas.examination.rules import checks
from schemas.findings import Flaw, Severity
from stadtbus.settings import Settings
from tests import builders
from tests.unit.test_rules import NOW, PERMIT, genuine

MATERIAL = Path(__file__).parents[3] / "shared/xoev/codelists"
PREFIX_FILE = "xoev-de-bund-bmi-bit-codeliste-dvdv.praefix_{}.xml"
TABLE, CATALOGUE = schema_table.load(), catalogue.load()
needs_material = pytest.mark.skipif(not MATERIAL.is_dir(), reason=f"the published lists are not at {MATERIAL}")

LIST = """<gc:CodeList xmlns:gc="http://docs.oasis-open.org/codelist/ns/genericode/1.0/">
<Identification><Version>{version}</Version><CanonicalUri>{uri}</CanonicalUri></Identification>
<SimpleCodeList><Row><Value ColumnRef="praefix"><SimpleValue>{prefix}</SimpleValue></Value></Row></SimpleCodeList></gc:CodeList>"""
PREFIXES = "urn:xoev-de:bund:bmi:bit:codeliste:dvdv.praefix"


def rows(name: str) -> dict[str, str]:
    """A published list: each code with the second or third column, as we hold it."""
    root = xml.parse((MATERIAL / name).read_bytes())
    column = 2 if "praefix" in name else 1
    return {values[0]: values[column] for row in root.iter("Row") if (values := [" ".join(map(str, v.itertext())).strip() for v in row])}


@needs_material
@pytest.mark.parametrize(
    ("name", "held"), [(PREFIX_FILE.format(51), SHIPPED.prefixes), ("de-xoev-codeliste-erreichbarkeit_4.1.xml", SHIPPED.channels)]
)
def test_lists_are_held_whole(name: str, held: codelists.CodeList) -> None:
    """What rules cite as a published list is that list, code for code and name for name."""
    assert {code: " ".join(text.split()) for code, text in rows(name).items()} == held.codes
    assert name.endswith(f"_{held.version}.xml")


def written_by(key: str) -> bytes:
    """An application whose author has this key."""
    return message.write(builders.application(author=message.Authority(key=key, name="Stelle")))


@pytest.mark.parametrize("prefix", SHIPPED.prefixes.codes)
def test_every_prefix_of_dvdv_is_taken(prefix: str) -> None:
    """Author of our messages and of genuine ones, key in the settings: every prefix of the list, with keys of digits and letters."""
    for key in (f"{prefix}:09761000", f"{prefix}:053150000000", f"{prefix}:D2601"):
        assert examine(written_by(key), TABLE, CATALOGUE, NOW).findings == ()
        assert GatewaySettings(authority=key).authority == key
    assert "key-in-directory" not in {one.rule for one in genuine(PERMIT.replace("kop:09564000", f"{prefix}:01")).findings}


def offices_of(*keys: str, lists: codelists.CodeLists = SHIPPED) -> list[Flaw]:
    """What is wrong with the authorities of a catalogue whose one city has an office for each of these keys, one a day."""
    days = (date(2027, 1, 1) + timedelta(days=number) for number in range(len(keys)))
    services = [
        {"service": "gewerbe-anmelden", "minimum_level": 3, "accounts": ["bayernid"], "valid_from": day, "valid_to": day} for day in days
    ]
    offices = [{"id": f"amt-{number}", "name": "Amt", "authority": key, "services": [services[number]]} for number, key in enumerate(keys)]
    city = {"city": "regensburg", "name": "Regensburg", "ags": "09362000", "ars": "093620000000", "offices": offices}
    shared = [one for one in pages.sources() if one.name in {"services.yaml", "accounts.yaml"}]
    flaws = catalogue_rules.flaws(pages.read([*shared, pages.PageSource("regensburg.yaml", yaml.safe_dump(city).encode())], lists))
    return [flaw for flaw in flaws if flaw.rule != "not-offered"]


def test_every_prefix_of_dvdv_may_be_an_office() -> None:
    """The bus starts with an office of any prefix; that of a portal is worth a warning, with line."""
    flaws = offices_of(*(f"{prefix}:09362000" for prefix in SHIPPED.prefixes.codes))
    assert {(flaw.rule, flaw.severity) for flaw in flaws} == {("authority-portal", Severity.WARNING)}
    assert len(flaws) == sum("portal" in name.lower() for name in SHIPPED.prefixes.codes.values())


@pytest.mark.parametrize("key", ["xxx:09761000", "AGS:09761000", "toj:1", "ags", "ags:", ":1"])
def test_what_the_list_lacks_is_refused(key: str) -> None:
    """Another prefix, another case of its letters, or no key behind it."""
    found = [one for one in examine(written_by(key), TABLE, CATALOGUE, NOW).findings if "kennung" in one.path]
    assert found
    assert all(key not in one.detail for one in found)


def operators(folder: Path, **files: str) -> Path:
    """The operator's folder of lists."""
    for name, content in files.items():
        (folder / f"{name}.xml").write_text(content, encoding="utf-8")
    return folder


def test_the_operator_brings_a_newer_list(tmp_path: Path) -> None:
    """A newer list counts for messages and catalogue alike, and alone; the other list stays that of Stadtbus."""
    folder = operators(tmp_path, prefixes=LIST.format(version="52", uri=PREFIXES, prefix="neu"))
    lists = Settings(schemas=SchemaSettings(codelists=folder)).load_codelists()
    assert (str(lists.prefixes), lists.channels) == ("DVDV.Praefixe 52", SHIPPED.channels)
    assert [flaw.rule for flaw in offices_of("neu:1")] == ["authority-prefix"]
    assert offices_of("neu:1", lists=lists) == []
    assert [flaw.rule for flaw in offices_of("ags:1", lists=lists)] == ["authority-prefix"]
    known = catalogue.Catalogue((), (), (), lists)
    details = {one.detail for one in examine(written_by("kop:1"), TABLE, known, NOW).findings if one.rule == "key-in-directory"}
    assert details == {"the prefix is none of the 1 of DVDV.Praefixe 52"}


@needs_material
def test_published_files_are_taken_as_they_are(tmp_path: Path) -> None:
    """The files of XRepository, unchanged."""
    for name in (PREFIX_FILE.format(50), "de-xoev-codeliste-erreichbarkeit_4.xml"):
        (tmp_path / name).write_bytes((MATERIAL / name).read_bytes())
    lists = codelists.load(tmp_path)
    assert (str(lists.prefixes), len(lists.prefixes.codes), str(lists.channels)) == ("DVDV.Praefixe 50", 116, "Erreichbarkeit 4")


@pytest.mark.parametrize(
    ("files", "detail"),
    [
        ({"a": "no XML"}, "The XML cannot be read"),
        ({"a": "<list/>"}, "none of the code lists"),
        ({"a": LIST.format(version="1", uri="urn:other", prefix="a")}, "none of the code lists"),
        ({"a": LIST.format(version="52", uri=PREFIXES, prefix="")}, "no row with the column praefix"),
        ({"a": LIST.format(version="", uri=PREFIXES, prefix="a")}, "no version"),
        ({name: LIST.format(version=name, uri=PREFIXES, prefix="a") for name in "ab"}, "leave only the newer one"),
    ],
)
def test_a_list_that_cannot_be_used_stops_the_start(tmp_path: Path, files: dict[str, str], detail: str) -> None:
    """The setting, the file and the reason are named."""
    settings = Settings(schemas=SchemaSettings(codelists=operators(tmp_path, **files)))
    with pytest.raises(UsageError, match=detail) as told:
        settings.load_catalogue()
    assert "schemas.codelists" in told.value.detail
    assert told.value.where in {str(tmp_path / f"{name}.xml") for name in files}


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """So is a folder that does not exist."""
    with pytest.raises(UsageError, match="there is no such folder"):
        codelists.load(tmp_path / "missing")


@pytest.mark.parametrize("code", SHIPPED.channels.codes)
def test_every_channel_of_the_list_is_taken(code: str) -> None:
    """Instant messenger, pager and secure web are channels too."""
    kanal = f'<erreichbarkeit><kanal listVersionID="4.1"><code>{code}</code></kanal><kennung>x</kennung></erreichbarkeit>'
    body = message.write(builders.application()).replace(b"</leser>", f"{kanal}</leser>".encode())
    assert examine(body, TABLE, CATALOGUE, NOW).findings == ()
    assert examine(body.replace(f"<code>{code}<".encode(), b"<code>99<"), TABLE, CATALOGUE, NOW).findings != ()


@pytest.mark.parametrize("mime_type", ["application/pdf", "Application/PDF", "x-world/x-3dmf", "video/3gpp", "application/vnd.ms-excel"])
def test_media_types_are_those_of_the_rfc(mime_type: str) -> None:
    """RFC 6838 allows digits, hyphens and capitals in the type as in the subtype."""
    assert checks._MIME_TYPE.fullmatch(mime_type)


@needs_material
def test_area_keys_of_all_municipalities_agree() -> None:
    """The rule that AGS and ARS agree holds for every municipality that is published, so it refuses none."""
    published = "de-bund-destatis-bevoelkerungsstatistik-schluessel-{}_2026-06-30.xml"
    ags, ars = (re.findall(r"<SimpleValue>(\d+)</SimpleValue>", (MATERIAL / published.format(name)).read_text()) for name in ("ags", "rs"))
    known = set(ags)
    keys = [key for key in ars if key[:5] + key[9:] in known]
    assert len(keys) > 11_000
    assert [key for key in keys if key[9:] == "000" and key[5:] != "0000000"] == []
