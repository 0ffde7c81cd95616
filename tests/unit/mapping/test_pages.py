"""Pages of mappings: those that are shipped, those of the documentation, and those that cannot be used."""

from __future__ import annotations

import contextlib
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters import registry
from adapters.mapping import Mapping, lint, samples
from adapters.registry import folder
from schemas import catalogue
from schemas.errors import UsageError
from tests import builders
from tests.mappings import OFFICE, members, submission
from tests.mutation.mutants import shipped


@pytest.mark.parametrize("office", ["muenchen.meldewesen", "muenchen.gewerbe", "nuernberg.meldewesen", "augsburg.gewerbe"])
def test_samples_give_what_was_recorded(office: str) -> None:
    """Every recorded message of a shipped mapping still gives the recorded document, byte for byte."""
    found = samples.recorded(folder(office) / "samples")
    assert len(found) >= 4
    assert list(samples.differing(Mapping.load(folder(office) / "mapping.yaml"), folder(office) / "samples")) == []


@pytest.mark.parametrize("one", shipped(catalogue.load()), ids=lambda one: one.office)
def test_every_field_is_guarded(one: Any) -> None:
    """No field or code of a shipped mapping can be left out or swapped unseen."""
    outcomes = {mutant.change: one.notices(mutant) for mutant in one.mutants()}
    assert len(outcomes) > 30
    assert [change for change, check in outcomes.items() if not check] == []


def test_sample_that_is_refused_differs(tmp_path: Path) -> None:
    """A recorded message that a mapping refuses is not one that gives what was recorded."""
    office = folder(OFFICE)
    (tmp_path / "a.xml").write_bytes((office / "samples/person.xml").read_bytes().replace(b"F99000101", b"F99000199"))
    (tmp_path / "a.expected.xml").write_bytes(b"<x/>")
    assert list(samples.differing(Mapping.load(office / "mapping.yaml"), tmp_path)) == [tmp_path / "a.xml"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("target: {format: json}\ndocument:\n  x: foo('a')", 3, "there is no function 'foo'"),
        ("target: {format: json}\ndocument:\n  x: doc[", 3, "Invalid"),
        ("target: {format: json}\ndocument:\n  x:\n    value: code('t', 'a')", 4, "there is no table 't' in codes"),
        ("target: {format: json}\ndocument:\n  x: meta('name')", 3, "meta knows id, case, about, accepted_at, test"),
        ("target: {format: json}\ndocument:\n  x: {value: position()}", 3, "position() is there inside [...] only"),
        ("target: {format: json}\ndocument:\n  x: b:c", 3, "the prefix 'b' is not known; known: e"),
        ("target: {format: json}\ndocument:\n  y: a\n  x: {required: true}", 4, "has neither value nor fields nor default"),
        ("target: {format: json}\ndocument:\n  x:\n    value: a\n    colour: red", 5, "colour"),
        ("target: {format: json}\ndocument:\n  x:\n    each: a\n    value: b", 3, "need 'fields' below"),
        ("target: {format: json}\ndocument: {}", 2, "document"),
        ("target: {format: yaml}\ndocument: {a: b}", 1, "target"),
        ("target: {format: csv, encoding: klingon}\ndocument: {a: b}", 1, "no encoding 'klingon'"),
        ("target: {format: xml, root: a, encoding: latin-1}\ndocument: {a: b}", 1, "XML parsers do not know the encoding 'latin-1'"),
        ("target: {format: xml, root: a, encoding: ASCII}\ndocument:\n  straße: b", 3, "has not every letter of the name 'straße'"),
        ("target: {format: xml, root: straße, encoding: ASCII}\ndocument: {a: b}", 1, "has not every letter of the name 'straße'"),
        ("target: {format: csv, encoding: ASCII}\ndocument:\n  straße: b", 3, "has not every character of 'straße'"),
        ("target: {format: csv, encoding: ASCII, separator: ¦}\ndocument: {a: b}", 1, "has not every character of '¦'"),
        ("target: {format: fixed, encoding: ASCII}\ndocument:\n  a: {value: b, width: 3, fill: ¦}", 3, "has not the fill of a"),
        ("target:\n  format: csv\n  separator: '\"'\ndocument: {a: b}", 3, "separator"),
        ("target: {format: csv}\ndocument:\n  x: a\n  y:\n    fields:\n      x: b", 6, "another field is the column 'x' too"),
        ("target: {format: csv, columns: [x, z]}\ndocument: {x: a, y: b}", 1, "no field is called z; not among the columns: y"),
        ("target: {format: csv}\ndocument:\n  x: {each: a, fields: {p: b}}\n  y: {each: a, fields: {q: b}}", 4, "a table has one 'each'"),
        ("target: {format: fixed}\ndocument:\n  x: a", 3, "has no width"),
        ("target: {format: json}\ndocument:\n  x: a\n  y: {name: x, value: b}", 4, "another field has the name 'x'"),
        ("target: {format: json}\ndocument:\n  x: {value: a, fields: {b: c}}", 3, "only XML has text and fields in one"),
        ("target: {format: xml, root: 1a}\ndocument: {a: b}", 1, "no name of an XML element"),
        ("target: {format: xml, root: a}\ndocument:\n  p:x: a", 3, "prefix of 'p:x' is not in namespaces"),
        ("target: {format: xml, root: a}\ndocument:\n  '@x': {fields: {y: a}}", 3, "the attribute '@x' cannot have fields"),
        ("bas: nothing\ntarget: {format: json}\ndocument: {a: b}", 1, "unknown key 'bas'; did you mean 'base'?"),
        ("base: nothing\ntarget: {format: json}", 1, "there is no base 'nothing'"),
        ("base: ../x\ntarget: {format: json}", 1, "there is no base '../x'"),
        ("a: [", 1, "not YAML"),
        ("a: 1\na: 2", 2, "the key 'a' occurs twice"),
        ("target: {format: xml, root: a, namespaces: {1: urn:a}}\ndocument: {a: b}", 1, "namespaces"),
        ('target: {format: json}\ndocument: {x: {default: "\\x01"}}', 1, "a control character"),
        ("[]", 1, "a mapping has keys at its top"),
        ("a: &a [*a]", 1, "more than"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]",
            1,
            "more",
        ),
    ],
)
def test_mapping_that_cannot_be_used(tmp_path: Path, text: str, line: int, said: str) -> None:
    """What is wrong with a page is told when it is loaded, with file and line."""
    page = tmp_path / "mapping.yaml"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="mapping-invalid") as caught:
        Mapping.load(page)
    assert said in caught.value.detail
    assert caught.value.where == f"{page}, line {line}"[-len(caught.value.where or "") :]


def test_unreadable_pages(tmp_path: Path) -> None:
    """A page that is missing, too large or no UTF-8 is told as such."""
    page = tmp_path / "mapping.yaml"
    for content, said in ((None, "No such file"), (b"\xff", "not UTF-8"), (b"#" * 200_001, "larger than")):
        if content is not None:
            page.write_bytes(content)
        with pytest.raises(UsageError) as caught:
            Mapping.load(page)
        assert said in caught.value.detail


def test_base_is_overridden_key_by_key(tmp_path: Path) -> None:
    """A page changes single keys of its base, adds to what it says of a field, and takes away with null."""
    page = tmp_path / "mapping.yaml"
    page.write_text(
        "base: wohnsitz-anmelden\ntarget: {format: json}\nrefuse: null\ndocument:\n"
        "  wohnung: {fields: {strasse: feld('F99000105'), ort: {name: stadt}, wohnungsart: null}}\n  person: null\n",
        encoding="utf-8",
    )
    content = members(Mapping.load(page), submission())
    assert content["wohnung"]["strasse"] == content["wohnung"]["stadt"] == "München"
    assert not {"ort", "wohnungsart"} & content["wohnung"].keys()
    assert "person" not in content


def test_flaw_in_the_base_is_told_there(tmp_path: Path) -> None:
    """A line of the base is told with the base's name."""
    page = tmp_path / "mapping.yaml"
    page.write_text("base: wohnsitz-anmelden\ntarget: {format: csv}\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        Mapping.load(page)
    assert (caught.value.where or "").startswith("adapters/services/wohnsitz-anmelden.yaml, line ")


def test_nothing_is_within_reach(mapping: Any, tmp_path: Path) -> None:
    """An XPath reads neither files nor the network: such functions do not exist."""
    for function in ("document", "doc", "unparsed-text", "system-property", "re:match", "str:tokenize"):
        with pytest.raises(UsageError, match="there is no function"):
            mapping({"x": f"{function}('/etc/passwd')"})


def test_document_leaves_the_message_alone() -> None:
    """The message is shared by all who read it: a mapping changes nothing in it."""
    one = submission()
    before = etree.tostring(one.root)
    Mapping.load(folder(OFFICE) / "mapping.yaml").document(one)
    assert etree.tostring(one.root) == before


def test_example_with_lines_of_several_kinds(tmp_path: Path) -> None:
    """The adapter in docs/mappings.md writes record types out of what its mapping says; nothing is found about the mapping."""
    text = (Path(__file__).parents[3] / "docs/mappings.md").read_text(encoding="utf-8")
    for name in ("mapping.yaml", "adapter.py"):
        block = re.search(rf"^```\w+ {re.escape(name)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        assert block is not None
        (tmp_path / name).write_text(block.group(1), encoding="utf-8")
    assert lint.check(tmp_path / "mapping.yaml", [catalogue.load().services["wohnsitz-anmelden"]]) == []
    spec = spec_from_file_location("example_of_record_types", tmp_path / "adapter.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        adapter = module.RegensburgMeldewesen.__new__(module.RegensburgMeldewesen)
        adapter._mapping = Mapping.load(tmp_path / "mapping.yaml")
        document = adapter.translate(
            submission(applicants=(builders.person("Đặng", "Zoë", birth_date="1990-05"), builders.person("B", None)))
        )
    finally:
        del sys.modules[spec.name]
    first, *persons, last = document.content.decode("iso-8859-15").split("\r\n")[:-1]
    assert (first[:2], first[-2:], len(first)) == ("01", "EA", 40)
    assert persons == [f"02001{'Dang':<30}{'Zoë':<30}19900500", f"02002{'B':<30}{'':<30}{persons[1][-8:]}"]
    assert (last, Path(document.name).suffix) == ("9900002", ".txt")


def test_example_of_the_documentation(tmp_path: Path) -> None:
    """The mapping in docs/mappings.md loads, and nothing is found about it."""
    page = tmp_path / "mapping.yaml"
    text = (Path(__file__).parents[3] / "docs/mappings.md").read_text(encoding="utf-8")
    page.write_text(text.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    assert lint.check(page, [catalogue.load().services["gewerbe-anmelden"]]) == []


SHIPPED = sorted(Path(registry.__file__).parent.glob("*/*/mapping.yaml"))


@given(st.data())
def test_any_page_loads_or_says_what_is_wrong(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A page with a piece cut out, or another put in, is a mapping or a UsageError; nothing else happens."""
    text = data.draw(st.sampled_from([path.read_text(encoding="utf-8") for path in SHIPPED]))
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 80)))
    piece = data.draw(st.sampled_from(["", "null", "1", "[]", "{}", "&a", "*a", "'", "x(", "::", "e:y", "\n", "- "]) | st.text(max_size=8))
    page = tmp_path_factory.getbasetemp() / "mapping.yaml"
    page.write_bytes((text[:begin] + piece + text[end:]).encode("utf-8", "surrogatepass"))
    with contextlib.suppress(UsageError):
        assert Mapping.load(page).media_type
