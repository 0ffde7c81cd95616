"""Coverage-guided fuzzing: `make fuzz SECONDS=60 TARGET=message`. What breaks an invariant is kept in `.stadtbus/fuzz`.

atheris is no requirement of the project: where it cannot be installed, `tests/unit/test_fuzz.py` is what remains.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

KEPT = Path(".stadtbus/fuzz")


def main(target: str, seconds: str) -> None:
    """Run one target for so long; libFuzzer prints its progress and ends with 0, or with what it found."""
    import atheris  # noqa: PLC0415 - before anything that is to be watched

    with atheris.instrument_imports(include=["schemas", "adapters.mapping"]):
        from tests.fuzz import targets  # noqa: PLC0415

    corpus, findings = KEPT / target / "corpus", KEPT / target / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets.seeds(target)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", "-max_len=20000", "-timeout=10", "-rss_limit_mb=1024", f"-artifact_prefix={findings}/"]

    def change(body: bytes, size: int, seed: int) -> bytes:
        """One time in four as libFuzzer does it, else so that the form stays."""
        return bytes(targets.CHANGES[target](body, Random(seed))[:size] if seed % 4 else atheris.Mutate(body, size))

    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda body: targets.once(target, body), custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
