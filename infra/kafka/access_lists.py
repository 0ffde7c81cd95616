"""Gives and takes rights on a cluster (its ACLs). aiokafka has the requests, for one entry each; here they carry many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest

from infra.kafka.admin import connected
from infra.kafka.client_errors import coded
from infra.kafka.rights import Right
from infra.settings import KafkaSettings

_LITERAL: Final = 3
_ANY_HOST: Final = "*"
_ALLOW: Final = 3
_KNOWN_LIMIT_S: Final = 10.0
_LOOK_S: Final = 0.05


async def grant(settings: KafkaSettings, rights: Sequence[Right]) -> None:
    """Add these rights, and return when each broker knows them; one that is there already is fine.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed, kafka-not-allowed: this login may not give rights.
    """
    async with connected(settings) as admin:
        answer = await admin._send_request(_Grant(rights))  # noqa: SLF001 - its own methods know nothing of rights
        _require_done(settings, [one[0] for one in answer.creation_responses])
        async with asyncio.timeout(_KNOWN_LIMIT_S):
            while not await _is_known(admin, rights[-1]):  # noqa: ASYNC110 - the brokers are others' processes
                await asyncio.sleep(_LOOK_S)


async def revoke(settings: KafkaSettings, rights: Sequence[Right]) -> None:
    """Take these rights away; one that is not there is fine.

    Raises:
        CannotTell: as `grant`.
    """
    async with connected(settings) as admin:
        answer = await admin._send_request(_Revoke(rights))  # noqa: SLF001 - as above
    _require_done(settings, [one[0] for one in answer.filter_responses])


async def _is_known(admin: AIOKafkaAdminClient, right: Right) -> bool:
    brokers = [broker.nodeId for broker in admin._client.cluster.brokers()]  # noqa: SLF001 - as above
    answers = await asyncio.gather(*(admin._send_request(DescribeAclsRequest(*_entry(right)), broker) for broker in brokers))  # noqa: SLF001
    return all(answer.resources for answer in answers)


def _require_done(settings: KafkaSettings, codes: Sequence[int]) -> None:
    for code in codes:
        if code:
            raise coded(settings, for_code(code)())


def _entry(right: Right) -> tuple[Any, ...]:
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
