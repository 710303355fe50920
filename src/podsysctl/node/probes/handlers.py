"""One probe: a command, an HTTP request, a TCP connection or a gRPC health call (pkg/probe)."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import grpc
import grpc.aio

from podsysctl.base.errors import RuntimeServiceError
from podsysctl.base.versions import KUBERNETES_MINOR
from podsysctl.node import pod as pods
from podsysctl.node.expansion import expand
from podsysctl.runtime.service import RuntimeService

SUCCESS = "success"
WARNING = "warning"
FAILURE = "failure"

OUTPUT_BYTES = 10 * 1024
"""Output kept of one probe."""

USER_AGENT = f"kube-probe/1.{KUBERNETES_MINOR}"
_REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one probe said."""

    result: str
    output: str = ""


class ProbeError(Exception):
    """A probe that could not be asked at all; its text goes into the Unhealthy event."""


@dataclass(frozen=True, slots=True)
class Target:
    """The container that is probed."""

    container: pods.Container
    container_id: str
    pod_ip: str


def resolve_port(port: int | str, container: pods.Container) -> int:
    """A port number, or the container port of that name. Raises ProbeError in Go's words (probe/util.go)."""
    if isinstance(port, int):
        return port
    for declared in container.get("ports") or ():
        if declared.get("name") == port:
            return int(declared["containerPort"])
    if port.isdigit():
        return int(port)
    raise ProbeError(f'strconv.Atoi: parsing "{port}": invalid syntax')


async def run(runtime: RuntimeService, probe: dict[str, Any], target: Target) -> Outcome:
    """Ask once. Raises ProbeError when the probe cannot be asked."""
    timeout_s = int(probe.get("timeoutSeconds") or 1)
    if probe.get("exec"):
        return await _exec(runtime, probe["exec"].get("command") or [], target, timeout_s)
    if probe.get("httpGet"):
        return await _http(probe["httpGet"], target, timeout_s)
    if probe.get("tcpSocket"):
        host = probe["tcpSocket"].get("host") or target.pod_ip
        return await _tcp(host, resolve_port(probe["tcpSocket"]["port"], target.container), timeout_s)
    if probe.get("grpc"):
        return await _grpc(target.pod_ip, int(probe["grpc"]["port"]), probe["grpc"].get("service") or "", timeout_s)
    raise ProbeError("missing probe handler")


async def _exec(runtime: RuntimeService, command: list[str], target: Target, timeout_s: int) -> Outcome:
    known = {e["name"]: e["value"] for e in target.container.get("env") or () if e.get("value")}
    words = [expand(word, known) for word in command]
    try:
        answer = await runtime.exec_sync(target.container_id, words, timeout_s)
    except RuntimeServiceError as error:
        if error.code == "DeadlineExceeded":
            text = f'command timed out: "{" ".join(words)}" timed out after {timeout_s}s'
            return Outcome(FAILURE, text)
        raise ProbeError(error.message) from error
    output = (answer.stdout + answer.stderr)[:OUTPUT_BYTES].decode(errors="replace")
    return Outcome(SUCCESS if answer.exit_code == 0 else FAILURE, output)


def http_url(action: dict[str, Any], container: pods.Container, pod_ip: str) -> str:
    """The address of an httpGet action. Raises ProbeError."""
    scheme = (action.get("scheme") or "HTTP").lower()
    host = action.get("host") or pod_ip
    if ":" in host:
        host = f"[{host}]"
    path = action.get("path") or "/"
    if not path.startswith("/"):
        path = f"/{path}"
    return f"{scheme}://{host}:{resolve_port(action['port'], container)}{quote(path, safe='/?&=%:@!$*+,;~#[]')}"


async def _http(action: dict[str, Any], target: Target, timeout_s: int) -> Outcome:
    url = http_url(action, target.container, target.pod_ip)
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*"}
    for header in action.get("httpHeaders") or ():
        headers[header["name"]] = header.get("value") or ""
    try:
        status, body = await http_get(url, headers, timeout_s)
    except TimeoutError:
        text = f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        return Outcome(FAILURE, text)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(FAILURE, f'Get "{url}": {_dial_text(error, url)}')
    if status in _REDIRECTS:
        return Outcome(WARNING, f"Probe terminated redirects, Response body: {body}")
    if status < 200 or status >= 400:
        return Outcome(FAILURE, f"HTTP probe failed with statuscode: {status}")
    return Outcome(SUCCESS, body)


async def http_get(url: str, headers: dict[str, str], timeout_s: int) -> tuple[int, str]:
    """Status and the beginning of the body; redirects to the same host are followed, certificates not checked.

    Raises TimeoutError, aiohttp.ClientError, OSError.
    """
    # False is one context for all: to make one takes longer than the whole request.
    connector = aiohttp.TCPConnector(ssl=False, force_close=True, limit=1)
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
        here = url
        for _ in range(10):
            async with session.get(here, headers=headers, allow_redirects=False) as response:
                moved = response.headers.get("Location") if response.status in _REDIRECTS else None
                following = response.url.join(type(response.url)(moved)) if moved else None
                if following is None or following.host != response.url.host:
                    body = await response.content.read(OUTPUT_BYTES)
                    return response.status, body.decode(errors="replace")
                here = str(following)
    raise ValueError("stopped after 10 redirects")


def _dial_text(error: Exception, url: str) -> str:
    """A failed connection in Go's words."""
    address = url.split("/", 3)[2]
    cause = getattr(error, "os_error", error)
    if isinstance(cause, ConnectionRefusedError):
        return f"dial tcp {address}: connect: connection refused"
    if isinstance(cause, OSError) and cause.errno:
        return f"dial tcp {address}: connect: {(cause.strerror or str(cause)).lower()}"
    return str(error) or type(error).__name__


async def _tcp(host: str, port: int, timeout_s: int) -> Outcome:
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Outcome(FAILURE, f"dial tcp {shown}: i/o timeout")
    except socket.gaierror as error:
        return Outcome(FAILURE, f"dial tcp: lookup {host}: {error.strerror}")
    except UnicodeError:
        return Outcome(FAILURE, f"dial tcp: lookup {host}: no such host")
    except ConnectionRefusedError:
        return Outcome(FAILURE, f"dial tcp {shown}: connect: connection refused")
    except OSError as error:
        return Outcome(FAILURE, f"dial tcp {shown}: connect: {(error.strerror or str(error)).lower()}")
    writer.close()
    return Outcome(SUCCESS)


_SERVING = 1


def _varint(number: int) -> bytes:
    """A number as protobuf writes it.

    >>> _varint(127), _varint(300)
    (b'\\x7f', b'\\xac\\x02')
    """
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


async def _grpc(host: str, port: int, service: str, timeout_s: int) -> Outcome:
    """grpc.health.v1.Health/Check; its two messages are small enough to be read by hand."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    name = service.encode()
    request = b"\x0a" + _varint(len(name)) + name if name else b""
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer = await call(request, timeout=timeout_s, metadata=(("user-agent", USER_AGENT),))
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                text = f'timeout: health rpc did not complete within {timeout_s}s'
                return Outcome(FAILURE, text)
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                text = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
                return Outcome(FAILURE, f"{text}: {error.details()}")
            return Outcome(FAILURE, f"error: health rpc probe failed: {error.details()}")
    status = answer[1] if len(answer) >= 2 and answer[0] == 0x08 else 0
    if status == _SERVING:
        return Outcome(SUCCESS, "service healthy")
    shown = {0: "UNKNOWN", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}.get(status, str(status))
    return Outcome(FAILURE, f'service unhealthy (responded with "{shown}")')
