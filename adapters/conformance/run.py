"""Running checks, one at a time, each with a twin of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from adapters.conformance.bench import Bench
from adapters.conformance.checks import Check
from adapters.conformance.expectations import Broken
from infra.cancellation import is_own_cancellation
from schemas.errors import UsageError

_LIMIT_S: Final = 120
"""No check takes that long, unless the adapter waits without end."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of a check; `broken` says what happened instead of what it claims, empty where all is well."""

    check: str
    title: str
    broken: str = ""


def title(check: Check) -> str:
    """What the check claims."""
    return (check.__doc__ or "").splitlines()[0]


async def run(check: Check, office: str) -> CheckResult:
    """The verdict of one check on one office's adapter.

    Raises:
        UsageError: office-unknown, plug-in-broken, samples-missing, sample-unreadable, settings-invalid.
    """
    name = getattr(check, "__name__", "")
    try:
        async with asyncio.timeout(_LIMIT_S), Bench.of(office) as bench:
            await check(bench)
    except Broken as error:
        return CheckResult(name, title(check), str(error))
    except UsageError:
        raise
    except BaseException as error:  # whatever an adapter raises where it should not
        if is_own_cancellation(error):
            raise
        return CheckResult(name, title(check), f"{type(error).__name__} where nothing should fail")
    return CheckResult(name, title(check))
