"""How many files and connections the operating system lets this process have open."""

from __future__ import annotations

import resource
from typing import Final

from schemas import problems
from schemas.errors import UsageError

FEWEST: Final = 160
_ENOUGH: Final = 65_536


def limit() -> int:
    """The limit, raised as far as this user may and as is of use. Called once, at the start.

    Raises:
        UsageError: descriptors-few.
    """
    soft, hard = (_ENOUGH if one == resource.RLIM_INFINITY else one for one in resource.getrlimit(resource.RLIMIT_NOFILE))
    wanted = max(soft, min(hard, _ENOUGH))
    if wanted < FEWEST:
        raise UsageError(problems.DESCRIPTORS, f"{wanted} are allowed, {FEWEST} are needed", where="RLIMIT_NOFILE")
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return wanted
