"""What an answer of Kafka to a record means: it stays so until somebody changes something, or it passes."""

from __future__ import annotations

import pytest
from aiokafka.errors import for_code

from infra.kafka.client_errors import is_refusal, name_of

LASTING = {
    2: "CorruptRecordException",
    10: "MessageSizeTooLarge",
    17: "InvalidTopic",
    18: "RecordListTooLarge",
    29: "TopicAuthorizationFailed",
    31: "ClusterAuthorizationFailed",
    32: "InvalidTimestamp",
    44: "PolicyViolation",
    87: "InvalidRecord",
}
PASSING = {
    5: "no leader",
    6: "another leader",
    7: "timed out",
    19: "too few replicas",
    20: "too few replicas after append",
    45: "sequence",
    47: "epoch",
}


@pytest.mark.parametrize(("code", "name"), LASTING.items())
def test_lasting_answers_are_named(code: int, name: str) -> None:
    """By Kafka's number each is a refusal of the record, and people read what Kafka calls it."""
    error = for_code(code)()
    assert (is_refusal(error), name_of(error)) == (True, name)


@pytest.mark.parametrize("code", PASSING)
def test_passing_answers_refuse_nothing(code: int) -> None:
    """A state of brokers or of one producer passes: the record is sent again before anything behind it."""
    assert not is_refusal(for_code(code)())
