"""What workers are asked by intake (`infra.workers`): all that reads what portals sent, with its question and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from infra.workers.operations import Operation
from producers.intake import form, opening, refusals
from producers.intake.declaration import Declaration
from producers.intake.metadata import Metadata
from schemas.message import Authority

_REFUSALS: Final = tuple(problem for refuser in refusals.REFUSERS if refuser.step in refusals.IN_WORKERS for problem in refuser.problems)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, and what is said beside the message."""

    author: Authority
    accept_test: bool
    declared: Declaration = field(default_factory=Declaration)


def message_opened(content: bytes, asked: Sender) -> tuple[Metadata, bytes]:
    """The metadata of a message; as `opening.open_message`."""
    return opening.open_message(content, asked.declared, asked.author, accept_test=asked.accept_test), b""


def form_opened(content: bytes, asked: Sender) -> tuple[Metadata, bytes]:
    """The metadata of a form, and the message that stands for it; as `opening.open_form`."""
    return opening.open_form(content, asked.author, accept_test=asked.accept_test)


def form_hashed(content: bytes, _: None) -> tuple[str, bytes]:
    """The hash of what a form says; as `form.content_sha512`."""
    return form.content_sha512(content), b""


OPEN_MESSAGE: Final = Operation(message_opened, _REFUSALS)
OPEN_FORM: Final = Operation(form_opened, _REFUSALS)
HASH_FORM: Final = Operation(form_hashed, _REFUSALS)
ALL: Final = (OPEN_MESSAGE, OPEN_FORM, HASH_FORM)
