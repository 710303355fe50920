"""The chapter's privileged DaemonSet: refused without the privileged constraint, and with it the node's value changes.

The parameter is vm.vfs_cache_pressure, by which the kernel drops names of files a little later; the test saves and
restores it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import Cluster, wait_until
from tests.e2e.pods import manifest, pod
from tests.metrics import reading

pytestmark = pytest.mark.e2e

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "node-tuning" / "daemonset" / "vfs-cache-pressure.yaml"
NAMESPACE = "node-sysctls"
FILE = Path("/proc/sys/vm/vfs_cache_pressure")
VALUE = "90"
NOBODYS = ("restricted", "nonroot-v2", "nonroot", "hostmount-anyuid", "hostnetwork-v2", "hostnetwork", "hostaccess")
PRIVILEGED = ".containers[0].privileged: Invalid value: true: Privileged containers are not allowed"
REASONS = [
    'provider "anyuid": Forbidden: not usable by user or serviceaccount',
    f"provider restricted-v2: {PRIVILEGED}",
    "provider restricted-v3: .spec.securityContext.hostUsers: Invalid value: null: Host Users must be set to false",
    f"provider restricted-v3: {PRIVILEGED}",
    *(f'provider "{name}": Forbidden: not usable by user or serviceaccount' for name in (*NOBODYS, "privileged")),
]
GOLDEN = (
    'pods "{name}" is forbidden: unable to validate against any security context constraint: ['
    + ", ".join(REASONS)
    + "]"
)


@pytest.fixture
def interval() -> Iterator[str]:
    """The host's value, which is there again afterwards whatever happened."""
    before = FILE.read_text().strip()
    assert before != VALUE, "the test needs another value than the host's"
    try:
        yield before
    finally:
        FILE.write_text(before)
    assert FILE.read_text().strip() == before


@pytest.fixture
def setter(kubectl: Cluster, interval: str) -> Iterator[Cluster]:
    """A cluster with the example's objects, which are gone afterwards."""
    kubectl.kubectl("apply", "-f", str(EXAMPLE))
    try:
        yield kubectl
    finally:
        kubectl.kubectl("delete", "-f", str(EXAMPLE), "--ignore-not-found", "--timeout=60s")


def refusals(cluster: Cluster) -> list[str]:
    """Why the DaemonSet's controller could not make a pod."""
    items = cluster.get("events", "-n", NAMESPACE, "--field-selector", "reason=FailedCreate")["items"]
    return [str(event["message"]) for event in items]


def origin(cluster: Cluster) -> dict[str, Any]:
    """What `sysctl origin` says of the parameter."""
    answer: dict[str, Any] = json.loads(
        cluster.podsysctl("sysctl", "origin", "vm.vfs_cache_pressure", "-o", "json").stdout
    )
    return answer


def test_daemonset_sets_the_node_only_under_the_privileged_constraint(setter: Cluster, interval: str) -> None:
    """Without the right its pods are refused; with it the node has the value, pods see it, and it has an origin."""
    told = wait_until(lambda: refusals(setter), 30, "the DaemonSet's pod to be refused")
    assert told[0] == "Error creating: " + GOLDEN.format(name="sysctl-setter-")
    assert FILE.read_text().strip() == interval

    shown = setter.kubectl("get", "--raw", "/metrics").stdout
    assert reading.value("podsysctl_refused_pods_total", shown, gate="scc", reason="NoConstraintAdmits") >= 1
    [node] = setter.get("nodes")["items"]
    applied = {"node": node["metadata"]["name"], "profile": "machine-defaults"}
    assert reading.value("podsysctl_profile_applied", shown, **applied) == 1
    assert reading.value("podsysctl_reconcile_duration_seconds_count", shown, controller="daemonset-controller") >= 1

    setter.podsysctl("policy", "add-scc-to-user", "privileged", "-z", "sysctl-setter", "-n", NAMESPACE)
    wait_until(lambda: FILE.read_text().strip() == VALUE, 60, "the node to have the DaemonSet's value")
    [running] = setter.get("pods", "-n", NAMESPACE)["items"]
    assert running["metadata"]["annotations"]["openshift.io/scc"] == "privileged"
    assert running["metadata"]["ownerReferences"][0]["kind"] == "DaemonSet"

    setter.kubectl("apply", "-n", NAMESPACE, "-f", "-", input_text=manifest(pod("reader")))
    setter.kubectl("wait", "-n", NAMESPACE, "--for=condition=Ready", "pod/reader", "--timeout=60s")
    read = setter.kubectl("exec", "-n", NAMESPACE, "reader", "--", "sysctl", "-n", "vm.vfs_cache_pressure").stdout
    assert read.strip() == VALUE

    answer = origin(setter)
    assert answer["from"] == {"kind": "DaemonSet", "where": f"{NAMESPACE}/sysctl-setter, container set"}
    assert answer["layers"][-1]["verdict"] == "wins"

    setter.kubectl("delete", "daemonset", "sysctl-setter", "-n", NAMESPACE, "--timeout=60s")
    wait_until(lambda: origin(setter)["from"] is None, 60, "the DaemonSet's pod to be gone")
    assert FILE.read_text().strip() == VALUE, "what a DaemonSet wrote stays when it is gone"


def test_plain_user_may_not_make_the_privileged_pod(setter: Cluster) -> None:
    """Somebody who may make pods in the namespace is refused by name of field and rule, and nothing is made."""
    setter.kubectl("create", "rolebinding", "alice", "-n", NAMESPACE, "--clusterrole=edit", "--user=alice")
    template = next(d for d in yaml.safe_load_all(EXAMPLE.read_text()) if d["kind"] == "DaemonSet")["spec"]["template"]
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mine"}, "spec": template["spec"]}
    done = setter.kubectl("create", "-n", NAMESPACE, "--as=alice", "-f", "-", input_text=manifest(made), check=False)
    assert done.returncode == 1
    prefix = 'Error from server (Forbidden): error when creating "STDIN": '
    assert done.stderr == prefix + GOLDEN.format(name="mine") + "\n"
    assert setter.kubectl("get", "pod", "mine", "-n", NAMESPACE, check=False).returncode == 1
