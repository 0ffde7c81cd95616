"""The processes of Stadtbus, one function each: it checks what it needs, raises if that is not there, then serves until SIGTERM.

All raise `UsageError` for what is set wrong (such as settings-invalid, catalogue-invalid) or taken (port-taken); those that read Kafka
also where topics are missing (topics-missing), and `CannotTell` where it does not answer (kafka-unreachable, kafka-failed).
Each imports its parts when it starts, so that no process carries what another one needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Final

from infra.addresses import is_loopback
from schemas import problems, topics
from schemas.errors import CannotTell, UsageError
from stadtbus.ports import api_port_of, port_of
from stadtbus.settings import Settings, place

if TYPE_CHECKING:
    from infra.web.certificate import Certificate
    from schemas.catalogue import Catalogue

SUPERVISED_VARIABLE: Final = "STADTBUS_SUPERVISED"


def end_with_parent() -> None:
    """From now on, send this process SIGTERM when the supervisor that started it is gone, however that ended.

    The supervisor holds the other end of our standard input, which ends with it. Without a supervisor nothing is done.
    """
    if os.environ.get(SUPERVISED_VARIABLE):

        def wait_for_end() -> None:
            while os.read(0, 1024):  # not sys.stdin: its lock would be held when the interpreter ends
                pass
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=wait_for_end, name="end-with-parent", daemon=True).start()


async def run_gateway(settings: Settings, port: int | None, operator_port: int | None) -> None:
    """Serve the portals, and operators at a port of their own. Starts without Kafka too: what is accepted stays in the outbox until Kafka answers."""
    from infra.health import operator_app
    from infra.web.serving import Site, serve
    from producers.gateway.app import create_app

    known = settings.load_catalogue()
    register = settings.load_portals(known)
    settings.load_schemas()  # its faults are told before a worker meets them
    certificate = certificate_of(settings)
    at = port or api_port_of(settings)
    app = create_app(known, register, settings.gateway, settings.kafka, settings.stores, settings.schemas, at)
    pages = Site(operator_app(app.state.health), settings.http.operator_host, operator_port or port_of(settings, "gateway"))
    if certificate is not None:
        app.state.health.degraded["certificate"] = certificate.check
    await serve(Site(app, settings.http.host, at, public=True, certificate=certificate), pages)


def certificate_of(settings: Settings) -> Certificate | None:
    """What the gateway serves portals with.

    Raises:
        UsageError: certificate-unusable; clear-text, where it has none and others could listen.
    """
    from infra.web.certificate import Certificate

    http = settings.http
    if http.tls.certificate is not None and http.tls.key is not None:
        return Certificate(http.tls.certificate, http.tls.key)
    if not is_loopback(http.host) and not http.allow_clear_text:
        raise UsageError(problems.CLEAR_TEXT, f"they would be served without TLS on {http.host}", where="http.host")
    return None


async def run_adapter(settings: Settings, office: str, port: int | None) -> None:
    """Deliver to the back office of one office.

    Raises:
        UsageError: also office-unknown, mapping-invalid.
    """
    from consumers.app import adapter_app
    from infra.kafka.admin import require_topics
    from infra.web.serving import Site, serve

    check_office(settings, office)
    of_bus = [topic for topic in topics.of_bus() if topic.name == topics.OPERATIONS]
    await require_topics(settings.kafka, [*topics.of_office(office), *topics.of_city(office.partition(".")[0]), *of_bus])
    known = settings.load_catalogue()
    at = port or port_of(settings, office)
    app = adapter_app(
        office,
        settings.office(office),
        settings.delivery,
        settings.kafka,
        settings.stores,
        continuing=known.continuing(office),
        expected=known.expected()[office],
        port=at,
    )
    await serve(Site(app, settings.http.operator_host, at))


async def run_audit(settings: Settings, port: int | None) -> None:
    """Record submissions and events of all offices for the audit."""
    from consumers.app import audit_app
    from infra.web.serving import Site, serve

    offices = await _recorded_offices(settings)
    at = port or port_of(settings, "audit")
    app = audit_app(settings.kafka, settings.stores, offices, at)
    await serve(Site(app, settings.http.operator_host, at))


async def run_statistics(settings: Settings, port: int | None) -> None:
    """Count submissions and events of all offices."""
    from consumers.app import statistics_app
    from infra.web.serving import Site, serve

    offices = await _recorded_offices(settings)
    at = port or port_of(settings, "statistics")
    app = statistics_app(settings.kafka, settings.stores, offices, at)
    await serve(Site(app, settings.http.operator_host, at))


async def run_watch(settings: Settings, port: int | None) -> None:
    """Judge how the bus does, and keep what the processes and the operators say. Starts without Kafka too, and says so then."""
    from consumers.watch.app import watch_app
    from infra.kafka.admin import require_topics
    from infra.web.serving import Site, serve

    expected = settings.load_catalogue().expected()
    with contextlib.suppress(CannotTell):  # it is what this process is there to tell
        await require_topics(settings.kafka, topics.of_bus())
    at = port or port_of(settings, "watch")
    app = watch_app(settings.kafka, settings.stores, settings.watch, expected, at)
    await serve(Site(app, settings.http.operator_host, at))


async def run_twins(settings: Settings) -> None:
    """Simulate the back offices, for demo and tests."""
    from adapters.twins.server import Twins

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    twins = Twins(settings.twins)
    await twins.start()
    await stop.wait()
    await twins.stop()


async def _recorded_offices(settings: Settings) -> list[str]:
    """All offices, whose topics are there."""
    from infra.kafka.admin import require_topics

    offices = settings.load_catalogue().offices
    wanted = set(topics.recorded(offices))
    await require_topics(settings.kafka, [topic for topic in topics.all_topics(offices) if topic.name in wanted])
    return offices


def check_identity(settings: Settings, known: Catalogue) -> None:
    """Whoever proves logins proves those of an account that there is, and where a city asks for proof, each account has somebody who does.

    Raises:
        UsageError: settings-invalid.
    """
    sources = settings.gateway.identity
    for account in sources:
        if account not in known.accounts:
            raise UsageError(problems.SETTINGS, "the catalogue has no such account", where=f"gateway.identity.{account}")
    for route in known.routes:
        missing = [account for account in route.offer.accounts if route.offer.proof and account not in sources]
        if missing:
            detail = f"{route.office} wants logins for {route.service.id} proven, and nothing says who proves those of {', '.join(missing)}"
            raise UsageError(problems.SETTINGS, detail, where="gateway.identity")


def check_office(settings: Settings, office: str) -> None:
    """An office has to be in the catalogue, its adapter's settings complete and its mapping, where it has one, fit to load.

    Raises:
        UsageError: office-unknown, settings-invalid or mapping-invalid.

    """
    from adapters import registry
    from adapters.mapping import Mapping
    from adapters.protocols import mapped

    known = settings.load_catalogue().offices
    if office not in known:
        raise UsageError(problems.OFFICE_UNKNOWN, f"'{office}' is not in the catalogue; known: {', '.join(known)}")
    registry.check(office, settings.office(office), place)
    if mapping := mapped.page_of(office):
        Mapping.load(mapping)
