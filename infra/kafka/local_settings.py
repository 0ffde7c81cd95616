"""What every small Kafka of ours is set to, and each broker of a local one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

HOST: Final = "127.0.0.1"
CONTROLLER_OFFSET: Final = 50  # controllers listen this far above the clients' port: clear of the next --port-offset 100
DETOUR_OFFSET: Final = 10  # a broker with a detour listens for it this far above the clients' port ...
DETOUR_WAY: Final = 20  # ... and tells clients that come by it to come this far above: whoever listens there passes on what they say
BROKERS_OFFSET: Final = 30  # of a secure cluster: where brokers speak with one another, so that clients' certificates can be changed alone
_CIPHER: Final = "TLS_CHACHA20_POLY1305_SHA256"
"""What makes AES fast is in the compiler that `local.JVM` leaves out for a quick start: with AES a broker takes a quarter as much."""
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_RETENTION_MINUTES: Final = 90 * 24 * 60  # positions of groups outlive every stay of a record


def cluster_settings(brokers: int) -> dict[str, object]:
    """What every small Kafka of ours is set to, wherever it runs; addresses and folders are not part of it.

    `brokers` is their number; each of them has a copy of every record.
    """
    in_sync = min(2, brokers)
    return {
        "auto.create.topics.enable": "false",
        "default.replication.factor": brokers,
        "min.insync.replicas": in_sync,
        "unclean.leader.election.enable": "false",
        "offsets.topic.replication.factor": brokers,
        "offsets.retention.minutes": _RETENTION_MINUTES,
        "transaction.state.log.replication.factor": brokers,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": brokers,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        "broker.heartbeat.interval.ms": 500,
        "broker.session.timeout.ms": 3000,  # a killed broker cannot come back before it is over; Kafka's 9 s is long for a demo
    }


def secured(settings: Mapping[str, object], address: str, folder: str, admins: Sequence[str]) -> dict[str, object]:
    """The settings of a broker (`broker_settings`) made secure: clients log in by SCRAM over TLS, brokers and controllers by certificate, and
    nobody may do what no right says, but these principals. Brokers find one another at `address`; `folder` has the certificates (`local_security`).
    """
    listeners = ("listeners", "advertised.listeners")
    more: dict[str, object] = {name: f"{settings[name]},BROKERS://{address}" for name in listeners if name in settings}
    more |= {
        "listener.security.protocol.map": "CLIENT:SASL_SSL,DETOUR:SASL_SSL,CONTROLLER:SSL,BROKERS:SSL",
        "inter.broker.listener.name": "BROKERS",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": ";".join(f"User:{name}" for name in admins),
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "ssl.cipher.suites": _CIPHER,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": f"{folder}/ca.pem",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": f"{folder}/brokers.pem",
        "listener.name.brokers.ssl.client.auth": "required",
        "listener.name.controller.ssl.client.auth": "required",
    }
    for name in ("client", "detour"):
        more[f"listener.name.{name}.ssl.keystore.type"] = "PEM"
        more[f"listener.name.{name}.ssl.keystore.location"] = f"{folder}/clients.pem"
        more[f"listener.name.{name}.scram-sha-512.sasl.jaas.config"] = _SCRAM
    return {**settings, **more}


def broker_settings(number: int, numbers: Sequence[int], port: int, folder: str, *, detour: bool) -> dict[str, object]:
    """The settings of one broker of a local cluster with these numbers; `port` is that of broker 0, `folder` where this one keeps its data."""
    settings = cluster_settings(len(numbers)) | {
        "process.roles": "broker,controller",
        "node.id": number,
        "log.dirs": folder,
        "listeners": f"CLIENT://{HOST}:{port + number},CONTROLLER://{HOST}:{port + CONTROLLER_OFFSET + number}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,DETOUR:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": ",".join(f"{n}@{HOST}:{port + CONTROLLER_OFFSET + n}" for n in numbers),
    }
    if detour:
        settings["listeners"] = f"{settings['listeners']},DETOUR://{HOST}:{port + DETOUR_OFFSET + number}"
        settings["advertised.listeners"] = f"CLIENT://{HOST}:{port + number},DETOUR://{HOST}:{port + DETOUR_WAY + number}"
    return settings
