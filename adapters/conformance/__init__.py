"""What every adapter promises, as checks that run against the twin of its back office over real sockets.

`stadtbus adapter check` runs them. With pytest, a subclass of `adapters.conformance.contract.AdapterContract` does.
"""

from adapters.conformance.bench import Bench
from adapters.conformance.checks import CHECKS
from adapters.conformance.expectations import Broken
from adapters.conformance.run import CheckResult, run, title

__all__ = ["CHECKS", "Bench", "Broken", "CheckResult", "run", "title"]
