"""Who gets in to a secured Kafka, what each role may do there, and what is said to whoever does not get in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from pydantic import SecretStr

from consumers.delivery.guard import Guard
from consumers.delivery.orders import Orders
from consumers.desk import releases as desk
from consumers.settings import DeliverySettings
from infra.kafka import sender as sending
from infra.kafka.access_lists import grant
from infra.kafka.admin import connected, create_topics
from infra.kafka.clients import start_consumer
from infra.kafka.local import LocalKafka
from infra.kafka.local_security import ADMIN, Signer, write_private
from infra.kafka.outgoing import KafkaRefusal, Outgoing
from infra.kafka.rights import ROLES, Operation, Resource, Right, rights
from infra.kafka.sender import Sender
from infra.kafka.streams import LastingBroker
from infra.settings import KafkaSettings
from infra.tasks import in_background
from schemas import topics
from schemas.catalogue.expected import Expected
from schemas.errors import CannotTell
from tests import kafka_service
from tests.kafka.helpers import eventually, quick

OFFICE = "stadt.amt"
WRITERS = {
    topics.submissions(OFFICE): {"gateway", "operator"},
    topics.retry(OFFICE): {"adapter", "operator"},
    topics.deadletters(OFFICE): {"gateway", "adapter", "operator"},
    topics.events("stadt"): {"gateway", "adapter"},
    topics.OPERATIONS: {"operator"},
    topics.HEARTBEATS: set(ROLES) - {"operator"},
}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """One secured broker with the topics and rights of one office."""
    if not kafka_service.is_secure():
        pytest.skip("the tests run on a plain Kafka")
    kafka = LocalKafka(tmp_path_factory.mktemp("door"), port=kafka_service.free_port(1), secure=True)
    kafka.start(outlive=False, say=print)
    admin = quick(kafka.settings(ADMIN))
    asyncio.run(create_topics(admin, topics.all_topics([OFFICE])))
    asyncio.run(grant(admin, rights([OFFICE])))
    yield kafka
    kafka.stop()


@pytest.fixture(autouse=True)
async def no_connection_stays() -> AsyncIterator[None]:
    """A login that is refused is hung up in the background, and TLS waits for the other side: no loop ends before its sockets have."""
    yield
    watched = asyncio.get_running_loop()._selector.get_map()  # type: ignore[attr-defined]  # the loop tells its sockets in no other way
    await eventually(lambda: len(watched) == 1)  # its own, which wakes it


async def outcome(settings: KafkaSettings, topic: str) -> str:
    """`written`, or the name of what Kafka says to this record."""
    sender = Sender(settings, "test")
    try:
        (sent,) = await sender.send_all([Outgoing(topic, b"key", b"value", [], 0, None)])
    except CannotTell as error:
        return error.problem.code
    finally:
        await sender.stop()
        await eventually(lambda: not sending._stopping)
    return sent.error if isinstance(sent, KafkaRefusal) else "written" if sent else "unknown"


@pytest.mark.parametrize("role", ROLES)
async def test_only_those_who_should_write(secured: LocalKafka, role: str) -> None:
    """Each topic takes records of the roles whose it is, and refuses those of all others by name."""
    found = {topic: await outcome(secured.settings(role), topic) for topic in WRITERS}
    allowed = {topic: "written" if role in writers else "TopicAuthorizationFailed" for topic, writers in WRITERS.items()}
    allowed |= {topic: one for topic, one in found.items() if role not in WRITERS[topic] and one == "ClusterAuthorizationFailed"}
    assert found == allowed


@pytest.mark.parametrize("stranger", ["without login", "in clear text", "without TLS", "with another certificate"])
async def test_a_stranger_does_nothing(secured: LocalKafka, tmp_path: Path, stranger: str) -> None:
    """Without a login nobody writes a submission, an event, a copy or an operation, makes a topic or lists groups."""
    good, address = secured.settings("gateway"), secured.bootstrap
    signer = Signer.new()
    write_private(tmp_path / "c.pem", signer.issue("gateway"))
    tls = {"bootstrap": address, "security_protocol": "SSL", "ca_file": good.ca_file}
    settings = {
        "without login": KafkaSettings.model_validate(tls),
        "in clear text": KafkaSettings(bootstrap=address),
        "without TLS": KafkaSettings(
            bootstrap=address, security_protocol="SASL_PLAINTEXT", user="gateway", password_file=good.password_file
        ),
        "with another certificate": KafkaSettings.model_validate(tls | {"certificate_file": tmp_path / "c.pem"}),
    }[stranger]
    assert {await outcome(settings, topic) for topic in WRITERS} == {"kafka-protocol"}
    with pytest.raises(CannotTell) as error:
        async with connected(settings) as admin:
            await admin.list_consumer_groups()
    assert error.value.problem.code == "kafka-protocol"


async def test_a_role_has_no_other_rights(secured: LocalKafka) -> None:
    """The gateway neither makes topics, nor reads an office's submissions, nor joins its group; the operator makes only topics of the catalogue."""
    gateway = quick(secured.settings("gateway"))
    for role, name in (("gateway", topics.submissions(OFFICE)), ("operator", "strange")):
        with pytest.raises(CannotTell, match="has no right to this topic"):
            await create_topics(quick(secured.settings(role)), [topics.Topic(name, "k", "c", 1000)])
    consumer = await start_consumer(gateway, OFFICE, "test")
    consumer.subscribe([topics.submissions(OFFICE)])
    with pytest.raises(Exception, match="Authorization"):
        await asyncio.wait_for(consumer.getmany(timeout_ms=10_000), 20)
    await consumer.stop()


async def test_an_adapter_hears_what_an_operator_releases(secured: LocalKafka) -> None:
    """Each logs in as its own role: without the right to read it, a release would be written down and done by nobody."""
    guard = Guard(OFFICE, partial(asyncio.sleep, 0), DeliverySettings(brake_in_a_row=1))
    guard.brake.note_refused("hostile", "cause", 0)
    orders = Orders(quick(secured.settings("adapter")), OFFICE, Expected())
    async with in_background(partial(orders.run, guard.release)):
        async with asyncio.timeout(30):
            while guard.brake.held:  # it reads from the end on: what comes before it is there, it does not hear
                await desk.release(quick(secured.settings("operator")), "anna", OFFICE, None, None, "ticket 1")
                await asyncio.sleep(0.5)


def bad(good: KafkaSettings, folder: Path, signer: Signer) -> dict[str, tuple[KafkaSettings, str]]:
    """Settings that do not lead in, and what is said of each."""
    other = Signer.new()
    (folder / "other").mkdir()
    other.store(folder / "other")
    password = {"password": SecretStr("hush"), "password_file": None}
    crl = folder / "crl.pem"
    shown = x509.load_pem_x509_certificate((folder / "clients.pem").read_bytes()) if (folder / "clients.pem").exists() else None
    write_private(crl, signer.revoke([shown] if shown else []))
    return {
        "wrong CA": (good.model_copy(update={"ca_file": folder / "other" / "ca.pem"}), "kafka-certificate: .*signed by somebody"),
        "revoked": (good.model_copy(update={"crl_file": crl}), "kafka-certificate: .*revoked"),
        "wrong password": (good.model_copy(update=password), "kafka-login: .*gateway"),
        "no such user": (good.model_copy(update={"user": "nobody"}), "kafka-login: .*nobody"),
        "clear text": (KafkaSettings(bootstrap=good.bootstrap), "kafka-protocol: .*speaks TLS"),
        "nobody there": (good.model_copy(update={"bootstrap": "127.0.0.1:1"}), "kafka-unreachable: .*refused"),
    }


@pytest.mark.parametrize("case", ["wrong CA", "revoked", "wrong password", "no such user", "clear text", "nobody there"])
async def test_the_cause_is_named(secured: LocalKafka, tmp_path: Path, case: str) -> None:
    """Whoever does not get in hears why, by a code and with the setting to look at; no password is quoted."""
    assert secured.security is not None
    folder = secured.security.folder
    write_private(tmp_path / "clients.pem", (folder / "clients.pem").read_bytes())
    settings, said = bad(secured.settings("gateway"), tmp_path, Signer.load(folder))[case]
    error = await kept_out(settings)
    for _ in range(3):  # where an alert of TLS is overtaken by the end of its connection, only another try can tell
        if not re.search(said, str(error)):
            error = await kept_out(settings)
    assert re.search(said, str(error))
    assert ((error.where or "").startswith("kafka."), "hush" in error.diagnostics()) == (True, False)


async def kept_out(settings: KafkaSettings) -> CannotTell:
    """What a client is told that does not get in."""
    with pytest.raises(CannotTell) as error:
        async with connected(settings):
            pass
    return error.value


async def test_a_broker_of_clear_text_is_named(secured: LocalKafka, tmp_path: Path) -> None:
    """A client of TLS that meets clear text says so, and has sent nothing else than TLS: there is no second try without it."""
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(3))
        writer.transport.abort()  # as a plain broker does with what it cannot read

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = secured.settings("gateway").model_copy(update={"bootstrap": address})
        with pytest.raises(CannotTell, match=r"kafka-protocol: .*clear text"):
            async with connected(settings):
                pass
        broker = LastingBroker(settings, "test", reads_only=False)
        await broker.start()
        await asyncio.sleep(0.5)
        await broker.stop()
    assert len(heard) > 2
    assert {one[:2] for one in heard} == {b"\x16\x03"}


@pytest.mark.parametrize(
    ("cause", "issue"),
    [
        ("has expired", lambda signer: signer.issue("x", until=datetime.now(UTC) - timedelta(hours=1))),
        ("for another", lambda signer: signer.issue("x", ("192.0.2.1",))),
        ("signed by", lambda _: Signer.new().issue("x")),
    ],
)
async def test_certificates_of_brokers(secured: LocalKafka, tmp_path: Path, cause: str, issue: Callable[[Signer], bytes]) -> None:
    """A broker whose certificate has expired, is for another host or of another signer is refused before anything is sent to it."""
    import ssl  # noqa: PLC0415 - for the server here

    assert secured.security is not None
    write_private(tmp_path / "server.pem", issue(Signer.load(secured.security.folder)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    reached: list[str] = []
    server = await asyncio.start_server(lambda *_: reached.append("a connection"), "127.0.0.1", 0, ssl=context)
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(CannotTell, match=f"kafka-certificate: .*{cause}"):
            async with connected(secured.settings("gateway").model_copy(update={"bootstrap": address})):
                pass
    assert reached == []


def test_the_table_of_rights_knows_the_writers() -> None:
    """Who may write what is said once, and a right to write is never more than that."""
    writing = {
        (right.name, right.role) for right in rights([OFFICE]) if right.resource is Resource.TOPIC and right.operation is Operation.WRITE
    }
    assert writing == {(topic, role) for topic, roles in WRITERS.items() for role in roles}
    assert Right("gateway", Resource.CLUSTER, "kafka-cluster", Operation.CREATE) not in rights([OFFICE])
