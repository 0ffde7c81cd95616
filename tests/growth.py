"""What costs more than its input explains: worst texts, and how processor time and memory of them are compared.

Processor time is compared, the shortest of several runs where the first one is too long, so a busy machine decides nothing.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Final

GROWTH: Final = 4
SLACK: Final = 2
"""How much slower than linear: caches of a processor are smaller than the larger input."""
NO_TIME_S: Final = 0.005
"""Less is not measured."""

TEXTS: Final[Mapping[str, str]] = {
    "runs of marks": "\u0301\u0327",
    "marks far out": "\U0001e944\u0f73",
    "thirty marks each": "a" + "\u0301\u0327" * 15,
    "letter and mark": "a\u0301",
    "not composed": "u\u0308\u0304",
    "one word": "a",
    "umlauts": "\u00fc",
    "of no datatype": "\u4e2d",
    "scripts in turns": "a\u03bb\u0436\u4e2d\u0e01",
    "twice encoded": "\u00c3\u00bc",
    "nearly twice encoded": "\u00c3\u00bc\u20ac",
    "line ends": "\r\n",
    "blanks of all kinds": " \u00a0\u2003\t",
    "digits": "1",
    "digits and blanks": "1 ",
    "dates": "2026-03-01",
    "moments": "2026-03-01T09:30:00.000+01:00",
    "a long fraction": "2026-03-01T09:30:00.1",
    "beyond 65,536": "\U0001f600",
    "right to left": "\u202e\u0645\u0631",
    "cells": ",",
    "cells with blanks": '; "',
    "formulas": ";=",
    "signs": "-",
    "Hangul": "\u1100\u1161\u11a8",
}
"""What texts are made of, again and again."""


def text_of(kind: str, size: int) -> str:
    """A text of that many letters."""
    unit = TEXTS[kind]
    return (unit * (size // len(unit) + 1))[:size]


def cpu_s(run: Callable[[], object]) -> float:
    """The processor time of one run, without collections: they look at all that earlier tests have left."""
    gc.disable()
    try:
        began = time.process_time()
        run()
        return time.process_time() - began
    finally:
        gc.enable()


def grows_faster(small: Callable[[], object], large: Callable[[], object]) -> str:
    """What the two runs took, if that is more than a linear growth explains; else nothing."""
    most = cpu_s(large)
    if most <= SLACK * GROWTH * NO_TIME_S:
        return ""
    taken = cpu_s(small), most
    for _ in range(4):
        if taken[1] <= SLACK * GROWTH * max(taken[0], NO_TIME_S):
            return ""
        taken = min(taken[0], cpu_s(small)), min(taken[1], cpu_s(large))
    return f"{taken[0]:.3f} s, then {taken[1]:.3f} s"


def peak_bytes(run: Callable[[], object]) -> int:
    """The most memory that one run has at a time."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
