"""In which order all of it happens: the lanes of offices at a time, then what happens to all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from consumers.watch.model import Verdict
from tests.watch import offices, whole
from tests.watch.bus import OFFICES, Bus
from tests.watch.trial import Trials

Step = Callable[[Trials], Awaitable[None]]

LANES: Final[dict[str, Sequence[Step]]] = {
    "process": (
        offices.away,
        offices.fails,
        offices.killed,
        offices.stopped,
        offices.frozen,
        offices.braked,
        offices.paused,
    ),
    "group": (offices.draining, offices.waits, offices.rewound, offices.not_taken),
    "pace": (offices.flapping, offices.slow_late),
    "log": (offices.lost, offices.poison, offices.transaction),
    "unused": (offices.unused,),
}
"""At a time."""
WHOLE: Final[Sequence[Step]] = (
    offices.recorder,
    whole.refused,
    whole.maintenance,
    whole.closed,
    whole.quiet,
    whole.gateway_killed,
    whole.cut_off,
    whole.kafka_away,
)
"""One after the other."""
_OWN: Final = {office: {"STADTBUS_DELIVERY__MAX_CONCURRENCY": "2"} for office in (offices.PACE, offices.STRANGERS)}
_EXPECTED: Final = {offices.PACE: {"freshness": {"within": "60 s"}}}


async def run(folder: Path, wanted: Sequence[str], say: Callable[[str], None]) -> Trials:
    """All cases of these lanes; `whole` is the last."""
    bus = Bus(folder, OFFICES, _OWN, _EXPECTED)
    trials = Trials(bus, say)
    try:
        await bus.start()
        await _ok(trials)
        await asyncio.gather(*(_lane(trials, LANES[name]) for name in LANES if name in wanted))
        if "whole" in wanted:
            await _lane(trials, WHOLE)
            await trials.wait()
    finally:
        await bus.stop()
    return trials


async def _lane(trials: Trials, steps: Sequence[Step]) -> None:
    for step in steps:
        await step(trials)


async def _ok(trials: Trials) -> None:
    """Everything works."""
    for name in (*OFFICES, "audit", "gateway"):
        async with trials.of("nothing: everything runs", name, Verdict.OK) as trial:
            await trial.recognised(limit_s=60)
