"""What the AsyncAPI document says of a record, and whether the record is like that."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
from lxml import etree
from pydantic import BaseModel

from infra.kafka.consumer_record import ConsumerRecord
from schemas.events import StatusEvent
from schemas.heartbeats import Heartbeat
from schemas.operations import Operation

MODELS: dict[str, type[BaseModel]] = {"statusEvent": StatusEvent, "operation": Operation, "heartbeat": Heartbeat}


def channel_of(document: dict[str, Any], topic: str) -> str:
    """The one channel whose address a topic has."""
    addresses = {
        name: re.sub(r"\\\{\w+\\\}", r"[a-z0-9-]+", re.escape(channel["address"])) for name, channel in document["channels"].items()
    }
    (name,) = [name for name, pattern in addresses.items() if re.fullmatch(pattern, topic)]
    return str(name)


def message_of(document: dict[str, Any], topic: str) -> str:
    """The one message that a topic carries."""
    (name,) = document["channels"][channel_of(document, topic)]["messages"]
    return str(name)


def check(document: dict[str, Any], record: ConsumerRecord) -> str:
    """Hold key, headers, content type and value of a record against the document; which message it is."""
    name = message_of(document, record.topic)
    message = document["components"]["messages"][name]
    headers = {header: (value or b"").decode() for header, value in record.headers}
    assert len(headers) == len(record.headers), "a header stands there twice"
    assert headers["content-type"] == message["contentType"]
    _validate(document, message["headers"], headers)
    _validate(document, message["bindings"]["kafka"]["key"], (record.key or b"").decode())
    assert record.value is not None
    if name in MODELS:
        _validate(document, message["payload"], json.loads(record.value))
        MODELS[name].model_validate_json(record.value)  # strict: nothing but what the document names
    else:
        etree.fromstring(record.value)
    return name


def _validate(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    """Raises ValidationError where a value is not as a part of the document says."""
    checker = jsonschema.FormatChecker()
    jsonschema.Draft7Validator({"components": document["components"], "allOf": [schema]}, format_checker=checker).validate(value)
