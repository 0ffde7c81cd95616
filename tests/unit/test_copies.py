"""Copies of records: the original byte for byte, and one block of ours behind it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.copies import Place, headers_of_copy, take_apart
from schemas.headers import CopyHeader, Header, RawHeaders

PLACE = Place("muenchen.meldewesen.submissions", 2, 41)
ORIGINALS: dict[str, RawHeaders] = {
    "none": [],
    "ours": [("bus_submission", b"1"), ("ce_id", b"2")],
    "binary": [("a", b"\xff\x00\xfe")],
    "null": [("a", None), ("b", b"")],
    "repeated": [("a", b"1"), ("a", b"2"), ("a", b"1")],
    "named like ours": [(name.value, b"\xff") for name in CopyHeader if name is not CopyHeader.TOPIC],
    "begins like a block": [("a", b"1"), (CopyHeader.TOPIC.value, b"elsewhere"), (CopyHeader.OFFSET.value, None), ("b", b"2")],
    "Spring": [("kafka_dlt-original-topic", b"t"), ("kafka_dlt-original-offset", b"\0\0\0\0\0\0\0\x07")],
}
RAW = st.lists(
    st.tuples(st.sampled_from(["a", "b", *(name.value for name in CopyHeader), *(name.value for name in Header)]), st.none() | st.binary())
)
MORE = {CopyHeader.ERROR_CLASS: "blip", CopyHeader.MESSAGE: "ü"}


@pytest.mark.parametrize("original", ORIGINALS.values(), ids=ORIGINALS)
def test_original_is_kept_byte_for_byte(original: RawHeaders) -> None:
    """Binary, null, empty and repeated headers, and those that somebody named like ours, are the same and in the same order."""
    copied = headers_of_copy(original, PLACE, MORE)
    assert list(copied[: len(original)]) == list(original)
    assert list(take_apart(copied).original) == list(original)


@given(original=RAW, more=st.dictionaries(st.sampled_from(sorted(set(CopyHeader) - {CopyHeader.TOPIC})), st.text()))
def test_copy_is_taken_apart_as_it_was_made(original: RawHeaders, more: dict[CopyHeader, str]) -> None:
    """Whatever the original has, and whatever is added, both come back."""
    place = {CopyHeader.TOPIC, CopyHeader.PARTITION, CopyHeader.OFFSET}
    added = {name: text for name, text in more.items() if name not in place}
    copy = take_apart(headers_of_copy(original, PLACE, added))
    assert (list(copy.original), copy.origin) == (list(original), PLACE)
    assert {name: text for name, text in copy.block.items() if name not in place} == added


def test_copy_of_a_copy_has_one_block() -> None:
    """The new block takes the place of the old one, and the origin stays the first."""
    original = ORIGINALS["repeated"]
    first = take_apart(headers_of_copy(original, PLACE, MORE))
    assert first.origin is not None
    second = headers_of_copy(first.original, first.origin, {CopyHeader.ERROR_CLASS: "permanent"})
    assert [name for name, _ in second].count(CopyHeader.TOPIC) == 1
    again = take_apart(second)
    assert (list(again.original), again.origin, again.block.get(CopyHeader.MESSAGE)) == (list(original), PLACE, None)
    assert again.block[CopyHeader.ERROR_CLASS] == "permanent"


def test_record_that_is_no_copy() -> None:
    """A record as the relay wrote it is all original."""
    plain: RawHeaders = [("a", None), ("bus_case", b"c")]
    copy = take_apart(plain)
    assert (list(copy.original), dict(copy.block), copy.origin) == (list(plain), {}, None)


@pytest.mark.parametrize(
    "block",
    [
        {CopyHeader.TOPIC: b"t"},
        {CopyHeader.TOPIC: b"t", CopyHeader.PARTITION: b"0"},
        {CopyHeader.TOPIC: b"t", CopyHeader.PARTITION: b"x", CopyHeader.OFFSET: b"1"},
        {CopyHeader.TOPIC: b"t", CopyHeader.PARTITION: None, CopyHeader.OFFSET: b"1"},
        {CopyHeader.TOPIC: b"\xff", CopyHeader.PARTITION: b"\xff", CopyHeader.OFFSET: b"\xff"},
    ],
)
def test_block_of_somebody_else_has_no_origin(block: dict[CopyHeader, bytes | None]) -> None:
    """Headers that only look like ours are read without harm, and name no place."""
    assert take_apart([(name.value, value) for name, value in block.items()]).origin is None


def test_block_names_are_on_the_closed_list() -> None:
    """A block begins with the place; it has no name but those of `CopyHeader`, none of which a submission's record carries."""
    copied = headers_of_copy([], PLACE, dict.fromkeys(CopyHeader, "x") | {CopyHeader.TOPIC: "t"})
    assert [name for name, _ in copied][:3] == [CopyHeader.TOPIC, CopyHeader.PARTITION, CopyHeader.OFFSET]
    assert {name for name, _ in copied} == {name.value for name in CopyHeader}
    assert not {name.value for name in CopyHeader} & {name.value for name in Header}


@given(topic=st.from_regex(r"[a-z.-]{1,20}", fullmatch=True), partition=st.integers(0, 99), offset=st.integers(0, 2**63 - 1))
def test_place_is_read_as_it_was_written(topic: str, partition: int, offset: int) -> None:
    """A place survives being a header."""
    place = Place(topic, partition, offset)
    assert Place.parse(str(place)) == place


@pytest.mark.parametrize("text", ["", "t", "t/1", "t/x/1", "t/1/2/3", "t/1/"])
def test_text_that_is_no_place(text: str) -> None:
    """Anything else is a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        Place.parse(text)


def fingerprint(office: str = "muenchen.meldewesen", schema: str = "s/1.0", **block: str) -> str:
    """The fingerprint of a dead letter with these headers."""
    values = {
        CopyHeader[name]: text for name, text in ({"STAGE": "DELIVER", "ERROR_CLASS": "permanent", "MESSAGE": "no street"} | block).items()
    }
    return take_apart(headers_of_copy([(Header.DATASCHEMA.value, schema.encode())], PLACE, values)).fingerprint(office)


def test_fingerprint_says_what_went_wrong() -> None:
    """Another office, stage, class, schema or text is another fingerprint; twelve characters are enough to name it."""
    one = fingerprint()
    others = [
        fingerprint("augsburg.gewerbe"),
        fingerprint(schema="s/2.0"),
        fingerprint(STAGE="PARSE"),
        fingerprint(ERROR_CLASS="blip"),
        fingerprint(MESSAGE="no house"),
    ]
    assert len({one, *others}) == 6
    assert len(one) == 12


def test_fingerprint_does_not_depend_on_ids_and_numbers() -> None:
    """The same trouble with other submissions, lines and counts is one group; where it stood and how often it was tried is no matter."""
    texts = [
        "item 4 of 17 refused, id 6f1d3f0a-5a0c-5d0e-9a51-7f0b6f0c1c55",
        "item 12 of 9 refused, id 00000000-0000-4000-8000-000000000001",
    ]
    one, other = (fingerprint(MESSAGE=text) for text in texts)
    assert one == other == fingerprint(MESSAGE=texts[0], ATTEMPT="7", INSTANCE="b-2", STACKTRACE="x:1")
