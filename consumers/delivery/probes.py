"""What is done with probes (`schemas.probes`): the back office is asked whether it is there, and what it says goes into the heartbeats.

Ledger, breaker, brake, copies and events hear nothing of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from consumers.delivery.failures import Failure, Stage
from infra import metrics
from infra.cancellation import is_own_cancellation
from schemas.heartbeats import ProbeAnswer, sentence

_LIMIT_S: Final = 5.0
"""For the answer of a back office, as for the question of the breaker."""
_ANSWERED, _NOT_ANSWERED = "answered", "not-answered"


class Prober:
    """Takes probes to the door of one back office, and remembers how the last one has ended."""

    def __init__(self, office: str, check: Callable[[], Awaitable[object]]) -> None:
        """`check` asks the back office whether it is there (`Adapter.check`)."""
        self._office = office
        self._check = check
        self.last: ProbeAnswer | None = None

    async def probe(self, sent_at: datetime) -> None:
        """Ask on behalf of a probe that was written then; takes some seconds at most, and raises only the end of this task."""
        why = await self._ask()
        now = datetime.now(UTC)
        if self.last is None or sent_at >= self.last.sent_at:
            self.last = ProbeAnswer(sent_at=sent_at, answered_at=now, why=why)
        metrics.PROBES.labels(self._office, _ANSWERED if why is None else _NOT_ANSWERED).inc()
        if why is None:
            metrics.PROBE_SECONDS.labels(self._office).observe(max(0.0, (now - sent_at).total_seconds()))

    async def _ask(self) -> str | None:
        try:
            async with asyncio.timeout(_LIMIT_S):
                await self._check()
        except TimeoutError:
            return f"no answer within {_LIMIT_S:.0f} s"
        except BaseException as error:
            if is_own_cancellation(error):
                raise
            return sentence(Failure.of(error, Stage.DELIVER).reason)
        return None
