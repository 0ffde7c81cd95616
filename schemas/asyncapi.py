"""The AsyncAPI 3 document of the bus: every topic, with key, headers and content of its records, and who reads and writes it.

Built from the lists that the code itself uses: topics, headers, and the models of events, operations and heartbeats. A test compares it with
records on a real broker.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, NamedTuple

from pydantic.json_schema import models_json_schema

from schemas import topics
from schemas.events import EVENT_CONTENT_TYPE, StatusEvent
from schemas.headers import FORMS, MOMENT, UUID, CopyHeader, Header
from schemas.heartbeats import HEARTBEAT_CONTENT_TYPE, INSTANCE_PATTERN, Heartbeat
from schemas.operations import ACTOR_PATTERN, OPERATION_CONTENT_TYPE, Operation
from schemas.topics import Topic

Json = dict[str, Any]

SUBMISSION_CONTENT_TYPE: Final = "application/xml"
_BINDING: Final = "0.5.0"
_UUID: Final = f"^{UUID}$"
_MOMENT: Final = f"^{MOMENT}$"
_NUMBER: Final = "^[0-9]+$"
_WORD: Final = r"^\S+$"
_TOPIC: Final = "^[a-zA-Z0-9._-]{1,249}$"
_ANY: Final = ""

_MEANINGS: Final[Mapping[Header, str]] = {
    Header.SPECVERSION: "Version of CloudEvents.",
    Header.MESSAGE_ID: "Id of the message; a record that comes twice has the same.",
    Header.SOURCE: "The portal, as a URI reference.",
    Header.TYPE: "Which message it is: its name, or, where the schema table does not know it, its number.",
    Header.TIME: "When the message was made, as it says.",
    Header.SUBJECT: "Id of the submission.",
    Header.DATASCHEMA: "Namespace of the message.",
    Header.CONTENT_TYPE: "Content type of the value.",
    Header.TRACEPARENT: "The portal's trace (W3C Trace Context).",
    Header.SUBMISSION: "Id of the submission.",
    Header.CASE: "Id of its case, as the bus calls it; the record's key.",
    Header.ABOUT: "There only where the message refers to an earlier one: the submission that one became.",
    Header.HOTLINE_CODE: "What the applicant was given to ask by.",
    Header.CITY: "The city.",
    Header.OFFICE: "The office that it goes to.",
    Header.SERVICE: "The service, by its LeiKa key.",
    Header.PORTAL: "The portal that submitted it.",
    Header.TRUST: "The lowest level of trust among its applicants.",
    Header.TRUST_PROOF: "There only where the identity sources have signed the logins of all applicants; else the level is the portal's word.",
    Header.TEST: "There only where the message is marked as a test.",
    Header.ACCEPTED_AT: "When the gateway took it.",
}
_HEADERS: Final = {header: (f"^{FORMS[header]}$", meaning) for header, meaning in _MEANINGS.items()}
_OPTIONAL: Final = frozenset({Header.ABOUT, Header.TRUST_PROOF, Header.TEST, Header.TRACEPARENT})
_COPY_HEADERS: Final[Mapping[CopyHeader, tuple[str, str]]] = {
    CopyHeader.TOPIC: (_TOPIC, "Where the original stood."),
    CopyHeader.PARTITION: (_NUMBER, "As above."),
    CopyHeader.OFFSET: (_NUMBER, "As above."),
    CopyHeader.ADAPTER: (_WORD, "The office whose adapter made the copy."),
    CopyHeader.INSTANCE: (_WORD, "Its process."),
    CopyHeader.STAGE: ("^(PARSE|TRANSLATE|DELIVER)$", "Where it failed; missing where it was not tried."),
    CopyHeader.CLASS: (_WORD, "Which part of Stadtbus found it."),
    CopyHeader.EXCEPTION: (_WORD, "Class of the error."),
    CopyHeader.MESSAGE: (_ANY, "Why, without any value of the message."),
    CopyHeader.STACKTRACE: (_ANY, "Places in the code."),
    CopyHeader.ERROR_CLASS: ("^[a-z-]+$", "The cause, which decides what happens next."),
    CopyHeader.FIRST_FAILURE: (_MOMENT, "When it was set aside first."),
    CopyHeader.ATTEMPT: (_NUMBER, "How many attempts it has had."),
    CopyHeader.NOT_BEFORE: (_MOMENT, "When it is tried again."),
    CopyHeader.REPLAYED_FROM: (r"^[a-zA-Z0-9._-]{1,249}/[0-9]+/[0-9]+$", "Of a replayed record: the place of its dead letter."),
    CopyHeader.DISCARDED: (_ANY, "An operator's code for ending it."),
    CopyHeader.SETTLED: (_ANY, "The back office's number, as an operator found it there."),
    CopyHeader.SPRING_TOPIC: (_TOPIC, "As `__connect.errors.topic`, for Spring's tools."),
    CopyHeader.SPRING_GROUP: (_WORD, "The office, for the same."),
    CopyHeader.SPRING_EXCEPTION: (_WORD, "As `__connect.errors.exception.class.name`, for the same."),
    CopyHeader.SPRING_MESSAGE: (_ANY, "As `__connect.errors.exception.message`, for the same."),
}
_PLACE: Final = (CopyHeader.TOPIC, CopyHeader.PARTITION, CopyHeader.OFFSET)


class _Use(NamedTuple):
    """Who does something with a topic."""

    name: str
    action: Literal["send", "receive"]
    channel: str
    summary: str
    group: str | None = None


_OFFICE: Final = "{city}.{office}"
_USES: Final = (
    _Use("gatewaySendsSubmissions", "send", "submissions", "The relay sends what the gateway has accepted."),
    _Use("adapterReceivesSubmissions", "receive", "submissions", "The office's adapter delivers them.", _OFFICE),
    _Use("auditReceivesSubmissions", "receive", "submissions", "The audit records each once.", topics.GROUP_AUDIT),
    _Use("statisticsReceiveSubmissions", "receive", "submissions", "The statistics count each once.", topics.GROUP_STATISTICS),
    _Use("adapterSendsRetries", "send", "retry", "The office's adapter parks what has to wait."),
    _Use("deskSendsRetries", "send", "retry", "An operator replays, discards or settles dead letters."),
    _Use("adapterReceivesRetries", "receive", "retry", "The office's adapter tries them again, and nobody else reads them.", _OFFICE),
    _Use("adapterSendsDeadLetters", "send", "deadletters", "The office's adapter sets aside what needs a person."),
    _Use("deskReceivesDeadLetters", "receive", "deadletters", "Operators look at them, without a group."),
    _Use("adapterSendsEvents", "send", "events", "The office's adapter says what became of a submission."),
    _Use("gatewayReceivesEvents", "receive", "events", "The status feed shows them to portals.", topics.GROUP_STATUS),
    _Use("auditReceivesEvents", "receive", "events", "The audit records each once.", topics.GROUP_AUDIT),
    _Use("statisticsReceiveEvents", "receive", "events", "The statistics count each once.", topics.GROUP_STATISTICS),
    _Use("deskSendsOperations", "send", "operations", "Written before anything is done."),
    _Use(
        "adapterReceivesOperations",
        "receive",
        "operations",
        "Every instance of an adapter obeys pause, resume and release of its office, without a group.",
    ),
    _Use("watchReceivesOperations", "receive", "operations", "The watch keeps them.", topics.GROUP_WATCH),
    _Use("processSendsHeartbeats", "send", "heartbeats", "Each process, every few seconds, and a last one when it stops."),
    _Use("watchReceivesHeartbeats", "receive", "heartbeats", "The watch keeps the last one of each instance.", topics.GROUP_WATCH),
)


def document(version: str) -> Json:
    """The document, for this version of Stadtbus."""
    channels = _channels()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Stadtbus",
            "version": version,
            "description": "Every topic of the bus. Readers ignore members and headers that they do not know: records grow.",
            "license": {"name": "EUPL-1.2", "url": "https://eupl.eu/1.2/en/"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(topic, message) for name, (topic, message) in channels.items()},
        "operations": {use.name: _operation(use, channels[use.channel][1]) for use in _USES},
        "components": {"messages": _messages(), "schemas": _models()},
    }


def _channels() -> dict[str, tuple[Topic, str]]:
    """By name the topic, with the city and the office as parameters of its name, and the message that it carries."""
    submissions, retry, deadletters = topics.of_office(_OFFICE)
    (events,) = topics.of_city("{city}")
    operations, heartbeats = topics.of_bus()
    return {
        "submissions": (submissions, "submission"),
        "retry": (retry, "parkedCopy"),
        "deadletters": (deadletters, "deadLetter"),
        "events": (events, "statusEvent"),
        "operations": (operations, "operation"),
        "heartbeats": (heartbeats, "heartbeat"),
    }


def _channel(topic: Topic, message: str) -> Json:
    configuration = {
        "cleanup.policy": [topic.cleanup],
        "retention.ms": topic.retention_ms,
        "max.message.bytes": topic.max_message_bytes,
    }
    binding = {"partitions": topic.partitions, "topicConfiguration": configuration, "bindingVersion": _BINDING}
    named = {"city": "The city, for example muenchen.", "office": "The office of that city, for example meldewesen."}
    parameters = {name: {"description": text} for name, text in named.items() if f"{{{name}}}" in topic.name}
    return {
        "address": topic.name,
        "description": f"{topic.content}. Key: {topic.key}.",
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        **({"parameters": parameters} if parameters else {}),
        "bindings": {"kafka": binding},
    }


def _operation(use: _Use, message: str) -> Json:
    group = {} if use.group is None else {"groupId": {"type": "string", "description": use.group}}
    return {
        "action": use.action,
        "channel": {"$ref": f"#/channels/{use.channel}"},
        "summary": use.summary,
        "messages": [{"$ref": f"#/channels/{use.channel}/messages/{message}"}],
        **({"bindings": {"kafka": {**group, "bindingVersion": _BINDING}}} if group else {}),
    }


def _messages() -> Json:
    case = _text(_UUID, "Id of the case.")
    xml = {"type": "string", "description": "A message of ours, or a genuine XÖV message, in XML, byte for byte as the portal sent it."}
    required = [header for header in Header if header not in _OPTIONAL]
    original = _headers(_HEADERS, required)
    copy = _headers({**_HEADERS, **_COPY_HEADERS}, [*required, *_PLACE], closed=False)
    dead = _headers({**_HEADERS, **_COPY_HEADERS}, [*required, *_PLACE, CopyHeader.ERROR_CLASS], closed=False)
    kept = "The headers of the original stand before those of the copy, byte for byte, also where they are binary, null or foreign."
    return {
        "submission": _message("Submission", SUBMISSION_CONTENT_TYPE, case, original, xml),
        "parkedCopy": _message("Parked or replayed submission", SUBMISSION_CONTENT_TYPE, case, copy, xml) | {"description": kept},
        "deadLetter": _message("Dead letter", SUBMISSION_CONTENT_TYPE, case, dead, xml) | {"description": kept},
        "statusEvent": _of_model("Status event", EVENT_CONTENT_TYPE, case, StatusEvent),
        "operation": _of_model(
            "Operation",
            OPERATION_CONTENT_TYPE,
            _text(ACTOR_PATTERN, "Of a pause, a resume and a release the office, so that they stay in order; else who does it."),
            Operation,
        ),
        "heartbeat": _of_model("Heartbeat", HEARTBEAT_CONTENT_TYPE, _text(INSTANCE_PATTERN, "The instance."), Heartbeat),
    }


def _of_model(title: str, content_type: str, key: Json, model: type) -> Json:
    named = {Header.CONTENT_TYPE: (f"^{content_type.replace('+', '[+]')}$", "Content type of the value.")}
    return _message(title, content_type, key, _headers(named, named), {"$ref": f"#/components/schemas/{model.__name__}"})


def _message(title: str, content_type: str, key: Json, headers: Json, payload: Json) -> Json:
    return {
        "title": title,
        "contentType": content_type,
        "headers": headers,
        "payload": payload,
        "bindings": {"kafka": {"key": key, "bindingVersion": _BINDING}},
    }


def _headers(named: Mapping[Any, tuple[str, str]], required: Collection[str], *, closed: bool = True) -> Json:
    """A schema of headers as text."""
    properties = {str(name): _text(pattern, text) for name, (pattern, text) in named.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": [str(name) for name in required],
        **({"additionalProperties": False} if closed else {}),
    }


def _text(pattern: str, description: str) -> Json:
    return {"type": "string", **({"pattern": pattern} if pattern else {}), "description": description}


def _models() -> Json:
    """The models of JSON records. Writers are closed to other members and readers are not, so the schemas are open."""
    models = [(model, "validation") for model in (StatusEvent, Operation, Heartbeat)]
    _, schema = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type] # as it is documented
    opened: Json = _opened(schema["$defs"])
    return opened


def _opened(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _opened(one) for name, one in schema.items() if not (name == "additionalProperties" and one is False)}
    return [_opened(one) for one in schema] if isinstance(schema, list) else schema
