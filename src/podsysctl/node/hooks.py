"""Lifecycle hooks: postStart and preStop, by command, HTTP request or sleep (pkg/kubelet/lifecycle/handlers.go)."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from podsysctl.base.errors import RuntimeServiceError
from podsysctl.base.versions import KUBERNETES_MINOR
from podsysctl.node import pod as pods
from podsysctl.node.probes import handlers
from podsysctl.runtime.service import RuntimeService

HTTP_TIMEOUT_S = 60
"""Bound on one hook request."""

USER_AGENT = f"kube-lifecycle/1.{KUBERNETES_MINOR}"


class HookError(Exception):
    """A hook that failed; its text is the kubelet's and never part of an event, since it may hold secrets."""


async def run(
    runtime: RuntimeService,
    pod: pods.Pod,
    container: pods.Container,
    container_id: str,
    hook: dict[str, Any],
    pod_ip: str,
) -> None:
    """Run a hook to its end. Raises HookError."""
    name, where = container["name"], pods.full_name(pod)
    if hook.get("exec"):
        await _exec(runtime, hook["exec"].get("command") or [], container_id, name, where)
    elif hook.get("httpGet"):
        await _http(hook["httpGet"], container, pod_ip, where)
    elif hook.get("sleep"):
        await asyncio.sleep(int(hook["sleep"].get("seconds") or 0))
    elif hook.get("tcpSocket"):
        raise HookError("Cannot run handler: tcpSocket is not supported")


async def _exec(runtime: RuntimeService, command: list[str], container_id: str, name: str, where: str) -> None:
    shown = " ".join(command)
    head = f'Exec lifecycle hook ([{shown}]) for Container "{name}" in Pod "{where}" failed - error: '
    try:
        answer = await runtime.exec_sync(container_id, command)
    except RuntimeServiceError as error:
        raise HookError(f'{head}{error.message}, message: ""') from error
    if answer.exit_code != 0:
        # Both become part of the pod's status, which the API takes up to a size only.
        output = (answer.stdout + answer.stderr)[: handlers.OUTPUT_BYTES].decode(errors="replace")
        said = answer.stderr[: handlers.OUTPUT_BYTES].decode(errors="replace")
        text = f"command '{shown}' exited with {answer.exit_code}: {said}"
        raise HookError(f"{head}{text}, message: {output!r}")


async def _http(action: dict[str, Any], container: pods.Container, pod_ip: str, where: str) -> None:
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*"}
    headers |= {h["name"]: h.get("value") or "" for h in action.get("httpHeaders") or ()}
    path = action.get("path") or "/"
    head = f'HTTP lifecycle hook ({path}) for Container "{container["name"]}" in Pod "{where}" failed - error: '
    try:
        url = handlers.http_url(action, container, pod_ip)
        await handlers.http_get(url, headers, HTTP_TIMEOUT_S)
    except (handlers.ProbeError, aiohttp.ClientError, OSError, ValueError) as error:
        raise HookError(f"{head}{error}") from error
