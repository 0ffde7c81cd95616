"""What the fuzzers do with any bytes: read them as a message, as a header, as a mapping. Whatever comes, only documented errors may."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

from adapters.mapping import Mapping as FieldMapping
from adapters.mapping import lint
from schemas import catalogue, xml
from schemas.errors import Rejected, UsageError
from schemas.examination.examine import examine
from schemas.examination.rules.subject import Claim
from schemas.examination.schema_table import Row, SchemaTable
from schemas.message.header import read_header
from tests import evil
from tests.fuzz import changes
from tests.unit import test_message_header

LIMIT_S: Final = 2.0
NOW: Final = datetime(2026, 3, 2, tzinfo=UTC)
_SECRETS: Final = (changes.CANARY, "Schön", "Łukasz", "Sendlinger", "Hauptstra")
"""Values of the messages, which no error text may quote."""
_GENUINE: Final = Row("Probe", "http://example.org/probe/2.1", own=False, schema_set=None)
_CLAIM: Final = Claim("99012008000000", "095640000000")


class Misbehaved(AssertionError):
    """It took too long, or an error text quotes the input."""


@cache
def _known() -> tuple[Any, Any]:
    return SchemaTable([_GENUINE]), catalogue.load()


def message(body: bytes) -> None:
    """The whole examination, of messages of our own and of genuine ones; it never raises."""
    found = examine(body, *_known(), NOW, claim=_CLAIM).findings
    _keeps_quiet(" ".join(f"{finding!r} {finding.as_dict()}" for finding in found))


def header(body: bytes) -> None:
    """The header reader, on whatever is XML."""
    try:
        root = xml.parse(body)
    except Rejected as error:
        _keeps_quiet(str(error))
        return
    read_header(root)


def mapping(body: bytes) -> None:
    """A mapping is refused with file and line, or loads and can be looked through."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mapping.yaml"
        path.write_bytes(body)
        try:
            FieldMapping.load(path)
        except UsageError as error:
            if not error.where:
                raise Misbehaved("a mapping is refused without a place") from None
            return
        lint.check(path, [_known()[1].services["gewerbe-anmelden"]])


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {"message": message, "header": header, "mapping": mapping}
CHANGES: Final[Mapping[str, Callable[[bytes, Random], bytes]]] = {
    "message": changes.tree,
    "header": changes.tree,
    "mapping": changes.lines,
}


def seeds(target: str) -> list[bytes]:
    """What to begin with."""
    if target == "mapping":
        root = Path(__file__).parents[2] / "adapters"
        return [path.read_bytes() for path in sorted(root.glob("*/*/mapping.yaml"))]
    samples = Path(xml.__file__).parent / "samples"
    generations = [test_message_header.g1(""), test_message_header.g1("g:"), test_message_header.g2(), test_message_header.G3]
    return [evil.VALID, *(path.read_bytes() for path in sorted(samples.glob("*.xml"))), *(text.encode() for text in generations)]


def once(target: str, body: bytes) -> None:
    """One input.

    Raises:
        Misbehaved: it took longer than a second of computing, or an error text quotes the input.
        Exception: an error that is not documented.
    """
    began_s = time.process_time()
    TARGETS[target](body)
    if time.process_time() - began_s > LIMIT_S and len(body) < xml.MAX_SIZE_BYTES:
        raise Misbehaved(f"longer than {LIMIT_S} s")


def _keeps_quiet(text: str) -> None:
    if any(secret in text for secret in _SECRETS):
        raise Misbehaved("an error text quotes the message")
