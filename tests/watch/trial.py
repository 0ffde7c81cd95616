"""One cause and what the watch makes of it: which verdict, after how many looks, and whether it goes when the cause has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from consumers.watch import words
from consumers.watch.hysteresis import BETTER_CYCLES
from consumers.watch.model import Attention, EvidenceCode, Judgement, SubReason, Verdict
from tests.watch.bus import Bus
from tests.watch.eye import of

MOST_LOOKS: Final = 3
"""Within so many looks a cause has to be recognised."""
MOST_BETTER: Final = MOST_LOOKS + BETTER_CYCLES
"""What is better is shown after three looks alike; before them come the looks after which the cure itself can be known."""
_LIMIT_S: Final = 40.0
_WELL: Final = (Verdict.OK, Verdict.QUIET, Verdict.DRAINING)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What has to be seen."""

    verdict: Verdict
    sub_reason: SubReason | None = None
    beside: EvidenceCode | None = None
    """What stands beside a verdict that is well and asks something of a person."""

    def __call__(self, judgement: Judgement) -> bool:
        if (judgement.verdict, judgement.sub_reason) != (self.verdict, self.sub_reason):
            return False
        asks = words.asks_beside(judgement)
        return self.beside is None or (asks is not None and asks.code is self.beside)

    def __str__(self) -> str:
        return " ".join([self.verdict.value.upper(), *([f"({self.sub_reason.value})"] if self.sub_reason else [])]) + (
            "!" if self.beside else ""
        )


def well(judgement: Judgement) -> bool:
    """Nothing is wrong, and nobody has to do anything."""
    return judgement.verdict in _WELL and judgement.attention is Attention.NONE


@dataclass
class Trial:
    """One case. Its figures are there at the end."""

    bus: Bus
    cause: str
    name: str
    """The consumer."""
    wanted: Wanted
    looks: int | None = None
    """After how many looks it was recognised."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the cause was begun with."""
    in_all: int | None = None
    """After how many looks from then on."""
    sentence: str = ""
    screen: str = ""
    """What `stadtbus status` printed then, on 80x24."""
    unsaid: list[str] = field(default_factory=list)
    """What is not on that screen of: what is wrong and since when, whose fault it is, what to do."""
    cleared: int | None = None
    """After how many looks it was gone."""
    failure: str = ""

    async def recognised(self, known: datetime | None = None, limit_s: float = _LIMIT_S) -> None:
        """Wait until it is seen. `known` is the moment at which the cluster could know it; without it, now."""
        known = known or datetime.now(UTC)
        seen = await self.bus.eye.sees(self.name, self.wanted, known, limit_s)
        if seen is None:
            raise NotSeen(f"{self.wanted} is not seen; the last is {self._last()}")
        self.looks, look = seen
        judgement = of(look, self.name)
        self.in_all = sum(self.began < one.at <= look.at for one in self.bus.eye.looks)
        self.sentence = words.sentence(judgement, look.at)
        self.screen = (await self.bus.command("status"))[1]
        self.unsaid = self._unsaid(judgement, look.at)
        if self.looks > MOST_LOOKS:
            raise NotSeen(f"seen after {self.looks} looks only")

    async def cured(self, known: datetime | None = None, condition: Callable[[Judgement], bool] = well, limit_s: float = _LIMIT_S) -> None:
        """Wait until nothing of it is seen. `known` is the moment at which the cluster could know that it is over."""
        seen = await self.bus.eye.sees(self.name, condition, known or datetime.now(UTC), limit_s)
        if seen is None:
            raise NotSeen(f"it does not go; the last is {self._last()}")
        self.cleared = seen[0]
        if self.cleared > MOST_BETTER:
            raise NotSeen(f"gone after {self.cleared} looks only")

    def _unsaid(self, judgement: Judgement, now: datetime) -> list[str]:
        """Where a person has to act, all of it has to be there; where it is more than a screen holds, the gravest is."""
        if judgement.attention is Attention.NONE:
            return []
        begin = f"{self.name}: {words.cause(judgement)}, since {words.when(judgement.since, now)}"
        seen = " ".join(self.screen.split())
        parts = (begin, words.party(judgement), words.next_step(judgement))
        return [part for part in parts if part not in seen]

    def _last(self) -> str:
        look = self.bus.eye.looks[-1]
        return words.sentence(of(look, self.name), look.at)


class NotSeen(Exception):
    """The watch does not say what is so, or says it too late."""


class Trials:
    """All cases of a run; `say` hears of each that has ended."""

    def __init__(self, bus: Bus, say: Callable[[str], None] = lambda _: None) -> None:
        self.bus = bus
        self.done: list[Trial] = []
        self.later: list[tuple[Trial, datetime]] = []
        """Whose cure takes minutes: when it can be known that it is over."""
        self._say = say

    async def wait(self) -> None:
        """Wait until what takes minutes is over."""
        for trial, known in self.later:
            try:
                await asyncio.sleep(max(0.0, (known - datetime.now(UTC)).total_seconds()))
                await trial.cured(known)
            except NotSeen as error:
                trial.failure = str(error)

    @asynccontextmanager
    async def of(
        self, cause: str, name: str, verdict: Verdict, sub_reason: SubReason | None = None, beside: EvidenceCode | None = None
    ) -> AsyncIterator[Trial]:
        """A case for the block; whatever goes wrong in it is its failure, and the next case goes on."""
        trial = Trial(self.bus, cause, name, Wanted(verdict, sub_reason, beside))
        try:
            yield trial
        except Exception as error:  # noqa: BLE001 - one case that fails must not hide what the others show
            trial.failure = f"{type(error).__name__}: {error}" if not isinstance(error, NotSeen) else str(error)
            await self.bus.heal(name)
        self.done.append(trial)
        self._say(f"{trial.wanted} {name}: {trial.failure or 'seen'} (after {trial.looks}, gone after {trial.cleared}): {cause}")
