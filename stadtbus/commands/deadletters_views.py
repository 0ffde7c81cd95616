"""How dead letters are shown to people at a terminal, and given to programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumers.delivery.failures import Cause, Stage
from consumers.desk.causes import CauseGroup
from consumers.desk.deadletters import DeadLetter, DeadLetterState
from consumers.desk.desk import Detail
from consumers.desk.plan import Plan
from consumers.desk.rollout import Outcome, Tally
from stadtbus.display import ago, counted, facts_view, instant, moment, printable

_WARN: Final = "yellow"
_NOT_OURS: Final = "not written by this bus"
MOST_LISTED: Final = 10
"""Dead letters of each cause that the list of an office names."""
_UNTRIED: Final = "untried: an earlier submission of the case is a dead letter"


def groups_view(groups: Sequence[CauseGroup], now: datetime, *, everything: bool) -> RenderableType:
    """A table per office, a line per cause."""
    if not groups:
        return Text("no dead letters" if everything else "no open dead letters")
    offices = groupby(groups, key=lambda group: group.cause.office)
    tables = [_office_table(office, list(part), now, everything=everything) for office, part in offices]
    return Group(*tables, Text("Which submissions: stadtbus deadletters list OFFICE --fingerprint FINGERPRINT", style="dim"))


def office_view(groups: Sequence[CauseGroup], now: datetime, *, everything: bool) -> RenderableType:
    """The causes of one office, and below them for each the next step and the first of its dead letters, the one that failed last on top."""
    if not groups:
        return Text("no dead letters" if everything else "no open dead letters")
    causes = _office_table(groups[0].cause.office, groups, now, everything=everything)
    return Group(causes, *(letters_view(group, now, MOST_LISTED) for group in groups))


def _next_step(group: CauseGroup) -> str:
    """What a person does with dead letters of this cause."""
    cause, office = group.cause, group.cause.office
    chosen = f"{office} --fingerprint {cause.fingerprint}"
    if cause.error_class in (Cause.UNCLEAR, Cause.CANNOT_FIND):
        return f"look in the back office: what is there, `stadtbus deadletters settle`; what is not, `stadtbus deadletters replay {chosen}`"
    if cause.error_class == Cause.CASE_HELD:
        return "decide on the earlier one of the case: its replay takes these along"
    if cause.stage == Stage.PARSE:
        return f"nothing can make it readable: `stadtbus deadletters discard {chosen} --reason CODE`"
    if cause.stage == Stage.TRANSLATE:
        return f"mend the mapping, then `stadtbus deadletters replay {chosen}`"
    if cause.error_class == Cause.PERMANENT:
        return f"ask the office why it refuses it; then replay it, or `stadtbus deadletters discard {chosen} --reason CODE`, which the portal is told"
    return f"when the back office works, `stadtbus deadletters replay {chosen}`"


def _office_table(office: str, groups: Sequence[CauseGroup], now: datetime, *, everything: bool) -> Table:
    count = sum(group.open for group in groups)
    table = Table(title=f"{office}: {count} open", title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("fingerprint", no_wrap=True)
    table.add_column("cause", ratio=1, overflow="fold")
    for name in ("open", *(("all",) if everything else ()), "cases", "oldest"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("failed first / last", no_wrap=True)
    for group in groups:
        letters = (str(group.open), *((str(len(group.letters)),) if everything else ()))
        figures = (*letters, str(len(group.cases)), ago(_age_s(group.oldest_ms, now)))
        seen = f"{moment(group.first_ms)}\n{moment(group.last_ms)}" if len(group.letters) > 1 else moment(group.first_ms)
        table.add_row(group.cause.fingerprint, _cause(group), *figures, seen, style="" if group.open else "dim")
    return table


def _cause(group: CauseGroup) -> Text:
    cause = group.cause
    head = " ".join(part for part in (cause.stage, cause.error_class) if part) or _NOT_OURS
    reason = cause.reason or (_UNTRIED if cause.error_class == Cause.CASE_HELD else "")
    return Text(f"{head}\n{printable(reason)}" if reason else head)


def group_as_dict(group: CauseGroup, now: datetime) -> dict[str, Any]:
    """The dead letters of one cause, for programs."""
    cause = group.cause
    return {
        "fingerprint": cause.fingerprint,
        "office": cause.office,
        "stage": cause.stage,
        "error_class": cause.error_class,
        "reason": cause.reason,
        "next_step": _next_step(group),
        "letters": len(group.letters),
        "open": group.open,
        "cases": len(group.cases),
        "first_failed_at": instant(group.first_ms),
        "last_failed_at": instant(group.last_ms),
        "oldest_at": instant(group.oldest_ms),
        "oldest_age_s": _age_s(group.oldest_ms, now),
        "dead_letters": [_listed(letter, state) for letter, state in group.letters],
    }


def _listed(letter: DeadLetter, state: DeadLetterState) -> dict[str, Any]:
    return {
        "place": str(letter.place),
        "submission": letter.submission or None,
        "case": _case(letter) or None,
        "state": state,
        "first_failed_at": instant(letter.failed_ms),
    }


def letters_view(group: CauseGroup, now: datetime, most: int | None = None) -> RenderableType:
    """The dead letters of one cause, so many at most, the one that failed last on top, each with what `deadletters show` and `replay` take."""
    title = f"{group.cause.office}, {group.cause.fingerprint}: {counted(len(group.letters), 'dead letter')}, {group.open} open"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("submission\nits case", no_wrap=True)
    table.add_column("place", ratio=1, overflow="fold")
    table.add_column("failed", justify="right", no_wrap=True)
    newest = sorted(group.letters, key=lambda one: -one[0].failed_ms)
    for letter, state in newest[:most]:
        is_open = state is DeadLetterState.OPEN
        names = Text(printable(f"{letter.submission or 'its headers do not say'}\n{_case(letter)}"))
        place = str(letter.place) if is_open else f"{letter.place}\n{state}"
        table.add_row(names, place, ago(_age_s(letter.failed_ms, now)), style="" if is_open else "dim")
    left = len(newest) - len(newest[:most])
    more = [Text(f"and {left:,} more: stadtbus deadletters list --fingerprint {group.cause.fingerprint}", style="dim")] if left else []
    return Group(Text(" ", end=""), _cause(group), Text(f"next: {_next_step(group)}", style="cyan"), table, *more)


def _case(letter: DeadLetter) -> str:
    return "" if letter.key is None else letter.key.decode(errors="replace")


# --- one letter


def letter_view(detail: Detail) -> RenderableType:
    """What is known of one dead letter, without its value."""
    lines = facts_view(f"Dead letter {detail.letter.place}", _facts(detail))
    headers = Table(title="Headers", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    headers.add_column("name", no_wrap=True)
    headers.add_column("value", overflow="fold")
    for name, value in detail.headers:
        headers.add_row(Text(printable(name)), Text(printable(value)))
    return Group(lines, headers)


def _facts(detail: Detail) -> Iterable[tuple[str, str]]:
    letter, entry = detail.letter, detail.entry
    yield "it is", detail.state
    yield "submission", letter.submission or "its headers do not say"
    yield "fingerprint", letter.cause.fingerprint
    yield "written", f"{moment(letter.timestamp_ms)}, failed first {moment(letter.failed_ms)}"
    yield "size", counted(letter.size_bytes, "byte")
    if entry is None:
        yield "ledger", "no row here"
    else:
        yield "ledger", ", ".join(part for part in (entry.state, entry.cause or "", f"{entry.attempt} hand-overs") if part)
    if detail.earlier:
        yield "lay before at", "\n".join(map(str, detail.earlier))


def letter_as_dict(detail: Detail) -> dict[str, Any]:
    """The same for programs."""
    letter, entry = detail.letter, detail.entry
    return {
        "place": str(letter.place),
        "state": detail.state,
        "submission": letter.submission or None,
        "fingerprint": letter.cause.fingerprint,
        "written_at": instant(letter.timestamp_ms),
        "first_failed_at": instant(letter.failed_ms),
        "size_bytes": letter.size_bytes,
        "headers": [{"name": name, "value": value} for name, value in detail.headers],
        "ledger": None if entry is None else {"state": entry.state, "cause": entry.cause, "attempt": entry.attempt},
        "earlier": [str(place) for place in detail.earlier],
    }


def value_text(value: bytes | None) -> str:
    """A revealed value: as text where all its characters can be printed, else in hex."""
    return "" if value is None else _text(value) or value.hex()


def value_as_dict(value: bytes | None) -> dict[str, str] | None:
    """The same for programs."""
    if value is None:
        return None
    text = _text(value)
    return {"hex": value.hex()} if text is None else {"text": text}


def _text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if all(one.isprintable() or one in "\n\r\t" for one in text) else None


# --- replay and discard


def plan_view(plan: Plan, verb: str, now: datetime, *, go: bool, ledger: bool) -> RenderableType:
    """What would be done, and what one should know before it is."""
    lines = facts_view(
        f"{verb} at {plan.office}: {counted(len(plan.letters), 'dead letter')} of {counted(plan.cases, 'case')}", _plan(plan, now)
    )
    warnings = [Text(f"  {warning}", style=_WARN) for warning in _warnings(plan, verb, ledger=ledger)]
    end = [] if go else [Text("Nothing was written. With --go it is done." if plan.letters else "There is nothing to do.")]
    return Group(lines, *warnings, *end)


def _plan(plan: Plan, now: datetime) -> Iterable[tuple[str, str]]:
    if plan.letters:
        stamps = [letter.timestamp_ms for letter in plan.letters]
        yield "age", f"{ago(_age_s(max(stamps), now))} to {ago(_age_s(min(stamps), now))}"
        yield "city", plan.office.partition(".")[0]
    if plan.followers:
        yield "come along", f"{counted(plan.followers, 'later one')} of the same cases, in order"
    if plan.ledger_states:
        yield "ledger says", ", ".join(f"{state} {count:,}" for state, count in sorted(plan.ledger_states.items()))


def _warnings(plan: Plan, verb: str, *, ledger: bool) -> Iterable[str]:
    if plan.delivered_already:
        yield f"{counted(plan.delivered_already, 'submission')} the back office has already: nothing happens twice, the letter is only closed"
    if plan.may_have_had_effect:
        yield f"{counted(plan.may_have_had_effect, 'letter')} may have had an effect, and will be handed over without asking: look there first"
    if plan.may_have_had_effect_left:
        yield f"{counted(plan.may_have_had_effect_left, 'letter')} may have had an effect and stay, with what follows; look there, then name them"
    if plan.behind_older:
        yield f"{counted(plan.behind_older, 'case')} with an older dead letter that is not meant: it may hold these up again; replay it first"
    if plan.unreadable:
        yield f"{counted(plan.unreadable, 'letter')} cannot be read and would come back: only discard ends them"
    if plan.left:
        yield f"{counted(plan.left, 'later one')} of the same cases stay; they are tried again only by replay"
    if not ledger:
        yield f"the ledger of this office is not here: {verb} --go has to be given where the adapter runs"


def plan_as_dict(plan: Plan, *, ledger: bool) -> dict[str, Any]:
    """What would be done, for programs."""
    stamps = [letter.timestamp_ms for letter in plan.letters]
    return {
        "office": plan.office,
        "city": plan.office.partition(".")[0],
        "letters": len(plan.letters),
        "cases": plan.cases,
        "followers": plan.followers,
        "behind_older": plan.behind_older,
        "unreadable": plan.unreadable,
        "left": plan.left,
        "may_have_had_effect": plan.may_have_had_effect,
        "may_have_had_effect_left": plan.may_have_had_effect_left,
        "oldest_at": instant(min(stamps)) if stamps else None,
        "youngest_at": instant(max(stamps)) if stamps else None,
        "ledger": plan.ledger_states if ledger else None,
        "delivered_already": plan.delivered_already if ledger else None,
    }


_OUTCOMES: Final = {
    Outcome.DELIVERED: "the back office has them",
    Outcome.REJECTED: "ended, the portal has been told",
    Outcome.FAILED: "tried, and a dead letter again",
    Outcome.HELD: "a dead letter again, untried, behind one that failed",
}


def tally_view(tally: Tally, verb: str) -> RenderableType:
    """What became of the dead letters of a plan that has been carried out."""
    return facts_view(f"{verb}: {tally.sent:,} of {tally.total:,} sent", _tally(tally))


def _tally(tally: Tally) -> Iterable[tuple[str, str]]:
    for outcome, meaning in _OUTCOMES.items():
        if tally.outcomes[outcome]:
            yield outcome, f"{tally.outcomes[outcome]:,}  ({meaning})"
    if tally.waiting:
        yield "waiting", f"{tally.waiting:,}  (in the retry topic; the adapter tries them when it can)"
    if tally.unwatched:
        yield "unwatched", f"{tally.unwatched:,}  (no ledger knows them)"
    if tally.gone:
        yield "gone", f"{tally.gone:,}  (their records are no longer kept)"
    if left := tally.total - tally.sent - tally.gone:
        yield "not sent", f"{left:,}  (still open; the same command goes on with them)"
    if tally.stopped is not None:
        yield "stopped", tally.stopped


def tally_as_dict(tally: Tally | None) -> dict[str, Any]:
    """The same for programs; empty where the plan has not been carried out."""
    if tally is None:
        return {}
    return {
        "sent": tally.sent,
        "outcomes": {outcome.value: tally.outcomes[outcome] for outcome in Outcome},
        "waiting": tally.waiting,
        "unwatched": tally.unwatched,
        "gone": tally.gone,
        "not_sent": tally.total - tally.sent - tally.gone,
        "stopped": tally.stopped,
    }


def _age_s(moment_ms: int, now: datetime) -> float:
    return max(0.0, now.timestamp() - moment_ms / 1000)
