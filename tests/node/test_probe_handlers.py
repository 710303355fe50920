"""Single probes, and a probe that fails in a way that nobody expected."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from aiohttp import web

from podsysctl.apiserver.pki import Authority
from podsysctl.base.clock import SystemClock
from podsysctl.node.events import PodEvents
from podsysctl.node.probes import handlers
from podsysctl.node.probes.handlers import FAILURE, SUCCESS, Outcome, ProbeError, Target
from podsysctl.node.probes.manager import Probes
from podsysctl.node.tasks import Tasks
from tests.node.builders import container, pod, record, runtime

TARGET = Target(container(), "c-0", "127.0.0.1")


async def _probe(probe: dict[str, Any]) -> Outcome:
    return await handlers.run(cast(Any, None), probe, TARGET)


@pytest.mark.parametrize("kind", ["httpGet", "tcpSocket"])
async def test_probe_of_a_port_that_is_not_named_cannot_be_asked(kind: str) -> None:
    """A name that no port has is tried as a number, and Go's words for that are what the event says."""
    with pytest.raises(ProbeError) as caught:
        await _probe({kind: {"port": "nosuch"}})
    assert str(caught.value) == 'strconv.Atoi: parsing "nosuch": invalid syntax'


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b"])
async def test_tcp_probe_of_a_host_that_cannot_be_is_a_failure(host: str) -> None:
    """A label of a name has 1 to 63 characters; the API takes any host."""
    outcome = await _probe({"tcpSocket": {"host": host, "port": 1}})
    assert outcome == Outcome(FAILURE, f"dial tcp: lookup {host}: no such host")


class _Health(grpc.GenericRpcHandler):
    """A health service that serves anything, and notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def service(self, _details: Any) -> Any:
        """The only method."""
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, _context: Any) -> bytes:
        self.asked.append(request)
        return b"\x08\x01"


@pytest.mark.parametrize(
    ("service", "asked"),
    [("", b""), ("a" * 127, b"\x0a\x7f" + b"a" * 127), ("a" * 128, b"\x0a\x80\x01" + b"a" * 128)],
)
async def test_grpc_probe_names_its_service(service: str, asked: bytes) -> None:
    """However long the name is: without one the whole server is asked, which may be well."""
    health = _Health()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((health,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    outcome = await _probe({"grpc": {"port": port, "service": service}})
    await server.stop(None)
    assert (outcome.result, health.asked) == (SUCCESS, [asked])


async def test_probe_that_ended_with_a_defect_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is never asked again would leave its container unready for ever."""
    asked: list[str] = []
    again = asyncio.Event()

    async def run(_runtime: Any, _probe: Any, target: Target) -> Outcome:
        asked.append(target.container_id)
        again.set()
        if len(asked) == 1:
            raise ZeroDivisionError
        return Outcome(SUCCESS)

    monkeypatch.setattr(handlers, "run", run)
    body = pod(container(readinessProbe={"tcpSocket": {"port": 1}}))
    found = runtime(record(body["spec"]["containers"][0]))
    changed = asyncio.Event()
    async with Tasks() as tasks:
        events = PodEvents(cast(Any, None))
        probes = Probes(cast(Any, None), events, tasks, SystemClock(), lambda _: changed.set())
        probes.register(body, lambda: (body, found))
        await again.wait()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        probes.register(body, lambda: (body, found))
        async with asyncio.timeout(5):
            await changed.wait()
        assert probes.is_ready(body["spec"]["containers"][0], "c-0", False)


async def test_https_probe_takes_any_certificate_and_reads_no_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading those of the machine takes a processor longer than all else of a probe, and none of them is asked."""
    context = Authority(tmp_path).server_context(("nobody",))
    read: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *words: read.append(words))

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="well")

    server = web.Server(answer)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    outcome = await _probe({"httpGet": {"port": port, "scheme": "HTTPS"}})
    listening.close()
    await server.shutdown()
    assert (outcome, read) == (Outcome(SUCCESS, "well"), [])
