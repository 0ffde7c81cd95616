"""Processes in which untrusted input is read: under limits of time and memory, and killed where one is passed.

A parser that loops, eats memory or crashes takes its worker with it and nobody else. Workers are forked from a server process that
has no threads and has imported what they need, so a new one is there at once.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
import resource
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, TypeVar, TypeVarTuple

import structlog

from schemas import problems
from schemas.errors import Rejected, StadtbusError
from schemas.problems import Problem

log = structlog.get_logger()

Args = TypeVarTuple("Args")
Result = TypeVar("Result")

_START_TIMEOUT_S: Final = 60.0
_TRIES: Final = 2
"""A worker may be killed without fault of its input, for example by the kernel's choice when memory is short. What passes a limit of its
own is not tried again: it would cost as much once more.
"""
_OF_LIMITS: Final = (signal.SIGXCPU, None)
"""How a worker ends that has used up its processor time, or what is left of its memory: then Python itself gives up."""
_context = multiprocessing.get_context("forkserver")
_starting = threading.Lock()
"""`multiprocessing` keeps its list of children without a lock."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one call may use: seconds on the clock, seconds of processor, bytes of address space of its worker.

    Processor and memory are what a message can use up; more time than that passes only where the machine has none to give.
    """

    time_s: float = 30.0
    cpu_s: int = 5
    memory_bytes: int = 1 << 30


class ProcessPool:
    """Up to `size` worker processes that run functions; each starts when it is first needed, and is replaced when it has ended.

    `initialise` is called once in each worker, without limits, to load what all calls need; what it raises, the call raises that needed
    the worker. It and all functions must be importable by name (a `functools.partial` of such is fine); arguments and results must be
    picklable. Functions run alone in their process and may block; they are killed with it when they pass a limit.
    """

    def __init__(self, initialise: Callable[[], None], limits: CallLimits | None = None, *, size: int = 2) -> None:
        self._initialise = initialise
        self._limits = limits or CallLimits()
        self._idle: list[_Worker] = []
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="worker")
        _context.set_forkserver_preload([getattr(initialise, "func", initialise).__module__])

    async def run(self, function: Callable[[*Args], Result], *args: *Args) -> Result:
        """What the function returns. Called in the event loop, which it does not block; calls beyond `size` wait for their turn. A function
        whose worker was killed is called once more, in another one, unless it was for passing a limit.

        Raises:
            StadtbusError: as the function raises it.
            Rejected: message-too-complex, when the call passes a limit or its worker is killed twice; reading-stalled, when it gets no time.
            RuntimeError: the function raised something else. Class and place are told, not its text, which may quote the input.
        """
        result: Result = await asyncio.get_running_loop().run_in_executor(self._threads, self._call, pickle.dumps((function, args)))
        return result

    def close(self) -> None:
        """End all workers. Blocks until the calls under way are done; those that wait are cancelled."""
        self._threads.shutdown(cancel_futures=True)
        while self._idle:
            self._idle.pop().end()

    def _call(self, request: bytes) -> Any:
        for _ in range(_TRIES):
            worker = self._taken()
            try:
                answer = worker.ask(request)
            except (EOFError, OSError):
                signal_number = worker.end()
                log.warning("worker_ended", signal=signal_number)
                if signal_number in _OF_LIMITS:
                    break
                continue
            if isinstance(answer, _Spent):
                worker.end()
                raise Rejected(answer.problem, answer.reason)
            self._idle.append(worker)
            return _unpacked(answer)
        raise Rejected(problems.TOO_COMPLEX, "the process that reads messages ended over it")

    def _taken(self) -> _Worker:
        """An idle worker, or a new one: there are no more of them than threads."""
        while True:
            try:
                worker = self._idle.pop()
            except IndexError:
                return _Worker(self._initialise, self._limits)
            if not worker.has_ended():
                return worker
            worker.end()


@dataclass(frozen=True, slots=True)
class _Failed:
    """The function raised this."""

    error: StadtbusError | RuntimeError


@dataclass(frozen=True, slots=True)
class _Spent:
    """The call passed a limit, so its worker is of no use any more."""

    reason: str
    problem: Problem = problems.TOO_COMPLEX


class _Worker:
    """One process and the connection to it."""

    def __init__(self, initialise: Callable[[], None], limits: CallLimits) -> None:
        self._limits = limits
        self._connection, theirs = _context.Pipe()
        self._process = _context.Process(target=_serve, args=(theirs, initialise, limits), daemon=True)
        with _starting:
            self._process.start()
        theirs.close()  # or the end of the process would not end the connection
        self._require_start()

    def ask(self, request: bytes) -> Any:
        """What the call returned, `_Failed` or `_Spent`. EOFError or OSError: the process has ended."""
        self._connection.send_bytes(request)
        return self._answer(self._limits.time_s)

    def has_ended(self) -> bool:
        """Whether an idle worker is gone: nobody asked, so all there is to read is the end."""
        return self._connection.poll()

    def end(self) -> int | None:
        """Kill the process; the signal that ended it, which is another one where it had ended before. None: it ended by itself."""
        with _starting:
            self._process.kill()
            self._process.join()
        self._connection.close()
        code = self._process.exitcode
        return -code if code is not None and code < 0 else None

    def _require_start(self) -> None:
        try:
            answer = self._answer(_START_TIMEOUT_S)
        except EOFError:
            answer = _Failed(RuntimeError("a worker ended while it started"))
        if answer is not None:
            self.end()
            raise answer.error if isinstance(answer, _Failed) else RuntimeError("a worker does not start")

    def _answer(self, timeout_s: float) -> Any:
        if not self._connection.poll(timeout_s):
            return _Spent(f"no answer within {timeout_s:g} s", problems.READING_STALLED)
        return self._connection.recv()


def _unpacked(answer: Any) -> Any:
    if isinstance(answer, _Failed):
        raise answer.error
    return answer


# --- in the worker


def _serve(connection: Connection, initialise: Callable[[], None], limits: CallLimits) -> None:
    """Answer calls until the connection ends, as it does with the process at its other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the message
    connection.send_bytes(_outcome(initialise, ()))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    while True:
        try:
            request = connection.recv_bytes()
        except EOFError:
            return
        _limit_processor(limits.cpu_s)
        connection.send_bytes(_outcome(*pickle.loads(request)))  # noqa: S301 - from our own process


def _outcome(function: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    try:
        return pickle.dumps(function(*args))
    except StadtbusError as error:
        return pickle.dumps(_Failed(error))
    except MemoryError:
        return pickle.dumps(_Spent("reading it takes more memory than a worker has"))
    except Exception as error:  # noqa: BLE001 - a defect of ours is told, and the worker lives on
        return pickle.dumps(_Failed(RuntimeError(_told(error))))


def _told(error: Exception) -> str:
    """Class and place: the text of an error may quote the message."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__} in a worker{place}"


def _limit_processor(cpu_s: int) -> None:
    """RLIMIT_CPU counts from the start of the process: the kernel ends it this many seconds from now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
