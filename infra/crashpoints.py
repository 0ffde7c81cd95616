"""Labelled places in the code where a test can kill the process, as a power cut would (fault F41 of the fault list).

`STADTBUS_CRASH_AT=settle.recorded:3` ends the process with SIGKILL when it passes that label for the third time.
Unarmed, a label costs one comparison, and labels stand where batches pass, not records.
"""

from __future__ import annotations

import os
import signal
from typing import Final

VARIABLE: Final = "STADTBUS_CRASH_AT"
LABELS: Final = frozenset(
    {
        "engine.read",  # a batch was read, nothing was done with it
        "ledger.begun",  # rows say `started`, nothing was handed over
        "delivery.before",  # right before the back office is called
        "delivery.after",  # the back office has answered, nobody knows yet
        "settle.copied",  # copies are in the retry or dead-letter topic, the ledger does not say so
        "settle.recorded",  # the ledger has the outcome, no event was sent
        "settle.told",  # events are on Kafka, the records are not finished
        "commit.before",  # records are finished, the offsets are not committed
        "commit.noted",  # the ledger has noted the offsets, Kafka has them not
        "commit.after",  # offsets are committed
        "outbox.stored",  # a submission is in the outbox, the portal has no answer
        "relay.before",  # about to send what waits in the outbox
        "relay.acknowledged",  # Kafka has it, the outbox does not say so
        "relay.set_aside",  # its dead letter and the event are on Kafka, the outbox does not say so
        "watch.heard",  # heartbeats are stored, not acknowledged
        "watch.noted",  # operations are stored, not acknowledged
    }
)


def _parse(text: str | None) -> tuple[str | None, int]:
    if not text:
        return None, 0
    label, _, passes = text.partition(":")
    if label not in LABELS:
        raise ValueError(f"{VARIABLE}: no label '{label}'; known: {', '.join(sorted(LABELS))}")
    return label, int(passes or 1)


_armed, _left = _parse(os.environ.get(VARIABLE))


def reached(label: str) -> None:
    """End the process where it was told to end at this label. Called at the place that the label names; costs a comparison otherwise."""
    global _left  # noqa: PLW0603 - a countdown of the whole process
    if label != _armed:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
