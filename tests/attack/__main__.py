"""`python -m tests.attack [--rows calm,marks] [--write docs/reliability.md]`: the bus under attack.

Exit code 0: every row holds; 1: one does not; 2: it cannot be run like this.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from schemas.errors import CannotTell, UsageError
from tests.attack import report
from tests.attack.judge import counts, violations
from tests.attack.rows import ROWS, Row
from tests.attack.siege import Siege
from tests.faults.report import write
from tests.faults.suite import quiet

_FOLDER: Final = Path(".stadtbus/attack")


def main() -> int:
    """Run what was asked for."""
    wanted = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 100)
    os.umask(0o077)  # as each command does
    quiet()
    began_s = time.monotonic()
    try:
        results = asyncio.run(_run(wanted.rows, console))
    except (UsageError, CannotTell) as error:
        console.print(error.diagnostics())
        return 2
    seconds = time.monotonic() - began_s
    console.print(report.table(results, f"Under attack, {seconds:.0f} s"))
    if wanted.write:
        write(wanted.write, "attack", report.markdown(results, seconds))
    return 0 if not any(violations(figures) for _, figures in results) else 1


async def _run(rows: Sequence[Row], console: Console) -> list[report.Result]:
    siege, results = Siege(_FOLDER), []
    try:
        await siege.start()
        for row in rows:
            figures = await siege.run(row)
            results.append((row, figures))
            console.print(f"{row.title}: {report.verdict(figures)} ({counts(figures.came_back)})", highlight=False, soft_wrap=True)
    finally:
        await siege.stop()
    return results


def _arguments() -> argparse.Namespace:
    known = {row.attack or "calm": row for row in ROWS}

    def rows(text: str) -> list[Row]:
        wanted = text.split(",")
        if unknown := set(wanted) - known.keys():
            raise argparse.ArgumentTypeError(f"no such row: {', '.join(sorted(unknown))}")
        return [known[row] for row in wanted]

    parser = argparse.ArgumentParser(prog="python -m tests.attack")
    parser.add_argument("--rows", type=rows, default=list(ROWS), help=f"some of {', '.join(known)}; all of them without it")
    parser.add_argument("--write", type=Path, help="the page whose section is written anew")
    return parser.parse_args()


sys.exit(main())
