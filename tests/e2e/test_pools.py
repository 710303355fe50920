"""Section 7.9.6 on three masters and three workers, and what can go wrong with pools."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podsysctl.controllers.machineconfig.kubelet_config import configuration_file
from podsysctl.objects import machineconfig as names
from tests.e2e.cluster import PODSYSCTL, Cluster, host_state, left_behind, wait_until
from tests.e2e.pods import manifest, pod

pytestmark = pytest.mark.e2e

CHAPTER = Path(__file__).resolve().parents[2] / "examples" / "chapter"
UNSAFE = {"net.core.somaxconn": "1024"}


@pytest.fixture(scope="module")
def pools() -> Iterator[Cluster]:
    """Three masters and three workers."""
    for program in ("containerd", "kubectl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    before = host_state()
    cluster = Cluster("--masters", "3", "--workers", "3")
    cluster.start()
    try:
        for pool in ("master", "worker"):
            wait_until(lambda pool=pool: settled(cluster, pool, 3), 60, f"three nodes in pool {pool}")
        yield cluster
    finally:
        cluster.destroy()
    assert left_behind(before) == {}


def condition(cluster: Cluster, pool: str, kind: str) -> str:
    """The status of one condition of a pool."""
    conditions = cluster.get("mcp", pool).get("status", {}).get("conditions", [])
    return next((str(c["status"]) for c in conditions if c["type"] == kind), "")


def configuration(cluster: Cluster, pool: str) -> str:
    """The rendered configuration that every node of the pool runs."""
    return str(cluster.get("mcp", pool)["status"]["configuration"]["name"])


def settled(cluster: Cluster, pool: str, nodes: int = 0) -> bool:
    """Whether the pool has rendered everything and all its nodes, at least so many, run it."""
    found = cluster.get("mcp", pool)
    status = found.get("status", {})
    wanted = found["spec"].get("configuration", {}).get("name", "")
    updated = any(c["type"] == "Updated" and c["status"] == "True" for c in status.get("conditions", []))
    return updated and status["configuration"].get("name") == wanted != "" and status["machineCount"] >= nodes


def kubelet_config(name: str, labels: dict[str, str], **fields: Any) -> dict[str, Any]:
    """A KubeletConfig for the pools with these labels."""
    return {
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "KubeletConfig",
        "metadata": {"name": name},
        "spec": {"machineConfigPoolSelector": {"matchLabels": labels}, "kubeletConfig": fields},
    }


WORKER = {"pools.operator.machineconfiguration.openshift.io/worker": ""}


def message(cluster: Cluster, name: str) -> str:
    """The newest message in a KubeletConfig's status."""
    conditions = cluster.get("kubeletconfig", name).get("status", {}).get("conditions") or [{}]
    return str(conditions[-1].get("message", ""))


def test_chapter_796_prints_what_the_chapter_prints(pools: Cluster) -> None:
    """Label, KubeletConfig, rollout one node at a time, and then the pod runs with its unsafe sysctls."""
    old = configuration(pools, "worker")
    with subprocess.Popen(
        ["kubectl", "get", "machineconfigpool", "worker", "-w", "--no-headers"],
        env=pools.environment(), stdout=subprocess.PIPE, text=True,
    ) as watch:  # fmt: skip
        assert watch.stdout is not None
        first = watch.stdout.readline().split()
        assert first[:9] == ["worker", old, "True", "False", "False", "3", "3", "3", "0"]
        pools.kubectl("label", "machineconfigpool", "worker", "custom-kubelet=sysctl")
        told = pools.podsysctl("rollout", "preview", "-f", str(CHAPTER / "set-sysctl-worker.yaml")).stdout.splitlines()
        assert told[:2] == ['KubeletConfig "custom-kubelet"', "  machineconfigpool worker: 3 nodes change, 1 at a time"]
        assert "    entry net.core.somaxconn: no pod uses it" in told
        pools.kubectl("apply", "-f", str(CHAPTER / "set-sysctl-worker.yaml"))
        rows = []
        for line in watch.stdout:
            rows.append(line.split())
            if rows[-1][1] != old and rows[-1][2:4] == ["True", "False"]:
                break
        watch.kill()
    assert ["False", "True", "False"] in [row[2:5] for row in rows]
    counts = [int(row[7]) for row in rows if row[2] == "False"] + [int(rows[-1][7])]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 3)
    assert all(row[5] == "3" for row in rows)
    pools.kubectl("wait", "--for=condition=Updated", "mcp/worker", "--timeout=30s")
    pools.kubectl("apply", "-f", str(CHAPTER / "sysctl-example-safe-unsafe.yaml"))
    pools.kubectl("wait", "--for=condition=Ready", "pod/sysctl-example-safe-unsafe", "--timeout=30s")
    out = pools.kubectl("exec", "sysctl-example-safe-unsafe", "--", "sysctl", "net.core.somaxconn", "kernel.msgmax")
    assert out.stdout == "net.core.somaxconn = 1024\nkernel.msgmax = 65536\n"
    assert pools.get("pod", "sysctl-example-safe-unsafe")["spec"]["nodeName"].startswith("worker-")
    on_master = pod("on-master", sysctls=UNSAFE, nodeName="master-0")
    pools.kubectl("apply", "-f", "-", input_text=manifest(on_master))
    assert pools.wait_phase("on-master", "Failed")["reason"] == "SysctlForbidden"


def test_deleting_the_kubelet_config_goes_back_and_fails_what_is_now_forbidden(pools: Cluster) -> None:
    """The former rendered name returns; pods that are not drained and that the narrower list forbids are failed."""
    pools.kubectl("delete", "pod", "sysctl-example-safe-unsafe", "--now")  # it would take its 30 s to be drained
    changed = configuration(pools, "worker")
    template = pod("any", sysctls=UNSAFE)["spec"]
    pools.kubectl("create", "-f", "-", input_text=manifest(daemon_set("everywhere", template)))
    pools.kubectl("rollout", "status", "daemonset/everywhere", "--timeout=30s")
    running = {p["metadata"]["uid"] for p in pools.get("pods", "-l", "app=everywhere")["items"]}
    assert len(running) == 3
    pools.kubectl("delete", "kubeletconfig", "custom-kubelet", "--timeout=30s")
    wait_until(lambda: settled(pools, "worker") and configuration(pools, "worker") != changed, 60, "the way back")
    master, worker = configuration(pools, "master"), configuration(pools, "worker")
    assert master.removeprefix("rendered-master-") == worker.removeprefix("rendered-worker-")
    nodes = pools.get("nodes")["items"]
    assert not any(node["spec"].get("unschedulable") for node in nodes)

    def failed() -> set[str]:
        events = pools.get("events", "--field-selector=reason=SysctlForbidden")["items"]
        return {e["involvedObject"]["uid"] for e in events}

    wait_until(lambda: running <= failed(), 30, "the pods of the DaemonSet to be failed")
    pools.kubectl("delete", "daemonset", "everywhere", "--timeout=30s")
    again = pod("again", sysctls=UNSAFE, nodeName="worker-2")
    pools.kubectl("apply", "-f", "-", input_text=manifest(again))
    assert pools.wait_phase("again", "Failed")["reason"] == "SysctlForbidden"


def daemon_set(name: str, template: dict[str, Any]) -> dict[str, Any]:
    """A DaemonSet of pods with this spec."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template},
        },
    }


@pytest.mark.parametrize("pattern", ["kernel.*", "vm.swappiness", "net.a*b", "*"])
def test_list_that_would_stop_the_kubelet_never_reaches_a_node(pools: Cluster, pattern: str) -> None:
    """Whether refused at the API or in the status: the pool stays as it is."""
    before = configuration(pools, "worker")
    body = manifest(kubelet_config("bad", WORKER, allowedUnsafeSysctls=[pattern]))
    assert pools.podsysctl("rollout", "preview", "-f", "-", input_text=body, check=False).returncode == 3
    done = pools.kubectl("create", "-f", "-", input_text=body, check=False)
    if done.returncode == 0:
        text = wait_until(lambda: message(pools, "bad"), 10, "a verdict in the status")
        assert "allowedUnsafeSysctls would stop the kubelet" in text
        pools.kubectl("delete", "kubeletconfig", "bad")
    else:
        assert "allowedUnsafeSysctls" in done.stderr
    assert configuration(pools, "worker") == before
    assert condition(pools, "worker", "Degraded") == "False"


def test_kubelet_config_without_a_pool_says_so(pools: Cluster) -> None:
    """Upstream's text in the status."""
    pools.kubectl("create", "-f", "-", input_text=manifest(kubelet_config("lost", {"no": "pool"}, maxPods=100)))
    wait_until(
        lambda: message(pools, "lost") == "Error: could not find any MachineConfigPool set for KubeletConfig", 10,
        "upstream's text",
    )  # fmt: skip
    pools.kubectl("delete", "kubeletconfig", "lost")


def test_forbidden_field_is_named_in_the_status(pools: Cluster) -> None:
    """cgroupDriver and its like may not be set."""
    pools.kubectl("create", "-f", "-", check=False,
                  input_text=manifest(kubelet_config("driver", WORKER, cgroupDriver="cgroupfs")))  # fmt: skip
    expected = "KubeletConfiguration: cgroupDriver is not allowed to be set, but contains: cgroupfs"
    found = pools.kubectl("get", "kubeletconfig", "driver", check=False)
    if found.returncode == 0:
        wait_until(lambda: message(pools, "driver") == f"Error: {expected}", 10, expected)
        pools.kubectl("delete", "kubeletconfig", "driver")


def test_paused_pool_renders_and_moves_no_node(pools: Cluster) -> None:
    """Both Updated and Updating are False while a change waits; unpausing lets it go on."""
    old = configuration(pools, "worker")
    pools.kubectl("patch", "mcp", "worker", "--type=merge", "-p", '{"spec":{"paused":true}}')
    pools.kubectl("create", "-f", "-", input_text=manifest(kubelet_config("later", WORKER, maxPods=90)))
    wait_until(lambda: condition(pools, "worker", "Updated") == "False", 15, "Updated to be False")
    assert condition(pools, "worker", "Updating") == "False"
    assert configuration(pools, "worker") == old
    command = [*PODSYSCTL, "rollout", "status", "machineconfigpool/worker", "--timeout=60s"]
    with subprocess.Popen(command, env=pools.environment(), stdout=subprocess.PIPE, text=True) as status:
        assert status.stdout is not None
        told = [next(status.stdout)]
        assert told[-1] == 'Waiting for machineconfigpool "worker": somebody to unpause it...\n'
        pools.kubectl("patch", "mcp", "worker", "--type=merge", "-p", '{"spec":{"paused":false}}')
        told += status.stdout.readlines()
    assert status.returncode == 0
    assert {f"node worker-{index}: updated\n" for index in range(3)} <= set(told)
    assert told[-1] == 'machineconfigpool "worker" successfully rolled out\n'
    assert settled(pools, "worker")
    assert configuration(pools, "worker") != old
    pools.kubectl("delete", "kubeletconfig", "later")
    wait_until(lambda: settled(pools, "worker") and configuration(pools, "worker") == old, 60, "the way back")


def test_custom_pool_takes_its_node_from_the_workers(pools: Cluster) -> None:
    """A node with a custom role belongs to that pool, and returns when the label goes."""
    custom = {
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfigPool",
        "metadata": {"name": "infra", "labels": {"custom-kubelet": "infra"}},
        "spec": {
            "machineConfigSelector": {"matchExpressions": [
                {"key": "machineconfiguration.openshift.io/role", "operator": "In", "values": ["worker", "infra"]}]},
            "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/infra": ""}},
        },
    }  # fmt: skip
    pools.kubectl("create", "-f", "-", input_text=manifest(custom))
    pools.kubectl("label", "node", "worker-1", "node-role.kubernetes.io/infra=")
    count = "jsonpath={.status.machineCount}"
    wait_until(lambda: pools.kubectl("get", "mcp", "infra", "-o", count).stdout == "1", 15, "infra to have a node")
    wait_until(lambda: pools.kubectl("get", "mcp", "worker", "-o", count).stdout == "2", 15, "worker to have two")
    wait_until(lambda: settled(pools, "infra"), 60, "infra to be updated")
    pools.kubectl("label", "node", "worker-1", "node-role.kubernetes.io/infra-")
    wait_until(lambda: pools.kubectl("get", "mcp", "worker", "-o", count).stdout == "3", 15, "worker to have three")
    wait_until(lambda: settled(pools, "worker"), 60, "worker to be updated")
    pools.kubectl("delete", "mcp", "infra")


def test_eleventh_kubelet_config_of_a_pool_is_refused(pools: Cluster) -> None:
    """Ten KubeletConfigs for one pool; the next one says why it is not taken. Ten rollouts are not what is tested."""
    pools.kubectl("patch", "mcp", "worker", "--type=merge", "-p", '{"spec":{"paused":true}}')
    configs = [f"kc{i}" for i in range(11)]
    for index, name in enumerate(configs):
        pools.kubectl("create", "-f", "-", input_text=manifest(kubelet_config(name, WORKER, maxPods=200 + index)))
        wait_until(lambda name=name: message(pools, name), 15, f"the status of {name}")
    assert "max number of supported kubelet config (10) has been reached" in message(pools, configs[-1])
    made = [m["metadata"]["name"] for m in pools.get("mc")["items"]]
    assert {f"99-worker-generated-kubelet-{i}" for i in range(1, 10)} <= set(made)
    pools.kubectl("delete", "kubeletconfig", *configs, "--timeout=60s")
    pools.kubectl("patch", "mcp", "worker", "--type=merge", "-p", '{"spec":{"paused":false}}')
    wait_until(lambda: settled(pools, "worker"), 60, "worker to be updated")


def test_budget_that_allows_no_eviction_holds_the_rollout(pools: Cluster) -> None:
    """The node stays cordoned with its pod, the others are not touched; without the budget the rollout finishes."""
    old = configuration(pools, "worker")
    labels = {"app": "held"}
    template = pod("any", nodeSelector={"kubernetes.io/hostname": "worker-0"})["spec"]
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "held"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template},
        },
    }
    pools.kubectl("create", "-f", "-", input_text=manifest(deployment))
    pools.kubectl("rollout", "status", "deployment/held", "--timeout=30s")
    pools.kubectl("create", "poddisruptionbudget", "held", "--selector=app=held", "--min-available=1")
    held = pools.get("pods", "-l", "app=held")["items"][0]["metadata"]["uid"]
    position = len(pools.log.read_text())
    pools.kubectl("create", "-f", "-", input_text=manifest(kubelet_config("budget", WORKER, maxPods=95)))
    text = "Cannot evict pod as it would violate the pod's disruption budget."
    wait_until(lambda: text in pools.log.read_text()[position:], 20, text)
    node = pools.get("node", "worker-0")
    assert node["spec"]["unschedulable"]
    assert names.annotation(node, names.STATE) == names.WORKING
    assert condition(pools, "worker", "Updating") == "True"
    assert pools.get("pods", "-l", "app=held")["items"][0]["metadata"]["uid"] == held
    others = [pools.get("node", f"worker-{index}") for index in (1, 2)]
    assert [names.annotation(n, names.DESIRED_CONFIG) for n in others] == [old, old]
    pools.kubectl("delete", "poddisruptionbudget", "held")
    wait_until(lambda: settled(pools, "worker") and configuration(pools, "worker") != old, 60, "the rollout")
    pools.kubectl("rollout", "status", "deployment/held", "--timeout=30s")
    pools.kubectl("delete", "deployment", "held")
    pools.kubectl("delete", "kubeletconfig", "budget")
    wait_until(lambda: settled(pools, "worker") and configuration(pools, "worker") == old, 60, "the way back")


def test_kubelet_file_that_no_agent_starts_with_is_rolled_back(pools: Cluster) -> None:
    """A MachineConfig carries it past every check: the node goes back, the pool is Degraded, the rollout stops."""
    old = configuration(pools, "worker")
    broken = configuration_file(names.KUBELET_CONF_PATH, "allowedUnsafeSysctls: ['vm.*']\n")
    pools.kubectl("create", "-f", "-", input_text=manifest({
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfig",
        "metadata": {"name": "99-zz-broken", "labels": {names.ROLE_LABEL: "worker"}},
        "spec": {"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": [broken]}}},
    }))  # fmt: skip
    wait_until(lambda: condition(pools, "worker", "Degraded") == "True", 30, "the pool to be Degraded")
    told = pools.podsysctl("rollout", "status", "mcp/worker", "--timeout=20s", check=False)
    assert told.returncode == 1
    assert 'Node worker-0 is reporting: "failed to run Kubelet: failed to create kubelet: ' in told.stderr
    wait_until(lambda: not pools.get("node", "worker-0")["spec"].get("unschedulable"), 20, "worker-0 to be given back")
    nodes = [pools.get("node", f"worker-{index}") for index in range(3)]
    assert [names.annotation(n, names.CURRENT_CONFIG) for n in nodes] == [old] * 3
    assert [names.annotation(n, names.DESIRED_CONFIG) == old for n in nodes] == [False, True, True]
    pools.kubectl("apply", "-f", "-", input_text=manifest(pod("after", nodeName="worker-0")))
    pools.kubectl("wait", "--for=condition=Ready", "pod/after", "--timeout=30s")
    pools.kubectl("delete", "machineconfig", "99-zz-broken")
    pools.podsysctl("rollout", "status", "machineconfigpool/worker", "--timeout=60s")
    assert configuration(pools, "worker") == old
