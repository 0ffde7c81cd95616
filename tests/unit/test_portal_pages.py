"""Pages of portals: what is wrong with one is found, and a token goes in and out without touching what people wrote."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

import pytest

from producers.portals import editing, pages, tokens
from producers.portals.pages import PortalPage
from producers.portals.register import Register
from producers.settings import Token
from producers.synthetic.rights import write_page
from schemas import catalogue
from schemas.errors import UsageError
from tests.command_line import Command
from tests.gateway import PORTALS

HEAD = "# who asked: ticket 4711\nname: Portal Süd  # as in its contract\nauthority: kop:09162000\n"
FIRST, SECOND = (Token(sha256=digit * 64, drawn_on=date(2026, 1, 2), drawn_by="k.huber", valid_to=date(2027, 1, 2)) for digit in "ab")
ENTRY = "{sha256: " + "a" * 64 + ", drawn_on: 2026-01-02, drawn_by: k.huber, valid_to: 2027-01-02}"
LINES = f"sha256: {'a' * 64}\n    drawn_on: 2026-01-02\n    drawn_by: k.huber  # on leave in June\n    valid_to: 2027-01-02\n"
FORMS = {
    "none": HEAD + "accounts: {bayernid: 3}",
    "empty list": HEAD + "tokens: []  # none yet\naccounts: {bayernid: 3}\n",
    "flow": HEAD + f"tokens: [{ENTRY}]  # one\n# the end\n",
    "block": HEAD + f"tokens:\n  - {ENTRY}\n\n# what follows\naccounts: {{bayernid: 3}}\n",
    "block without indent": HEAD + f"tokens:\n- {ENTRY}\naccounts: {{bayernid: 3}}\n",
    "lines": HEAD + f"tokens:\n  - {LINES}  # behind\naccounts: {{bayernid: 3}}\n",
    "lines at the end": HEAD + f"tokens:\n  - {LINES.rstrip()}",
}


def written(folder: Path, text: str) -> PortalPage:
    """The page with this text."""
    path = folder / "p.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o640)
    return again(path)


def again(path: Path) -> PortalPage:
    """The page that a file is."""
    page = pages.read_page(path)
    assert isinstance(page, PortalPage), page
    return page


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_a_token_goes_in_and_out(tmp_path: Path, text: str) -> None:
    """In whatever form a page is written: the token is added, each can be taken out, and comments, order and mode of the file stay."""
    before = written(tmp_path, text)
    editing.add_token(before, SECOND)
    added = again(before.path)
    assert added.settings.tokens == (*before.settings.tokens, SECOND)
    for number in reversed(range(len(added.settings.tokens))):
        editing.remove_token(again(before.path), number)
    bare = again(before.path)
    assert bare.settings == before.settings.model_copy(update={"tokens": ()})
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line and "leave" not in line]
    assert [line.partition("#")[2] for line in before.path.read_text("utf-8").splitlines() if "#" in line] == comments
    assert (before.path.stat().st_mode & 0o777, [path.name for path in tmp_path.iterdir()]) == (0o640, ["p.yaml"])


@pytest.mark.parametrize(
    "text", ["{name: P, authority: kop:1}\n", HEAD + f"tokens:\n  -\n    {ENTRY}\n"], ids=["one flow mapping", "an item of its own line"]
)
def test_a_form_that_cannot_be_kept_is_left_alone(tmp_path: Path, text: str) -> None:
    """What would not come out right is refused with what to do, and the page is as it was."""
    page = written(tmp_path, text)
    with pytest.raises(UsageError, match="by hand"):
        editing.remove_token(page, 0) if page.settings.tokens else editing.add_token(page, SECOND)
    assert page.path.read_text("utf-8") == text


def test_a_page_that_has_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """Nothing is written over what another has written since the page was read."""
    page = written(tmp_path, FORMS["block"])
    written(tmp_path, FORMS["block"].replace("bayernid: 3", "bayernid: 4"))
    with pytest.raises(UsageError, match="meanwhile"):
        editing.add_token(page, SECOND)
    assert again(page.path).settings.accounts == {"bayernid": 4}


WRONG = {
    "authority of two": ({"a": {}, "b": {"tokens": (SECOND,)}}, "authority-shared", "is the authority of a already"),
    "token of two": ({"a": {}, "b": {"authority": "kop:2"}}, "token-shared", "a has this token as well"),
    "token twice": ({"a": {"tokens": (FIRST, FIRST)}}, "token-shared", "stands there twice"),
}


@pytest.mark.parametrize(("changes", "rule", "detail"), WRONG.values(), ids=WRONG)
def test_what_is_another_portals_is_refused(
    tmp_path: Path, stadtbus: Command, monkeypatch: pytest.MonkeyPatch, changes: dict[str, dict[str, object]], rule: str, detail: str
) -> None:
    """Two portals with one token or one authority: nothing starts, and `config check` ends with 2 and the line (S26)."""
    for name, change in changes.items():
        write_page(tmp_path, name, PORTALS["portal"].model_copy(update={"tokens": (FIRST,)} | change))
    with pytest.raises(UsageError) as told:
        Register(tmp_path, catalogue.load())
    assert (told.value.problem.code, detail in told.value.detail) == ("portals-invalid", True)
    monkeypatch.setenv("STADTBUS_GATEWAY__PORTALS", str(tmp_path))
    code, _, error = stadtbus("config", "check")
    assert (code, detail in error, ".yaml, line " in error, "a" * 64 in error) == (2, True, True, False)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("rights:\n  - {to: [muenchen.nowhere], services: [gewerbe-anmelden], messages: [einreichung.antrag.0100]}\n", 5),
        ("rights:\n  - {to: [atlantis], services: [gewerbe-anmelden], messages: [einreichung.antrag.0100]}\n", 5),
        (
            "rights:\n  - to: [muenchen]\n    services:\n      - gewerbe-anmelden\n      - fliegen\n    messages: [einreichung.antrag.0100]\n",
            8,
        ),
        ("rights:\n  - {to: [muenchen], services: [gewerbe-anmelden], namespaces: [urn:x]}\n", 5),
        ("accounts:\n  bayernid: 3\n  facebook: 1\n", 6),
        ("accounts:\n  e-mail: 4\n", 5),
    ],
)
def test_names_that_the_catalogue_does_not_have(
    tmp_path: Path, stadtbus: Command, monkeypatch: pytest.MonkeyPatch, text: str, line: int
) -> None:
    """They grant nothing: `config check` names page and line, and the gateway starts all the same, for pages of cities change on their own."""
    page = written(tmp_path, HEAD + text)
    assert [flaw.spot.line for flaw in Register(tmp_path, catalogue.load()).flaws] == [line]
    monkeypatch.setenv("STADTBUS_GATEWAY__PORTALS", str(tmp_path))
    code, _, error = stadtbus("config", "check")
    assert (code, f"{page.path}, line {line}" in error) == (2, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rights:\n  - {to: [muenchen], services: [gewerbe-anmelden]}\n", "grants nothing"),
        ("tokens:\n  - {sha256: my-secret-token, drawn_on: 2026-01-02, drawn_by: k, valid_to: 2027-01-02}\n", "expected 64 digits"),
        (f"tokens: [{ENTRY}, {ENTRY}, {ENTRY}]\n", "more than 2"),
        ("token_sha256: x\n", "unknown key"),
        ("tokens: [{sha256: " + "a" * 64 + "}]\n", "is missing"),
        ("rights: [", "not YAML"),
    ],
)
def test_a_page_of_another_form_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong is told with page and line, and no value is quoted, which may be a token."""
    (tmp_path / "p.yaml").write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(UsageError, match=said) as told:
        Register(tmp_path, catalogue.load())
    assert "p.yaml, line " in (told.value.where or "")
    assert "my-secret-token" not in str(told.value)


def test_a_pipe_among_the_pages_holds_up_no_other(tmp_path: Path) -> None:
    """It is told like a broken page: opening it would wait for ever, and no token could be ended meanwhile."""
    write_page(tmp_path, "portal", PORTALS["portal"])
    os.mkfifo(tmp_path / "pipe.yaml")
    found = pages.read(tmp_path)
    assert (list(found.pages), [flaw.detail for flaw in found.flaws]) == (["portal"], ["cannot be read: a pipe"])


def test_drawing_showing_ending(tmp_path: Path, stadtbus: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tokens at a time, the third is refused with the one to end; what is printed is what the page has the hash of, who drew it and when."""
    page = written(tmp_path, FORMS["none"])
    monkeypatch.setenv("STADTBUS_GATEWAY__PORTALS", str(tmp_path))
    drawn = [stadtbus("portals", "token", "p", "--actor", "m.lang")[1].strip() for _ in range(2)]
    held = again(page.path).settings.tokens
    assert [one.sha256 for one in held] == [tokens.hash_of(one) for one in drawn]
    expected = ("m.lang", tokens.today(), tokens.today() + timedelta(days=400))
    assert {(one.drawn_by, one.drawn_on, one.valid_to) for one in held} == {expected}
    code, output, error = stadtbus("portals", "token", "p")
    assert (code, output, f"portals end p {held[0].sha256[:12]}" in error) == (2, "", True)
    code, output, _ = stadtbus("portals", "show", "p")
    assert (code, held[1].sha256[:12] in output, drawn[0] in output, "k.huber" in output) == (0, True, False, False)
    assert stadtbus("portals", "end", "p", "0" * 12)[0] == 2
    assert stadtbus("portals", "end", "p", held[0].sha256[:12])[0] == 0
    assert again(page.path).settings.tokens == held[1:]
    code, output, _ = stadtbus("portals", "list")
    assert (code, "400" in output) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["token", "nobody"], "portal-unknown"),
        (["token", "p", "--valid-to", "2020-01-01"], "token-wish-invalid"),
        (["token", "p", "--actor", "a b"], "actor-unknown"),
        (["end", "p", "12345678"], "token-wish-invalid"),
    ],
)
def test_no_token_without_page_end_or_name(
    tmp_path: Path, stadtbus: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    """Nothing is drawn for a portal without a page, for the past, or by nobody; each has a code of its own, which says what to do."""
    page = written(tmp_path, FORMS["none"])
    monkeypatch.setenv("STADTBUS_GATEWAY__PORTALS", str(tmp_path))
    code, output, error = stadtbus("portals", *arguments)
    assert (code, output, said in error) == (2, "", True)
    assert again(page.path).settings.tokens == ()


def test_a_broken_page_is_a_finding(tmp_path: Path, stadtbus: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """`portals list` shows the others and says what is wrong, with exit code 1."""
    written(tmp_path, FORMS["block"])
    (tmp_path / "broken.yaml").write_text("name: [", encoding="utf-8")
    monkeypatch.setenv("STADTBUS_GATEWAY__PORTALS", str(tmp_path))
    code, output, error = stadtbus("portals", "list")
    assert (code, "kop:09162000" in output, "broken.yaml, line" in error) == (1, True, True)
