"""Faults at Kafka's door: certificates that nobody may trust, and rights that are taken away while work goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType

import httpx
from cryptography import x509

from infra.kafka.access_lists import grant, revoke
from infra.kafka.local_security import ADMIN, LocalSecurity, Signer, write_private
from infra.kafka.rights import ADAPTER, GATEWAY, Operation, Resource, Right
from schemas import topics
from tests.faults.act import DOOR_RATE, Act
from tests.faults.world import BROKERS, OFFICES

_FINDINGS, _CANNOT_TELL = 1, 3
_RATES = dict.fromkeys(OFFICES, 1.0)
"""Few: the brokers are away for minutes, and the rest is to be delivered within the checker's time."""
_NOTICED_S = 60.0
"""A reader that has lost all brokers begins anew after half a minute, and hears the cause then."""


async def bad_certificates(act: Act) -> None:
    """F25: brokers come back with certificates that have expired, are of another signer, or for another host, as the seed decides; and one is revoked.
    Whoever asks is told which, with exit code 3, and so is who looks at a process; nobody goes on in clear text, and all goes on when the certificates are mended.
    """
    security = act.world.brokers.security
    act.insist(security is not None, "the brokers are secure")
    assert security is not None
    file, signer = security.folder / "clients.pem", Signer.load(security.folder)
    good = file.read_bytes()
    bad = {
        "has expired": signer.issue("localhost", until=datetime.now(UTC) - timedelta(hours=1)),
        "signed by": Signer.new().issue("localhost"),
        "for another": signer.issue("elsewhere", ("kafka.example.org", "192.0.2.1")),
    }
    await _is_revoked(act, security, signer, good)
    cause = act.chance.choice(sorted(bad))
    async with act.traffic(_RATES, door_rate=DOOR_RATE):
        await act.pause(0.5, 1.0)
        try:
            await _show(act, file, bad[cause])
            await _is_told(act, f"kafka-certificate|{cause}")
            await act.insist_soon(lambda: _says(act, act.office, "kafka-certificate"), "the adapter names the cause", _NOTICED_S)
        finally:
            await _show(act, file, good)
        act.fault()
        await act.world.healthy()
    await act.insist_soon(lambda: _is_silent_about(act, act.office, "kafka-certificate"), "the adapter works again", _NOTICED_S)


async def _show(act: Act, file: Path, certificate: bytes) -> None:
    """All brokers start anew, with this certificate for clients; what they say to one another has its own."""
    write_private(file, certificate)
    await asyncio.gather(*(act.world.strike(broker) for broker in range(BROKERS)))
    await act.world.revive()


async def _is_revoked(act: Act, security: LocalSecurity, signer: Signer, certificate: bytes) -> None:
    crl = security.folder / "crl.pem"
    write_private(crl, signer.revoke())
    environment = {"STADTBUS_KAFKA__CRL_FILE": str(crl)}
    act.insist(await act.world.command("topics", "plan", environment=environment) == 0, "a list without this certificate lets it pass")
    write_private(crl, signer.revoke([x509.load_pem_x509_certificate(certificate)]))
    await _is_told(act, "kafka-certificate|revoked", environment)


async def _is_told(act: Act, texts: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
    """`stadtbus topics plan` ends with 3, `stadtbus lag` with that or with findings (of processes), and both say all of these texts."""
    log = act.world.folder / "commands.log"
    for command, codes in ((("topics", "plan"), {_CANNOT_TELL}), (("lag",), {_FINDINGS, _CANNOT_TELL})):
        before = log.stat().st_size if log.exists() else 0
        act.insist(await act.world.command(*command, environment=environment) in codes, f"{command[0]} cannot tell")
        said = " ".join(log.read_bytes()[before:].decode().split())
        act.insist(all(text in said for text in texts.split("|")), f"{command[0]} says {texts}, not: {said[-300:]}")


async def rights_taken_away(act: Act) -> None:
    """F26: the gateway may not write to an office's topic any more, and its adapter neither read it nor write events. Both say so and
    lose nothing; they go on by themselves when the rights are given back.
    """
    office, city = act.office, act.office.partition(".")[0]
    taken = [
        Right(GATEWAY, Resource.TOPIC, topics.submissions(office), Operation.WRITE),
        Right(ADAPTER, Resource.TOPIC, topics.submissions(office), Operation.READ),
        Right(ADAPTER, Resource.TOPIC, topics.events(city), Operation.WRITE),
    ]
    admin = act.world.brokers.settings(ADMIN)
    async with act.traffic(door_rate=DOOR_RATE):
        await act.pause(0.5, 1.0)
        await revoke(admin, taken)
        try:
            await act.insist_soon(
                lambda: _says(act, "gateway", "TopicAuthorizationFailed"), "the gateway names what it may not do", _NOTICED_S
            )
            await act.insist_soon(
                lambda: _says(act, office, "TopicAuthorizationFailed"), "the adapter names what it may not do", _NOTICED_S
            )
        finally:
            await grant(admin, taken)
        act.fault()
    for process in ("gateway", office):
        mended = partial(_is_silent_about, act, process, "TopicAuthorizationFailed")
        await act.insist_soon(mended, f"{process} goes on by itself", _NOTICED_S)


async def _says(act: Act, process: str, text: str) -> bool:
    return text in await _page(act, process)


async def _is_silent_about(act: Act, process: str, text: str) -> bool:
    page = await _page(act, process)
    return bool(page) and text not in page


async def _page(act: Act, process: str) -> str:
    async with httpx.AsyncClient(timeout=3, trust_env=False) as http:
        try:
            return (await http.get(act.world.system.spec(process).ready_url)).text
        except httpx.HTTPError:
            return ""
