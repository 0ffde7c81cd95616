"""Checks of `translate`."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from adapters.conformance.bench import Bench, as_submission, renewed, samples, texts
from adapters.conformance.expectations import (
    expect,
)
from adapters.conformance.read import reads
from schemas import xml
from schemas.errors import Refused

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,120}")
_NAMES: Final = ("antragsteller//familienname/name", "antragsteller//vornamen/name", "antragsteller/organisation/name")
_LETTERS: Final = "Đặng-Żółć Şahin"


async def same_input_same_bytes(bench: Bench) -> None:
    """The same submission gives the same document, every time and in every process."""
    for body in samples(bench.office):
        submission = renewed(bench.office, body)
        first = bench.adapter.translate(submission)
        expect(first == bench.adapter.translate(submission), "a second translation differs")
        expect(first == bench.connect().translate(submission), "another adapter translates differently")
        expect(first.submission_id == submission.id, "the document has another submission id")
        expect(etree.tostring(submission.root) == etree.tostring(xml.parse(submission.body)), "the translation changed the message")


async def name_is_safe(bench: Bench) -> None:
    """The name of a document is fit for a file: it holds nothing of the message, and no two are the same."""
    names = set()
    for body in samples(bench.office):
        submission = renewed(bench.office, body)
        name = bench.adapter.translate(submission).name
        expect(_FILE_NAME.fullmatch(name), "the name is not safe as a file name")
        expect(not any(text in name for text in texts(submission.root)), "the name holds a text of the message")
        names.add(name)
    expect(len(names) == len(samples(bench.office)), "two documents have the same name")


async def test_is_marked(bench: Bench) -> None:
    """A test submission differs from a real one in the document."""
    one = bench.submission()
    contents = set()
    for test in (True, False):
        root = xml.parse(one.body)
        root.attrib.pop("test", "")
        if test:
            root.set("test", "true")
        contents.add(bench.adapter.translate(as_submission(bench.office, etree.tostring(root), one.id, one.case_id)).content)
    expect(len(contents) > 1, "a test submission looks like a real one")


async def characters_survive(bench: Bench) -> None:
    """Names arrive with all their letters, or as the stated rule of the character set writes them, or are refused."""
    for body in samples(bench.office):
        submission = renewed(bench.office, body)
        names = [name for path in _NAMES for name in submission.root.iterfind(path)]
        for name in names:
            name.text = _LETTERS
        try:
            changed = as_submission(bench.office, etree.tostring(submission.root, encoding="UTF-8"), submission.id, submission.case_id)
            document = bench.adapter.translate(changed)
        except Refused:
            continue
        await bench.adapter.deliver(document, 1)
        (entry,) = bench.held(document.submission_id)
        expect(not names or reads(entry.content, document.content_type, _LETTERS), "letters of a name were lost on the way")
