"""From a message to the document of a back office, in one process, against what lxml needs to parse it and hold it against the XSD.

A registration of residence of about 3.6 KB to München, from memory. All take turns; the median of the rounds counts.

- bare: `etree.fromstring` and `XMLSchema.validate`, without limits or rules
- examined: the examination of the gateway and `stadtbus validate`: safe parse, XSD, all rules
- translated: examined, then mapped and written as XML
- DIN 91379: clean text of many letters, held against datatype C
- validate: 10,000 files of a folder, by one worker and by one for each core
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final
from unittest import mock

from lxml import etree

from adapters import registry
from adapters.interface import Submission
from adapters.mapping import Mapping
from benchmarks.report import Figure, against
from producers.synthetic import data, messages
from schemas import catalogue, din91379, message
from schemas.examination import schema_table
from schemas.examination.examine import examine
from schemas.message import Authority
from schemas.schema_set import PACKAGE_XSD
from stadtbus import validation

SIZE_BYTES: Final = range(3_500, 3_700)
OFFICE: Final = "muenchen.meldewesen"
MESSAGES: Final = 2_000
ROUNDS: Final = 7
TEXT_BYTES: Final = 2_000_000
FILES: Final = 10_000
NOW: Final = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
DIN_GOAL: Final = Figure("wanted", 20, "MB/s")


async def run() -> list[Figure]:
    """All figures."""
    return [*_translate(), *_din(), *await _validate()]


def _translate() -> Iterator[Figure]:
    body = next(one for one in _messages() if len(one) in SIZE_BYTES)
    schema = etree.XMLSchema(file=str(PACKAGE_XSD / f"{message.SCHEMA}.xsd"))
    rows, cities = schema_table.load(), catalogue.load()
    mapping = Mapping.load(registry.folder(OFFICE) / "mapping.yaml")

    def examined() -> Submission:
        found = examine(body, rows, cities, NOW)
        found.require()
        if found.root is None or found.message_id is None:
            raise ValueError("the message is not one of ours")
        return Submission(found.message_id, found.message_id, OFFICE, NOW, body, found.root)

    speeds = _in_turns(
        {
            "bare": lambda: schema.validate(etree.fromstring(body)),
            "examined": examined,
            "translated": lambda: mapping.document(examined()),
        }
    )
    (bare, least), (rules, second), (whole, third) = speeds.items()
    baseline = Figure(f"{bare}, {len(body):,} bytes", round(least, 1), "messages/s")
    yield from (baseline, against(baseline, rules, second), against(baseline, whole, third, goal=0.3))


def _in_turns(tasks: dict[str, Callable[[], object]], times: int = MESSAGES) -> dict[str, float]:
    """How often each can be done in a second."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            began = time.perf_counter()
            for _ in range(times):
                task()
            seconds[name].append(time.perf_counter() - began)
    return {name: times / statistics.median(one) for name, one in seconds.items()}


def _din() -> Iterator[Figure]:
    some = " ".join([*data.REMARKS, *(name for names in data.NAMES for name in names.families)])
    text = f"{some} " * (TEXT_BYTES // len(some.encode()))
    if din91379.first_disallowed(text, "C") is not None:
        raise ValueError("the text is not clean")
    (per_s,) = _in_turns({"din": lambda: din91379.first_disallowed(text, "C")}, times=1).values()
    yield against(DIN_GOAL, "DIN 91379, clean text", per_s * len(text.encode()) / 1e6, goal=1.0)


async def _validate() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, body in enumerate(islice(_messages(), FILES)):
            (folder / f"{number:05}.xml").write_bytes(body)
        one = Figure("validate, one worker", round(await _validated_per_s(folder, 1), 1), "files/s")
        cores = os.cpu_count() or 1
        return [one, against(one, f"validate, {cores} workers", await _validated_per_s(folder, cores))]


async def _validated_per_s(folder: Path, workers: int) -> float:
    began = time.perf_counter()
    with mock.patch.object(os, "cpu_count", return_value=workers):
        found = [
            one async for one in validation.reports(list(validation.message_files([folder])), catalogue.load(), None, accept_test=False)
        ]
    if len(found) != FILES or any(one.refused for one in found):
        raise ValueError("validate refuses synthetic messages")
    return FILES / (time.perf_counter() - began)


def _messages() -> Iterator[bytes]:
    (route,) = catalogue.load().routes_of(OFFICE)
    author = Authority(key="kop:09162000", name="Portal der Landeshauptstadt München")
    return (message.write(one) for one in messages.applications(route, author, seed=1, start=NOW))
