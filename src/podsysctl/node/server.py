"""The node's HTTPS endpoint, through which the API server reaches logs and streams of its pods.

Paths, parameters and texts are the kubelet's (pkg/kubelet/server/server.go, 1.36). Only clients whose
certificate our authority signed for an API server (or an administrator) are let in. What exec, attach and
port-forward carry is not read here: the bytes go to and from the runtime's own streaming server.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from aiohttp import web

from podsysctl.base import rawhttp
from podsysctl.base.clock import Clock, SystemClock
from podsysctl.base.errors import ConnectionFailedError, PodsysctlError, RuntimeServiceError
from podsysctl.client import tls as tls_load
from podsysctl.node import container_logs, labels
from podsysctl.node import pod as pods
from podsysctl.node.container_logs import LogRequestError
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.service import RuntimeService

ALLOWED_GROUPS = frozenset({"system:masters", "system:kube-apiserver-kubelet-client"})
"""Organizations of client certificates that may use the endpoint."""

ALLOWED_USERS = frozenset({"kube-apiserver-kubelet-client", "system:apiserver"})

ATTACH_AFTER_S = 0.3
"""Age below which a container's end may not have been noticed yet: `kubectl run -i ... -- echo` attaches a few
milliseconds after the start. Attached to what has ended it would show nothing; told so, it shows the log."""

_HANDSHAKE_HEADERS = (*rawhttp.HANDSHAKE_HEADERS, "Origin")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Metrics = Callable[[], tuple[bytes, str]]


class PodSource(Protocol):
    """Where the endpoint learns of the node's pods, with their newest status."""

    def pod(self, namespace: str, name: str) -> pods.Pod | None:
        """The pod of that name, if it is on this node."""
        ...

    def pods(self) -> Iterable[pods.Pod]:
        """All pods of this node."""
        ...


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM of the endpoint's certificate and key, and of the authority that signs its clients' certificates."""

    certificate: bytes
    key: bytes
    client_authority: bytes


class NodeServer:
    """The endpoint of one node. `port` 0 means any free one; once started, `port` is the one in use."""

    def __init__(
        self,
        runtime: RuntimeService,
        source: PodSource,
        tls: Tls,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._runtime = runtime
        self._source = source
        self._tls = tls
        self._metrics = metrics
        self._clock = clock or SystemClock()
        self._runner: web.AppRunner | None = None
        self.address = address
        self.port = port

    async def start(self) -> None:
        """Listen. Raises PodsysctlError when the port cannot be had."""
        app = web.Application(middlewares=[_only_authenticated])
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/pods", self._pods)
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        for method in ("GET", "POST"):
            app.router.add_route(method, "/exec/{namespace}/{pod}/{container}", self._exec)
            app.router.add_route(method, "/attach/{namespace}/{pod}/{container}", self._attach)
            app.router.add_route(method, "/portForward/{namespace}/{pod}", self._port_forward)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.address, self.port, ssl_context=_context(self._tls))
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise PodsysctlError(
                f"the node's endpoint cannot listen on {self.address}:{self.port}: {error.strerror}",
                hint="stop what uses the port, or choose another with --kubelet-port",
            ) from error
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """End every stream and stop listening."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def __aenter__(self) -> NodeServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- what the node says of itself

    async def _healthz(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    async def _serve_metrics(self, _request: web.Request) -> web.StreamResponse:
        body, content_type = self._metrics() if self._metrics is not None else (b"", "text/plain")
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _pods(self, _request: web.Request) -> web.StreamResponse:
        document = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": list(self._source.pods())}
        return web.Response(body=orjson.dumps(document), content_type="application/json")

    # --- logs

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        name, container = request.match_info["pod"], request.match_info["container"]
        try:
            wanted = container_logs.parse_query(request.query, self._clock)
        except LogRequestError as error:
            return _plain(error.status, error.message)
        pod = self._source.pod(request.match_info["namespace"], name)
        if pod is None:
            return _plain(404, f'pod "{name}" does not exist')
        if pods.find_container(pod, container) is None:
            return _plain(404, f'container "{container}" not found in pod "{name}"')
        try:
            pieces = await container_logs.open_log(self._runtime, pod, container, wanted)
        except PodsysctlError as error:
            return _plain(400, error.message)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    await response.write(piece)
            await response.write_eof()
        return response

    # --- streams

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        options = StreamOptions.parse(request.query)
        if options is None:
            return _plain(400, "you must specify at least 1 of stdin, stdout, stderr")
        pod = self._pod_of(request)
        if pod is None:
            return _plain(404, "pod does not exist")
        container = request.match_info["container"]
        container_id = await self._container(pod, container)
        if container_id is None:
            return _plain(500, f'container not found ("{container}")')
        command = request.query.getall("command", [])

        async def prepare() -> str:
            return await self._runtime.exec(
                container_id,
                command,
                tty=options.tty,
                stdin=options.stdin,
                stdout=options.stdout,
                stderr=options.stderr,
            )

        return await _carry(request, prepare)

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        options = StreamOptions.parse(request.query)
        if options is None:
            return _plain(400, "you must specify at least 1 of stdin, stdout, stderr")
        pod = self._pod_of(request)
        if pod is None:
            return _plain(404, "pod does not exist")
        container = request.match_info["container"]
        container_id = await self._container(pod, container)
        if container_id is None:
            return _plain(500, f"container {container} not found in pod {pods.name(pod)}_{pods.namespace(pod)}")
        # The terminal was decided when the container was made.
        tty = bool((pods.find_container(pod, container) or {}).get("tty"))

        async def prepare() -> str:
            await self._outlast_start(container_id)
            return await self._runtime.attach(
                container_id, tty=tty, stdin=options.stdin, stdout=options.stdout, stderr=options.stderr and not tty
            )

        return await _carry(request, prepare)

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        pod = self._pod_of(request)
        if pod is None:
            return _plain(404, "pod does not exist")
        try:
            ports = [int(port) for text in request.query.getall("port", []) for port in text.split(",")]
        except ValueError:
            return _plain(400, f'unable to parse "{request.query["port"]}" as a port')
        sandbox_id = await self._sandbox(pod)
        if sandbox_id is None:
            return _plain(500, f'pod not found ("{pods.name(pod)}_{pods.namespace(pod)}")')

        async def prepare() -> str:
            return await self._runtime.port_forward(sandbox_id, ports)

        return await _carry(request, prepare)

    def _pod_of(self, request: web.Request) -> pods.Pod | None:
        return self._source.pod(request.match_info["namespace"], request.match_info["pod"])

    async def _container(self, pod: pods.Pod, name: str) -> str | None:
        """The running container of that name."""
        selector = {labels.POD_UID: pods.uid(pod), labels.CONTAINER_NAME: name}
        found = await self._runtime.list_containers(cri.ContainerFilter(label_selector=selector))
        running = [c for c in found if c.state == cri.CONTAINER_RUNNING]
        return max(running, key=lambda c: c.created_at).id if running else None

    async def _outlast_start(self, container_id: str) -> None:
        """Wait until the runtime must know whether a new container still runs. Raises RuntimeServiceError."""
        started_ns = (await self._runtime.container_status(container_id)).status.started_at
        left_s = ATTACH_AFTER_S - (self._clock.now().timestamp() - started_ns / 1e9)
        if left_s > 0:
            await asyncio.sleep(min(left_s, ATTACH_AFTER_S))

    async def _sandbox(self, pod: pods.Pod) -> str | None:
        selector = {labels.POD_UID: pods.uid(pod)}
        ready = cri.PodSandboxStateValue(state=cri.SANDBOX_READY)
        found = await self._runtime.list_pod_sandbox(cri.PodSandboxFilter(label_selector=selector, state=ready))
        return max(found, key=lambda s: s.created_at).id if found else None


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Which streams a request asks for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> StreamOptions | None:
        """Read the query; None when no stream is asked for. A terminal has no stderr of its own."""
        tty, stdin, stdout, stderr = (query.get(k) in ("1", "true") for k in ("tty", "input", "output", "error"))
        if not (stdin or stdout or stderr):
            return None
        return cls(stdin, stdout, stderr and not tty, tty)


async def _carry(request: web.Request, prepare: Callable[[], Awaitable[str]]) -> web.StreamResponse:
    """Ask the runtime for a streaming URL, and carry the upgraded connection there."""
    if "upgrade" not in request.headers.get("Connection", "").lower():
        return _plain(400, "Upgrade request required")
    try:
        url = await prepare()
        answer = await rawhttp.dial(url, request.method, _handshake(request.headers))
    except RuntimeServiceError as error:
        return _plain(404 if error.code == "NotFound" else 500, error.message)
    except ConnectionFailedError as error:
        return _plain(500, error.message)
    there = answer.connection
    if there is None:
        content_type = answer.headers.get("Content-Type", "text/plain; charset=utf-8")
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": content_type})
    try:
        client = await rawhttp.accept_upgrade(request, _handshake(answer.headers))
    except BaseException:  # the client has gone meanwhile: what runs for it ends with the connection
        await there.close()
        raise
    await rawhttp.relay(client, there)
    return client.response


def _handshake(headers: Any) -> list[tuple[str, str]]:
    return [(name, value) for name in _HANDSHAKE_HEADERS for value in headers.getall(name, ())]


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=tls.client_authority.decode())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Asked for and not demanded: a client without one is told so in HTTP.
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    tls_load.load_chain(context, tls.certificate, tls.key)
    return context


@web.middleware
async def _only_authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
    """401 without a certificate of our authority, 403 with one that is somebody else's."""
    transport = request.transport
    certificate = transport.get_extra_info("peercert") if transport is not None else None
    if not certificate:
        return _plain(401, "Unauthorized")
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    users = {value for key, value in subject if key == "commonName"}
    groups = {value for key, value in subject if key == "organizationName"}
    if not (users & ALLOWED_USERS or groups & ALLOWED_GROUPS):
        return _plain(403, f"Forbidden (user={next(iter(users), '')}, verb=get, resource=nodes, subresource=proxy)")
    try:
        return await handler(request)
    except RuntimeServiceError as error:
        return _plain(500, error.message)
