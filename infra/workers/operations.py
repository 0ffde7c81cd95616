"""What workers can be asked: a function by its name, with the types of question and answer, and the problems it may refuse with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import TypeAdapter

from schemas.problems import Problem

AskedT = TypeVar("AskedT")
AnsweredT = TypeVar("AnsweredT")


class Operation(Generic[AskedT, AnsweredT]):
    """A function that workers run; it may block. Its types have to be such that pydantic writes and reads them as JSON; content goes
    beside them as it is. Question and answer are read strictly, so a new field of either needs nothing here.
    """

    def __init__(self, function: Callable[[bytes, AskedT], tuple[AnsweredT, bytes]], refuses: Iterable[Problem] = ()) -> None:
        """The function must be importable by name. A refusal with another problem than those in `refuses` counts as no answer."""
        self.function = function
        self.refuses = frozenset(problem.code for problem in refuses)

    @property
    def name(self) -> str:
        """By which it is asked for."""
        return self.function.__name__

    def question(self, asked: AskedT) -> bytes:
        """The question as it stands in its frame, after the name of the operation."""
        return b"%s %s" % (self.name.encode(), self.asked.dump_json(asked))

    @cached_property
    def asked(self) -> TypeAdapter[AskedT]:
        """The type of the question, beside the content."""
        return TypeAdapter(self._types[1])

    @cached_property
    def answered(self) -> TypeAdapter[AnsweredT]:
        """The type of the answer, beside the content."""
        return TypeAdapter(self._types[2].__args__[0])

    @cached_property
    def _types(self) -> list[Any]:
        return list(get_type_hints(self.function, include_extras=True).values())

    def __reduce__(self) -> tuple[Any, ...]:
        """Without what is made of the types."""
        return Operation, (self.function,)
