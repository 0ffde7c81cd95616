"""How verdicts are shown to people at a terminal, and given to programs: for `status` and `lag`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from consumers.watch import words
from consumers.watch.model import Attention, Judgement, Verdict
from consumers.watch.observed import Kind
from schemas.catalogue.expected import ZONE
from stadtbus.display import printable
from stadtbus.overview import Overview

_STYLES: Final = {Attention.NOW: "bold red", Attention.SOON: "yellow", Attention.NONE: ""}
_ORDER: Final = {Kind.OUTBOX: 0, Kind.RECORDER: 1, Kind.OFFICE: 2}
_GRAVITY: Final = {attention: number for number, attention in enumerate((Attention.NOW, Attention.SOON, Attention.NONE))}
_MOST_NAMES: Final = 4
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def head_view(seen: Overview, now: datetime) -> RenderableType:
    """From whom this is and how old, and the brokers."""
    found = seen.snapshot
    by = seen.watch_fault and f"own look without a past: {seen.watch_fault}"
    by = by or f"as the watch saw it {words.duration((now - found.at).total_seconds())} ago"
    first = Text(f"Stadtbus {now.astimezone(ZONE):%d.%m.%Y %H:%M:%S}, {by}", style="bold yellow" if seen.watch_fault else "bold")
    away = [one for one in found.brokers if not one.up]
    faults = "; ".join(f"broker {one.address}: {one.why}" for one in away) or found.kafka_fault
    brokers = f"Kafka: {len(found.brokers) - len(away)} of {len(found.brokers)} brokers answer"
    return Group(first, Text(printable(f"{brokers}{faults and f' ({faults})'}"), style="bold red" if faults else ""))


def in_order(judgements: Sequence[Judgement]) -> list[Judgement]:
    """The gateway first, who records, then the offices by name."""
    return sorted(judgements, key=lambda one: (_ORDER[one.kind], one.name))


def gravest_first(judgements: Sequence[Judgement]) -> list[list[Judgement]]:
    """Those that a person has to know of, in groups of one cause, what has to be done now first."""
    by_cause: defaultdict[str, list[Judgement]] = defaultdict(list)
    for one in judgements:
        if one.attention is not Attention.NONE or one.verdict is Verdict.UNKNOWN:
            by_cause[one.cause].append(one)
    order = list(Verdict)
    return sorted(by_cause.values(), key=lambda group: min((_GRAVITY[one.attention], order.index(one.verdict), one.since) for one in group))


def sentence_view(group: Sequence[Judgement], now: datetime) -> Text:
    """What is wrong, since when, whose fault it is and what to do; of several with one cause, whom it concerns as well."""
    first = group[0]
    text = Text(printable(words.sentence(first, now)), style=_STYLES[first.attention])
    text.stylize("bold", 0, len(first.name))
    if others := [one.name for one in group[1:]]:
        text.append(f" (The same: {', '.join(others) if len(others) <= _MOST_NAMES else f'{len(others)} others'}.)")
    return text


def short_cause(one: Judgement) -> str:
    """The verdict with its reason, in a few words."""
    beside = words.asks_beside(one)
    reason = beside.code if beside is not None else one.sub_reason
    return words.verdict(one) if reason is None else f"{words.verdict(one)}: {reason.value.replace('-', ' ')}"


def style_of(one: Judgement) -> str:
    """How a line about it is written."""
    return _STYLES[one.attention] or ("dim" if one.verdict in (Verdict.PAUSED, Verdict.QUIET) else "")


def clock(moment: datetime, now: datetime) -> str:
    """`14:03` today, else `27.11.`."""
    there = moment.astimezone(ZONE)
    return there.strftime("%H:%M" if there.date() == now.astimezone(ZONE).date() else "%d.%m.")


def short_age(at: datetime | None, now: datetime) -> str:
    """`8s`, `12min`, `3h`, `2d`; nothing for None."""
    if at is None:
        return ""
    seconds = max(0.0, (now - at).total_seconds())
    for unit_s, name in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= unit_s:
            return f"{seconds // unit_s:.0f}{name}"
    return f"{seconds:.0f}s"


def waits(one: Judgement) -> str:
    """How many wait, on Kafka and before it; `?` where nobody knows."""
    if one.waiting is None:
        return "?" if not one.in_outbox else f"{one.in_outbox}+?"
    return str(one.waiting + (one.in_outbox or 0))


def counted_or(count: int | None) -> str:
    """A count, nothing for none, `?` where nobody knows."""
    return "?" if count is None else str(count or "")


def said_here_view(seen: Overview, most: int) -> list[RenderableType]:
    """What processes of this machine say themselves, where the watch or Kafka cannot tell it."""
    said = [f"{name} says: {'; '.join(answer.text.splitlines())}" for name, answer in seen.said_here.items()]
    return [Text(printable(one), style="yellow") for one in said[:most]]


def judgement_as_dict(one: Judgement, now: datetime, delivered_today: Mapping[str, int] | None) -> dict[str, Any]:
    """A judgement for programs, with the sentences in English."""
    known = {name: value for name, value in asdict(one).items() if name != "evidence"}
    told = {
        "well": one.attention is Attention.NONE and one.verdict is not Verdict.UNKNOWN,
        "what": words.cause(one),
        "whose": words.party(one),
        "next_step": words.next_step(one),
        "sentence": words.sentence(one, now),
        "evidence": [{"code": line.code, "said": said} for line in one.evidence if (said := words.evidence(line, now))],
        "oldest_age_s": None if one.oldest_at is None else max(0.0, (now - one.oldest_at).total_seconds()),
        "delivered_today": delivered_today.get(one.name, 0) if delivered_today is not None and one.kind is Kind.OFFICE else None,
    }
    return known | told


def overview_as_dict(seen: Overview, judgements: Sequence[Judgement], now: datetime) -> dict[str, Any]:
    """Everything for programs."""
    found = seen.snapshot
    return {
        "at": found.at,
        "age_s": max(0.0, (now - found.at).total_seconds()),
        "watch": seen.watch,
        "watch_fault": seen.watch_fault or None,
        "kafka_fault": found.kafka_fault or None,
        "brokers": [asdict(one) for one in found.brokers],
        "consumers": [judgement_as_dict(one, now, seen.delivered_today) for one in judgements],
        "said_here": {name: answer.text.splitlines() for name, answer in seen.said_here.items()},
    }
