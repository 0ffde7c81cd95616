"""The AsyncAPI document names every topic and every header, and is served by the consuming processes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from consumers.pages import pages
from infra.health import Health
from schemas import asyncapi, catalogue, topics
from schemas.headers import CopyHeader, Header
from schemas.topics import Topic
from tests.asyncapi_contract import channel_of

DOCUMENT = asyncapi.document("1")
OFFICES = catalogue.load().offices


@pytest.mark.parametrize("topic", topics.all_topics(OFFICES), ids=lambda topic: topic.name)
def test_each_topic_has_one_channel(topic: Topic) -> None:
    """Its name fits the address of one channel, which says how the topic is kept."""
    channel = DOCUMENT["channels"][channel_of(DOCUMENT, topic.name)]
    binding = channel["bindings"]["kafka"]
    said = {name: str(value) for name, value in binding["topicConfiguration"].items() if name != "cleanup.policy"}
    assert said.items() <= topic.config().items()
    assert (binding["topicConfiguration"]["cleanup.policy"], binding["partitions"]) == ([topic.cleanup], topic.partitions)


@pytest.mark.parametrize(("message", "names"), [("submission", set(Header)), ("deadLetter", {*Header, *CopyHeader})])
def test_each_header_is_described(message: str, names: set[str]) -> None:
    """A header that may travel stands in the document with its meaning, and no other."""
    properties = DOCUMENT["components"]["messages"][message]["headers"]["properties"]
    assert set(properties) == {str(name) for name in names}
    assert all(one["description"] for one in properties.values())


def references(part: Any) -> set[str]:
    """Every reference in a part of the document."""
    if isinstance(part, dict):
        return {part["$ref"]} if "$ref" in part else set().union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()


def test_references_lead_somewhere() -> None:
    """Each is a place in the document."""
    for reference in references(DOCUMENT):
        part: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]
        assert part


def test_patterns_are_regular_expressions() -> None:
    """Each compiles."""
    found = re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', json.dumps(DOCUMENT))
    assert len([re.compile(json.loads(one)) for one in found]) > len(Header)


async def test_document_is_served() -> None:
    """At `/asyncapi`, as JSON."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await dict(pages(Health()))["/asyncapi"]({}, None, send)
    body = json.loads(sent[1]["body"])
    assert (sent[0]["status"], body["asyncapi"], set(body["channels"])) == (200, "3.0.0", set(DOCUMENT["channels"]))
