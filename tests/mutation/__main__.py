"""`make mutation`: the score of every shipped mapping; exit code 1 where a mutant goes unnoticed."""

from __future__ import annotations

import sys
from collections import Counter

from rich.console import Console
from rich.table import Table

from schemas import catalogue
from tests.mutation.mutants import shipped


def main() -> int:
    """Show a line per mapping, and every mutant that nothing notices."""
    table, missed = Table("mapping", "mutants", "by load", "by samples", "by lint", "score"), []
    for one in shipped(catalogue.load()):
        outcomes = {mutant.change: one.notices(mutant) for mutant in one.mutants()}
        counts = Counter(outcomes.values())
        missed += [f"{one.office}: {change}" for change, check in outcomes.items() if not check]
        score = 1 - counts[""] / len(outcomes)
        table.add_row(one.office, str(len(outcomes)), *(str(counts[check]) for check in ("load", "samples", "lint")), f"{score:.0%}")
    console = Console()
    console.print(table)
    for line in missed:
        console.print(f"unnoticed: {line}", style="red")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
