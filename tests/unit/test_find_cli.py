"""`stadtbus find` and `trace` at the command line: which are listed, and what a caller is told, without anything personal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from consumers.audit.queries import TraceStep
from consumers.watch import words
from consumers.watch.words import Language
from infra.settings import StoreSettings
from schemas.events import State
from schemas.hotline import earlier_code, near_codes
from stadtbus.caller import OfficeShown, answer
from stadtbus.settings import Settings
from stadtbus.tracing import NOT_YET, PUBLISHED, Trace
from tests import verdicts
from tests.command_line import Command
from tests.unit.test_tracing import AT, ID, OFFICE, accept, record

STATES = [State.PARKED, State.DEAD_LETTER, State.DELIVERED]


@pytest.fixture
def ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, UUID]:
    """Four that were accepted, by the state that they are in: one has been parked, and is delivered by now; one is not yet on Kafka."""
    settings = Settings(stores=StoreSettings(folder=tmp_path / "stores"))
    found = {state.value: uuid4() for state in STATES}
    for state in STATES:
        accept(settings, *dict.fromkeys([State.PARKED, state]), submission=found[state.value], portal=f"portal-{state}")
    found["submitted"] = uuid4()
    accept(settings, submission=found["submitted"], published=False)
    capsys.readouterr()
    return found


@pytest.fixture
def listed(stadtbus: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: dict[str, UUID]) -> Command:
    """`find` where these were accepted."""
    monkeypatch.setenv("STADTBUS_STORES__FOLDER", str(tmp_path / "stores"))
    return stadtbus


CHOSEN = [
    ([], {"parked", "dead_letter", "delivered", "submitted"}),
    *(([("--state"), state], {state}) for state in ("parked", "dead_letter", "delivered", "submitted")),
    (["--portal", "portal-parked"], {"parked"}),
    (["--office", OFFICE, "--state", "parked"], {"parked"}),
    (["--since", AT.isoformat(), "--until", (AT + timedelta(seconds=1)).isoformat(), "--state", "delivered"], {"delivered"}),
    (["--until", AT.isoformat()], set()),
    (["--office", "augsburg.gewerbe"], set()),
    (["--state", "rejected"], set()),
]


@pytest.mark.parametrize(("chosen", "states"), CHOSEN)
def test_which_are_listed(listed: Command, ids: dict[str, UUID], chosen: list[str], states: set[str]) -> None:
    """By state as it is now, portal, office and time of acceptance; exit code 1 where there is none."""
    code, text, _ = listed("find", "--json", *chosen)
    found = {one["submission"]: one["state"] for one in json.loads(text)}
    assert (found, code) == ({str(ids[state]): state for state in states}, 0 if states else 1)


def test_list_fits_the_terminal(listed: Command, ids: dict[str, UUID], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line each within 80 columns, with code and the beginning of the id, which `find` takes; what is left out is told."""
    monkeypatch.setattr("stadtbus.commands.terminal.console.width", 80)
    _, text, error = listed("find", "--limit", "3")
    lines = [line for line in text.splitlines() if OFFICE in line]
    assert (len(lines), max(map(len, text.splitlines())) <= 80, "there are more" in error) == (3, True, True)
    shown = str(ids["submitted"])[:8]
    code, text, _ = listed("find", shown, "--json")
    assert (code, json.loads(text)[0]["hotline_code"]) == (0, earlier_code(ids["submitted"]))


def test_a_mistake_is_told(listed: Command, ids: dict[str, UUID]) -> None:
    """What is one letter away is shown, and that it is; a program sees it too."""
    meant = earlier_code(ids["delivered"])
    said = ("Z" if meant[0] != "Z" else "Y") + meant[1:]
    code, text, error = listed("trace", said)
    assert (code, meant in text, "one letter away" in error) == (0, True, True)
    assert [one["exact"] for one in json.loads(listed("find", said, "--json")[1])] == [False]
    assert [one["exact"] for one in json.loads(listed("find", meant, "--json")[1])] == [True]


def test_trace_answers_in_german(listed: Command, ids: dict[str, UUID]) -> None:
    """A caller is told in German where it is, by the name of the office, and that nothing is to be done."""
    _, text, _ = listed("trace", str(ids["submitted"])[:10], "--lang", "de")
    assert all(part in text for part in ("Meldewesen", "noch nicht unterwegs", "niemand muss es neu senden"))


SHOWN = OfficeShown("Bauamt (Nürnberg)", decides_later=False)
NOW = datetime(2026, 3, 1, 8, 40, tzinfo=UTC)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("what", [NOT_YET, PUBLISHED, *State])
def test_each_state_has_an_answer(language: Language, what: str) -> None:
    """Whatever became of it, where, since when, who has it and what is next are answered, each in full, with number, reason and next try."""
    steps = [TraceStep("submitted", AT, "by p", OFFICE), TraceStep(what, AT, "", OFFICE, reference="M-17", reason="withdrawn")]
    for office in (SHOWN, OfficeShown("Bauamt (Nürnberg)", decides_later=True)):
        told = answer(Trace(ID, "GTJ2-EXBT", "p", steps, next_try_at=AT), office, language, NOW)
        text = " ".join(line for _, line in told.lines)
        assert (len(told.lines), all(line for _, line in told.lines), "{" in text, "GTJ2-EXBT" in told.title) == (4, True, False, True)
        assert ("10 min" in text, "M-17" in text or what not in ("delivered", "accepted"), "withdrawn" in text) == (
            True,
            True,
            what == "rejected",
        )


@pytest.mark.parametrize("language", Language)
def test_why_is_told_of_what_waits(language: Language) -> None:
    """The reason for which an office stands still is told where the submission waits for it, and nowhere else."""
    for what, told in ((PUBLISHED, True), (State.DELIVERED, False)):
        steps = [TraceStep("submitted", AT, "by p", OFFICE), TraceStep(what, AT, "", OFFICE)]
        for judged, holds in ((verdicts.down(OFFICE), True), (verdicts.judgement(OFFICE), False)):
            lines = answer(Trace(ID, "GTJ2-EXBT", "p", steps), SHOWN, language, NOW, judged).lines
            why = [line for name, line in lines if name in ("why", "warum")]
            assert [words.cause(judged, language) in line for line in why] == ([True] if told and holds else [])


@pytest.mark.parametrize("said", ["GTJ2-EXBT", "1001-10AB"])
def test_near_codes(said: str) -> None:
    """Near a code are those with one letter changed, two neighbours swapped, or the code itself is among those near its misspellings."""
    near = near_codes(said)
    assert said not in near
    assert len(near) <= 8 * 31 + 7 + 9 * 32
    assert all(said in near_codes(one) for one in near if len(one) == len(said))
    assert all(said in near_codes(said[:at] + said[at + 1 :]) for at in (0, 5, 8))


def test_one_that_only_the_audit_knows(stadtbus: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the audit runs and no gateway, its submissions are found, with their portal."""
    monkeypatch.setenv("STADTBUS_STORES__FOLDER", str(tmp_path / "stores"))
    record(Settings(stores=StoreSettings(folder=tmp_path / "stores")), State.DEAD_LETTER)
    code, text, _ = stadtbus("find", "--portal", "portal", "--state", "dead_letter", "--json")
    assert (code, json.loads(text)[0]["portal"]) == (0, "portal")
