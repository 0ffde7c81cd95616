"""`python -m tests.watch [--lanes process,whole] [--write docs/reliability.md]`: each verdict of the lag watch, really caused.

Exit code 0: each is recognised in time and goes with its cause; 1: one is not; 2: it cannot be run like this.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from schemas.errors import CannotTell, UsageError
from tests.faults.report import write
from tests.faults.suite import quiet
from tests.watch import report, schedule

_FOLDER: Final = Path(".stadtbus/watch")
_ALL: Final = (*schedule.LANES, "whole")


def main() -> int:
    """Run what was asked for."""
    wanted = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 160, soft_wrap=True, highlight=False)
    os.umask(0o077)  # as each command does
    quiet()
    began_s = time.monotonic()
    try:
        trials = asyncio.run(
            schedule.run(_FOLDER, wanted.lanes, lambda text: console.print(f"{time.monotonic() - began_s:4.0f} s  {text}", markup=False))
        )
    except (UsageError, CannotTell) as error:
        console.print(error.diagnostics())
        return error.problem.exit_code
    content = report.markdown(trials.done, time.monotonic() - began_s)
    if wanted.write:
        write(wanted.write, "watch", content)
    failed = [one for one in trials.done if one.failure]
    console.print(f"{len(trials.done)} cases, {len(failed)} failed", markup=False)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    def lanes(text: str) -> list[str]:
        if unknown := set(text.split(",")) - set(_ALL):
            raise argparse.ArgumentTypeError(f"no such lane: {', '.join(sorted(unknown))}")
        return text.split(",")

    parser = argparse.ArgumentParser(prog="python -m tests.watch")
    parser.add_argument("--lanes", type=lanes, default=list(_ALL), help=f"some of {', '.join(_ALL)}; all of them without it")
    parser.add_argument("--write", type=Path, help="the page whose section is written anew")
    return parser.parse_args()


sys.exit(main())
