"""What a process says of itself, and where it is asked."""

from __future__ import annotations

import httpx
import pytest

from stadtbus.readiness import Readiness, address_of, ask
from stadtbus.settings import Settings


@pytest.mark.parametrize("status", [200, 503])
async def test_a_process_is_asked(status: int) -> None:
    """What a process says of itself is taken as it is; who does not answer has no status."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(status, text="office: x\n"))) as http:
        assert await ask(http, "127.0.0.1:1") == Readiness("127.0.0.1:1", status, "office: x")

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        assert await ask(http, "127.0.0.1:1") == Readiness("127.0.0.1:1")


@pytest.mark.parametrize(("host", "asked"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]")])  # noqa: S104
def test_where_a_process_is_asked(host: str, asked: str) -> None:
    """A process that listens everywhere is asked on this machine, at its port of the settings."""
    settings = Settings.model_validate({"http": {"operator_host": host, "port_offset": 100}})
    assert address_of(settings, "audit") == f"{asked}:8182"
