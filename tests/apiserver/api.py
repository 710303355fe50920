"""A real API server in the test's own process, and the clients that talk to it over TLS."""

from __future__ import annotations

import asyncio
import io
import os
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from podsysctl.apiserver import kubeconfig
from podsysctl.apiserver.config import ServerConfig
from podsysctl.apiserver.server import ApiServer
from podsysctl.policy.platform import Platform

COMMAND_TIMEOUT_S = 30


@dataclass(frozen=True)
class Reply:
    """One answer: `body` is decoded JSON, or text when it is none."""

    code: int
    body: Any
    headers: Any

    @property
    def warnings(self) -> list[str]:
        """The texts of the Warning headers."""
        return [value.removeprefix('299 - "').removesuffix('"') for value in self.headers.getall("Warning", [])]

    @property
    def message(self) -> str:
        """The message of a Status."""
        return str(self.body["message"])


@dataclass(frozen=True)
class Done:
    """What a command printed."""

    code: int
    out: str
    err: str


class Api:
    """One running server with an administrator's connection to it."""

    def __init__(self, server: ApiServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def call(
        self,
        method: str,
        path: str,
        obj: Any = None,
        *,
        raw: bytes | None = None,
        media: str = "application/json",
        accept: str = "",
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Reply:
        """One request; `obj` is sent as JSON, `raw` as it is."""
        sent = {"Accept": accept or "application/json", **(headers or {})}
        body = raw if raw is not None else None if obj is None else orjson.dumps(obj)
        if body is not None:
            sent.setdefault("Content-Type", media)
        params = {key: str(value) for key, value in query.items()}
        data = None if body is None else io.BytesIO(body)
        async with self.session.request(
            method, self.server.url + path, data=data, headers=sent, params=params
        ) as answer:
            content = await answer.read()
            try:
                decoded = orjson.loads(content)
            except orjson.JSONDecodeError:
                decoded = content.decode()
            return Reply(answer.status, decoded, answer.headers)

    async def make(self, path: str, obj: Any, **query: Any) -> Any:
        """Create an object that must be accepted; returns it."""
        reply = await self.call("POST", path, obj, **query)
        assert reply.code == 201, reply.body
        return reply.body

    @asynccontextmanager
    async def watch(self, path: str, **query: Any) -> AsyncIterator[Watch]:
        """A watch that is being read."""
        params = {"watch": "true", **{key: str(value) for key, value in query.items()}}
        async with self.session.get(self.server.url + path, params=params) as answer:
            yield Watch(answer)

    async def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> Done:
        """The real kubectl as administrator."""
        home = self.server.config.data_dir / "home"
        home.mkdir(exist_ok=True)
        path = self.server.config.data_dir / "kubeconfig"
        if not path.exists():
            kubeconfig.write_admin(self.server)
        process = await asyncio.create_subprocess_exec(
            "kubectl",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(path)},
        )
        out, err = await asyncio.wait_for(process.communicate((text or "").encode()), COMMAND_TIMEOUT_S)
        done = Done(process.returncode or 0, out.decode(), err.decode())
        assert not check or done.code == 0, f"kubectl {' '.join(arguments)}: {done}"
        return done


class Watch:
    """Events of one watch, read one at a time."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self, timeout_s: float = 5) -> Any:
        """The next event, None when the server ended the watch."""
        line = await asyncio.wait_for(self.answer.content.readline(), timeout_s)
        return orjson.loads(line) if line else None

    async def take(self, count: int) -> list[tuple[str, str]]:
        """Type and name of the next events."""
        out = []
        for _ in range(count):
            event = await self.next()
            out.append((event["type"], event["object"].get("metadata", {}).get("name", "")))
        return out


@asynccontextmanager
async def running(data_dir: Path, **settings: Any) -> AsyncIterator[Api]:
    """A server on a free port over a directory."""
    config = ServerConfig(data_dir, port=0, platform=Platform.KUBERNETES, **settings)
    async with ApiServer(config) as server:
        tls = client_tls(server, "admin", "kubernetes-admin", ("system:masters",))
        connector = aiohttp.TCPConnector(ssl=tls)
        async with aiohttp.ClientSession(connector=connector, read_bufsize=2**20) as session:
            yield Api(server, session)


def client_tls(server: ApiServer, file_name: str, user: str, groups: tuple[str, ...] = ()) -> ssl.SSLContext:
    """TLS with a client certificate of the server's authority."""
    credential = server.credential(file_name, user, groups)
    context = ssl.create_default_context(cadata=server.authority.ca_pem.decode())
    with tempfile.NamedTemporaryFile() as both:
        both.write(credential.certificate + credential.key)
        both.flush()
        context.load_cert_chain(both.name)
    return context


def pod(name: str = "p", **changes: Any) -> dict[str, Any]:
    """A minimal valid pod; changes go into its metadata or spec by name."""
    metadata: dict[str, Any] = {"name": name}
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "centos"}]}
    for key, value in changes.items():
        (metadata if key in ("labels", "annotations", "finalizers", "generateName", "namespace") else spec)[key] = value
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def config_map(name: str = "m", data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    """A ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
        "data": data or {},
    }


PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
