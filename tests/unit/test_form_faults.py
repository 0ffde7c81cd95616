"""Refusals of JSON forms: sentences of ours, every fault at once, places as JSON Pointers, and never a value."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic_core import core_schema

from producers.intake import form, form_faults, message_faults
from producers.intake.form import SubmissionForm
from schemas import message
from schemas.errors import Rejected
from schemas.message import xsd
from tests import builders
from tests.gateway import JSON, XML, Gateway, as_form, as_xml, opened, problem_of

CANARY = "Kanarienvogel"
FORM = as_form(builders.application(applicants=(builders.person("Schön", "Ana", birth_name="Groß"), builders.company("Bäckerei"))))
CODES = set(get_args(core_schema.ErrorType))
PERSON = "/applicants/0/person"


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that refuses."""
    yield from opened(tmp_path_factory.mktemp("refusing"))


def places(content: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place of a JSON value, the root left out."""
    for step, member in content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ():
        yield (*steps, step)
        yield from places(member, (*steps, step))


def changed(steps: tuple[str | int, ...], change: Callable[[Any, str | int], None]) -> Any:
    """The form with a change at one place."""
    content = copy.deepcopy(FORM)
    around: Any = content
    for step in steps[:-1]:
        around = around[step]
    change(around, steps[-1])
    return content


def put(value: Any) -> Callable[[Any, str | int], None]:
    """A change that puts a value there."""

    def change(around: Any, step: str | int) -> None:
        around[step] = value

    return change


def remove(around: Any, step: str | int) -> None:
    """A change that takes the member away."""
    del around[step]


def add(around: Any, _: str | int) -> None:
    """A change that adds an unknown member."""
    if isinstance(around, dict):
        around[CANARY + " 1"] = CANARY


def refusal_of(content: Any) -> Rejected | None:
    """How a form is refused; None where it is taken."""
    try:
        form.read(json.dumps(content).encode())
    except Rejected as error:
        return error
    return None


CHANGES = {
    "missing": remove,
    "unknown member": add,
    **{
        json.dumps(value)[:20]: put(value)
        for value in (
            None, True, 3, -1, 99, 2.5, 10**30, "", " ", "\u00a0", CANARY, CANARY * 500, CANARY + "\u0001\ud800", "2026-01-01T00:00:00",
            "2026-13-01T00:00:00Z", "2026-01-01", [], [CANARY], [CANARY] * 600, {}, {CANARY: CANARY},
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_fault_is_told_in_our_words(change: Callable[[Any, str | int], None]) -> None:
    """Whatever is put in the place of any member is refused with a sentence and the place, or taken; nothing of it is quoted."""
    for steps in places(FORM):
        content = changed(steps, change)
        refusal = refusal_of(content)
        assert refusal is None or refusal.findings
        for finding in refusal.findings if refusal else ():
            assert finding.detail not in CODES
            assert " " in finding.detail
            assert finding.detail != form_faults._OTHERWISE
            assert CANARY not in f"{finding.detail} {finding.path}"
            if "needs this member" in finding.detail:
                assert (finding.path, content.get("form")) == ("/form", None)
                continue
            assert resolves(finding.path, content, missing="member is missing" in finding.detail)


def resolves(pointer: str, content: Any, *, missing: bool) -> bool:
    """Whether a JSON Pointer leads to something in a JSON value; what is missing is not there, but what is around it."""
    steps = pointer.split("/")[1:]
    for step in steps[:-1] if missing else steps:
        content = content[int(step) if isinstance(content, list) else step]
    return not (missing and steps[-1] in content)


def test_every_pattern_of_the_model_has_words() -> None:
    """What is not written as a pattern demands is told in words, not as a regular expression."""
    patterns = set(re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', json.dumps(SubmissionForm.model_json_schema())))
    assert {json.loads(pattern) for pattern in patterns} <= form_faults._PATTERNS.keys()


def test_no_code_of_the_library_is_a_sentence() -> None:
    """Each type of error that the validator knows is told in words, also one that no member can have today."""
    limits = dict.fromkeys(("min_length", "max_length", "ge", "le", "lt", "expected", "pattern"), "1")
    for code in CODES:
        told = form_faults.sentence({"type": code, "loc": (), "msg": CANARY, "input": CANARY, "ctx": limits})
        assert " " in told
        assert CANARY not in told


FAULTS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "a lost zero": (
        {"service": 99115005104000},
        [("/service", "expected a text in quotes, found a number, which loses zeros at its beginning")],
    ),
    "a list for a text": ({"area": ["091620000000"]}, [("/area", "expected a text in quotes, found a list")]),
    "a name that was mistyped": ({"aplicants": 1}, [("/aplicants", "unknown member 'aplicants'; did you mean 'applicants'?")]),
    "a name that is none": ({"Erika Muster": 1}, [("", "unknown member (its name is not shown)")]),
    "person and organisation": (
        {"applicants": [FORM["applicants"][0] | {"organisation": FORM["applicants"][1]["organisation"]}]},
        [("/applicants/0", "give exactly one of 'person' and 'organisation'")],
    ),
    "neither": ({"applicants": [{"trust": FORM["applicants"][0]["trust"]}]}, [("/applicants/0", "give exactly one of 'person' and 'organisation'")]),
    "nobody": ({"applicants": []}, [("/applicants", "the list has fewer members than 1")]),
    "a withdrawal of nothing, with a form": (
        {"kind": "withdrawal"},
        [
            ("/reference", "a form of kind 'withdrawal' needs this member"),
            ("/form", "a form of kind 'withdrawal' has no such member"),
            ("/reason", "a form of kind 'withdrawal' needs this member"),
        ],
    ),
    "an application without a form": ({"form": None}, [("/form", "a form of kind 'application' needs this member")]),
    "an amendment of nothing": ({"kind": "amendment"}, [("/reference", "a form of kind 'amendment' needs this member")]),
    "an application of something": (
        {"reference": FORM["id"]},
        [("/reference", "a form of kind 'application' has no such member")],
    ),
    "another kind": ({"kind": "letter"}, [("/kind", "expected one of 'application', 'amendment' or 'withdrawal'")]),
    "another reason": (
        {"kind": "withdrawal", "reference": FORM["id"], "reason": "Kanarienvogel"},
        [
            ("/reason", "expected one of 'no-longer-needed', 'mistake', 'applied-anew' or 'other'"),
            ("/form", "a form of kind 'withdrawal' has no such member"),
        ],
    ),
    "several": (
        {"id": "1", "applicants": [{"trust": {"level": 5, "account": "bayernid"}}, 1], "test": "no"},
        [
            ("/id", f"expected {form_faults._UUID}"),
            ("/applicants/0/trust/level", "the number is larger than 4"),
            ("/applicants/1", "expected an object in braces, found a number"),
            ("/test", "expected true or false, without quotes, found a text"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "faults"), FAULTS.values(), ids=FAULTS)
async def test_all_faults_at_once(bus: Gateway, change: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    """A refusal lists every fault with its place; the problem itself is the first of them."""
    problem = (await bus.post(json.dumps(FORM | change).encode(), JSON)).json()
    assert [(one.get("where", ""), one["detail"]) for one in problem["findings"]] == faults
    assert (problem.get("where", ""), problem["detail"]) == faults[0]


@pytest.mark.parametrize(
    ("change", "code", "place"),
    [
        pytest.param((*("applicants", 0, "person"), "family_name", "Scho\u0308n"), "text-not-nfc", f"{PERSON}/family_name", id="NFD"),
        pytest.param((*("applicants", 0, "person"), "given_names", "日本"), "character-not-allowed", f"{PERSON}/given_names", id="letter"),
        pytest.param((*("applicants", 0, "person"), "birth_date", "1990-02-30"), "form-invalid", f"{PERSON}/birth_date", id="no such date"),
        pytest.param(("created_at", "2999-01-01T00:00:00Z"), "time-incomplete", "/created_at", id="future"),
        pytest.param(("test", True), "test-not-allowed", "/test", id="test"),
        pytest.param(("service", "99000000000000"), "unknown-service", "/service", id="service"),
        pytest.param(("area", "110000000000"), "unknown-area", "/area", id="area"),
        pytest.param(("form", "schema_uri", "x"), "form-misfit", "/form/schema_uri", id="other form"),
        pytest.param(("form", "fields", 0, "values", ["bald"]), "form-misfit", "/form/fields/0/values/0", id="value"),
        pytest.param(("form", "fields", 6, "values", 1, "a\u0308"), "text-not-nfc", "/form/fields/6/values/1", id="second value"),
        pytest.param(("applicants", 0, "trust", "level", 1), "trust-level-too-low", "/applicants/0/trust/level", id="level"),
        pytest.param(("applicants", 1, "trust", "account", "x-y"), "account-not-accepted", "/applicants/1/trust/account", id="account"),
    ],
)
async def test_faults_of_content_are_told_of_the_form(bus: Gateway, change: tuple[Any, ...], code: str, place: str) -> None:
    """What is found in the message that stands for a form is told of the form: no XPath, no XSD, no name of an element."""
    good = copy.deepcopy(FORM["applicants"][0]["trust"])
    content = changed(change[:-1], put(change[-1]))
    content["applicants"][1]["trust"] = content["applicants"][1]["trust"] if code == "account-not-accepted" else good
    response = await bus.post(json.dumps(content).encode(), JSON)
    problem = response.json()
    assert (problem_of(response)[1], problem["where"], problem["message_id"]) == (code, place, FORM["id"])
    assert not re.search("XSD|XPath|xsd|SCHEMAV|erstellungszeitpunkt|attribute|element|antragsteller|line", response.text)


def test_every_member_of_the_form_has_its_element() -> None:
    """Of each element that is written for a form the member is known, so that no fault is told of more than it is in."""
    written = [one for name in (message.APPLICATION, message.WITHDRAWAL) for one in xsd.fields(name)]
    found = {message_faults._place("/e:x/" + field.path) for field in written}
    members = {
        re.sub(r"/\d+", "/0", form_faults.pointer(steps)) for steps in places(SubmissionForm.of(builders.application()).model_dump())
    }
    wanted = {member for member in members if not member.endswith(("/0", "/values", "/fields", "/applicants", "/organisation"))}
    assert wanted <= found | {"/test", "/kind"}


async def test_refusal_of_a_form_names_the_message(bus: Gateway) -> None:
    """A form that is wrong is still named by its id, in the problem and in the rejection as XML, where the id can be read."""
    wrong = json.dumps(FORM | {"colour": 1}).encode()
    assert (await bus.post(wrong, JSON)).json()["message_id"] == FORM["id"]
    assert f"<bezugNachricht>{FORM['id']}</bezugNachricht>" in (await bus.post(wrong, JSON, Accept=XML)).text
    for unreadable in ({"id": "Kanarienvogel"}, {"id": 7}, {"id": None}):
        assert "message_id" not in (await bus.post(json.dumps(FORM | unreadable).encode(), JSON)).json()
    twice = json.dumps(FORM).encode()[:-1] + b', "test": true, "test": true}'
    problem = (await bus.post(twice, JSON)).json()
    assert (problem["detail"], problem["message_id"]) == ("the key 'test' occurs twice in one object", FORM["id"])
    assert "message_id" not in (await bus.post(b'{"id": "x", ' + json.dumps(FORM).encode()[1:], JSON)).json()


@pytest.mark.parametrize(
    ("kind", "places"),
    [
        ({"form": None}, ["/area", "/form"]),
        ({"kind": "amendment"}, ["/area", "/reference"]),
        ({"kind": "withdrawal", "reason": "why"}, ["/area", "/reason", "/reference", "/form"]),
    ],
)
def test_what_the_kind_asks_is_told_beside_all_other_faults(kind: dict[str, Any], places: list[str]) -> None:
    """A form is mended in one go: what its kind lacks or does not take is told together with what is wrong elsewhere."""
    refusal = refusal_of(FORM | {"area": 9} | kind)
    assert refusal is not None
    assert [found.path for found in refusal.findings] == places
    assert [found.path for found in getattr(refusal_of({}), "findings", ())][-1] == "/form"


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 900_000, "1e400", "-1E999999", "0." + "9" * 5000])
@pytest.mark.parametrize("old", ['"level": 3', '"birth_name": "Groß"', '"legal_form": "GmbH"'])
def test_numbers_of_any_size_are_told_of_where_they_stand(old: str, number: str) -> None:
    """A number that nobody can hold is a number in the wrong place, and no nesting."""
    text = json.dumps(FORM, ensure_ascii=False)
    assert old in text
    with pytest.raises(Rejected) as refused:
        form.read(text.replace(old, f"{old.partition(':')[0]}: {number}", 1).encode())
    (found,) = refused.value.findings
    assert (found.path.endswith(old.split('"')[1]), found.detail.startswith("expected ")) == (True, True)
    assert found.detail.endswith("found a number") or "loses zeros" in found.detail


@pytest.mark.parametrize(
    ("name", "known"), [("Id", "id"), ("CaseId", "case_id"), ("CREATED_AT", "created_at"), ("Applicants", "applicants")]
)
def test_the_right_name_is_told_of_names_with_capitals_too(name: str, known: str) -> None:
    """Serialisers write members with capitals: what was sent is not shown, as it may be anybody's name, but the name that is meant is."""
    refusal = refusal_of({step: FORM[step] for step in FORM if step != known} | {name: FORM[known]})
    assert refusal is not None
    told = {found.detail for found in refusal.findings}
    assert told == {"this member is missing", f"unknown member (its name is not shown); did you mean '{known}'?"}


async def test_byte_order_mark_is_taken(tmp_path: Path) -> None:
    """A form with a byte order mark is the form without it, as a message is; UTF-16 is none and is told so."""
    body = json.dumps(as_form(builders.application())).encode()
    for gate in opened(tmp_path):
        first, again = [await gate.post(sent, JSON) for sent in (b"\xef\xbb\xbf" + body, body)]
        other = (await gate.post(body.decode().encode("utf-16"), JSON)).json()
    assert (first.status_code, again.json()) == (202, first.json())
    assert other["detail"] == "the byte at position 0 is not UTF-8"


async def test_a_message_that_the_model_does_not_take_is_told_in_words(bus: Gateway) -> None:
    """What the XSD lets through and the model does not is told in a sentence, and by the name of the element."""
    body = as_xml(builders.application()).replace("Schön".encode(), "\u00a0".encode())
    problem = (await bus.post(body)).json()
    assert (problem["detail"], problem["where"]) == ("the text is blank", "familienname")


async def test_author_mismatch_names_the_key_of_the_portal(bus: Gateway) -> None:
    """The portal is known by its token, so the refusal names the key that it has to write."""
    body = as_xml(builders.application()).replace(b"kop:00000001", b"kop:00000002")
    assert (await bus.post(body)).json()["detail"] == "expected kop:00000001"


async def test_unknown_field_of_a_form_is_named(bus: Gateway) -> None:
    """A field that the form of the service does not have is named by its id."""
    content = json.dumps(FORM).replace("F99000106", "F99000199").encode()
    problem = (await bus.post(content, JSON)).json()
    assert "this form has no field F99000199" in {one["detail"] for one in problem["findings"]}


async def test_warnings_are_told_of_the_form(tmp_path: Path) -> None:
    """What lets a form pass and is worth knowing is told with its place in the form."""
    body = json.dumps(as_form(builders.application())).replace("Wohnbau Isar eG", "SchÃ¶n").encode()
    for gate in opened(tmp_path):
        receipt = (await gate.post(body, JSON)).json()
    assert [(one["code"], one["where"], one["line"]) for one in receipt["warnings"]] == [
        ("text-twice-encoded", "/form/fields/5/values/0", None)
    ]
