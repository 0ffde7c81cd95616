"""Sentences of the watch: there is one for everything that a judge can say, in both languages, and each stands alone."""

from __future__ import annotations

import re
from datetime import timedelta
from string import Formatter

import pytest
from typer.testing import CliRunner

from consumers.watch import judge, words, words_de, words_en
from consumers.watch.model import Attention, Evidence, EvidenceCode, Judgement, Party, SubReason, Verdict
from consumers.watch.observed import Kind
from consumers.watch.texts import Texts
from consumers.watch.words import Language
from stadtbus.cli import app
from tests.office_model import START
from tests.situations import SITUATIONS, Situation

TEXTS = pytest.mark.parametrize("texts", [words_en.TEXTS, words_de.TEXTS], ids=["en", "de"])
LANGUAGES = pytest.mark.parametrize("language", list(Language))
VALUES = {"count", "at", "age", "until", "left", "duration", "rate", "of", "said"}


@TEXTS
def test_there_is_a_text_for_everything(texts: Texts) -> None:
    """For each verdict, line of evidence, party, and for each line that may ask something beside a verdict."""
    assert {verdict for verdict, reason, kind in texts.told if reason is None and kind is None} == set(Verdict) - {Verdict.PAUSED}
    assert {reason for _, reason, _ in texts.told if reason} == set(SubReason) - {SubReason.EXPIRED}  # that is LOST's own text
    assert set(texts.evidence) == set(EvidenceCode)
    assert set(texts.parties) == set(Party)
    assert set(texts.verdicts) == set(Verdict)
    assert set(judge._PARTIES) <= set(texts.beside)


def test_both_languages_have_the_same_texts() -> None:
    """What is special in one is special in the other, and names the same values and commands."""
    english, german = words_en.TEXTS, words_de.TEXTS
    assert english.told.keys() == german.told.keys()
    assert english.beside.keys() == german.beside.keys()
    for key, told in english.told.items():
        assert re.findall("`.*?`", told.step) == re.findall("`.*?`", german.told[key].step), key
    for code, text in english.evidence.items():
        assert _fields(text) == _fields(german.evidence[code]), code


def _fields(text: str) -> set[str]:
    return {name for part in text.replace("[", "").replace("]", "").split("|") for _, name, _, _ in Formatter().parse(part) if name}


@TEXTS
def test_texts_name_only_values_that_there_are(texts: Texts) -> None:
    """A line of evidence has nine values, a step has the name of the consumer."""
    assert {name for text in texts.evidence.values() for name in _fields(text)} <= VALUES
    assert {name for told in (*texts.told.values(), *texts.beside.values()) for name in _fields(told.step) | _fields(told.what)} <= {"name"}


@LANGUAGES
@pytest.mark.parametrize("situation", SITUATIONS[:6] + SITUATIONS[7:10], ids=lambda one: one.name)
def test_a_sentence_stands_alone(situation: Situation, language: Language) -> None:
    """It names the consumer, what is wrong, since when and what to do; where somebody has to act, whose it is; and no brace is left."""
    said = situation.play().look()
    now = said.as_of or START
    sentence = words.sentence(said, now, language)
    assert sentence.startswith(f"{said.name}: {words.cause(said, language)}")
    assert words.when(said.since, now, language) in sentence
    assert sentence.endswith(words.next_step(said, language))
    if said.attention is not Attention.NONE:
        assert words.party(said, language) in sentence
        assert words.party(said, language)
    assert not re.search(r"[{}\[\]|]", sentence)


def judgement(**values: object) -> Judgement:
    """A judgement with little in it."""
    plain = {"name": "muenchen.gewerbe", "kind": Kind.OFFICE, "city": "muenchen", "verdict": Verdict.OK, "sub_reason": None, "since": START}
    rest = {"attention": Attention.NONE, "party": Party.NOBODY, "cause": "", "evidence": (), "runbook": "", "as_of": START}
    return Judgement(**(plain | rest | values))  # type: ignore[arg-type]


def test_the_sentence_of_a_back_office_that_is_down() -> None:
    """The one of seat 3: what, since when, whose fault, what to do."""
    down = Evidence(EvidenceCode.BREAKER_OPEN, at=START, said="ConnectionRefusedError")
    waits = Evidence(EvidenceCode.OLDEST, count=8, at=START + timedelta(seconds=20))
    said = judgement(
        verdict=Verdict.STUCK,
        sub_reason=SubReason.BACK_OFFICE_DOWN,
        attention=Attention.SOON,
        party=Party.BACK_OFFICE,
        evidence=(down, waits),
    )
    now = START + timedelta(minutes=5)
    assert words.sentence(said, now) == (
        "muenchen.gewerbe: its back office is down, since 09:00:00 (it says: ConnectionRefusedError; 8 wait, the oldest since 09:00:20 (4 min)). "
        "To be mended by: the back office. Next: Tell the back office's people. Nothing else: the adapter looks again by itself, "
        "and goes on within a minute after they are back"
    )
    assert words.sentence(said, now, Language.DE) == (
        "muenchen.gewerbe: das Fachverfahren antwortet nicht, seit 09:00:00 (es heißt: ConnectionRefusedError; "
        "8 warten, die älteste seit 09:00:20 (4 min)). Zu beheben durch: das Fachverfahren. Weiter: Den Betreuern des Fachverfahrens "
        "Bescheid geben. Sonst nichts: der Adapter sieht von selbst nach und macht binnen einer Minute weiter, wenn es wieder da ist"
    )


@LANGUAGES
def test_dead_letters_without_lag_are_not_told_as_well(language: Language) -> None:
    """The verdict has a mark, and the sentence speaks of the letters, not of an office that works."""
    line = Evidence(EvidenceCode.DEAD_LETTERS, count=40, at=START, attention=Attention.SOON)
    said = judgement(attention=Attention.SOON, party=Party.OPERATOR, evidence=(line,))
    assert words.verdict(said, language) == "ok!"
    assert words.cause(said, language) == words._TEXTS[language].beside[EvidenceCode.DEAD_LETTERS].what
    assert "40" in words.sentence(said, START, language)
    assert "stadtbus deadletters list muenchen.gewerbe" in words.next_step(said, language)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3599, "59 min"), (7800, "2 h 10 min"), (273_600, "3 d 4 h"), (-5, "0 s")],
)
def test_durations(seconds: float, text: str) -> None:
    """The two largest units, and nothing below zero."""
    assert words.duration(seconds) == text


def test_times_are_those_of_the_cities() -> None:
    """Today the clock alone, else the day too, and the year where it is another."""
    assert words.when(START, START) == "09:00:00"
    assert words.when(START, START + timedelta(days=1)) == "Mon 30.11. 09:00"
    assert words.when(START, START + timedelta(days=60), Language.DE) == "Mo 30.11.2026 09:00"


@pytest.mark.parametrize(("count", "text"), [(1, "1 waits, since 09:00:00 (0 s)"), (2, "2 wait, the oldest since 09:00:00 (0 s)")])
def test_one_and_many(count: int, text: str) -> None:
    """Numbers other than one take the second text; what is not known is left out."""
    assert words.evidence(Evidence(EvidenceCode.OLDEST, count=count, at=START), START) == text
    assert words.evidence(Evidence(EvidenceCode.OLDEST, count=1200), START) == "1,200 wait"


@TEXTS
def test_commands_in_steps_exist(texts: Texts) -> None:
    """What a sentence tells somebody to type is a command of this version."""
    steps = [told.step for told in (*texts.told.values(), *texts.beside.values())]
    for command in {found.split("{name}")[0] for step in steps for found in re.findall("`stadtbus (.*?)`", step)}:
        words_of_it = [word for word in command.split() if not word.startswith("-")]
        words_of_it = words_of_it[:1] if words_of_it[0] in ("find", "status") else words_of_it[:2]
        assert CliRunner().invoke(app, [*words_of_it, "--help"]).exit_code == 0, command


def test_a_probe_is_told_where_it_is_the_news() -> None:
    """Beside a back office that is known to be down it says nothing new; beside an office without submissions it is all that there is."""
    probe = Evidence(EvidenceCode.PROBE, at=START, seconds=6, said="ConnectionRefusedError", attention=Attention.SOON)
    stuck = {"verdict": Verdict.STUCK, "sub_reason": SubReason.BACK_OFFICE_DOWN}
    said = [words.sentence(judgement(attention=Attention.SOON, evidence=(probe,), **more), START) for more in ({}, stuck)]
    assert ["last probe" in sentence for sentence in said] == [True, False]
