"""Values change after events: requests, refusals, queues, rollouts, verification, scheduling."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from podsysctl.base.clock import FakeClock
from podsysctl.base.errors import PodsysctlError
from podsysctl.client.workqueue import ShutDownError, WorkQueue
from podsysctl.controllers.scope import PODS
from podsysctl.node import verify
from podsysctl.objects import machineconfig as names
from tests.apiserver.api import Api, running
from tests.controllers.cluster import running as running_cluster
from tests.metrics import reading
from tests.node.test_config_daemon import is_true, machine_config, machines

TOP = Path(__file__).resolve().parents[2]
PATH = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"


@pytest.fixture
async def api(tmp_path: Path) -> Any:
    """A fresh server."""
    async with running(tmp_path / "data") as made:
        yield made


def pod(name: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": "x"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": containers, **spec},
    }


async def _text(api: Api) -> str:
    reply = await api.call("GET", "/metrics")
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return str(reply.body)


async def test_requests_are_counted_and_timed(api: Api) -> None:
    """By verb, resource and code, as upstream labels them."""
    labels = {"verb": "LIST", "group": "", "resource": "pods", "subresource": ""}
    before = reading.value("apiserver_request_total", **labels, code="200")
    timed = reading.value("apiserver_request_duration_seconds_count", **labels)
    await api.call("GET", PATH)
    text = await _text(api)
    assert reading.value("apiserver_request_total", text, **labels, code="200") == before + 1
    assert reading.value("apiserver_request_duration_seconds_count", text, **labels) == timed + 1
    assert reading.value("apiserver_storage_objects", text, resource="namespaces") >= 4
    assert reading.value("apiserver_current_inflight_requests", text, request_kind="readOnly") == 1


async def test_watch_is_long_running_while_it_is_open(api: Api) -> None:
    """Watches are told apart: they last, and their duration says nothing."""
    labels = {"verb": "WATCH", "group": "", "resource": "pods", "subresource": ""}
    async with api.watch(PATH):
        assert reading.value("apiserver_longrunning_requests", await _text(api), **labels) == 1
    assert reading.value("apiserver_request_duration_seconds_count", await _text(api), **labels) == 0


async def test_watch_that_its_client_ends_counts_as_answered(api: Api) -> None:
    """A watch ends by its client's leaving; its answer had begun with 200."""
    labels = {"verb": "WATCH", "group": "", "resource": "configmaps", "subresource": ""}
    before = reading.value("apiserver_request_total", **labels, code="200")
    async with api.watch("/api/v1/namespaces/default/configmaps"):
        pass
    async with asyncio.timeout(10):
        while reading.value("apiserver_request_total", **labels, code="200") == before:  # noqa: ASYNC110 - bounded
            await asyncio.sleep(0.01)
    assert reading.value("apiserver_request_total", **labels, code="0") == 0


async def test_requests_of_strangers_make_no_series(api: Api) -> None:
    """Whoever asks for whatever, without credentials too, the number of series stays."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as stranger:

        async def ask(n: int) -> None:
            for path in (f"/api/v1/things{n}", f"/apis/g{n}/v1/pods", f"{PATH}/p{n}/sub{n}", f"/x{n}"):
                async with stranger.get(api.server.url + path) as answer:
                    assert answer.status == 401
                await api.call("PATCH", path, {})

        await ask(0)
        before = len(reading.series("apiserver_request_total", await _text(api)))
        for n in range(1, 20):
            await ask(n)
        text = await _text(api)
        assert len(reading.series("apiserver_request_total", text)) == before
        assert "things" not in text


async def test_role_of_the_page_lets_a_service_account_read(api: Api) -> None:
    """What docs/metrics.md says: a ServiceAccount reads /metrics once its role names the path, and not before."""
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await api.make(accounts, {"metadata": {"name": "prometheus"}})
    asked = await api.make(f"{accounts}/prometheus/token", {"spec": {"audiences": []}})
    bearer = {"Authorization": f"Bearer {asked['status']['token']}"}
    roles = "/apis/rbac.authorization.k8s.io/v1"
    text = (TOP / "docs" / "metrics.md").read_text()
    role = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    subject = {"kind": "ServiceAccount", "name": "prometheus", "namespace": "default"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "metrics-reader"}
    binding = {"metadata": {"name": "prometheus"}, "roleRef": reference, "subjects": [subject]}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as prometheus:
        async with prometheus.get(api.server.url + "/metrics", headers=bearer) as answer:
            assert answer.status == 403
        await api.make(f"{roles}/clusterroles", role)
        await api.make(f"{roles}/clusterrolebindings", binding)
        async with prometheus.get(api.server.url + "/metrics", headers=bearer) as answer:
            assert answer.status == 200
            assert reading.families(await answer.text())


async def test_pods_that_the_server_refuses_are_counted(api: Api) -> None:
    """Each gate of the server with its reason: validation, constraints, Pod Security."""
    name = "podsysctl_refused_pods_total"
    gates = [("validation", "Invalid"), ("pod-security", "restricted")]
    before = {g: reading.value(name, gate=g[0], reason=g[1]) for g in gates}
    wrong = pod("a", securityContext={"sysctls": [{"name": "net..x", "value": "1"}]})
    assert (await api.call("POST", PATH, wrong)).code == 422
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await api.call("PATCH", "/api/v1/namespaces/default", {"metadata": {"labels": labels}}, media=MERGE)
    refused = pod("b", securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})
    assert (await api.call("POST", PATH, refused)).code == 403
    text = await _text(api)
    for gate, reason in gates:
        assert reading.value(name, text, gate=gate, reason=reason) == before[gate, reason] + 1


def test_verification_outcomes_have_three_names() -> None:
    """What the read-back found, in the words of the metric."""
    assert verify.summary([]) == "as-declared"
    assert verify.summary([verify.Difference("a.b", "1", "2")]) == "different"
    assert verify.summary("no namespaces") == "unreadable"


async def test_work_queue_counts_depth_duration_and_failures() -> None:
    """Keys that wait, work and fail; a closed queue holds nothing."""
    time = FakeClock()
    queue: WorkQueue[str] = WorkQueue(name="test-queue", time=time)
    queue.add("a")
    queue.add("b")
    queue.add("b")
    assert reading.value("workqueue_depth", name="test-queue") == 2
    assert reading.value("workqueue_adds_total", name="test-queue") == 2

    async def work(key: str) -> None:
        time.advance(2)
        if key == "a":
            raise PodsysctlError("no")
        queue.add("c")
        queue.shut_down()

    await queue.run(work, workers=1, retry=lambda key, error: True)
    with pytest.raises(ShutDownError):
        await queue.get()
    assert reading.value("workqueue_depth", name="test-queue") == 0
    assert reading.value("workqueue_retries_total", name="test-queue") == 1
    assert reading.value("podsysctl_reconcile_errors_total", controller="test-queue") == 1
    assert reading.value("podsysctl_reconcile_duration_seconds_count", controller="test-queue") == 2
    assert reading.value("podsysctl_reconcile_duration_seconds_sum", controller="test-queue") == 4


async def test_scheduler_counts_its_decisions() -> None:
    """A pod that fits nowhere is an unschedulable attempt, one that fits is scheduled."""
    name = "scheduler_schedule_attempts_total"
    before = {result: reading.value(name, result=result) for result in ("scheduled", "unschedulable")}

    async def counted(result: str) -> bool:
        return reading.value(name, result=result) > before[result]

    async with running_cluster(kubelet=False) as cluster:
        await cluster.client.create(PODS, pod("picky", nodeSelector={"disk": "none"}))
        await cluster.until(lambda: counted("unschedulable"))
        assert not await counted("scheduled")
        await cluster.add_node("n0", disk="none")
        await cluster.until(lambda: counted("scheduled"))


async def test_rollout_of_a_pool_is_shown_while_it_goes(tmp_path: Path) -> None:
    """Nodes by state, the share that is done, and a completed rollout with its duration."""
    completed = reading.value("podsysctl_rollout_completed_total", pool="worker")
    async with machines(tmp_path, 2) as (cluster, _):
        assert reading.value("podsysctl_rollout_nodes", pool="worker", state="all") == 2
        assert reading.value("podsysctl_rollout_progress_ratio", pool="worker") == 1
        done = reading.value("podsysctl_rollout_completed_total", pool="worker")
        timed = reading.value("podsysctl_rollout_duration_seconds_count", pool="worker")
        await cluster.client.create(names.MACHINE_CONFIG, machine_config("maxPods: 7\n"))

        async def counted() -> bool:
            return reading.value("podsysctl_rollout_completed_total", pool="worker") > done

        await cluster.until(counted)
        assert reading.value("podsysctl_rollout_nodes", pool="worker", state="updated") == 2
        assert reading.value("podsysctl_rollout_progress_ratio", pool="worker") == 1
        assert reading.value("podsysctl_rollout_duration_seconds_count", pool="worker") == timed + 1
    assert completed <= done


async def test_broken_rollout_shows_a_degraded_node(tmp_path: Path) -> None:
    """A configuration that no kubelet starts with: one node degraded, none more updated."""
    async with machines(tmp_path, 2) as (cluster, _):
        await cluster.client.create(names.MACHINE_CONFIG, machine_config("maxPods: 7\nbroken: true\n"))
        await cluster.until(is_true(cluster, "Degraded"))
        assert reading.value("podsysctl_rollout_nodes", pool="worker", state="degraded") == 1
        assert reading.value("podsysctl_rollout_progress_ratio", pool="worker") < 1
