"""`python -m tests.faults [--rows F1,F2] [--seeds 5] [--write docs/reliability.md]`: the fault suite.

Exit code 0: every run is clean; 1: one is not; 2: it cannot be run like this.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

from schemas.errors import CannotTell, UsageError
from tests.faults import report
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.suite import Suite, quiet


def main() -> int:
    """Run what was asked for."""
    wanted = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 160)
    quiet()
    suite = Suite(console, Path(".stadtbus/faults"))
    try:
        seconds = asyncio.run(suite.run(wanted.rows, range(1, wanted.seeds + 1)))
    except (UsageError, CannotTell) as error:
        console.print(error.diagnostics())
        return error.problem.exit_code
    shown = report.rows(suite.results)
    console.print(report.table(shown, f"Fault suite, {seconds:.0f} s"))
    if wanted.write:
        report.write(wanted.write, "suite", report.markdown(shown, "make test-faults", seconds))
    return 0 if all(result.clean for result in suite.results) else 1


def _arguments() -> argparse.Namespace:
    known = {scenario.row: scenario for scenario in SCENARIOS}

    def rows(text: str) -> list[Scenario]:
        wanted = text.upper().split(",")
        if unknown := set(wanted) - known.keys():
            raise argparse.ArgumentTypeError(f"no such row: {', '.join(sorted(unknown))}")
        return [known[row] for row in wanted]

    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--rows", type=rows, default=list(SCENARIOS), help=f"some of {', '.join(known)}; all of them without it")
    parser.add_argument("--seeds", type=int, default=5, help="how often each row is run (5)")
    parser.add_argument("--write", type=Path, help="the page whose section is written anew")
    return parser.parse_args()


sys.exit(main())
