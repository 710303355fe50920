"""How pods end, and that nothing of them is left; how they survive the agent's own end."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from podsysctl.base.errors import UsageError
from podsysctl.node.registration import NODES
from podsysctl.node.status_writer import PODS
from tests.node.cluster import NODE, Cluster, container, is_ready, pod, shell, state

pytestmark = [pytest.mark.runtime, pytest.mark.root]


async def test_deleted_pod_leaves_nothing(cluster: Cluster) -> None:
    """After a deletion the API object, sandbox, volumes, logs and control groups are gone."""
    volumes = [{"name": "m", "emptyDir": {"medium": "Memory"}}]
    await cluster.create(pod("a", container(volumeMounts=[{"name": "m", "mountPath": "/m"}]), volumes=volumes))
    await cluster.wait("a", is_ready)
    assert await cluster.leftovers() != []
    await cluster.delete("a")
    await cluster.wait_gone("a")
    assert await cluster.leftovers() == []
    assert await cluster.wait_event("a", "Killing") == "Stopping container c"


async def test_deletion_runs_pre_stop_then_stop_signal(cluster: Cluster) -> None:
    """The preStop hook runs before SIGTERM, and a container that ends in time is not killed."""
    trap = "trap 'echo term >> /w/log; exit 0' TERM; while true; do sleep 0.05; done"
    hook = {"preStop": {"exec": {"command": ["bash", "-c", "echo hook >> /w/log"]}}}
    work = {"volumeMounts": [{"name": "w", "mountPath": "/w"}]}
    body = pod(
        "a",
        shell(trap, lifecycle=hook, **work),
        volumes=[{"name": "w", "hostPath": {"path": str(cluster.config.root / "w"), "type": "DirectoryOrCreate"}}],
        terminationGracePeriodSeconds=20,
    )
    await cluster.create(body)
    await cluster.wait("a", is_ready)
    begun_s = time.monotonic()
    await cluster.delete("a")
    await cluster.wait_gone("a")
    assert time.monotonic() - begun_s < 15
    assert (cluster.config.root / "w" / "log").read_text() == "hook\nterm\n"


async def test_deletion_with_shorter_grace_interrupts_the_longer(cluster: Cluster) -> None:
    """A second deletion with a shorter grace period ends a pod that ignores the stop signal."""
    await cluster.create(pod("a", terminationGracePeriodSeconds=300))
    await cluster.wait("a", is_ready)
    await cluster.delete("a")
    await cluster.wait("a", lambda p: p["metadata"].get("deletionTimestamp"))
    await cluster.wait_event("a", "Killing")
    await cluster.delete("a", grace_s=1)
    await cluster.wait_gone("a")


async def test_pod_past_its_deadline_ends_whatever_it_waits_for(cluster: Cluster) -> None:
    """The deadline is not put off by the time to the next try of an image or a volume, nor spread like that."""
    image = container(image="localhost/none", imagePullPolicy="Never")
    await cluster.create(pod("image", image, activeDeadlineSeconds=2))
    volumes = [{"name": "v", "hostPath": {"path": "/none", "type": "Directory"}}]
    await cluster.create(pod("volume", activeDeadlineSeconds=2, volumes=volumes))
    for name in ("image", "volume"):
        found = await cluster.wait(name, lambda p: p["status"].get("phase") == "Failed", timeout_s=8)
        assert found["status"]["reason"] == "DeadlineExceeded"


async def test_forced_deletion_is_cleaned_up(cluster: Cluster) -> None:
    """A pod deleted by force is gone from the API at once and from the node soon after."""
    await cluster.create(pod("a", terminationGracePeriodSeconds=300))
    await cluster.wait("a", is_ready)
    await cluster.delete("a", grace_s=0)
    assert await cluster.get("a") is None
    await cluster.wait_clean()


async def test_pod_that_the_api_no_longer_has_is_not_counted_while_it_stops(cluster: Cluster) -> None:
    """The pod that replaces one deleted by force is admitted although its processor and its port seem taken."""
    most = {"requests": {"cpu": f"{(os.cpu_count() or 1) * 600}m"}}
    ports = [{"containerPort": 1, "hostPort": 61234}]
    await cluster.create(pod("old", container(resources=most, ports=ports)))
    await cluster.wait("old", is_ready)
    await cluster.delete("old", grace_s=0)
    await cluster.create(pod("new", container(resources=most, ports=ports)))
    assert (await cluster.wait("new", lambda p: is_ready(p) or "reason" in p["status"]))["status"]["phase"] == "Running"


async def test_deletion_while_the_sandbox_fails_is_not_held_up(cluster: Cluster) -> None:
    """A pod that never started is deleted at once."""
    bad = {"sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "x"}]}
    await cluster.create(pod("a", securityContext=bad))
    await cluster.wait_event("a", "FailedCreatePodSandBox")
    await cluster.delete("a")
    await cluster.wait_gone("a")
    assert await cluster.leftovers() == []


async def test_failed_pod_keeps_its_logs_until_deleted(cluster: Cluster) -> None:
    """A finished pod's log stays readable; its deletion removes it."""
    await cluster.create(pod("a", shell("echo out"), restartPolicy="Never"))
    await cluster.wait("a", lambda p: p["status"]["phase"] == "Succeeded")
    logs = list((cluster.config.root / "logs").glob("default_a_*/c/0.log"))
    assert "out" in logs[0].read_text()
    await cluster.delete("a")
    await cluster.wait_gone("a")
    await cluster.wait_clean()


async def test_stopped_agent_leaves_pods_running_and_adopts_them(cluster: Cluster) -> None:
    """Stopping the agent stops no container; the next one takes the pod over without a restart."""
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    await cluster.create(pod("a", container(readinessProbe=probe)))
    before = await cluster.wait("a", is_ready)
    await cluster.stop_agent()
    await cluster.execute(before, "true")
    await cluster.start_agent()
    await cluster.create(pod("b"))
    await cluster.wait("b", is_ready)
    after = await cluster.wait("a", is_ready)
    for field in ("containerID", "restartCount"):
        assert after["status"]["containerStatuses"][0][field] == before["status"]["containerStatuses"][0][field]
    assert after["status"]["conditions"] == before["status"]["conditions"]


async def test_pod_deleted_while_the_agent_was_away_is_cleaned_up(cluster: Cluster) -> None:
    """What belongs to a pod that vanished meanwhile is removed at the next start."""
    await cluster.create(pod("a"))
    await cluster.wait("a", is_ready)
    await cluster.stop_agent()
    await cluster.delete("a", grace_s=0)
    await cluster.start_agent()
    await cluster.wait_clean()


async def test_container_that_died_while_the_agent_was_away_is_restarted(cluster: Cluster) -> None:
    """A container that ended unseen is noticed and started again."""
    await cluster.create(pod("a"))
    found = await cluster.wait("a", is_ready)
    await cluster.stop_agent()
    container_id = found["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    await cluster.runtime.stop_container(container_id, 0)
    await cluster.start_agent()
    await cluster.wait("a", lambda p: p["status"]["containerStatuses"][0]["restartCount"] == 1 and is_ready(p))


async def test_narrower_allowlist_fails_running_pods(cluster: Cluster) -> None:
    """Pods are admitted again under a new list: one that it forbids is Failed and its containers are stopped."""
    await cluster.stop_agent()
    await cluster.start_agent(allowed_unsafe_sysctls=("net.core.somaxconn",))
    unsafe = {"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]}
    await cluster.create(pod("a", securityContext=unsafe))
    await cluster.create(pod("b"))
    found = await cluster.wait("a", is_ready)
    assert (await cluster.execute(found, "cat", "/proc/sys/net/core/somaxconn")).strip() == "1024"
    await cluster.wait("b", is_ready)
    await cluster.stop_agent()
    await cluster.start_agent()
    found = await cluster.wait("a", lambda p: p["status"]["phase"] == "Failed")
    assert found["status"]["reason"] == "SysctlForbidden"
    assert "containerStatuses" not in found["status"]
    assert "podIP" not in found["status"]

    async def stopped() -> bool:
        return not any(s.metadata.name == "a" and s.state == 0 for s in await cluster.sandboxes())

    await cluster.until(stopped, "the refused pod's sandbox is stopped")
    assert is_ready(await cluster.wait("b", is_ready))


async def test_pod_whose_protection_cannot_be_enforced_is_refused(cluster: Cluster) -> None:
    """The node says whether its runtime knows the policy Strict; a pod runs with it or is refused, nothing between."""
    node = await cluster.client.get(NODES, NODE)
    known = node["status"]["features"]["supplementalGroupsPolicy"]
    await cluster.create(pod("a", securityContext={"supplementalGroupsPolicy": "Strict"}))
    found = await cluster.wait("a", lambda p: is_ready(p) or "reason" in p["status"])
    assert found["status"].get("reason") == (None if known else "SupplementalGroupsPolicyNotSupported")


async def test_bad_pattern_keeps_the_agent_from_starting(cluster: Cluster) -> None:
    """A kubelet configuration that a kubelet would die of is refused before anything is touched."""
    await cluster.stop_agent()
    with pytest.raises(UsageError) as caught:
        await cluster.start_agent(allowed_unsafe_sysctls=("vm.swappiness",))
    text = 'failed to run Kubelet: failed to create kubelet: the sysctls "vm.swappiness" are not known to be namespaced'
    assert caught.value.message == text


async def test_sandbox_that_died_is_replaced(cluster: Cluster) -> None:
    """A pod whose sandbox was stopped from outside gets a new one, and says so."""
    await cluster.create(pod("a"))
    before = await cluster.wait("a", is_ready)
    [sandbox] = await cluster.sandboxes()
    await cluster.runtime.stop_pod_sandbox(sandbox.id)
    text = "Pod sandbox changed, it will be killed and re-created."
    assert await cluster.wait_event("a", "SandboxChanged") == text
    after = await cluster.wait("a", lambda p: is_ready(p) and "running" in state(p))
    ids = [p["status"]["containerStatuses"][0]["containerID"] for p in (before, after)]
    assert ids[0] != ids[1]
    assert after["status"]["containerStatuses"][0]["restartCount"] >= 1


async def test_many_pods_at_once_all_become_ready(cluster: Cluster) -> None:
    """Ten pods created together are Ready, and their deletion together leaves nothing."""
    names = [f"p{i}" for i in range(10)]
    await asyncio.gather(*(cluster.create(pod(name)) for name in names))
    for name in names:
        await cluster.wait(name, is_ready, timeout_s=60)
    await asyncio.gather(*(cluster.delete(name) for name in names))
    for name in names:
        await cluster.wait_gone(name)
    await cluster.wait_clean()
    assert (await cluster.client.list(PODS, "default")).items == []


async def test_stop_during_creation_restarts_nothing(cluster: Cluster) -> None:
    """Stopping the agent in the midst of starting pods lets each step end: no container counts a restart."""
    names = [f"p{i}" for i in range(8)]
    for name in names:
        await cluster.create(pod(name))
    await cluster.wait(names[0], is_ready)
    await cluster.stop_agent()
    await cluster.start_agent()
    for name in names:
        found = await cluster.wait(name, is_ready, timeout_s=60)
        assert found["status"]["containerStatuses"][0]["restartCount"] == 0
