"""Requests about many groups at once, which aiokafka (pinned) has not: who coordinates them, and what they have committed. Kafka 3.0 and newer.

Its own request for what groups are like is wrong from version 3 on (it reads the answer of version 2), so it is asked in version 2 here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiokafka.protocol.admin import DescribeGroupsRequest_v2
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int8, Int16, Int32, Int64, Schema, TaggedFields

_GROUPS: Final = 0
"""Coordinators are asked for by the name of a group, not of a transaction."""
_TAGS: Final[dict[int, bytes]] = {}


class _CoordinatorsResponse4(Response):  # type: ignore[misc] # the client has no types
    API_KEY = 10
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "coordinators",
            CompactArray(
                ("key", CompactString("utf-8")),
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _CoordinatorsRequest4(RequestStruct):  # type: ignore[misc] # as above
    FLEXIBLE_VERSION = True
    API_KEY = 10
    API_VERSION = 4
    RESPONSE_TYPE = _CoordinatorsResponse4
    SCHEMA = Schema(("key_type", Int8), ("keys", CompactArray(CompactString("utf-8"))), ("tags", TaggedFields))


class CoordinatorsRequest(Request[_CoordinatorsRequest4]):  # type: ignore[misc] # as above
    """Which broker coordinates each of these groups. Any broker can be asked."""

    API_KEY = 10

    def __init__(self, groups: Sequence[str]) -> None:
        self._groups = groups

    def build(self, request_struct_class: type[_CoordinatorsRequest4]) -> _CoordinatorsRequest4:
        """As the client sends it."""
        return request_struct_class(_GROUPS, self._groups, _TAGS)


class _CommittedResponse8(Response):  # type: ignore[misc] # as above
    API_KEY = 9
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            CompactArray(
                ("group_id", CompactString("utf-8")),
                (
                    "topics",
                    CompactArray(
                        ("topic", CompactString("utf-8")),
                        (
                            "partitions",
                            CompactArray(
                                ("partition", Int32),
                                ("offset", Int64),
                                ("leader_epoch", Int32),
                                ("metadata", CompactString("utf-8")),
                                ("error_code", Int16),
                                ("tags", TaggedFields),
                            ),
                        ),
                        ("tags", TaggedFields),
                    ),
                ),
                ("error_code", Int16),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _CommittedRequest8(RequestStruct):  # type: ignore[misc] # as above
    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 8
    RESPONSE_TYPE = _CommittedResponse8
    SCHEMA = Schema(
        (
            "groups",
            CompactArray(
                ("group_id", CompactString("utf-8")),
                (
                    "topics",
                    CompactArray(("topic", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class CommittedRequest(Request[_CommittedRequest8]):  # type: ignore[misc] # as above
    """What these groups have committed, in all partitions. Their coordinator has to be asked."""

    API_KEY = 9

    def __init__(self, groups: Sequence[str]) -> None:
        self._groups = groups

    def build(self, request_struct_class: type[_CommittedRequest8]) -> _CommittedRequest8:
        """As the client sends it."""
        return request_struct_class([(group, None, _TAGS) for group in self._groups], False, _TAGS)  # noqa: FBT003 - in the order of the schema


class GroupsRequest(Request[DescribeGroupsRequest_v2]):  # type: ignore[misc] # as above
    """States and members of these groups. Their coordinator has to be asked."""

    API_KEY = 15

    def __init__(self, groups: Sequence[str]) -> None:
        self._groups = groups

    def build(self, request_struct_class: type[DescribeGroupsRequest_v2]) -> DescribeGroupsRequest_v2:
        """As the client sends it."""
        return request_struct_class(self._groups)
