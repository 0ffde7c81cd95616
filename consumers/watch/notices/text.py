"""A notice in words: what, since when, why, who can mend it and what to do next, as a mail has it and as a program reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from consumers.watch import words
from consumers.watch.model import Judgement
from consumers.watch.notices.channels import Message
from consumers.watch.notices.plan import Notice, Occasion
from consumers.watch.words import Language
from schemas.catalogue.expected import ZONE

_ALL_THAT_IS_NAMED: Final = 30
"""Of consumers in a mail; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The words of a notice beside those of the verdict."""

    occasions: Mapping[Occasion, str]
    """Before the subject."""
    what: str
    was: str
    since: str
    until: str
    concerned: str
    more: str
    why: str
    party: str
    next_step: str
    before: str
    now: str
    runbook: str
    as_of: str
    sign: str


_GERMAN: Final = Labels(
    occasions={Occasion.BEGUN: "", Occasion.CHANGED: "Anders: ", Occasion.REMINDER: "Erinnerung: ", Occasion.OVER: "Vorbei: "},
    what="Was",
    was="Was war",
    since="Seit",
    until="Bis",
    concerned="Betroffen",
    more="und {count} weitere",
    why="Warum",
    party="Wer es beheben kann",
    next_step="Nächster Schritt",
    before="Zuvor",
    now="Jetzt",
    runbook="Anleitung",
    as_of="Stand",
    sign="Stadtbus sagt jede Ursache einmal, erinnert, solange sie anhält, und gibt Entwarnung. Wer was erfährt: docs/monitoring.md",
)
_ENGLISH: Final = Labels(
    occasions={Occasion.BEGUN: "", Occasion.CHANGED: "Changed: ", Occasion.REMINDER: "Reminder: ", Occasion.OVER: "Over: "},
    what="What",
    was="What it was",
    since="Since",
    until="Until",
    concerned="Concerned",
    more="and {count} more",
    why="Why",
    party="Who can mend it",
    next_step="Next step",
    before="Before",
    now="Now",
    runbook="Runbook",
    as_of="As of",
    sign="Stadtbus tells each cause once, reminds while it lasts, and gives the all-clear. Who is told what: docs/monitoring.md",
)
_LABELS: Final = {Language.DE: _GERMAN, Language.EN: _ENGLISH}


def message_of(notice: Notice, judgements: Sequence[Judgement], language: Language) -> Message:
    """The message that tells this, with what the consumers are like now."""
    labels, cause = _LABELS[language], notice.cause
    now = {one.name: one for one in judgements if one.name in cause.consumers}
    others = len(cause.consumers) - 1
    name = f"{cause.leading} {labels.more.format(count=others)}" if others else cause.leading
    subject = f"[Stadtbus] {labels.occasions[notice.occasion]}{name}: {cause.said}"
    told = _over if notice.occasion is Occasion.OVER else _lasting
    lines = list(told(notice, now, labels, language))
    width = max(len(label) for label, _ in lines) + 2
    text = "".join(f"{label and label + ':':<{width}}{value}\n" for label, value in lines) + f"\n-- \n{labels.sign}\n"
    number = f"{notice.incident}.{int(notice.at.timestamp() * 1000)}"
    return Message(number, notice.incident, notice.at, subject, text, _for_programs(notice, number, now.get(cause.leading), language))


def _lasting(notice: Notice, now: Mapping[str, Judgement], labels: Labels, language: Language) -> Iterator[tuple[str, str]]:
    """The lines about what lasts."""
    cause, at = notice.cause, notice.at
    yield labels.what, f"{cause.leading}: {cause.said}"
    if notice.before:
        yield labels.before, notice.before
    yield labels.since, f"{_shown(cause.since)} ({words.duration((at - cause.since).total_seconds())})"
    if len(cause.consumers) > 1:
        yield labels.concerned, _names(cause.consumers, labels)
    if (leading := now.get(cause.leading)) is None:
        return
    evidence = [words.evidence(line, at, language) for line in leading.evidence]
    yield from ((labels.why if number == 0 else "", line) for number, line in enumerate(evidence))
    if whose := words.party(leading, language):
        yield labels.party, whose
    yield labels.next_step, words.next_step(leading, language)
    yield labels.runbook, leading.runbook
    yield labels.as_of, _shown(leading.as_of or at)


def _over(notice: Notice, now: Mapping[str, Judgement], labels: Labels, language: Language) -> Iterator[tuple[str, str]]:
    """The lines about what is over."""
    cause, until = notice.cause, notice.over_since or notice.at
    yield labels.was, f"{cause.leading}: {cause.said}"
    yield labels.since, _shown(cause.since)
    yield labels.until, f"{_shown(until)} ({words.duration((until - cause.since).total_seconds())})"
    if len(cause.consumers) > 1:
        yield labels.concerned, _names(cause.consumers, labels)
    if (leading := now.get(cause.leading)) is not None:
        yield labels.now, words.cause(leading, language)


def _shown(moment: datetime) -> str:
    """With its day: nobody knows when a mail is read."""
    return moment.astimezone(ZONE).strftime("%d.%m.%Y %H:%M:%S")


def _names(consumers: Sequence[str], labels: Labels) -> str:
    named, rest = consumers[:_ALL_THAT_IS_NAMED], len(consumers) - _ALL_THAT_IS_NAMED
    return ", ".join(named) + (f" {labels.more.format(count=rest)}" if rest > 0 else "")


def _for_programs(notice: Notice, number: str, leading: Judgement | None, language: Language) -> dict[str, Any]:
    """What a webhook gets (docs/monitoring.md): codes for programs, sentences for people."""
    cause = notice.cause
    data: dict[str, Any] = {
        "id": number,
        "incident": notice.incident,
        "occasion": notice.occasion.value,
        "at": _moment(notice.at),
        "cause": cause.key,
        "consumers": list(cause.consumers),
        "verdict": cause.verdict.value,
        "sub_reason": cause.sub_reason.value if cause.sub_reason else None,
        "attention": cause.attention.value,
        "since": _moment(cause.since),
        "over_since": _moment(notice.over_since) if notice.over_since else None,
        "what": cause.said,
    }
    if leading is None or notice.occasion is Occasion.OVER:
        return data
    return data | {
        "why": [words.evidence(line, notice.at, language) for line in leading.evidence],
        "party": leading.party.value,
        "next_step": words.next_step(leading, language),
        "runbook": leading.runbook,
        "waiting": leading.waiting,
        "oldest_at": _moment(leading.oldest_at) if leading.oldest_at else None,
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
