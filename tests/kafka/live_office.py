"""An office on a real Kafka with the whole delivery: ledger, back office, and processes that come and go."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from consumers.delivery.handler import Delivery
from consumers.delivery.ledger import Ledger
from consumers.engine import Engine
from consumers.settings import DeliverySettings
from infra.kafka.admin import create_topics
from infra.kafka.outgoing import Outgoing
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings, StoreSettings
from schemas import message, topics
from tests import builders
from tests.delivery_model import Office as BackOffice
from tests.delivery_model import headers_of
from tests.kafka.helpers import fill
from tests.kafka.noting_handler import running


class LiveOffice:
    """An office of its own on the broker, with its ledger and its back office."""

    def __init__(self, kafka: KafkaSettings, stores: StoreSettings, office: BackOffice) -> None:
        self.kafka = kafka
        self.stores = stores
        self.name = f"t{random.SystemRandom().randrange(16**10):x}.office"
        self.office = office
        self.topics = [topics.submissions(self.name), topics.retry(self.name)]
        self.sent: list[Any] = []

    async def create(self) -> None:
        """Its topics."""
        await create_topics(self.kafka, [*topics.of_office(self.name), *topics.of_city(self.name.partition(".")[0])])

    async def submit(self, count: int, *, cases: int = 10, portal: str = "portal") -> None:
        """Submissions of so many cases, of one portal."""
        first = [builders.application() for _ in range(cases)]
        self.sent += [first[number % cases].model_copy(update={"message_id": builders.application().message_id}) for number in range(count)]
        await fill(self.kafka, [self._record(one, portal) for one in self.sent[-count:]])

    def _record(self, application: Any, portal: str = "portal") -> Outgoing:
        headers = headers_of(application) | {"bus_office": self.name, "bus_city": self.name.partition(".")[0], "bus_portal": portal}
        raw = [(name, text.encode()) for name, text in headers.items()]
        return Outgoing(self.topics[0], str(application.case_id).encode(), message.write(application), raw)

    @asynccontextmanager
    async def process(self, **settings: Any) -> AsyncIterator[tuple[Engine[Any], Delivery]]:
        """A process of the office, as long as the block lasts."""
        ledger, sender = Ledger(self.stores, self.name), Sender(self.kafka, self.name)
        limits = DeliverySettings(**({"first_backoff_s": 0.2, "longest_backoff_s": 1, "first_probe_s": 0.2} | settings))
        delivery = Delivery(self.name, self.office, ledger, sender, limits)
        engine = Engine(self.kafka, group=self.name, topics=self.topics, handler=delivery, limits=limits)
        try:
            async with running(engine):
                yield engine, delivery
        finally:
            await sender.stop()
            ledger.close()

    @property
    def complete(self) -> bool:
        """The back office has everything."""
        return len(self.office.effects) >= len(self.sent)

    def check(self) -> None:
        """Every submission has one effect, those of a case in order."""
        by_case = defaultdict(list)
        for one in self.sent:
            by_case[one.case_id].append(one.message_id)
        place = {one: number for number, one in enumerate(self.office.effects)}
        assert sorted(self.office.effects) == sorted(one.message_id for one in self.sent)
        for ids in by_case.values():
            assert [place[one] for one in ids] == sorted(place[one] for one in ids)
