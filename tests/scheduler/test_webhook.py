"""The mutating webhook, over TLS, beside a real API server that knows the nodes."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from podsysctl.apiserver.pki import Authority
from podsysctl.cli.main import main
from podsysctl.client.informer import Informer
from podsysctl.controllers.scope import NODES
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.scheduler import webhook
from podsysctl.scheduler.webhook import PlacementWebhook
from tests.controllers.cluster import Cluster, running
from tests.policy.builders import pod, with_sysctls

TARGET = with_sysctls(pod(), "kernel.msgmax")


def node(name: str, *allowed: str) -> dict[str, Any]:
    """A Node that publishes its allowlist."""
    annotations = NodeFacts(name, "6.1.0", allowed=allowed).to_annotations()
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": annotations}}


def review(obj: Any, **changes: Any) -> dict[str, Any]:
    """An AdmissionReview of a new pod."""
    asked = {
        "uid": "u1",
        "operation": "CREATE",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "object": obj,
        **changes,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[tuple[Cluster, aiohttp.ClientSession, str]]:
    """The webhook with its nodes, and a client that trusts its authority."""
    authority = Authority(directory)
    async with running(kubelet=False) as cluster, asyncio.TaskGroup() as group:
        nodes = Informer(cluster.client, NODES)
        following = group.create_task(nodes.run())
        await nodes.wait_synced()
        trust = aiohttp.TCPConnector(ssl=authority_context(authority))
        context = authority.server_context(["127.0.0.1"])
        async with PlacementWebhook(nodes, context) as served, aiohttp.ClientSession(connector=trust) as session:
            yield cluster, session, f"https://127.0.0.1:{served.port}"
        following.cancel()


def authority_context(authority: Authority) -> Any:
    """TLS as the API server has it from the configuration's caBundle."""
    import ssl

    return ssl.create_default_context(cadata=authority.ca_pem.decode())


async def ask(session: aiohttp.ClientSession, url: str, body: Any) -> dict[str, Any]:
    """The response part of the answer."""
    async with session.post(f"{url}{webhook.PATH}", json=body) as reply:
        assert reply.status == 200
        answer: dict[str, Any] = await reply.json()
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: dict[str, Any] = answer["response"]
    assert (response["uid"], response["allowed"]) == ("u1", True)
    return response


async def test_webhook_prefers_nodes_as_they_are_now(tmp_path: Path) -> None:
    """A patch names the accepting node, and another one once the nodes have changed."""
    async with serving(tmp_path) as (cluster, session, url):
        async with session.get(f"{url}/readyz") as reply:
            assert reply.status == 200
        await cluster.client.create(NODES, node("a", "kernel.msg*"))
        await cluster.client.create(NODES, node("b"))

        async def preferred() -> str | None:
            response = await ask(session, url, review(TARGET))
            if "patch" not in response:
                return None
            assert response["patchType"] == "JSONPatch"
            [operation] = json.loads(base64.b64decode(response["patch"]))
            [term] = operation["value"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
            return str(term["preference"]["matchFields"][0]["values"])

        assert await cluster.until(preferred) == "['a']"
        for name, allowed in (("a", ()), ("b", ("kernel.msgmax",))):
            patch = {"metadata": node(name, *allowed)["metadata"]}
            await cluster.client.patch(NODES, name, patch)

        async def is_b() -> bool:
            return await preferred() == "['b']"

        assert await cluster.until(is_b)


@pytest.mark.parametrize(
    "body",
    [
        review(pod()),
        review(TARGET, operation="UPDATE"),
        review(TARGET, subResource="binding"),
        review(TARGET, resource={"group": "apps", "version": "v1", "resource": "deployments"}),
        review(None),
        review({"spec": {"securityContext": {"sysctls": [1]}}}),
        review({"spec": {"securityContext": {"sysctls": [{"name": 5}]}}}),
        review({"spec": []}),
    ],
)
async def test_webhook_lets_everything_else_through_unchanged(tmp_path: Path, body: Any) -> None:
    """No sysctls, no new pod, or no pod at all; the API server itself refuses what is malformed."""
    async with serving(tmp_path) as (cluster, session, url):
        await cluster.client.create(NODES, node("a", "kernel.msg*"))
        await cluster.client.create(NODES, node("b"))
        assert "patch" not in await ask(session, url, body)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"request": 1}', b'{"request": {"uid": 1}}'])
async def test_webhook_answers_400_for_what_is_no_review(tmp_path: Path, body: bytes) -> None:
    """A server that sends such a thing passes the webhook over."""
    async with serving(tmp_path) as (_, session, url), session.post(f"{url}{webhook.PATH}", data=body) as reply:
        assert reply.status == 400


def test_configuration_ignores_a_webhook_that_does_not_answer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Pods are made all the same; the certificate authority is the one that serves."""
    words = ["webhook", "--data-dir", str(tmp_path), "--configuration"]
    assert main([*words, "--host", "10.0.0.5"]) == 0
    [hook] = yaml.safe_load(capsys.readouterr().out)["webhooks"]
    assert (hook["failurePolicy"], hook["sideEffects"]) == ("Ignore", "None")
    assert hook["clientConfig"]["url"] == "https://10.0.0.5:9443/mutate"
    assert base64.b64decode(hook["clientConfig"]["caBundle"]) == Authority(tmp_path).ca_pem
    assert main([*words, "--service", "kube-system/placement"]) == 0
    [hook] = yaml.safe_load(capsys.readouterr().out)["webhooks"]
    assert hook["clientConfig"]["service"] == {"namespace": "kube-system", "name": "placement", "path": "/mutate"}


@pytest.mark.parametrize("words", [["--service", "x"], ["--tls-cert", "a"]])
def test_webhook_usage_errors_exit_2(capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]) -> None:
    """With a hint."""
    assert main(["webhook", "--data-dir", str(tmp_path), "--configuration", *words]) == 2
    assert "hint: " in capsys.readouterr().err
