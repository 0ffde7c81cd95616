"""What there is to tell: judgements that have one cause are one thing, however many consumers it stops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consumers.watch import words
from consumers.watch.model import Attention, Judgement, SubReason, Verdict
from consumers.watch.words import Language

_GRAVITY: Final = {Attention.NONE: 0, Attention.SOON: 1, Attention.NOW: 2}
_ORDER: Final = list(Verdict)


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause that a person has to do something about, and whom it stops."""

    key: str
    leading: str
    """The consumer that is worst off."""
    consumers: tuple[str, ...]
    verdict: Verdict
    sub_reason: SubReason | None
    attention: Attention
    since: datetime
    said: str
    """What is wrong, in a clause."""

    @property
    def what(self) -> str:
        """What is told anew when it changes."""
        reason = f":{self.sub_reason.value}" if self.sub_reason else ""
        return f"{self.key} {self.verdict.value}{reason} {self.attention.value}"


def causes_of(judgements: Iterable[Judgement], language: Language) -> list[Cause]:
    """The causes that a person has to do something about, in this language, the gravest first."""
    by_key: dict[str, list[Judgement]] = {}
    for one in sorted((one for one in judgements if one.attention is not Attention.NONE), key=_grave_first):
        by_key.setdefault(one.cause, []).append(one)
    return [_cause(key, those, language) for key, those in by_key.items()]


def unknown(judgements: Iterable[Judgement]) -> frozenset[str]:
    """The consumers of which nobody can tell how they do: what was told of them still stands."""
    return frozenset(one.name for one in judgements if one.verdict is Verdict.UNKNOWN)


def _grave_first(judgement: Judgement) -> tuple[int, int, str]:
    return -_GRAVITY[judgement.attention], _ORDER.index(judgement.verdict), judgement.name


def _cause(key: str, judgements: Sequence[Judgement], language: Language) -> Cause:
    worst = judgements[0]
    return Cause(
        key=key,
        leading=worst.name,
        consumers=tuple(sorted(one.name for one in judgements)),
        verdict=worst.verdict,
        sub_reason=worst.sub_reason,
        attention=worst.attention,
        since=min(one.since for one in judgements),
        said=words.cause(worst, language),
    )
