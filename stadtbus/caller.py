"""What a caller is told about a submission, in plain German or English: where it is, since when, who has it, and what happens next.

Pure. Nothing personal: names of offices, codes, times and states; no reason of a back office beyond the codes that portals are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from consumers.watch import words
from consumers.watch.model import Judgement, Verdict
from consumers.watch.words import Language
from schemas.catalogue.expected import ZONE
from schemas.events import State
from stadtbus.display import ago
from stadtbus.tracing import NOT_YET, Trace


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer, a line each; `title` names the submission."""

    title: str
    lines: tuple[tuple[str, str], ...]
    """Question and answer."""


@dataclass(frozen=True, slots=True)
class OfficeShown:
    """The office as a caller knows it."""

    name: str
    decides_later: bool
    """It takes a submission first, and decides on it afterwards."""


class _Where(Enum):
    NOT_YET = auto()
    QUEUED = auto()
    RETRIED = auto()
    BEHIND = auto()
    SET_ASIDE = auto()
    UNDECIDED = auto()
    THERE = auto()
    CONFIRMED = auto()
    REJECTED = auto()


_OF_STATE: Final = {
    State.SUBMITTED: _Where.QUEUED,
    State.RETRY_WAIT: _Where.RETRIED,
    State.PARKED: _Where.BEHIND,
    State.DEAD_LETTER: _Where.SET_ASIDE,
    State.DELIVERED: _Where.THERE,
    State.ACCEPTED: _Where.CONFIRMED,
    State.REJECTED: _Where.REJECTED,
}
_Texts = Mapping[_Where, tuple[str, str, str]]
_EN: Final[_Texts] = MappingProxyType(
    {
        _Where.NOT_YET: ("accepted and stored safely; not yet on its way to {office}", "the operators of Stadtbus", "it goes on by itself"),
        _Where.QUEUED: ("on its way, waits to be handed to {office}", "Stadtbus", "it is handed over by itself when its turn comes"),
        _Where.RETRIED: ("a try to hand it to {office} failed for a reason that may pass", "Stadtbus", "it is tried again by itself{retry}"),
        _Where.BEHIND: ("waits for an earlier submission of its case to reach {office}", "Stadtbus", "it follows that one by itself{retry}"),
        _Where.SET_ASIDE: ("set aside, because {office} could not take it", "a person of the operators", "the operators look at it, then hand it over again or end it; the portal is told"),
        _Where.UNDECIDED: ("at {office}{number}", "{office}", "the office decides, and the portal is told"),
        _Where.THERE: ("at {office}{number}", "{office}", "the office works on it; for Stadtbus it is done"),
        _Where.CONFIRMED: ("at {office}, which has accepted it{number}", "{office}", "the office works on it; for Stadtbus it is done"),
        _Where.REJECTED: ("ended without effect{reason}", "the applicant", "the portal shows the reason; mended, it can be sent anew"),
    }
)  # fmt: skip
_DE: Final[_Texts] = MappingProxyType(
    {
        _Where.NOT_YET: ("angenommen und sicher gespeichert, noch nicht unterwegs zu {office}", "der Betrieb von Stadtbus", "es geht von selbst weiter"),
        _Where.QUEUED: ("unterwegs, wartet auf die Übergabe an {office}", "Stadtbus", "es wird von selbst übergeben, sobald es an der Reihe ist"),
        _Where.RETRIED: ("eine Übergabe an {office} ist aus einem Grund gescheitert, der vorübergehen kann", "Stadtbus", "sie wird von selbst wiederholt{retry}"),
        _Where.BEHIND: ("wartet, bis eine frühere Einreichung desselben Vorgangs bei {office} ist", "Stadtbus", "es folgt dieser von selbst{retry}"),
        _Where.SET_ASIDE: ("zurückgestellt, weil {office} es nicht annehmen konnte", "ein Mensch im Betrieb", "der Betrieb sieht es sich an und übergibt es erneut oder beendet es; das Portal erfährt es"),
        _Where.UNDECIDED: ("bei {office}{number}", "{office}", "das Amt entscheidet, und das Portal erfährt es"),
        _Where.THERE: ("bei {office}{number}", "{office}", "das Amt bearbeitet es; für Stadtbus ist es erledigt"),
        _Where.CONFIRMED: ("bei {office}, das es angenommen hat{number}", "{office}", "das Amt bearbeitet es; für Stadtbus ist es erledigt"),
        _Where.REJECTED: ("ohne Wirkung beendet{reason}", "die antragstellende Person", "das Portal zeigt den Grund; verbessert kann es neu gesendet werden"),
    }
)  # fmt: skip
_TEXTS: Final = {Language.EN: _EN, Language.DE: _DE}
_WELL: Final = (Verdict.OK, Verdict.QUIET, Verdict.DRAINING)
_WAITS: Final = frozenset((_Where.NOT_YET, _Where.QUEUED, _Where.RETRIED, _Where.BEHIND))
_NOT_AGAIN: Final = {Language.EN: "; nobody needs to send it again", Language.DE: "; niemand muss es neu senden"}


def answer(trace: Trace, office: OfficeShown, language: Language, now: datetime, judged: Judgement | None = None) -> Answer:
    """What a caller is told. `judged` is what the watch says of whoever has the submission: why it waits, where something holds it up."""
    where = _where(trace, office)
    place, owner, follows = _TEXTS[language][where]
    values = _values(trace, office, language)
    german = language is Language.DE
    why = (
        ""
        if judged is None or judged.verdict in _WELL
        else f"{words.cause(judged, language)} ({'seit' if german else 'since'} {_day(judged.since, german=german)})"
    )
    since = f"{_day(trace.last.at, german=german)} ({ago(max(0.0, (now - trace.last.at).total_seconds()))})"
    title = ("Einreichung {code}, angenommen am {at}" if german else "Submission {code}, accepted on {at}").format(
        code=trace.hotline_code, at=_day(trace.steps[0].at, german=german)
    )
    lines = [
        ("Wo ist es" if german else "where", place.format(**values)),
        ("seit wann" if german else "since", since),
        *([("warum" if german else "why", why)] if why and where in _WAITS else []),
        ("wer hat es" if german else "who has it", owner.format(**values)),
        ("wie weiter" if german else "what next", follows.format(**values) + (_NOT_AGAIN[language] if where in _WAITS else "")),
    ]
    return Answer(title, tuple(lines))


def _where(trace: Trace, office: OfficeShown) -> _Where:
    if trace.last.what == NOT_YET:
        return _Where.NOT_YET
    if trace.state is State.DELIVERED and office.decides_later:
        return _Where.UNDECIDED
    return _OF_STATE[trace.state]


def _values(trace: Trace, office: OfficeShown, language: Language) -> dict[str, str]:
    german = language is Language.DE
    number = ", unter der Nummer {}" if german else ", as number {}"
    retry = trace.next_try_at and _day(trace.next_try_at, german=german)
    return {
        "office": office.name,
        "number": number.format(trace.reference) if trace.reference else "",
        "reason": f" ({trace.last.reason})" if trace.last.reason else "",
        "retry": "" if not retry else f", das nächste Mal {retry}" if german else f", next {retry}",
    }


def _day(at: datetime, *, german: bool) -> str:
    return at.astimezone(ZONE).strftime("%d.%m.%Y, %H:%M Uhr" if german else "%d.%m.%Y %H:%M")
