"""Sentences for judgements, in German and English, out of codes and values. Pure.

Texts stand in `words_en.py` and `words_de.py`. A part of a text in brackets is left out where a value that it names is missing; what stands behind
a bar is for other numbers than one. Quoted words of our processes and operators stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from consumers.watch import words_de, words_en
from consumers.watch.model import Attention, Evidence, EvidenceCode, Judgement, Verdict
from consumers.watch.observed import Kind
from consumers.watch.texts import Texts, Told
from schemas.catalogue.expected import ZONE

_PART: Final = re.compile(r"\[([^\[\]]*)\]")
_FIELD: Final = re.compile(r"\{(\w+)\}")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_WELL: Final = (Verdict.OK, Verdict.QUIET, Verdict.DRAINING, Verdict.PAUSED)


class Language(StrEnum):
    """In which people are told."""

    EN = "en"
    DE = "de"


_TEXTS: Final[Mapping[Language, Texts]] = {Language.EN: words_en.TEXTS, Language.DE: words_de.TEXTS}


def verdict(judgement: Judgement, language: Language = Language.EN) -> str:
    """The verdict in a word or two; with a mark where a person has to act although it is well."""
    word = _TEXTS[language].verdicts[judgement.verdict]
    return f"{word}!" if asks_beside(judgement) else word


def asks_beside(judgement: Judgement) -> Evidence | None:
    """What asks most of a person beside a verdict that asks nothing itself, such as open dead letters; None where nothing does."""
    if judgement.attention is Attention.NONE or judgement.verdict not in _WELL:
        return None
    return next((one for one in judgement.evidence if one.attention is judgement.attention), None)


def cause(judgement: Judgement, language: Language = Language.EN) -> str:
    """What is wrong, in a clause without names, times and quoted words: `the back office is down`."""
    texts, beside = _TEXTS[language], asks_beside(judgement)
    if beside is not None:
        return texts.beside[beside.code].what
    return _told(texts, judgement).what


def party(judgement: Judgement, language: Language = Language.EN) -> str:
    """Whose fault it is, that is who can mend it; empty where nobody has to."""
    return _TEXTS[language].parties[judgement.party]


def next_step(judgement: Judgement, language: Language = Language.EN) -> str:
    """What to do, with commands in backquotes; never empty."""
    texts, beside = _TEXTS[language], asks_beside(judgement)
    step = texts.beside[beside.code].step if beside is not None else _told(texts, judgement).step
    return step.replace("{name}", judgement.name)


def evidence(line: Evidence, now: datetime, language: Language = Language.EN) -> str:
    """One line of evidence."""
    return _fill(_TEXTS[language].evidence[line.code], line, now, language)


def sentence(judgement: Judgement, now: datetime, language: Language = Language.EN) -> str:
    """All that somebody on call has to know, in one line that stands alone: what is wrong, since when, on what evidence, whose fault it is and what
    to do.
    """
    texts = _TEXTS[language]
    said = [text for line in _told_with(judgement) if (text := evidence(line, now, language))]
    whose = party(judgement, language)
    parts = (
        f"{judgement.name}: {cause(judgement, language)}, {texts.since} {when(judgement.since, now, language)}",
        *([f" ({'; '.join(said)})"] if said else []),
        *([f". {texts.fault}: {whose}"] if whose else []),
        f". {texts.next_step}: {next_step(judgement, language)}",
    )
    return "".join(parts)


def _told_with(judgement: Judgement) -> list[Evidence]:
    """The evidence that belongs into the sentence: what the verdict rests on, and what asks something beside it."""
    beside = asks_beside(judgement)
    return [line for line in judgement.evidence if line.code not in _NOT_IN_A_SENTENCE or line == beside]


_NOT_IN_A_SENTENCE: Final = (
    EvidenceCode.MEMBERS,
    EvidenceCode.LAST_COMMIT,
    EvidenceCode.PROBE,
    EvidenceCode.AS_OF,
    EvidenceCode.DEAD_LETTERS_UNKNOWN,
    EvidenceCode.LAST_HEARTBEAT,
    EvidenceCode.NO_COMMIT,
)
"""What is shown below it, and would make it longer than a person reads at night."""


def _told(texts: Texts, judgement: Judgement) -> Told:
    """The most special text there is: of the gateway, of whoever records, of a reason, of a verdict."""
    reasons = [judgement.sub_reason, None] if judgement.sub_reason else [None]
    kinds: list[Kind | None] = [judgement.kind, None]
    keys = ((judgement.verdict, reason, kind) for reason in reasons for kind in kinds)
    return next(texts.told[key] for key in keys if key in texts.told)


# --- values


def _fill(template: str, line: Evidence, now: datetime, language: Language) -> str:
    one, _, many = template.partition("|")
    text = many if many and line.count != 1 else one
    values = {
        "count": "" if line.count is None else f"{line.count:,}".replace(",", "." if language is Language.DE else ","),
        "at": when(line.at, now, language) if line.at else "",
        "age": duration((now - line.at).total_seconds()) if line.at else "",
        "until": when(line.until, now, language) if line.until else "",
        "left": duration((line.until - now).total_seconds()) if line.until else "",
        "duration": "" if line.seconds is None else duration(line.seconds),
        "rate": "" if line.seconds is None else f"{line.seconds:.1f}".replace(".", "," if language is Language.DE else "."),
        "of": _TEXTS[language].verdicts[Verdict(line.of)] if line.code is EvidenceCode.HIDDEN else line.of,
        "said": line.said,
    }
    kept = _PART.sub(lambda part: part[1] if all(values[name] for name in _FIELD.findall(part[1])) else "", text)
    return _FIELD.sub(lambda field: values[field[1]], kept)


def when(moment: datetime, now: datetime, language: Language = Language.EN) -> str:
    """A time as the clocks of the cities show it: `14:03:20` today, `Fri 27.11. 14:03` before and after."""
    there, today = moment.astimezone(ZONE), now.astimezone(ZONE)
    if there.date() == today.date():
        return there.strftime("%H:%M:%S")
    year = f"{there.year} " if there.year != today.year else ""
    return f"{_TEXTS[language].days[there.weekday()]} {there.strftime('%d.%m.')}{year} {there.strftime('%H:%M')}".replace("  ", " ")


def duration(seconds: float) -> str:
    """`12 s`, `13 min`, `2 h 10 min`, `3 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"
