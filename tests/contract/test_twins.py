"""What the twins and the registry promise to those who wire them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import httpx
import pytest

from adapters import registry
from adapters.http import HttpSettings
from adapters.nuernberg.meldewesen import NuernbergMeldewesen
from adapters.twins.book import Book, Mood, Temper
from adapters.twins.server import Twins, ports
from adapters.twins.settings import TwinsSettings
from schemas import catalogue
from schemas.errors import UsageError
from tests import builders

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_control_shows_what_arrived(twins: Twins, control: httpx.AsyncClient) -> None:
    """A delivered submission is listed with reference, time, size and hash, and the hash is that of the content."""
    adapter = registry.connect("nuernberg.meldewesen", twins.office_settings()["nuernberg.meldewesen"])
    document = adapter.translate(builders.submission(builders.application(), "nuernberg.meldewesen"))
    delivered = await adapter.deliver(document, 1)
    await adapter.close()
    entry = (await control.get("/twins/nuernberg.meldewesen/received")).json()[-1]
    assert entry["submission_id"] == str(document.submission_id)
    assert entry["reference"] == delivered.reference
    assert entry["size_bytes"] == len(document.content)
    assert entry["sha256"] == hashlib.sha256(document.content).hexdigest()
    assert datetime.fromisoformat(entry["received_at"]).utcoffset() == timedelta(0)


async def test_control_lists_effects_from_a_number_on(twins: Twins, control: httpx.AsyncClient) -> None:
    """The short list has id and time of each effect in order, from the number asked for on."""
    book = twins.twins["muenchen.meldewesen"].book
    first, at = len(book.entries), datetime(2026, 3, 1, tzinfo=UTC)
    for submission_id in ("a", "b", "b"):
        book.enter(submission_id, b"", "text/plain", at)
    lines = (await control.get("/twins/muenchen.meldewesen/effects", params={"first": first})).text.splitlines()
    assert [line.split() for line in lines] == [[submission_id, str(at.timestamp())] for submission_id in ("a", "b", "b")]
    assert (await control.get("/twins/muenchen.meldewesen/effects?first=x")).status_code == 404


@pytest.mark.parametrize("mood", [Mood.REFUSE, Mood.BUSY, Mood.FAIL_AFTER, Mood.GARBAGE, Mood.ENDLESS, Mood.FLAKY])
async def test_share_of_a_mood(mood: Mood) -> None:
    """A mood hits about its share of submissions; the same seed the same ones, and always, except where each time is drawn anew."""
    book, again = Book("X"), Book("X")
    for one in (book, again):
        one.set(Temper(mood, share=0.25, seed=7))
    treated = [book.mood_towards(str(number)) for number in range(2_000)]
    assert treated == [again.mood_towards(str(number)) for number in range(2_000)]
    assert 400 < sum(one is not Mood.OK for one in treated) < 600
    assert (mood is Mood.FLAKY) == (treated != [book.mood_towards(str(number)) for number in range(2_000)])


async def test_control_changes_moods(twins: Twins, control: httpx.AsyncClient) -> None:
    """A mood set over the control port shows there, and the port stays up when the twin is away."""
    await control.put("/twins/muenchen.meldewesen/mood", json={"mood": "away"})
    await control.put("/twins/augsburg.gewerbe/mood", json={"mood": "slow", "delay_s": 1.5})
    moods = {office: (state["mood"], state["delay_s"]) for office, state in (await control.get("/twins")).json().items()}
    assert moods == dict.fromkeys(twins.twins, ("ok", 0)) | {"muenchen.meldewesen": ("away", 0), "augsburg.gewerbe": ("slow", 1.5)}
    assert (await control.get("/livez")).is_success
    assert (await control.get("/readyz")).is_success


async def test_control_refuses_nonsense(control: httpx.AsyncClient) -> None:
    """Unknown moods, offices and submissions are said to be so."""
    assert (await control.put("/twins/muenchen.meldewesen/mood", json={"mood": "angry"})).status_code == 422
    assert (await control.put("/twins/nowhere.office/mood", json={"mood": "ok"})).status_code == 404
    assert (await control.get("/twins/nowhere.office/received")).status_code == 404
    assert (await control.get("/twins/muenchen.meldewesen/received/unknown")).status_code == 404


async def test_office_settings_travel_as_text(twins: Twins) -> None:
    """The settings of the adapters survive JSON, so that another process can use them."""
    assert twins.office_settings() == json.loads(json.dumps(twins.office_settings()))


async def test_host_key_survives_in_a_folder(tmp_path: Path) -> None:
    """Twins with a folder of their own have the same host key after a restart."""
    keys = {Twins(TwinsSettings(folder=tmp_path)).office_settings()["augsburg.gewerbe"]["host_key"] for _ in range(2)}
    assert len(keys) == 1


async def test_port_taken(twins: Twins) -> None:
    """Twins that cannot listen say so and leave no port open."""
    taken = httpx.URL(twins.control_url).port
    others = Twins(TwinsSettings(control_port=taken, first_port=0))
    with pytest.raises(UsageError, match="port-taken"):
        await others.start()


async def test_every_office_of_the_catalogue_has_adapter_and_twin() -> None:
    """Whoever is in the catalogue can be delivered to, and is simulated in the demo."""
    offices = set(catalogue.load().offices)
    assert offices <= set(registry.names())
    assert offices <= set(registry.names(registry.TWINS))


async def test_ports_follow_each_other() -> None:
    """Each twin has a fixed port of its own, in alphabetical order; port 0 is any free one for all."""
    fixed, free = ports(TwinsSettings(first_port=9_181)), ports(TwinsSettings(first_port=0))
    assert list(fixed.values()) == list(range(9_181, 9_181 + len(fixed)))
    assert list(fixed) == sorted(fixed)
    assert set(free.values()) == {0}


@pytest.mark.parametrize(("value", "text"), [("adapters.nowhere:Adapter", "No module named"), ("adapters.kit:Nothing", "no attribute")])
async def test_registry_names_what_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch, value: str, text: str) -> None:
    """An installed package whose adapter cannot be imported is named, with the reason."""
    entry = EntryPoint("regensburg.gewerbe", value, registry.ADAPTERS)
    monkeypatch.setattr(registry, "entry_points", lambda **_: EntryPoints([entry]))
    with pytest.raises(UsageError, match=text) as caught:
        registry.connect("regensburg.gewerbe", {})
    assert caught.value.problem.code == "plug-in-broken"


class OfAnEarlierVersion(NuernbergMeldewesen):
    """Bears two deliveries at a time, in the words of then."""

    at_once = 2


class OfItsSettings(NuernbergMeldewesen):
    """The same, made from settings."""

    def __init__(self, settings: HttpSettings) -> None:
        super().__init__(settings)
        self.at_once = 2


@pytest.mark.parametrize("adapter", [OfAnEarlierVersion, OfItsSettings])
async def test_registry_refuses_an_adapter_in_words_of_an_earlier_version(monkeypatch: pytest.MonkeyPatch, adapter: type) -> None:
    """Whoever says `at_once` is not given a default in its place."""
    monkeypatch.setattr(registry, "load", lambda *_: adapter)
    settings = {"url": "https://office.example", "client_id": "us", "client_secret": "made up"}
    with pytest.raises(UsageError, match="'at_once', which is called 'max_concurrency' now") as caught:
        registry.connect("nuernberg.meldewesen", settings)
    assert caught.value.problem.code == "plug-in-broken"


async def test_registry_refuses_an_office_that_is_there_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two packages with an adapter for the same office are both named; neither is taken by chance."""
    values = ("adapters.kit:one", "adapters.kit:other")
    monkeypatch.setattr(registry, "entry_points", lambda **_: EntryPoints(EntryPoint("a.b", value, registry.ADAPTERS) for value in values))
    with pytest.raises(UsageError, match=r"adapters\.kit:one, adapters\.kit:other"):
        registry.connect("a.b", {})


async def test_registry_refuses_unknown_office() -> None:
    """An office without an adapter is answered with those that have one."""
    with pytest.raises(UsageError, match=r"known: .*nuernberg\.meldewesen") as caught:
        registry.connect("nuernberg.nothing", {})
    assert caught.value.problem.code == "office-unknown"


@pytest.mark.parametrize(
    ("change", "field"), [({"url": "nonsense"}, "url"), ({"colour": "blue"}, "colour"), ({"answer_limit_s": 0}, "answer_limit_s")]
)
async def test_registry_refuses_settings(twins: Twins, change: dict[str, object], field: str) -> None:
    """Settings that are not valid are named by office and field."""
    with pytest.raises(UsageError, match=f"settings-invalid: {field}: ") as caught:
        registry.connect("muenchen.meldewesen", twins.office_settings()["muenchen.meldewesen"] | change)
    assert caught.value.where == "offices.muenchen.meldewesen"


async def test_registry_refuses_host_key() -> None:
    """A host key that cannot be read is refused before anything connects."""
    settings = {"host": "127.0.0.1", "user": "stadtbus", "password": "secret", "host_key": "nonsense"}
    with pytest.raises(UsageError, match="settings-invalid: host_key: "):
        registry.connect("augsburg.gewerbe", settings)
