"""Every problem Stadtbus can answer with, by who meets it: a portal, who runs a machine, who gives a command.

Written as `problems.NOT_VALID`, wherever a problem stands in here. `errors` has the exceptions that carry them.
Codes beside ours (`xoev`) are those of the XÖV error lists where one fits (`xbau-fehlerkennzahlen` 2.2, XInneres
`fehlercodes` 2). The list `PROBLEMS` is the reference page `docs/reference/problems.md`; a test compares the two.
"""

from typing import Final

from schemas.problems.commands import *
from schemas.problems.machine import *
from schemas.problems.problem import Problem as Problem
from schemas.problems.submission import *

PROBLEMS: Final[tuple[Problem, ...]] = tuple(value for value in globals().values() if isinstance(value, Problem))
