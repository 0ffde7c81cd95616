"""What a language has to have a text for; `words_en.py` and `words_de.py` fill it, and a test holds both to all codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from consumers.watch.model import EvidenceCode, Party, SubReason, Verdict
from consumers.watch.observed import Kind


class Told(NamedTuple):
    """What is wrong, and what to do."""

    what: str
    """A clause behind the name: no capital, no full stop."""
    step: str
    """A sentence or two; `{name}` is the consumer's."""


Key = tuple[Verdict, SubReason | None, Kind | None]


@dataclass(frozen=True, slots=True)
class Texts:
    """All texts of one language."""

    since: str
    fault: str
    next_step: str
    days: tuple[str, ...]
    """From Monday on."""
    verdicts: Mapping[Verdict, str]
    parties: Mapping[Party, str]
    told: Mapping[Key, Told]
    """By verdict, reason and kind; the most special one counts."""
    beside: Mapping[EvidenceCode, Told]
    """Where this line asks something of a person, and the verdict does not."""
    evidence: Mapping[EvidenceCode, str]
