"""The checks, in the order in which they run. The first line of each says what is true of an adapter that keeps its promises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from adapters.conformance import answering, failing, handing_over, translation
from adapters.conformance.bench import Bench

Check = Callable[[Bench], Awaitable[None]]
"""Called once, by `adapters.conformance.run`, with a bench of its own.

Raises `expectations.Broken` where the adapter does not keep a promise, and UsageError where it cannot be checked; anything else it
raises came out of the adapter, and breaks the promise, too.
"""

CHECKS: Final[tuple[Check, ...]] = (
    translation.same_input_same_bytes,
    translation.name_is_safe,
    translation.test_is_marked,
    translation.characters_survive,
    handing_over.find_before_and_after,
    handing_over.many_at_once,
    handing_over.check_is_one_line,
    failing.refusal,
    failing.technical_error,
    failing.away_and_back,
    failing.busy,
    answering.error_after_effect,
    answering.too_late,
    answering.late_but_in_time,
    answering.garbage,
    answering.endless,
    answering.rare_but_right,
    failing.somebody_else_answers,
    failing.told_to_wait,
    handing_over.crash_points,
    handing_over.never_twice,
    handing_over.nothing_personal_is_said,
    handing_over.decides_later,
)
