"""What runs in the fork server and in the workers that are forked from it.

The fork server is a fresh Python with an empty environment: it loads what all calls need, never reads what strangers wrote, and holds no
secret that a worker could inherit. Forked from it a worker is there in milliseconds; it locks itself and answers calls.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from infra.workers import frames, lockdown
from infra.workers.frames import Frame, Kind
from infra.workers.lockdown import MEASURES
from infra.workers.operations import Operation
from schemas.errors import StadtbusError

START: Final = b"S"
"""An order to fork a worker for the socket that comes with it; the reply is its process id."""
END: Final = b"E"
"""An order to kill this process; the reply is how it ended: a signal, negative, or an exit code."""
ORDER: Final = struct.Struct("!cI")
REPLY: Final = struct.Struct("!i")

Calls = Mapping[str, Operation[Any, Any]]
Outcome = tuple[Kind, bytes, bytes]


def main(descriptor: int) -> None:
    """Load what the asking process says, then fork and end workers as it says, until it ends."""
    asking = socket.socket(fileno=descriptor)
    prepare, operations, memory_bytes = pickle.loads(frames.read(asking.recv).json)  # noqa: S301 - from the process that started this one
    calls = {operation.name: operation for operation in operations}
    asking.sendall(Frame(0, *_outcome(partial(_prepare, prepare, calls))).packed())
    while True:
        order, sockets, _, _ = socket.recv_fds(asking, ORDER.size, 1)
        if not order:
            return
        kind, process = ORDER.unpack(order)
        asking.sendall(REPLY.pack(_fork(sockets[0], calls, memory_bytes) if kind == START else _end(process)))


def _prepare(prepare: Callable[[], None], calls: Calls) -> tuple[bytes, bytes]:
    prepare()
    for operation in calls.values():
        _ = operation.asked, operation.answered
    gc.collect()
    gc.freeze()  # or collections in each worker would copy the pages of all that was loaded
    return b"", b""


def _fork(descriptor: int, calls: Calls, memory_bytes: int) -> int:
    process = os.fork()
    if process == 0:
        with suppress(BaseException):
            _serve(descriptor, calls, memory_bytes)
        os._exit(1)
    os.close(descriptor)
    return process


def _end(process: int) -> int:
    """Kill a worker. Whoever ended before says how: its process id is its own until it was waited for."""
    os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


# --- in a worker


def _serve(descriptor: int, calls: Calls, memory_bytes: int) -> None:
    """Lock this process, say what holds, and answer until the pipe ends or the memory is used up."""
    lockdown.end_with_parent()
    pipe = lockdown.keep_only(descriptor)
    measures = MEASURES.dump_json(lockdown.lock(memory_bytes))
    _write(pipe, Frame(0, Kind.RESULT, measures))
    while True:
        question = frames.read(partial(os.read, pipe))
        _write(pipe, Frame(question.call, *_outcome(partial(_called, calls, question))))


def _write(pipe: int, frame: Frame) -> None:
    left = memoryview(frame.packed())
    while left:
        left = left[os.write(pipe, left) :]


def _called(calls: Calls, question: Frame) -> tuple[bytes, bytes]:
    """The JSON and the content that a call gives back; its name stands before the question."""
    name, _, asked = question.json.partition(b" ")
    operation = calls[name.decode()]
    answered, content = operation.function(question.content, operation.asked.validate_json(asked, strict=True))
    return operation.answered.dump_json(answered), content


def _outcome(call: Callable[[], tuple[bytes, bytes]]) -> Outcome:
    try:
        return Kind.RESULT, *call()
    except StadtbusError as error:
        return Kind.REFUSED, frames.refusal_of(error), b""
    except MemoryError:
        return Kind.SPENT, b"", b""
    except Exception as error:  # noqa: BLE001 - a defect of ours is told, and the worker lives on
        return Kind.FAILED, _told(error).encode(), b""


def _told(error: Exception) -> str:
    """Class and place: the text of an error may quote the message."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__} in a worker{place}"
