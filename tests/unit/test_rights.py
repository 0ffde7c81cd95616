"""Rights of portals: what the page of a portal does not name, it may not send; and a refusal says what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from producers.settings import Right
from producers.synthetic import permits
from tests import builders, operator_schemas
from tests.gateway import AUTHORITIES, JSON, TOKENS, XML, as_json, as_xml, opened, page, problem_of

HERE = Right(to=("muenchen.meldewesen",), services=("wohnsitz-anmelden",), messages=("einreichung.antrag.0100",))
LOGINS = {"bayernid": 3}


def narrow(**changes: Any) -> dict[str, Any]:
    """The pages of a portal that may send applications of one service to one office, but for what is changed."""
    return {"portal": page(AUTHORITIES["portal"], TOKENS["portal"], **({"rights": (HERE,), "accounts": LOGINS, "test": False} | changes))}


def right(**changes: Any) -> tuple[Right]:
    """That right, changed."""
    return (HERE.model_copy(update=changes),)


LACKING = {
    "nothing is granted": ({"rights": ()}, "right-missing", "may not send to muenchen.meldewesen"),
    "another office": ({"rights": right(to=("muenchen.gewerbe",))}, "right-missing", "may not send to muenchen.meldewesen"),
    "another city": ({"rights": right(to=("nuernberg",))}, "right-missing", "may not send to muenchen.meldewesen"),
    "another service": (
        {"rights": right(services=("gewerbe-anmelden",))},
        "right-missing",
        "may not send wohnsitz-anmelden to muenchen.meld",
    ),
    "another message": (
        {"rights": right(messages=("einreichung.ruecknahme.0130",))},
        "right-missing",
        "may not send einreichung.antrag.0100 of wohnsitz-anmelden to muenchen.meldewesen",
    ),
    "no account": ({"accounts": {}}, "trust-not-granted", "may not vouch for logins by bayernid"),
    "another account": ({"accounts": {"mein-nuernberg": 4}}, "trust-not-granted", "may not vouch for logins by bayernid"),
    "a lower level": ({"accounts": {"bayernid": 1}}, "trust-not-granted", "by bayernid up to level 1, not 3"),
}


@pytest.mark.parametrize(("changes", "code", "detail"), LACKING.values(), ids=LACKING)
@pytest.mark.parametrize("kind", [XML, JSON])
async def test_what_is_not_granted_is_refused(tmp_path: Path, changes: dict[str, Any], code: str, detail: str, kind: str) -> None:
    """A right that is missing refuses the message, in either form, and is named; nothing is left behind."""
    sent = builders.application()
    for bus in opened(tmp_path, portals=narrow(**changes)):
        answer = await bus.post(as_xml(sent) if kind == XML else as_json(sent), kind)
        assert problem_of(answer) == (403, code)
        assert detail in answer.json()["detail"]
        assert answer.json()["message_id"] == str(sent.message_id)
        assert answer.json()["where"].startswith("/" if kind == JSON else ("leistung", "antragsteller[1]"))
        assert await builders.waiting(bus.box) == []


@pytest.mark.parametrize("to", ["muenchen", "muenchen.meldewesen"])
@pytest.mark.parametrize(("body", "kind"), [(as_xml, XML), (as_json, JSON)])
async def test_what_is_granted_is_taken(tmp_path: Path, to: str, body: Any, kind: str) -> None:
    """An office is named itself, or by its city."""
    for bus in opened(tmp_path, portals=narrow(rights=right(to=(to,)))):
        assert (await bus.post(body(builders.application()), kind)).status_code == 202


async def test_rights_are_not_added_up_across_entries(tmp_path: Path) -> None:
    """Office of one right and service of another are no right together."""
    both = (*right(services=("gewerbe-anmelden",)), *right(to=("muenchen.gewerbe",)))
    for bus in opened(tmp_path, portals=narrow(rights=both)):
        assert problem_of(await bus.post(as_xml(builders.application()))) == (403, "right-missing")


async def test_test_messages_are_a_right(tmp_path: Path) -> None:
    """A portal sends test messages only where its page says so, also to a gateway that takes them."""
    sent = as_xml(builders.application(test=True))
    for bus in opened(tmp_path / "a", accept_test=True, portals=narrow()):
        assert problem_of(await bus.post(sent)) == (403, "right-missing")
    for bus in opened(tmp_path / "b", accept_test=True, portals=narrow(test=True)):
        assert (await bus.post(sent)).status_code == 202


async def test_genuine_messages_by_their_namespace(tmp_path: Path) -> None:
    """Of genuine messages the namespace is granted, and the place of a refusal is the header that says the service or the login."""
    operator_schemas.write_rows(tmp_path, {"name": "XBau", "namespace": permits.NAMESPACE, "schema": "none"})
    body = builders.permit().body.replace(b"kop:09564000", AUTHORITIES["portal"].encode())
    beside = {"Stadtbus-Service": "99012008000000", "Stadtbus-Area": "095640000000", "Stadtbus-Trust": "3; bayernid"}
    building = Right(to=("nuernberg.bau",), services=("baugenehmigung",), namespaces=(permits.NAMESPACE,))
    other = building.model_copy(update={"namespaces": (), "messages": ("einreichung.antrag.0100",)})
    for number, (rights, accounts, status, where) in enumerate(
        [
            (other, LOGINS, 403, "Stadtbus-Service"),
            (building, {}, 403, "Stadtbus-Trust"),
            (building, LOGINS, 202, None),
        ]
    ):
        for bus in opened(tmp_path / str(number), schemas=tmp_path, portals=narrow(rights=(rights,), accounts=accounts)):
            answer = await bus.post(body, **beside)
            assert (answer.status_code, answer.json().get("where")) == (status, where)
