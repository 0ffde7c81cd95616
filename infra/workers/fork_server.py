"""The asking side of a fork server and of one worker. All of it blocks; it is called in threads."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pickle import dumps
from typing import Any, Final

from pydantic import ValidationError

from infra.workers import frames, inside
from infra.workers.frames import Frame, Garbled, Kind
from infra.workers.lockdown import MEASURES, Measures
from infra.workers.operations import AnsweredT, Operation
from schemas.errors import Rejected, StadtbusError

_START_TIMEOUT_S: Final = 60.0
_MAIN: Final = "import sys; sys.path[:] = sys.argv[2:]; from infra.workers.inside import main; main(int(sys.argv[1]))"
_LOWEST_PRIORITY: Final = 19
_LOOK_S: Final = 0.001
_TOLD: Final = re.compile(r"\w{1,100} in a worker(?: at [\w.<>-]{1,100}:\d{1,6})?")


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one call may use: seconds on the clock, seconds of processor, bytes of address space of its worker; and how many calls a
    worker answers before another one takes its place.

    Processor and memory are what a message can use up; more time than that passes only where the machine has none to give.
    """

    time_s: float = 30.0
    cpu_s: int = 5
    memory_bytes: int = 1 << 30
    calls: int = 1000
    quick_cpu_s: float = 0.02
    """A call that takes more processor goes on with the lowest priority, so that it keeps neither those who ask nor other calls waiting;
    its worker then makes room for another one, because nobody may raise a priority again.
    """


class Spent(Exception):
    """A worker has used up its memory."""


class NotStarted(RuntimeError):
    """A process ended while it started, or does not start."""


class ForkServer:
    """A fresh process that has loaded what calls need, and from which workers are forked; it ends with this one. May be shared by threads."""

    def __init__(self, prepare: Callable[[], None], operations: Sequence[Operation[Any, Any]], limits: CallLimits) -> None:
        """Blocks until it is ready. `prepare` has to be picklable; it is called there, without limits.

        Raises:
            StadtbusError: as `prepare` raises it.
            RuntimeError: `prepare` raised something else.
            NotStarted: the process ended.
        """
        self._limits = limits
        self._lock = threading.Lock()
        self._asked, theirs = socket.socketpair()
        environment = {"TZ": os.environ["TZ"]} if "TZ" in os.environ else {}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - nothing of it comes from outside
                [sys.executable, "-I", "-c", _MAIN, str(theirs.fileno()), *sys.path],
                env=environment,
                cwd="/",
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for the process that asks; a session of its own would be a scheduling group of its own, too
            )
        try:
            self._asked.sendall(Frame(0, Kind.QUESTION, dumps((prepare, tuple(operations), limits.memory_bytes))).packed())
            _require_started(self._asked)
        except BaseException:
            self.end()
            raise

    def start(self) -> Worker:
        """A new worker. Blocks for some milliseconds.

        Raises:
            OSError: this process has ended.
            NotStarted: the worker has.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = self._order(inside.START, 0, theirs)
            return Worker(process, ours, self._limits, partial(self._order, inside.END, process))
        except BaseException:
            ours.close()
            raise

    def end(self) -> None:
        """End it, and with it its workers."""
        self._asked.close()
        self._process.kill()
        self._process.wait()

    def _order(self, kind: bytes, process: int, *sockets: socket.socket) -> int:
        with self._lock:
            socket.send_fds(self._asked, [inside.ORDER.pack(kind, process)], [one.fileno() for one in sockets])
            reply = self._asked.recv(inside.REPLY.size)
        if not reply:
            raise ConnectionError("the process that workers are forked from has ended")
        return int(inside.REPLY.unpack(reply)[0])


class Worker:
    """One locked process. Used by one thread at a time."""

    def __init__(self, process: int, pipe: socket.socket, limits: CallLimits, end: Callable[[], int]) -> None:
        self.process = process
        self._pipe = pipe
        self._limits = limits
        self._end = end
        self.calls = 0
        self._is_low = False
        self.measures: Measures = MEASURES.validate_json(_require_started(pipe), strict=True)

    @property
    def used_up(self) -> bool:
        """Whether it has answered so many calls, or such a long one, that another one is to take its place."""
        return self._is_low or self.calls >= self._limits.calls

    def ask(self, operation: Operation[Any, AnsweredT], content: bytes, question: bytes) -> tuple[AnsweredT, bytes]:
        """What the operation gives back to its `question`.

        Raises:
            StadtbusError: as the operation raises it, with one of the problems that it may refuse with.
            RuntimeError: the operation raised something else; class and place are told.
            Spent, TimeoutError, EOFError, OSError, Garbled: the worker is of no use any more, and has to be ended.
        """
        self.calls += 1
        began_cpu_s = self._processor_s()
        self._limit_processor(began_cpu_s)
        deadline = time.monotonic() + self._limits.time_s
        self._pipe.settimeout(self._limits.time_s)
        self._pipe.sendall(Frame(self.calls, Kind.QUESTION, question, content).packed())
        self._lower_priority(began_cpu_s + self._limits.quick_cpu_s, deadline)
        answer = frames.read(frames.before(deadline, self._pipe.recv, self._pipe.settimeout))
        if answer.call != self.calls:
            raise Garbled("the answer to another call")
        return _result(answer, operation)

    def silent(self) -> bool:
        """Whether it runs and says nothing: nobody asked, so all there is to read is its end, or what nobody wants."""
        self._pipe.settimeout(0)
        try:
            self._pipe.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def end(self) -> int | None:
        """Kill it; the signal that ended it, which is another one where it had ended before. None: it ended by itself."""
        self._pipe.close()
        try:
            code = self._end()
        except OSError:
            return signal.SIGKILL  # as the kernel does when the process is gone that it was forked from
        return -code if code < 0 else None

    def _lower_priority(self, until_cpu_s: float, deadline: float) -> None:
        """Of a call that is not answered before its worker has used so much processor; returns when it is answered, or its priority is low."""
        while (left_s := until_cpu_s - self._processor_s()) > 0 and time.monotonic() < deadline:
            self._pipe.settimeout(max(left_s, _LOOK_S))
            with suppress(TimeoutError):
                self._pipe.recv(1, socket.MSG_PEEK)
                return
        self._is_low = True
        os.setpriority(os.PRIO_PROCESS, self.process, _LOWEST_PRIORITY)

    def _processor_s(self) -> float:
        """How much processor it has used since its start."""
        return time.clock_gettime((~self.process << 3) | 2)  # its clock, as `clock_getcpuclockid` makes it

    def _limit_processor(self, used_s: float) -> None:
        """RLIMIT_CPU counts from the start of the process: the kernel ends it so many seconds from now. It cannot move the limit itself."""
        limit_s = int(used_s) + 1 + self._limits.cpu_s
        resource.prlimit(self.process, resource.RLIMIT_CPU, (limit_s, resource.RLIM_INFINITY))


def _result(answer: Frame, operation: Operation[Any, AnsweredT]) -> tuple[AnsweredT, bytes]:
    match answer.kind:
        case Kind.RESULT:
            try:
                return operation.answered.validate_json(answer.json, strict=True), answer.content
            except ValidationError:
                raise Garbled("an answer that is none") from None
        case Kind.REFUSED:
            raise _allowed(frames.refused(answer.json), operation)
        case Kind.SPENT:
            raise Spent
        case _:
            raise _defect(answer.json)


def _allowed(error: StadtbusError, operation: Operation[Any, Any]) -> StadtbusError:
    if not isinstance(error, Rejected) or error.problem.code not in operation.refuses:
        raise Garbled("a refusal that this call does not have")
    return error


def _defect(json: bytes) -> RuntimeError:
    """The defect that a worker tells; in its words only where they have the form of ours."""
    told = json[:300].decode(errors="replace")
    return RuntimeError(told if _TOLD.fullmatch(told) else "a defect in a worker")


def _require_started(pipe: socket.socket) -> bytes:
    """The JSON of a process that has started.

    Raises:
        StadtbusError, RuntimeError: it has not.
    """
    try:
        answer = frames.read(frames.before(time.monotonic() + _START_TIMEOUT_S, pipe.recv, pipe.settimeout))
    except (EOFError, OSError):
        raise NotStarted("a worker ended while it started, or does not start") from None
    finally:
        pipe.settimeout(None)
    if answer.kind is Kind.REFUSED:
        raise frames.refused(answer.json)
    if answer.kind is not Kind.RESULT:
        raise _defect(answer.json)
    return answer.json
