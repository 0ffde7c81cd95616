"""The hostile process: `python -m tests.attack.hostile` reads its orders, says when the first has come back, attacks until its input ends, and tells what came back.

Its priority is the lowest: its callers stand for machines of their own, and must not take the processor from those that they attack.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.attack import before_login, with_token
from tests.attack.crew import Crew

Attack = Callable[[Crew, str], Awaitable[object]]
_CALLERS: Final = 32
_FEW: Final = 8
_LOOK_S: Final = 0.05

ATTACKS: Final[Mapping[str, Attack]] = {
    "idle-200": lambda crew, _: before_login.idle(crew, 200),
    "idle-1100": lambda crew, _: before_login.idle(crew, 1_100),
    "slow-headers": lambda crew, _: before_login.slow_headers(crew, 300),
    "slow-bodies": lambda crew, token: before_login.slow_bodies(crew, 300, token),
    "endless-stranger": lambda crew, _: before_login.endless_bodies(crew, 16, None),
    "endless-portal": lambda crew, token: before_login.endless_bodies(crew, 16, token),
    "marks": lambda crew, token: crew.flood(with_token.combining_marks(token), _FEW),
    "deep": lambda crew, token: crew.flood(with_token.deep_and_wide(token), _FEW),
    "refusable": lambda crew, token: crew.steady(with_token.refusable(token), per_s=25),
    "poison": lambda crew, token: crew.steady(with_token.meant(token, 20, seed=2), per_s=5),
    "refused": lambda crew, token: crew.steady(with_token.meant(token, 60, seed=3), per_s=10),
    "unpublishable": lambda crew, token: crew.flood(with_token.unpublishable(token), _FEW),
    "cheap": lambda crew, token: crew.flood(with_token.cheap(token), _CALLERS),
    "dear": lambda crew, token: crew.flood(with_token.dear(token), _CALLERS),
    "valid": lambda crew, token: crew.flood(with_token.valid(token), _CALLERS),
    "full-share": lambda crew, token: crew.flood(with_token.large(token), _FEW),
    "foreign": lambda crew, token: crew.flood(with_token.foreign(token), _FEW),
    "guesses": lambda crew, _: before_login.guesses(crew, _CALLERS),
}
"""By the names that `rows` gives them: what is done with the port and the token of the hostile portal."""


def main() -> None:
    """Attack as ordered."""
    orders = json.loads(sys.stdin.readline())
    os.nice(19)
    with suppress(OSError):  # sessions share the processor among themselves first, where the kernel groups them
        Path("/proc/self/autogroup").write_text("19", encoding="ascii")
    crew = Crew(orders["port"])
    asyncio.run(_attack(crew, ATTACKS[orders["attack"]], orders["token"]))
    sys.stdout.write(json.dumps(crew.came_back))


async def _attack(crew: Crew, attack: Attack, token: str) -> None:
    attacking = asyncio.ensure_future(attack(crew, token))
    while not (crew.came_back or attacking.done()):
        await asyncio.sleep(_LOOK_S)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    ending = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait([attacking, ending], return_when=asyncio.FIRST_COMPLETED)
    attacking.cancel()
    with suppress(asyncio.CancelledError):
        await attacking


if __name__ == "__main__":
    main()
