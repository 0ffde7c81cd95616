"""What is shown of what is found: a worse verdict after two cycles, a better one after three, so that one look alone neither alarms nor calms.

Three things are no measurement of a moment, and are shown at once: a plan, that nobody has told for three cycles, and that somebody tells again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from consumers.watch.memory import ConsumerMemory, Found
from consumers.watch.model import Attention, Verdict

WORSE_CYCLES: Final = 2
BETTER_CYCLES: Final = 3


def settle(memory: ConsumerMemory, found: Found, at: datetime) -> ConsumerMemory:
    """The memory with what is shown from now on. The first look of all is shown at once."""
    shown = memory.shown
    if shown is None:
        return replace(memory, shown=found, since=found.since or at)
    if _key(found) == _key(shown):
        return replace(memory, shown=found, other=None, other_since=None, count=0)
    worse = is_worse(found, shown)
    goes_on = memory.other is not None and is_worse(memory.other, shown) == worse
    since = memory.other_since if goes_on and memory.other_since else at
    count = memory.count + 1 if goes_on else 1
    if count < _needed(found, shown, worse=worse):
        return replace(memory, other=found, other_since=since, count=count)
    begun = found.since or since
    kept = memory.since if _same_trouble(found, shown) and memory.since else begun
    return replace(memory, shown=found, since=kept, other=None, other_since=None, count=0)


def is_worse(found: Found, shown: Found) -> bool:
    """Whether it is graver, or at least not better."""
    order = tuple(Verdict).index
    if found.verdict is not shown.verdict:
        return order(found.verdict) < order(shown.verdict)
    return tuple(Attention).index(found.attention) >= tuple(Attention).index(shown.attention)


def _needed(found: Found, shown: Found, *, worse: bool) -> int:
    stale = found.verdict is Verdict.UNKNOWN and found.since is not None  # else it has only just begun to ask
    if stale or shown.verdict is Verdict.UNKNOWN or (worse and found.verdict is Verdict.PAUSED):
        return 1
    return WORSE_CYCLES if worse else BETTER_CYCLES


def _same_trouble(found: Found, shown: Found) -> bool:
    """Whether it is what it was, only graver or better known: then it is so since it was first so."""
    if found.verdict is not shown.verdict or (found.attention is Attention.NONE) != (shown.attention is Attention.NONE):
        return False
    return found.sub_reason is shown.sub_reason or found.verdict in (Verdict.UNKNOWN, Verdict.LOST, Verdict.DOWN)


def _key(found: Found) -> tuple[object, ...]:
    return found.verdict, found.sub_reason, found.attention
