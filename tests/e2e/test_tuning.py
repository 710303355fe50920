"""Node-level sysctls, both ways: forbidden to a pod, and reaching the kernel by a Tuned; and the host put back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import Cluster, wait_until

NAMESPACE = "openshift-cluster-node-tuning-operator"
SWAPPINESS = Path("/proc/sys/vm/swappiness")
WANTED = "73"
NAME = "vm.swappiness"


@pytest.fixture
def original() -> Iterator[str]:
    """The host's own value, which it must have again in the end."""
    if os.geteuid() != 0:
        pytest.skip("needs root: kernel namespaces and a container runtime")
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    before = SWAPPINESS.read_text()
    try:
        yield before.strip()
        assert SWAPPINESS.read_text() == before
    finally:
        if SWAPPINESS.read_text() != before:
            SWAPPINESS.write_text(before)


@pytest.fixture
def workers(original: str) -> Iterator[Cluster]:
    """A cluster of a master and two workers, destroyed in the end."""
    cluster = Cluster("--masters", "1", "--workers", "2")
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.destroy()


def tuned(text: str = f"{NAME}={WANTED}", label: str = "sysctl-profile", **metadata: Any) -> str:
    """A Tuned as YAML (JSON is YAML), for nodes with the label."""
    profile = {"name": "swap-late", "data": f"[main]\nsummary=Swap late\n[sysctl]\n{text}\n"}
    recommend = {"profile": "swap-late", "priority": 20, "match": [{"label": label, "value": "swap-late"}]}
    return json.dumps(
        {
            "apiVersion": "tuned.openshift.io/v1",
            "kind": "Tuned",
            "metadata": {"name": "swap-late", "namespace": NAMESPACE, **metadata},
            "spec": {"profile": [profile], "recommend": [recommend]},
        }
    )


def pod(name: str, **spec: Any) -> str:
    """A pod that sleeps."""
    container = {"name": "c", "image": "localhost/podsysctl/toolbox", "command": ["sleep", "INF"]}
    metadata = {"name": name}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container], **spec}}
    )


def apply(cluster: Cluster, document: str) -> None:
    """`podsysctl apply -f -`"""
    cluster.podsysctl("apply", "-f", "-", input_text=document)


def profile(cluster: Cluster, node: str) -> dict[str, Any]:
    """A node's Profile."""
    text = cluster.podsysctl("get", "profile", node, "-n", NAMESPACE, "-o", "json").stdout
    found: dict[str, Any] = json.loads(text)
    return found


def condition(cluster: Cluster, node: str, kind: str) -> dict[str, str]:
    """One condition of a node's Profile, empty while it is not there."""
    found = (profile(cluster, node).get("status") or {}).get("conditions") or ()
    return next((c for c in found if c["type"] == kind), {})


def wait_applied(cluster: Cluster, node: str, name: str) -> None:
    """Until the node has this profile."""
    wait_until(
        lambda: profile(cluster, node).get("status", {}).get("tunedProfile") == name
        and condition(cluster, node, "Applied").get("status") == "True",
        15, f"node {node} to have profile {name}",
    )  # fmt: skip


def allow_in_pool(cluster: Cluster, name: str) -> str:
    """Try to have the workers' pool allow a parameter to pods; returns how that is refused."""
    spec = {
        "machineConfigPoolSelector": {"matchLabels": {"custom-kubelet": "vm"}},
        "kubeletConfig": {"allowedUnsafeSysctls": [name]},
    }
    kind = {"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "KubeletConfig", "metadata": {"name": "vm"}}
    done = cluster.podsysctl("apply", "-f", "-", input_text=json.dumps({**kind, "spec": spec}), check=False)
    assert done.returncode == 1
    return done.stderr


def test_node_level_sysctl_reaches_the_kernel_by_a_tuned_and_never_by_a_pod(workers: Cluster, original: str) -> None:
    """The chapter's claim: only the node can have it; then a pod that tolerates the node's taint reads it."""
    workers.podsysctl("label", "node", "worker-0", "sysctl-profile=swap-late")
    workers.podsysctl("taint", "node", "worker-0", "sysctl-profile=swap-late:NoSchedule")
    apply(workers, tuned())
    wait_applied(workers, "worker-0", "swap-late")
    assert SWAPPINESS.read_text().strip() == WANTED
    entry = profile(workers, "worker-0")["status"]["effective"][0]
    assert (entry["name"], entry["value"]) == (NAME, WANTED)
    assert entry["winner"].startswith("profile swap-late, section [sysctl], vm.swappiness")

    apply(workers, pod("elsewhere"))
    toleration = {"key": "sysctl-profile", "value": "swap-late", "effect": "NoSchedule"}
    apply(workers, pod("reader", tolerations=[toleration], nodeSelector={"sysctl-profile": "swap-late"}))
    workers.podsysctl("wait", "--for=condition=Ready", "pod/reader", "pod/elsewhere", "--timeout=60s")
    found = workers.podsysctl("exec", "reader", "--", "sysctl", "-n", NAME).stdout
    assert found.strip() == WANTED
    node = workers.podsysctl("get", "pod", "elsewhere", "-o", "jsonpath={.spec.nodeName}").stdout
    assert node.strip() == "worker-1"

    wanted = {"securityContext": {"sysctls": [{"name": NAME, "value": WANTED}]}}
    apply(workers, pod("asks", **wanted))
    wait_until(
        lambda: "SysctlForbidden" in workers.podsysctl("get", "pod", "asks").stdout, 30, "the pod to be refused"
    )

    for allowed, prefix in ((NAME, NAME), ("vm.*", "vm.")):
        assert f'the sysctls "{prefix}" are not known to be namespaced' in allow_in_pool(workers, allowed)
    apply(workers, pod("asks-again", **wanted))
    wait_until(
        lambda: "SysctlForbidden" in workers.podsysctl("get", "pod", "asks-again").stdout, 30, "the pod to be refused"
    )


def test_drift_conflict_and_origin_in_a_running_cluster(workers: Cluster, original: str) -> None:
    """The process itself sees a change within its poll, nodes of one kernel get nothing when they differ, and `origin`
    names the profile while it is applied, and what it wanted when it is not."""
    workers.podsysctl("label", "node", "worker-0", "sysctl-profile=swap-late")
    apply(workers, tuned())
    wait_applied(workers, "worker-0", "swap-late")
    place = "profile swap-late, section [sysctl], vm.swappiness (line 4)"
    assert origin(workers)["from"] == {"kind": "Tuned", "where": f"{place}, node worker-0"}

    SWAPPINESS.write_text("74")
    wait_reason(workers, "worker-0", "Drift")
    assert condition(workers, "worker-0", "Degraded")["message"] == f'{NAME} is "74" and not "{WANTED}" ({place})'
    path = ["get", "events", "-n", NAMESPACE, "-o", "jsonpath={.items[?(@.reason=='Drift')].message}"]
    assert f'{NAME} is "74" and not "{WANTED}"' in workers.podsysctl(*path).stdout
    verdicts = {item["kind"]: item["verdict"] for item in origin(workers)["layers"]}
    assert verdicts["Tuned"] == "disagrees"

    apply(workers, tuned(annotations={"tuning.podsysctl.dev/correct-drift": "true"}))
    wait_until(lambda: SWAPPINESS.read_text().strip() == WANTED, 15, "the drift to be corrected")
    wait_reason(workers, "worker-0", "AsExpected")

    other = tuned(f"{NAME}=72").replace("swap-late", "swap-later")
    apply(workers, other)
    workers.podsysctl("label", "node", "worker-1", "sysctl-profile=swap-later")
    for node in ("worker-0", "worker-1"):
        wait_reason(workers, node, "NodesShareKernel")
    assert SWAPPINESS.read_text().strip() == original
    wheres = [item["where"] for item in origin(workers)["layers"] if item["kind"] == "Tuned"]
    assert wheres[0] == f"{place}, node worker-0, not applied: NodesShareKernel"
    workers.podsysctl("label", "node", "worker-1", "sysctl-profile-")
    wait_until(lambda: SWAPPINESS.read_text().strip() == WANTED, 15, "the one that is left to be applied")


def origin(cluster: Cluster) -> dict[str, Any]:
    """`podsysctl sysctl origin` as JSON."""
    command = ("sysctl", "origin", NAME, "--data-dir", str(cluster.data_dir), "-o", "json")
    found: dict[str, Any] = json.loads(cluster.podsysctl(*command).stdout)
    return found


def wait_reason(cluster: Cluster, node: str, reason: str) -> None:
    """Until the node's condition Degraded has this reason."""
    wait_until(
        lambda: condition(cluster, node, "Degraded").get("reason") == reason, 15, f"Degraded of {node} to be {reason}"
    )


def test_host_is_as_before_after_down_and_after_sigkill_and_the_next_up(original: str) -> None:
    """Whatever ends the process, the original comes back: by the next start, and by `down`."""
    cluster = Cluster("--node-name", "tuned-node")
    cluster.start()
    try:
        cluster.podsysctl("label", "node", "tuned-node", "sysctl-profile=swap-late")
        apply(cluster, tuned())
        wait_applied(cluster, "tuned-node", "swap-late")
        cluster.kill()
        assert SWAPPINESS.read_text().strip() == WANTED, "a crash leaves the value for the next start to put back"
        cluster.start()
        applied = wait_until(lambda: state(cluster).get("applied"), 15, "the profile to be applied anew")
        assert [(item["name"], item["original"]) for item in applied] == [(NAME, original)]
        cluster.podsysctl("label", "node", "tuned-node", "sysctl-profile-")
        wait_until(lambda: SWAPPINESS.read_text().strip() == original, 15, "the original to be back")
        cluster.podsysctl("label", "node", "tuned-node", "sysctl-profile=swap-late")
        wait_until(lambda: SWAPPINESS.read_text().strip() == WANTED, 15, "the profile to be applied again")
        cluster.kill()
        assert SWAPPINESS.read_text().strip() == WANTED
    finally:
        cluster.destroy()
    assert SWAPPINESS.read_text().strip() == original


def state(cluster: Cluster) -> dict[str, Any]:
    """What the process tells of its tuning in its data directory."""
    found: dict[str, Any] = json.loads((cluster.data_dir / "tuning.json").read_text())
    return found
