"""`python -m benchmarks NAME [--json]`: run one benchmark; exit code 2 for an unknown one."""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys

from benchmarks.report import show

NAMES = ("backlog", "chain", "engine", "fairness", "lag", "outage", "translate")


def main(arguments: list[str]) -> int:
    """Run what was asked for."""
    as_json = "--json" in arguments
    names = [argument for argument in arguments if argument != "--json"]
    if len(names) != 1 or names[0] not in NAMES:
        print(f"usage: make bench ARGS=NAME, or ARGS='NAME --json'; NAME is one of: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    logging.disable(logging.CRITICAL)
    figures = asyncio.run(importlib.import_module(f"benchmarks.{names[0]}").run())
    show(names[0], figures, as_json=as_json)
    return 0


sys.exit(main(sys.argv[1:]))
