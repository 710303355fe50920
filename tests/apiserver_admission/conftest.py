"""A running API server, and raw HTTP to it as several users."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from podsysctl.apiserver.config import ServerConfig
from podsysctl.apiserver.server import ApiServer
from podsysctl.policy.platform import Platform


@dataclass
class Reply:
    """One answer."""

    code: int
    body: dict[str, Any]
    warnings: list[str]

    @property
    def message(self) -> str:
        """The Status message, or nothing."""
        text: str = self.body.get("message", "")
        return text


class Api:
    """Requests of one user; an administrator unless told otherwise."""

    def __init__(self, session: aiohttp.ClientSession, server: ApiServer, user: str = "") -> None:
        self._session = session
        self.server = server
        token = (server.config.pki_dir / "admin.token").read_text().strip()
        self._headers = {"Authorization": f"Bearer {token}"}
        if user:
            self._headers["Impersonate-User"] = user
            self._headers["Impersonate-Group"] = "system:authenticated"

    def as_user(self, user: str) -> Api:
        """The same server, somebody else."""
        return Api(self._session, self.server, user)

    async def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Reply:
        """One request."""
        headers = {**self._headers, "Content-Type": content_type}
        async with self._session.request(method, path, json=body, headers=headers) as answer:
            data = await answer.json(content_type=None)
            return Reply(answer.status, data, answer.headers.getall("Warning", []))

    async def create(self, path: str, body: Any) -> Reply:
        """POST."""
        return await self.call("POST", path, body)

    async def namespace(self, name: str, **labels: str) -> Reply:
        """Make a namespace; keywords are Pod Security labels with underscores for dashes."""
        keyed = {f"pod-security.kubernetes.io/{key.replace('_', '-')}": value for key, value in labels.items()}
        metadata = {"name": name, "labels": keyed}
        return await self.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


async def serve(platform: Platform) -> AsyncIterator[Api]:
    """A server in its own directory."""
    with tempfile.TemporaryDirectory(prefix="psc-", dir="/tmp") as directory:
        config = ServerConfig(Path(directory), port=0, platform=platform)
        async with ApiServer(config) as server:
            connector = aiohttp.TCPConnector(ssl=False)
            async with aiohttp.ClientSession(server.url, connector=connector) as session:
                yield Api(session, server)


@pytest.fixture
async def openshift() -> AsyncIterator[Api]:
    """OpenShift's rules."""
    async for api in serve(Platform.OPENSHIFT):
        yield api


@pytest.fixture
async def kubernetes() -> AsyncIterator[Api]:
    """Kubernetes' own rules."""
    async for api in serve(Platform.KUBERNETES):
        yield api
