"""The building office of Nürnberg against its twin: genuine XBau messages, byte for byte. What holds for every adapter is in the conformance
suite.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from pydantic import SecretStr

from adapters.interface import Submission
from adapters.nuernberg.bau.adapter import NuernbergBau
from adapters.nuernberg.bau.twin import NuernbergBauTwin
from adapters.twins.twin import Site
from schemas import xml
from schemas.errors import Refused
from tests import builders

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def twin(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NuernbergBauTwin]:
    """A twin of its own."""
    made = NuernbergBauTwin(Site("127.0.0.1", 0, "stadtbus", SecretStr("secret"), tmp_path_factory.mktemp("twin")))
    await made.open()
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def adapter(twin: NuernbergBauTwin) -> AsyncIterator[NuernbergBau]:
    """The adapter, connected to it."""
    made = NuernbergBau(NuernbergBau.Settings.model_validate(twin.office_settings() | {"answer_limit_s": 2}))
    yield made
    await made.close()


def submission(prefix: bytes = b"") -> Submission:
    """A genuine message as the adapter gets it, with bytes before its root that no writer of ours would put there."""
    genuine = builders.permit()
    body = prefix + genuine.body.replace(b"><", b">\r\n\t<")
    return Submission(genuine.message_id, genuine.case_id, "nuernberg.bau", datetime.now(UTC), body, xml.parse(body))


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
async def test_bytes_are_those_of_the_portal(twin: NuernbergBauTwin, adapter: NuernbergBau, prefix: bytes) -> None:
    """What the back office holds has the hash of what the portal sent, blanks, line ends and byte order mark included."""
    one = submission(prefix)
    await adapter.deliver(adapter.translate(one), 1)
    (entry,) = twin.book.entries_of(str(one.id))
    assert entry.sha256 == hashlib.sha256(one.body).hexdigest()


async def test_handed_over_again_has_one_effect(twin: NuernbergBauTwin, adapter: NuernbergBau) -> None:
    """The same message again is answered as the first time; other content under its UUID is refused."""
    document = adapter.translate(submission())
    first, again = [await adapter.deliver(document, attempt) for attempt in (1, 2)]
    assert first == again
    assert len(twin.book.entries) == 1
    with pytest.raises(Refused, match="UUID_VERWENDET"):
        await adapter.deliver(replace(document, content=document.content + b"\n"), 1)
