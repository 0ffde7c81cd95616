"""A city lets another portal write into a case: shown first, written down, then in force at once, until it is taken back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from consumers.desk import operations
from schemas import problems
from schemas.errors import CannotTell
from schemas.headers import Header
from schemas.message import Amendment, Application, Authority, Filing, Withdrawal
from schemas.operations import Operation, OperatorAction
from tests import builders
from tests.builders import later
from tests.command_line import Command
from tests.gateway import AUTHORITIES, PORTALS, Gateway, as_xml, page, problem_of, register_of

OFFICE = "muenchen.gewerbe"
DONE = ("--go", "--reason", "ticket 4711", "--actor", "op")


async def send(bus: Gateway, sent: Filing, portal: str) -> httpx.Response:
    """Send it as this portal, which is its author."""
    author = Authority(key=AUTHORITIES[portal], name="Testportal")
    return await bus.post(as_xml(sent.model_copy(update={"author": author})), portal=portal)


async def application(bus: Gateway, portal: str = "portal", case_id: UUID | None = None) -> Application:
    """One that is accepted."""
    opened = builders.trade_application(**builders.IN_MUNICH, case_id=case_id or uuid4())
    assert (await send(bus, opened, portal)).status_code == 202
    return opened


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Operation]:
    """What is written down of operators, instead of in Kafka."""
    noted: list[Operation] = []

    async def write_down(_: object, operation: Operation) -> None:
        noted.append(operation)

    monkeypatch.setattr(operations, "write_down", write_down)
    return noted


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the gateway's store, and its pages of portals."""
    monkeypatch.setenv("STADTBUS_STORES__FOLDER", str(tmp_path))
    monkeypatch.setenv("STADTBUS_GATEWAY__PORTALS", str(tmp_path / "portals"))


async def command(stadtbus: Command, verb: str, case: UUID, *options: str, to: str = "other") -> tuple[int, str, str]:
    """The command, beside the gateway that runs."""
    whose = () if verb == "show" else ("--of", "portal", "--to", to)
    return await asyncio.to_thread(stadtbus, "cases", verb, OFFICE, str(case), *whose, *options)


async def test_granted_at_once_and_taken_back(bus: Gateway, stadtbus: Command, written: list[Operation]) -> None:
    """The other portal's messages go into the owner's case, in its order, and are its own; after `revoke` the case is unknown to it again."""
    first = await application(bus)
    assert problem_of(await send(bus, later(Amendment, first), "other")) == (409, "reference-unknown")
    assert (await command(stadtbus, "grant", first.case_id, *DONE))[0] == 0
    amended = later(Amendment, first)
    for portal, sent in (("other", amended), ("portal", later(Amendment, amended)), ("other", later(Withdrawal, first))):
        assert (await send(bus, sent, portal)).status_code == 202
    records = await builders.waiting(bus.box)
    assert len({one.case_key for one in records}) == 1
    assert [one.headers[Header.PORTAL] for one in records] == ["portal", "other", "portal", "other"]
    statuses = [
        (await bus.call("GET", f"/v1/submissions/{amended.message_id}", portal=portal)).status_code for portal in ("other", "portal")
    ]
    assert statuses == [200, 404]
    assert (await command(stadtbus, "revoke", first.case_id, *DONE))[0] == 0
    assert problem_of(await send(bus, later(Withdrawal, first), "other")) == (409, "reference-unknown")
    told = [(one.action, one.actor, one.office, one.reason, one.case, one.portal) for one in written]
    about = ("op", OFFICE, "ticket 4711", str(records[0].case_key), "other")
    assert told == [(OperatorAction.CASE_GRANT, *about), (OperatorAction.CASE_REVOKE, *about)]


async def test_shown_first(bus: Gateway, stadtbus: Command, written: list[Operation]) -> None:
    """Without --go nothing is changed and nothing written down: exit code 1; `show` says whose it is and who may write."""
    first = await application(bus)
    code, output, _ = await command(stadtbus, "grant", first.case_id)
    assert (code, "Nothing was changed." in output, written) == (1, True, [])
    assert json.loads((await command(stadtbus, "show", first.case_id, "--json"))[1])[0]["granted"] == []
    await command(stadtbus, "grant", first.case_id, *DONE)
    (shown,) = json.loads((await command(stadtbus, "show", first.case_id, "--json"))[1])
    assert (shown["owner"], shown["submissions"], [portal for portal, _ in shown["granted"]]) == ("portal", 1, ["other"])


async def test_not_written_down_is_not_granted(bus: Gateway, stadtbus: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the operation cannot be recorded, the case is not granted."""

    async def fails(*_: Any) -> None:
        raise CannotTell(problems.OPERATION_NOT_RECORDED)

    monkeypatch.setattr(operations, "write_down", fails)
    first = await application(bus)
    assert (await command(stadtbus, "grant", first.case_id, *DONE))[0] == 3
    assert problem_of(await send(bus, later(Amendment, first), "other")) == (409, "reference-unknown")


async def test_who_is_no_portal_of_the_city(bus: Gateway, stadtbus: Command, written: list[Operation], tmp_path: Path) -> None:
    """Granted is to another portal that has rights at the office and no case of its own under that id; all else is refused by name."""
    first, other = await application(bus), await application(bus)
    await application(bus, "other", other.case_id)
    for case, to in ((first, "portal"), (first, "nobody"), (other, "other")):
        code, _, error = await command(stadtbus, "grant", case.case_id, *DONE, to=to)
        assert (code, "case-not-granted" in error) == (2, True)
    register_of(tmp_path / "portals", PORTALS | {"other": page(AUTHORITIES["other"], "token-of-other", rights=())})
    assert "no page gives other a right" in (await command(stadtbus, "grant", first.case_id, *DONE))[2]
    assert written == []


async def test_no_such_case(bus: Gateway, stadtbus: Command, written: list[Operation]) -> None:
    """A case that its owner does not have at this office is told as unknown, with exit code 1."""
    theirs = await application(bus, "other")
    for verb, case in (("show", uuid4()), ("grant", uuid4()), ("revoke", uuid4()), ("grant", theirs.case_id)):
        code, _, error = await command(stadtbus, verb, case, *(DONE if verb != "show" else ()))
        assert (code, "case-unknown" in error, written) == (1, True, [])


@pytest.mark.parametrize("options", [("--go",), ("--go", "--reason", "x"), ("--reason", "two\nlines")])
async def test_a_reason_is_needed(bus: Gateway, stadtbus: Command, written: list[Operation], options: tuple[str, ...]) -> None:
    """Without a reason that can be recorded nothing is done."""
    first = await application(bus)
    code, _, error = await command(stadtbus, "grant", first.case_id, *options)
    assert (code, "reason-invalid" in error, written) == (2, True, [])
