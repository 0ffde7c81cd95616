"""Gives and takes rights on a cluster (its ACLs). aiokafka has the requests, for one entry each; here they carry many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from infra.kafka.admin import connected
from infra.kafka.rights import Right
from infra.settings import KafkaSettings
from schemas import problems
from schemas.errors import CannotTell

_LITERAL: Final = 3
_ANY_HOST: Final = "*"
_ALLOW: Final = 3


async def grant(settings: KafkaSettings, rights: Sequence[Right]) -> None:
    """Add these rights; one that is there already is fine.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed, kafka-not-allowed: this login may not give rights.
    """
    async with connected(settings) as admin:
        answer = await admin._send_request(_Grant(rights))  # noqa: SLF001 - its own methods know nothing of rights
    _require_done(settings, [one[0] for one in answer.creation_responses])


async def revoke(settings: KafkaSettings, rights: Sequence[Right]) -> None:
    """Take these rights away; one that is not there is fine.

    Raises:
        CannotTell: as `grant`.
    """
    async with connected(settings) as admin:
        answer = await admin._send_request(_Revoke(rights))  # noqa: SLF001 - as above
    _require_done(settings, [one[0] for one in answer.filter_responses])


def _require_done(settings: KafkaSettings, codes: Sequence[int]) -> None:
    for code in codes:
        if code:
            raise CannotTell(problems.KAFKA_FAILED, for_code(code).__name__, where=settings.bootstrap)


def _entry(right: Right) -> tuple[object, ...]:
    return int(right.resource), right.name, _LITERAL, f"User:{right.role}", _ANY_HOST, int(right.operation), _ALLOW


class _Grant(CreateAclsRequest):  # type: ignore[misc] # the client has no types
    def __init__(self, rights: Sequence[Right]) -> None:
        self._rights = rights

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([_entry(right) for right in self._rights])


class _Revoke(DeleteAclsRequest):  # type: ignore[misc] # as above
    def __init__(self, rights: Sequence[Right]) -> None:
        self._rights = rights

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([_entry(right) for right in self._rights])
