"""The credentials of each request: static tokens, token files, basic, exec plugins, impersonation."""

from __future__ import annotations

import asyncio
import base64
import os
from dataclasses import dataclass
from pathlib import Path

import orjson

from podsysctl.base import clock, limits
from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.client.config import ClientConfig, ExecPlugin

TOKEN_FILE_REFRESH_S = 60.0
"""Age at which a token file is read again, client-go's period (transport/token_source.go, v1.36)."""


@dataclass(frozen=True, slots=True)
class ExecCredential:
    """What an exec plugin printed; PEM texts, and the monotonic second at which it ends (None: never)."""

    token: str = ""
    cert: bytes = b""
    key: bytes = b""
    expires_s: float | None = None


class Credentials:
    """Makes the headers that say who asks."""

    def __init__(self, config: ClientConfig, time: clock.Clock) -> None:
        self._config = config
        self._clock = time
        self._file_token = ""
        self._file_read_s = -TOKEN_FILE_REFRESH_S
        self._exec: ExecCredential | None = None
        self._lock = asyncio.Lock()

    async def headers(self) -> dict[str, str]:
        """Authorization and Impersonate-* headers. Raises UsageError when a plugin or file fails."""
        out: dict[str, str] = {}
        token = await self._token()
        if token:
            out["Authorization"] = f"Bearer {token}"
        elif self._config.username:
            pair = f"{self._config.username}:{self._config.password}".encode()
            out["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        if self._config.impersonate_user:
            out["Impersonate-User"] = self._config.impersonate_user
        return out

    async def certificate(self) -> tuple[bytes, bytes]:
        """The client certificate and key an exec plugin gave, PEM; empty when there is no plugin."""
        if self._config.exec_plugin is None:
            return b"", b""
        credential = await self._run_plugin(self._config.exec_plugin)
        return credential.cert, credential.key

    async def _token(self) -> str:
        if self._config.token_file:
            return self._read_token_file(self._config.token_file)
        if self._config.token:
            return self._config.token
        if self._config.exec_plugin is not None:
            return (await self._run_plugin(self._config.exec_plugin)).token
        return ""

    def _read_token_file(self, path: str) -> str:
        now_s = self._clock.monotonic_s()
        if now_s - self._file_read_s >= TOKEN_FILE_REFRESH_S:
            try:
                self._file_token = Path(path).read_text().strip()
            except OSError as error:
                if not self._file_token:
                    raise UsageError(f"cannot read token file {path}: {error.strerror}") from error
            self._file_read_s = now_s
        return self._file_token

    async def _run_plugin(self, plugin: ExecPlugin) -> ExecCredential:
        async with self._lock:
            current = self._exec
            if current is None or (current.expires_s is not None and current.expires_s <= self._clock.monotonic_s()):
                current = self._exec = _parse(await _output(plugin, self._config), self._clock)
            return current


async def _output(plugin: ExecPlugin, config: ClientConfig) -> bytes:
    info: dict[str, object] = {
        "apiVersion": plugin.api_version,
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }
    if plugin.provide_cluster_info:
        ca = base64.b64encode(config.ca).decode()
        info["spec"] = {
            "interactive": False,
            "cluster": {"server": config.server, "certificate-authority-data": ca},
        }
    environment = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()}
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command, *plugin.args, stdout=asyncio.subprocess.PIPE, env=environment
        )
    except OSError as error:
        raise UsageError(
            f"exec: executable {plugin.command} of the kubeconfig cannot be run: {error.strerror}",
            hint=plugin.install_hint,
        ) from error
    try:
        async with asyncio.timeout(limits.REQUEST_TIMEOUT_S):
            stdout, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise PodsysctlError(f"{plugin.command} printed no credentials in {limits.REQUEST_TIMEOUT_S} s") from error
    if process.returncode:
        raise UsageError(f"{plugin.command} of the kubeconfig exited with {process.returncode}")
    return stdout


def _parse(output: bytes, time: clock.Clock) -> ExecCredential:
    try:
        status = orjson.loads(output)["status"]
        expires = status.get("expirationTimestamp")
        expires_s = None
        if expires:
            left_s = (clock.parse_time(expires) - time.now()).total_seconds()
            expires_s = time.monotonic_s() + left_s
        return ExecCredential(
            token=status.get("token") or "",
            cert=(status.get("clientCertificateData") or "").encode(),
            key=(status.get("clientKeyData") or "").encode(),
            expires_s=expires_s,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"the kubeconfig's exec plugin printed no ExecCredential: {error}") from error
