"""Work is bounded by its input: no rule, mapping function or reading of text takes time or memory that grows faster than what it is given.

Each is given its worst, up to the megabyte that a message may have; where that takes any time, a quarter of it as well. What there is to ask
is taken from the code, so a new rule or function is asked, or missed, by itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import pytest

from adapters.mapping import charsets, formulas, functions
from adapters.mapping.functions import NAMES, UnfitError
from producers.intake import form
from schemas import catalogue, din91379, headers, message, nfc, xml
from schemas.errors import Rejected
from schemas.examination import rules, schema_table
from schemas.examination.examine import examine
from schemas.examination.rules import RULES
from schemas.examination.rules.subject import Claim, Subject
from schemas.message.header import read_header
from tests import builders
from tests.growth import GROWTH, SLACK, TEXTS, cpu_s, grows_faster, peak_bytes, text_of

NOW: Final = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
VALID: Final = message.write(builders.application()).decode()
CATALOGUE, TABLE = catalogue.load(), schema_table.load()
LETTERS: Final = 320_000
"""Of the larger text; UTF-8 makes about a megabyte of them."""
MOST_BYTES_PER_BYTE: Final = 500
FEW_LETTERS: Final = 20_000
"""For what takes microseconds for each of them."""


def in_name(text: str, size_bytes: int = 0) -> str:
    """The message with a text in a name, again and again for that many bytes."""
    text = text.replace("\r", "&#13;")
    return VALID.replace("<name>Sch\u00f6n</name>", f"<name>{text * (size_bytes // len(text.encode()) or 1)}</name>")


def in_form(elements: str) -> str:
    """The message with more elements in its form."""
    return VALID.replace("</formular>", f"{elements}</formular>")


def behind_content(elements: str) -> str:
    """The message with more elements at its end."""
    return VALID.replace("</inhalt>", f"</inhalt>{elements}")


def deep(inner: str, count: int) -> str:
    """Elements at the bottom of a deep message."""
    return in_form("<a>" * 90 + inner * count + "</a>" * 90)


AREA: Final = f'<gebiet listURI="{message.AREA_LIST_ARS}"><code>1</code></gebiet>'
IDS: Final = "<antragsidentifikation>x</antragsidentifikation><bezug><bezugNachricht>x</bezugNachricht></bezug>"
PERSON: Final = (
    "<natuerlichePerson><familienname><name>\u00fc1</name></familienname><vornamen><name>\u00fc</name></vornamen></natuerlichePerson>"
)
ATTRIBUTES: Final = " ".join(f'a{number}="\u4e2d"' for number in range(45))
SHAPES: Final[Mapping[str, Callable[[int], str]]] = {
    **{kind: partial(lambda unit, count: in_name(unit, count * 50), unit) for kind, unit in TEXTS.items()},
    "marks as references": lambda count: in_name("&#x301;&#x327;" * (count * 3)),
    "marks in attributes": lambda count: in_form('<a b="' + "\u0301\u0327" * (count * 5) + '"/>'),
    "wrong elements": lambda count: in_form("<a>\u4e2d</a>" * count),
    "wrong elements behind right ones": lambda count: in_form("<a>b</a>" * count + "<a>\u4e2d</a>" * 100),
    "wrong deep": lambda count: deep("<a>\u4e2d</a>", count),
    "wrong attributes deep": lambda count: deep('<a b="\u4e2d"/>', count),
    "deep under long names": lambda count: in_form(f"<{'n' * count}>" + "<b>\u4e2d</b>" * (count // 2) + f"</{'n' * count}>"),
    "empty elements": lambda count: in_form("<a/>" * count),
    "empty attributes": lambda count: in_form('<a b=""/>' * count),
    "both empty": lambda count: in_form('<a b=""/><c/>' * (count // 2)),
    "many attributes": lambda count: in_form(f"<a {ATTRIBUTES}/>" * (count // 15)),
    "fields": lambda count: in_form("<feld id='F99000101'><wert>x\u4e2d</wert></feld>" * (count // 2)),
    "values": lambda count: in_form(f"<feld id='F99000101'>{'<wert>x</wert>' * count}</feld>"),
    "lists": lambda count: behind_content('<leistung listURI="x"/><gebiet listURI="x"/>' * (count // 2)),
    "areas": lambda count: behind_content(AREA * (count // 2)),
    "ids": lambda count: behind_content(IDS * (count // 3)),
    "persons": lambda count: VALID.replace("</antragsteller>", f"{PERSON * (count // 5)}</antragsteller>"),
    "files": lambda count: behind_content(
        f"<anlagen>{'<anlage><dateiname>../x</dateiname><sha512>y</sha512></anlage>' * (count // 3)}</anlagen>"
    ),
    "dates with blanks": lambda count: VALID.replace("1990-05-17", " 1990-05-17 ").replace(
        "</formular>", f"{'<a> x</a>' * count}</formular>"
    ),
    "text between elements": lambda count: in_form("\u4e2d<a/>" * count),
    "headers": lambda count: VALID.replace("<nachrichtenkopf.g2g>", f"<nachrichtenkopf.g2g>{'<leser/>' * count}"),
    "namespaces": lambda count: in_form('<p:a xmlns:p="p">\u4e2d</p:a>' * count),
}
"""Messages by what there is much of; the number is about that of elements."""
MOST: Final = 18_000


def subject_of(text: str, *, own: bool) -> Subject:
    """The message as rules get it."""
    body = text.encode()
    root = xml.parse(body)
    claim = None if own else Claim("99115005104000", "091620000000")
    return Subject(root, body, read_header(root), own, CATALOGUE, NOW, NOW.date(), claim=claim, needs_header=True)


def found_by(rule: rules.Rule, subject: Subject) -> object:
    """What a rule finds in a message that nobody has looked at."""
    return rules.findings([rule], replace(subject))


@pytest.mark.parametrize("own", [True, False], ids=["own", "genuine"])
@pytest.mark.parametrize("shape", SHAPES)
def test_time_of_each_rule_grows_with_the_message(shape: str, own: bool) -> None:
    """Four times the message is four times the work of each rule, and not more."""
    small, large = (subject_of(SHAPES[shape](size), own=own) for size in (MOST // GROWTH, MOST))
    told = {rule.name: grows_faster(partial(found_by, rule, small), partial(found_by, rule, large)) for rule in RULES}
    assert {name: one for name, one in told.items() if one} == {}


@pytest.mark.parametrize("shape", SHAPES)
def test_examination_of_the_worst_is_bounded(shape: str) -> None:
    """A megabyte of the worst is examined in a second, and in memory that grows with the message."""
    bodies = [SHAPES[shape](size).encode() for size in (MOST // GROWTH, MOST)]
    run = partial(examine, known=TABLE, catalogue=CATALOGUE, now=NOW)
    assert len(bodies[1]) <= xml.MAX_SIZE_BYTES
    assert min(cpu_s(partial(run, bodies[1])) for _ in range(2)) < 1
    peaks = [peak_bytes(partial(run, body)) for body in bodies]
    assert peaks[1] <= SLACK * GROWTH * max(peaks[0], 1_000_000)


# --- functions of text

CALLS: Final[Mapping[str, Callable[[Callable[..., Any], Any], object]]] = {
    "feld": lambda call, _: call(None, "F99000101"),
    "meta": lambda call, _: call(None, "id"),
    "code": lambda call, selected: call(None, "table", selected),
    "date": lambda call, selected: call(None, selected, "DD.MM.YYYY"),
    "integer": lambda call, selected: call(None, selected),
    "join": lambda call, selected: call(None, selected, ", "),
    "house_number": lambda call, selected: call(None, selected),
    "house_suffix": lambda call, selected: call(None, selected),
}
"""How each function of a mapping is called, with what its XPath selected."""
SUBMISSION: Final = builders.submission(builders.application(), "muenchen.meldewesen")
EXTENSIONS: Final = functions.extensions({"table": {"a": "b"}})
READERS: Final = (charsets, formulas, din91379, nfc)
"""Modules whose public functions read a text."""
SLOW_ONES: Final[Mapping[str, Callable[[str], object]]] = {
    f"{rule} {charset}": partial(lambda rule, charset, text: charsets.fit(text, charset, rule), rule, charset)
    for rule in ("refuse", "transliterate", "replace")
    for charset in ("ascii", "iso-8859-15")
} | {f"datatype {datatype}": partial(lambda kind, text: sum(1 for _ in din91379.disallowed(text, kind)), datatype) for datatype in "ABCDE"}
"""Those that take microseconds for each letter, and get fewer of them."""
OF_TEXTS: Final[Mapping[str, Callable[[str], object]]] = {
    "looks_like_mojibake": din91379.looks_like_mojibake,
    "search_form": din91379.search_form,
    "first_long_run": nfc.first_long_run,
    "nfc": nfc.nfc,
    "is_nfc": nfc.is_nfc,
    "charsets.has": lambda text: charsets.has(text, "cp1252"),
    "formulas.has": formulas.has,
    "prefixed": formulas.prefixed,
    "first_disallowed": lambda text: din91379.first_disallowed(text, "C"),
    "headers.fits": lambda text: [headers.fits(header, text) for header in headers.FORMS],
}


def mapped(name: str, selected: Any) -> None:
    """One call of a mapping's function."""
    with suppress(UnfitError), functions.translating(SUBMISSION):
        CALLS[name](EXTENSIONS[None, name], selected)


def test_every_function_of_a_mapping_is_asked() -> None:
    """A new one needs its call here, and so does each new function that reads a text."""
    assert set(CALLS) == NAMES
    reading = {
        one.__name__
        for module in READERS
        for one in vars(module).values()
        if inspect.isfunction(one) and one.__module__ == module.__name__ and next(iter(inspect.signature(one).parameters), "") == "text"
    }
    asked = {name.rpartition(".")[2] for name in OF_TEXTS} | {"fit", "disallowed"}  # the latter two are SLOW_ONES
    assert {name for name in reading if not name.startswith("_")} <= asked


@pytest.mark.parametrize("kind", TEXTS)
def test_time_of_each_function_grows_with_the_text(kind: str) -> None:
    """Whatever is done with a text, in a mapping or in a rule, four times the text is four times the work."""
    small, large = (text_of(kind, size) for size in (LETTERS // GROWTH, LETTERS))
    told = {name: grows_faster(partial(run, small), partial(run, large)) for name, run in OF_TEXTS.items()}
    told |= {
        name: grows_faster(partial(run, large[: FEW_LETTERS // GROWTH]), partial(run, large[:FEW_LETTERS]))
        for name, run in SLOW_ONES.items()
    }
    for name in NAMES:
        for pieces in (1, 1_000):
            few, many = (
                [text[at : at + len(text) // pieces] for at in range(0, len(text), len(text) // pieces)] for text in (small, large)
            )
            told[f"{name} of {pieces}"] = grows_faster(partial(mapped, name, few), partial(mapped, name, many))
    assert {name: one for name, one in told.items() if one} == {}


@pytest.mark.parametrize("kind", TEXTS)
def test_memory_of_each_function_grows_with_the_text(kind: str) -> None:
    """What is made of a text for a while is no more than some hundred bytes for each of its letters."""
    text = text_of(kind, FEW_LETTERS // GROWTH)
    asked: dict[str, Callable[[Any], object]] = {**OF_TEXTS, **SLOW_ONES, **{name: partial(mapped, name) for name in NAMES}}
    for run in asked.values():
        run(text[:100])  # what is loaded the first time is no cost of the text
    told = {name: peak_bytes(partial(run, [text] if name in NAMES else text)) for name, run in asked.items()}
    assert {name: most for name, most in told.items() if most > MOST_BYTES_PER_BYTE * len(text)} == {}


def test_a_text_with_endless_marks_fits_no_character_set() -> None:
    """A record that was accepted before marks were bounded is refused for good where its text has to be transliterated."""
    assert charsets.fit(text_of("runs of marks", 31), "iso-8859-15", "transliterate") is None
    assert charsets.fit("a" + text_of("runs of marks", 30), "iso-8859-15", "transliterate") == "\u00e1"


# --- forms

FORMS: Final[Mapping[str, Callable[[int], str]]] = {
    "objects": lambda count: f'{{"id":[{",".join(["{}"] * count)}]}}',
    "lists in lists": lambda count: '{"id":' + "[" * 90 + ",".join(["1"] * count) + "]" * 90 + "}",
    "wrong texts deep": lambda count: '{"id":' + "[" * 90 + ",".join(['"\\u0001"'] * count) + "]" * 90 + "}",
    "names": lambda count: "{" + ",".join(f'"n{number}":1' for number in range(count)) + "}",
    "the same name": lambda count: "{" + ",".join(['"n":1'] * count) + "}",
    "digits": lambda count: f'{{"id":{"1" * (count * 20)}}}',
    "a fraction": lambda count: f'{{"id":0.{"1" * (count * 20)}}}',
    "escapes": lambda count: '{"id":"' + "\\u0301" * (count * 4) + '"}',
    "backslashes": lambda count: '{"id":"' + "\\" * (count * 20),
    "quotes": lambda count: '"' * (count * 20),
    "closed too often": lambda count: "]" * (count * 20),
    "applicants": lambda count: f'{{"applicants":[{",".join(["{}"] * count)}]}}',
}


@pytest.mark.parametrize("shape", FORMS)
@pytest.mark.parametrize("read", [form.content_sha512, form.read], ids=["hash", "read"])
def test_time_of_reading_a_form_grows_with_it(shape: str, read: Callable[[bytes], object]) -> None:
    """JSON of whatever form is read in linear time."""

    def run(body: bytes) -> None:
        with suppress(Rejected):
            read(body)

    small, large = (FORMS[shape](size).encode() for size in (9_000, 9_000 * GROWTH))
    assert grows_faster(partial(run, small), partial(run, large)) == ""
    assert cpu_s(partial(run, large)) < 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (FORMS["objects"](330_000), "message-too-complex"),
        (FORMS["names"](form.MAX_NODES), "message-too-complex"),
        ('{"id":' + "[" * 101 + "]" * 101 + "}", "form-invalid"),
    ],
    ids=["a megabyte of objects", "one value too many", "one level too deep"],
)
def test_nodes_of_a_form_are_capped(body: str, code: str) -> None:
    """What is larger than any form is refused before objects are made of it."""
    with pytest.raises(Rejected) as refused:
        form.content_sha512(body.encode())
    assert refused.value.problem.code == code


def test_signs_in_texts_are_no_nodes() -> None:
    """A text may hold as many commas and brackets as it likes."""
    assert form.content_sha512(('{"x":"' + "[,{" * 50_000 + '\\"[["}').encode())
