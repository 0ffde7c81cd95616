"""Processes in which untrusted input is read: locked, under limits of time and memory, and killed where one is passed.

A parser that loops, eats memory or crashes takes its worker with it and nobody else; one that was taken over can give a wrong answer to
the calls of this worker, and nothing more (`infra.workers`, docs/decisions/0027).
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog

from infra.workers.fork_server import CallLimits, ForkServer, NotStarted, Spent, Worker
from infra.workers.frames import Garbled
from infra.workers.lockdown import Measures
from infra.workers.operations import AnsweredT, AskedT, Operation
from schemas import problems
from schemas.errors import Rejected

__all__ = ["NotStarted", "ProcessPool"]

log = structlog.get_logger()

_TRIES: Final = 2
"""A worker may be killed without fault of its input, for example by the kernel's choice when memory is short. What passes a limit of its
own is not tried again: it would cost as much once more.
"""
_OF_LIMITS: Final = (signal.SIGXCPU, None)
"""How a worker ends that has used up its processor time, or what is left of its memory: then Python itself gives up."""


class ProcessPool:
    """Up to `size` workers that run operations, and one ready to take the place of any; they start when they are first needed.

    `prepare` is called once, without limits and before any message is read, to load what all calls need: once locked, a worker can open
    no file. What it raises, the call raises that needed the worker. It has to be picklable (a `functools.partial` of what can be imported).
    """

    def __init__(
        self,
        prepare: Callable[[], None],
        operations: Sequence[Operation[Any, Any]],
        limits: CallLimits | None = None,
        *,
        size: int = 2,
    ) -> None:
        self._limits = limits or CallLimits()
        self._new_server = partial(ForkServer, prepare, operations, self._limits)
        self._server: ForkServer | None = None
        self._idle: list[Worker] = []
        self._spare: Future[Worker] | None = None
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="worker")
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="worker-start")
        self.measures: Measures | None = None
        """What holds in its workers; None before the first has started."""

    async def run(self, operation: Operation[AskedT, AnsweredT], content: bytes, asked: AskedT) -> tuple[AnsweredT, bytes]:
        """What the operation answers. Called in the event loop, which it does not block; calls beyond `size` wait for their turn. A call
        whose worker was killed is made once more, in another one, unless it was for passing a limit.

        Raises:
            StadtbusError: as the operation raises it.
            Rejected: message-too-complex, when the call passes a limit, its worker is killed twice or its answer is none; reading-stalled,
                when it gets no time.
            NotStarted: there is no worker, and none can be started.
            RuntimeError: the operation raised something else. Class and place are told, not its text, which may quote the input.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._call, operation, content, operation.question(asked))

    async def keep_ready(self) -> None:
        """Have a worker ready before the first call; waits then until it is cancelled. Raises what `prepare` raises."""
        worker = await asyncio.get_running_loop().run_in_executor(self._threads, self._taken)
        self._idle.append(worker)
        await asyncio.Event().wait()

    def lacking(self) -> str | None:
        """What its workers do without because this machine has not got it, for `/readyz`; None where nothing is missing, or not known yet."""
        missing = self.measures.missing if self.measures else ()
        return f"they are less isolated than they could be: this machine lacks {', '.join(missing)}" if missing else None

    def close(self) -> None:
        """End all workers. Blocks until the calls under way are done; those that wait are cancelled."""
        self._threads.shutdown(cancel_futures=True)
        self._starter.shutdown()
        while self._idle:
            self._idle.pop().end()
        if self._spare is not None and self._spare.exception() is None:
            self._spare.result().end()
        if self._server is not None:
            self._server.end()

    # --- in threads

    def _call(self, operation: Operation[Any, AnsweredT], content: bytes, question: bytes) -> tuple[AnsweredT, bytes]:
        for _ in range(_TRIES):
            worker = self._taken()
            try:
                answered = worker.ask(operation, content, question)
            except (Rejected, RuntimeError):
                self._give_back(worker)
                raise
            except Spent:
                worker.end()
                raise Rejected(problems.TOO_COMPLEX, "reading it takes more memory than a worker has") from None
            except TimeoutError:
                worker.end()
                raise Rejected(problems.READING_STALLED, f"no answer within {self._limits.time_s:g} s") from None
            except (EOFError, OSError):
                signal_number = worker.end()
                log.warning("worker_ended", signal=signal_number)
                if signal_number in _OF_LIMITS:
                    break
            except Garbled as error:
                worker.end()
                log.warning("worker_answer_refused", reason=str(error), operation=operation.name)
                break
            else:
                self._give_back(worker)
                return answered
        raise Rejected(problems.TOO_COMPLEX, "the process that reads messages ended over it")

    def _taken(self) -> Worker:
        """An idle worker, or a new one: there are no more of them than threads."""
        while True:
            try:
                worker = self._idle.pop()
            except IndexError:
                worker = self._new()
            if worker.silent():
                return worker
            worker.end()

    def _give_back(self, worker: Worker) -> None:
        """For the next call; one that has read much makes room for a new one, which nothing of it is left in."""
        if worker.used_up:
            self._starter.submit(worker.end)
        else:
            self._idle.append(worker)

    def _new(self) -> Worker:
        """The spare worker, and then the next one is started, so that it costs no caller anything."""
        with self._lock:
            spare, self._spare = self._spare, None
        worker = (spare or self._starter.submit(self._started)).result()
        with self._lock:
            if self._spare is None:
                self._spare = self._starter.submit(self._started)
        return worker

    def _started(self) -> Worker:
        """In one thread alone. The process that workers are forked from is started anew where it has ended."""
        if self._server is not None:
            with suppress(OSError, RuntimeError):
                return self._server.start()
            self._server.end()
        try:
            self._server = self._new_server()
            worker = self._server.start()
        except OSError as error:
            raise NotStarted(f"a worker does not start: {type(error).__name__}") from None
        self.measures = worker.measures
        log.info("workers_locked", in_force=worker.measures.in_force, missing=worker.measures.missing)
        return worker
