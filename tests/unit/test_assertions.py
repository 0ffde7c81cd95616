"""Signed assertions of trust: an honest one proves a login of one message, and nothing else does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from producers.intake import key_set
from producers.intake.assertions import ALGORITHMS, HEADER
from producers.intake.key_set import KeySet, NoKeys
from producers.settings import GatewaySettings
from schemas import catalogue
from schemas.catalogue import Catalogue
from schemas.errors import UsageError
from schemas.headers import Header
from schemas.message import Application
from stadtbus import processes
from stadtbus.settings import Settings
from tests import builders, certificates, identity
from tests.gateway import AUTHORITIES, JSON, XML, Gateway, as_json, as_xml, opened, problem_of

OWN = AUTHORITIES["portal"]


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that wants each login by BayernID to be proven."""
    folder = tmp_path_factory.mktemp("asking")
    (folder / "jwks.json").write_bytes(identity.jwks())
    yield from opened(folder, identity={"bayernid": identity.source(folder / "jwks.json")})


async def stored(bus: Gateway, application: Application) -> list[dict[str, str]]:
    """The headers of this message in the outbox: once, or not at all."""
    found = [dict(one.headers) for one in await builders.waiting(bus.box)]
    return [one for one in found if one[Header.MESSAGE_ID] == str(application.message_id)]


def nonce(message_id: UUID) -> str:
    """What binds an assertion to a message of the test portal."""
    return f"{OWN}/{message_id}"


async def sent(bus: Gateway, application: Application, *assertions: str, kind: str = XML) -> Any:
    """The answer to an application with these assertions."""
    body = as_xml(application) if kind == XML else as_json(application)
    return await bus.post(body, kind, **({HEADER: ", ".join(assertions)} if assertions else {}))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", [XML, JSON])
async def test_an_honest_assertion_proves(asking: Gateway, algorithm: str, kind: str) -> None:
    """Signed by the source for this message: the submission is accepted, its record says so, and nothing of the assertion is kept."""
    application = builders.application()
    text = identity.assertion(nonce(application.message_id), algorithm)
    assert (await sent(asking, application, text, kind=kind)).status_code == 202
    (headers,) = await stored(asking, application)
    assert headers[Header.TRUST_PROOF] == "asserted"
    assert not any(word in str(headers) for word in ("Erika", *text.split(".")))


@pytest.mark.parametrize("kind", [XML, JSON])
async def test_without_one_it_is_refused(asking: Gateway, kind: str) -> None:
    """The refusal names the header and all that an assertion has to have, so that a portal can do it right."""
    application = builders.application()
    answer = await sent(asking, application, kind=kind)
    assert (problem_of(answer), answer.json()["where"]) == ((403, "trust-not-proven"), HEADER)
    for part in (identity.ISSUER, identity.AUDIENCE, nonce(application.message_id), "STORK-QAA-Level-3", "ES256"):
        assert part in answer.json()["detail"]


def _b64(value: object) -> str:
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=").decode()


def _forged(head: dict[str, Any], own: str, secret: bytes | None) -> str:
    """An assertion with a head and a signature of one's own making."""
    body = f"{_b64({'kid': 'PS256'} | head)}.{identity.assertion(own).split('.')[1]}"
    return f"{body}.{_b64(hmac.digest(secret, body.encode(), hashlib.sha256)) if secret is not None else ''}"


def _public_pem() -> bytes:
    key: Any = identity.PRIVATE["PS256"].public_key()
    return bytes(key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


def hostile(own: str, url: str) -> dict[str, str]:
    """Assertions that prove nothing, for a message with this nonce."""
    now = int(time.time())
    make, honest = identity.assertion, identity.assertion(own)
    head, body, signature = honest.split(".")
    stranger = ec.generate_private_key(ec.SECP256R1())
    return {
        "alg none": _forged({"alg": "none"}, own, None),
        "alg None": _forged({"alg": "None"}, own, None),
        "no alg": _forged({}, own, None),
        "alg is a list": _forged({"alg": ["ES256"]}, own, None),
        "HS256 with the public key": _forged({"alg": "HS256"}, own, _public_pem()),
        "HS256 with the page of the keys": _forged({"alg": "HS256"}, own, identity.jwks()),
        "RS256": make(own, "RS256", key=identity.PRIVATE["PS256"], head={"kid": "PS256"}),
        "another algorithm than that of the key": _forged({"alg": "ES256"}, own, b"x"),
        "key of a stranger": make(own, key=stranger),
        "key of a stranger in the head": make(own, key=stranger, head={"jwk": identity.public("ES256")}),
        "keys of a stranger by address": make(own, key=stranger, head={"kid": "new", "jku": url, "x5u": url}),
        "certificate of a stranger": make(own, key=stranger, head={"kid": "new", "x5c": ["MIIB"]}),
        "unknown kid": make(own, head={"kid": "unknown"}),
        "kid is a path": make(own, head={"kid": "../../etc/passwd"}),
        "kid of another key": make(own, head={"kid": "ES384"}),
        "crit": make(own, head={"crit": ["exp"]}),
        "b64": make(own, head={"crit": ["b64"], "b64": False}),
        "expired": make(own, exp=now - 60),
        "no end": make(own, exp=None),
        "end in words": make(own, exp="tomorrow"),
        "end beyond all numbers": make(own, exp=float("inf")),
        "not yet": make(own, nbf=now + 600),
        "made in the future": make(own, iat=now + 600),
        "no time": make(own, iat=None),
        "another issuer": make(own, iss="https://id.example"),
        "another audience": make(own, aud="https://shop.example"),
        "no audience": make(own, aud=None),
        "another message": make(f"{OWN}/{uuid4()}"),
        "another portal": make(own.replace(OWN, AUTHORITIES["other"])),
        "message alone": make(own.partition("/")[2]),
        "no message": make(None),
        "nonce is a list": make([own]),
        "lower level": make(own, acr="STORK-QAA-Level-1"),
        "no level": make(own, acr=None),
        "level of another source": make(own, acr="4"),
        "level is a number": make(own, acr=4),
        "level is a list": make(own, acr=["STORK-QAA-Level-4"]),
        "claims changed": f"{head}.{_b64({'acr': 'STORK-QAA-Level-4', 'nonce': own})}.{signature}",
        "signature cut": f"{head}.{body}.{signature[:-4]}",
        "no signature": f"{head}.{body}.",
        "encrypted": f"{_b64({'alg': 'dir', 'enc': 'A256GCM', 'kid': 'ES256'})}..{body}.{signature}.x",
        "claims are a list": f"{head}.{_b64([])}.{signature}",
        "deep": f"{_b64(b'[' * 2900)}.{body}.{signature}",
        "deep claims": f"{head}.{_b64(b'[' * 2500)}.{signature}",
        "huge": make(own, more="x" * 5000),
        "words": "not a token",
        "empty": "",
        "dots": "..",
        "letters beyond ASCII": "ä.ö.ü",
    }


@pytest.fixture(scope="module")
def stranger() -> Iterator[identity.Served]:
    """An address that nobody of ours has any business with."""
    with identity.served() as found:
        yield found


@pytest.mark.parametrize("name", hostile("kop:00000001/x", "http://x"))
async def test_a_hostile_one_proves_nothing(asking: Gateway, stranger: identity.Served, name: str) -> None:
    """Whatever is wrong with it, the answer is the same as for none at all, and no address of the token is asked."""
    application = builders.application()
    text = hostile(nonce(application.message_id), stranger.url)[name]
    value = text.encode("latin-1", "replace") if not text.isascii() else text
    answer = await asking.post(as_xml(application), **{HEADER: value})  # type: ignore[arg-type] # httpx takes bytes too
    missing = await sent(asking, application)
    assert problem_of(answer) == (403, "trust-not-proven")
    assert answer.json() == missing.json()
    assert (stranger.asked, await stored(asking, application)) == (0, [])


async def test_an_assertion_is_good_for_one_message(asking: Gateway) -> None:
    """It proves its message as often as that is sent, and no other; with a corrected message of the same id it can be used again."""
    first, second = builders.application(), builders.application()
    text = identity.assertion(nonce(first.message_id))
    assert (await sent(asking, first, text)).status_code == 202
    assert (await sent(asking, first, text)).status_code == 202
    assert problem_of(await sent(asking, second, text)) == (403, "trust-not-proven")


async def test_one_for_each_applicant(asking: Gateway) -> None:
    """As many entries as applicants, in their order; each login above level 2 needs one, and one for all is not enough."""
    one = builders.application()
    two = one.model_copy(update={"applicants": one.applicants * 2})
    text = identity.assertion(nonce(two.message_id))
    for assertions in ((text,), (text, "-"), ("-", text), (text, text, text), ("-", "-"), (text, "x")):
        assert problem_of(await sent(asking, two, *assertions)) == (403, "trust-not-proven")
    other = identity.assertion(nonce(two.message_id), sub="second")
    assert (await sent(asking, two, text, other)).status_code == 202


async def test_one_login_is_no_proof_of_two_applicants(asking: Gateway) -> None:
    """Not the same assertion, nor two of one person, nor two that do not say of whom."""
    one = builders.application()
    two = one.model_copy(update={"applicants": one.applicants * 2})
    own = nonce(two.message_id)
    first = identity.assertion(own, sub="first")
    for second in (first, identity.assertion(own, "PS256", sub="first", iat=int(time.time()) - 9)):
        assert problem_of(await sent(asking, two, first, second)) == (403, "trust-not-proven")
    assert problem_of(await sent(asking, two, identity.assertion(own), identity.assertion(own, "ES384"))) == (403, "trust-not-proven")
    assert await stored(asking, two) == []


async def test_a_higher_level_proves_a_lower_one(asking: Gateway) -> None:
    """The stated level may be below the proven one."""
    application = builders.application()
    assert (await sent(asking, application, identity.assertion(nonce(application.message_id), acr="STORK-QAA-Level-4"))).status_code == 202


def proving_city() -> Catalogue:
    """The catalogue, in which München's registration office wants its logins proven."""
    known = catalogue.load()
    city = known.cities["muenchen"]
    offices = []
    for office in city.offices:
        asked = tuple(offer.model_copy(update={"proof": "required"}) for offer in office.services)
        offices.append(office.model_copy(update={"services": asked}) if office.id == "meldewesen" else office)
    cities = [city.model_copy(update={"offices": tuple(offices)}) if one is city else one for one in known.cities.values()]
    return Catalogue(known.services.values(), known.accounts.values(), cities)


@pytest.mark.parametrize("keys", [True, False])
async def test_a_city_can_ask_for_it(tmp_path: Path, keys: bool) -> None:
    """`proof: required` at an office's service: without an assertion it is refused, and where the operator has no keys it says so."""
    (tmp_path / "jwks.json").write_bytes(identity.jwks())
    sources = {"bayernid": identity.source(tmp_path / "jwks.json", proof=None)} if keys else {}
    application = builders.application()
    text = identity.assertion(nonce(application.message_id))
    for bus in opened(tmp_path, known=proving_city(), identity=sources):
        assert problem_of(await sent(bus, application)) == (403, "trust-not-proven")
        answer = await sent(bus, application, text)
        assert answer.status_code == (202 if keys else 403)
        assert keys or "no keys of that account" in answer.json()["detail"]


async def test_where_nobody_asks(tmp_path: Path) -> None:
    """Without an assertion the portal's word is enough, and the record says no more; one that is sent all the same has to be right."""
    (tmp_path / "jwks.json").write_bytes(identity.jwks())
    for bus in opened(tmp_path, identity={"bayernid": identity.source(tmp_path / "jwks.json", proof=None)}):
        assert (await sent(bus, builders.application())).status_code == 202
        assert problem_of(await sent(bus, builders.application(), identity.assertion("x"))) == (403, "trust-not-proven")
        (pending,) = await builders.waiting(bus.box)
        assert Header.TRUST_PROOF not in pending.headers


async def test_without_keys_nothing_is_accepted(tmp_path: Path) -> None:
    """While the keys cannot be read the portal is told to come back, and `/readyz` names the source."""
    for bus in opened(tmp_path, identity={"bayernid": identity.source(tmp_path / "nowhere.json")}):
        application = builders.application()
        answer = await sent(bus, application, identity.assertion(nonce(application.message_id)))
        assert (problem_of(answer), "Retry-After" in answer.headers) == ((503, "proof-stalled"), True)
        told = bus.app.state.health.findings(bus.app.state.health.degraded)
        assert "keys of bayernid" in told["identity sources"]


@pytest.mark.parametrize(
    ("account", "asked", "said"),
    [("bayernid", True, None), ("e-mail", True, "nothing says who proves those of bayernid"), ("facebook", False, "no such account")],
)
def test_whoever_is_to_prove_is_checked(tmp_path: Path, account: str, asked: bool, said: str | None) -> None:
    """`config check` finds an account that nobody has, and a city's wish that nobody can meet."""
    loaded = Settings(gateway=GatewaySettings(identity={account: identity.source(tmp_path / "jwks.json")}))
    known = proving_city() if asked else catalogue.load()
    with nullcontext() if said is None else pytest.raises(UsageError, match=said):
        processes.check_identity(loaded, known)


# --- the keys


@pytest.mark.parametrize("by_tls", [False, True])
async def test_keys_by_address_change_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_tls: bool) -> None:
    """Keys are asked for once, not at each call; a new key id makes them be read anew, and unknown ones at most once a minute."""
    certificate = certificates.write(tmp_path) if by_tls else None
    if certificate:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with identity.served(certificate) as at:
        at.page = identity.jwks("ES256")
        keys = KeySet("bayernid", at.url)
        assert [await keys.key("ES256") == identity.public("ES256") for _ in range(5)] == [True] * 5
        assert at.asked == 1
        at.page = identity.jwks("ES384")
        assert [await keys.key(f"unknown-{number}") for number in range(20)] == [None] * 20
        assert at.asked == 1
        keys._tried_s -= key_set._AGAIN_S
        assert await keys.key("ES384") == identity.public("ES384")
        assert (at.asked, await keys.key("ES256")) == (2, None)


async def test_a_certificate_of_a_stranger_gives_no_keys(tmp_path: Path) -> None:
    """Keys by TLS come from whom the system trusts, or not at all."""
    with identity.served(certificates.write(tmp_path)) as at:
        keys = KeySet("bayernid", at.url)
        with pytest.raises(NoKeys):
            await keys.key("ES256")
        assert (at.asked, "bayernid" in (keys.check() or "")) == (0, True)


@pytest.mark.parametrize(
    ("status", "page"),
    [
        pytest.param(302, b"", id="redirect"),
        pytest.param(500, identity.jwks(), id="error"),
        pytest.param(200, b"x" * 300_000, id="too large"),
        pytest.param(200, b"[" * 200_000, id="deep"),
        pytest.param(200, b'{"keys": []}', id="none"),
        pytest.param(200, json.dumps({"keys": [{"kty": "oct", "kid": "ES256", "k": "AAAA"}]}).encode(), id="a secret"),
        pytest.param(200, json.dumps({"keys": [identity.public("ES256")] * 51}).encode(), id="too many"),
    ],
)
async def test_keys_that_cannot_be_read_leave_those_of_before(monkeypatch: pytest.MonkeyPatch, status: int, page: bytes) -> None:
    """What is no page of keys changes nothing; it is told, and after a day the old keys are not used any more."""
    with identity.served() as at:
        keys = KeySet("bayernid", at.url)
        await keys.read()
        at.status, at.page = status, page
        await keys.read()
        assert (at.asked, await keys.key("ES256")) == (2, identity.public("ES256"))
        assert "cannot be read" in (keys.check() or "")
        monkeypatch.setattr(key_set, "_OLDEST_S", 0)
        with pytest.raises(NoKeys):
            await keys.key("ES256")


@pytest.mark.parametrize("address", ["http://id.example/jwks", "ftp://id.example/jwks", "https://user:pw@id.example/jwks", "https:///jwks"])
def test_addresses_that_are_not_safe(address: str) -> None:
    """Keys come by https, or http on this machine; no address holds a login."""
    with pytest.raises(ValueError, match="https://") as told:
        identity.source(address)
    assert "pw@" not in str(told.value.errors(include_input=False) if hasattr(told.value, "errors") else told.value)
