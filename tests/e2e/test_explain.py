"""What `podsysctl explain` prints makes the pod run: the manifests are applied as they are, nothing else is done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from podsysctl.objects import tuning
from tests.e2e.cluster import Cluster, host_state, left_behind, wait_until
from tests.e2e.pods import manifest, pod

pytestmark = pytest.mark.e2e

CHAPTER = Path(__file__).resolve().parents[2] / "examples" / "chapter" / "sysctl-example-unsafe.yaml"


def on_host(name: str) -> str:
    """The host's value, which a test may set again without changing anything."""
    return " ".join(Path("/proc/sys", *name.split(".")).read_text().split())


@pytest.fixture(scope="module")
def pools() -> Iterator[Cluster]:
    """One master and one worker, with pools."""
    for program in ("containerd", "kubectl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    before = host_state()
    cluster = Cluster("--masters", "1", "--workers", "1")
    cluster.start()
    try:
        wait_until(lambda: is_settled(cluster), 60, "the worker pool to be up to date")
        yield cluster
    finally:
        cluster.destroy()
    assert left_behind(before) == {}


def is_settled(cluster: Cluster) -> bool:
    """Whether every node of the worker pool runs what was rendered last."""
    found = cluster.get("mcp", "worker")
    status = found.get("status", {})
    updated = any(c["type"] == "Updated" and c["status"] == "True" for c in status.get("conditions", []))
    wanted = found["spec"].get("configuration", {}).get("name", "")
    return updated and wanted != "" and status["configuration"].get("name") == wanted and status["machineCount"] == 1


def explain(cluster: Cluster, target: str, *words: str, text: str | None = None) -> dict[str, Any]:
    """The JSON answer for one target; exit code 3 must go with a refusal."""
    done = cluster.podsysctl("explain", target, *words, "-o", "json", input_text=text, check=False)
    answer: dict[str, Any] = json.loads(done.stdout)["targets"][0]
    assert done.returncode == (0 if answer["runs"] else 3), done.stderr
    return answer


def kinds(documents: str) -> list[str]:
    """The kinds of a stream."""
    return [document["kind"] for document in yaml.safe_load_all(documents)]


def test_chapters_pod_runs_after_the_printed_manifests(pools: Cluster) -> None:
    """The kubelet's allowlist is named on each node; a KubeletConfig is all it takes."""
    answer = explain(pools, str(CHAPTER))
    assert {node["name"] for node in answer["nodes"]} == {"master-0", "worker-0"}
    for node in answer["nodes"]:
        reasons = [v["reason"] for s in node["sysctls"] for v in s["gates"] if v["outcome"] == "refused"]
        assert reasons == [
            'forbidden sysctl: "net.core.somaxconn" not allowlisted',
            'forbidden sysctl: "kernel.msgmax" not allowlisted',
        ]
    pools.kubectl("apply", "-f", str(CHAPTER))
    assert pools.wait_phase("sysctl-example-unsafe", "Failed")["reason"] == "SysctlForbidden"
    printed = pools.podsysctl("explain", "pod/sysctl-example-unsafe", "-o", "manifests", check=False).stdout
    assert kinds(printed) == ["KubeletConfig"]
    pools.kubectl("apply", "-f", "-", input_text=printed)
    wait_until(lambda: allows(pools, "kernel.msgmax"), 60, "the rollout")
    pools.kubectl("replace", "--force", "-f", str(CHAPTER))
    pools.kubectl("wait", "--for=condition=Ready", "pod/sysctl-example-unsafe", "--timeout=60s")
    assert explain(pools, str(CHAPTER))["runs"]
    pools.kubectl("delete", "pod", "sysctl-example-unsafe", "--now")


def allows(cluster: Cluster, name: str) -> bool:
    """Whether the worker publishes the name and is back from its rollout."""
    node = cluster.get("node", "worker-0")
    gates = json.loads(node["metadata"]["annotations"]["podsysctl.dev/sysctl-gates"])
    return name in gates["allowedUnsafeSysctls"] and not node["spec"].get("unschedulable") and is_settled(cluster)


@pytest.mark.parametrize(
    ("name", "sysctls", "fields", "gate", "printed", "reads"),
    [
        (
            "node-level",
            {"vm.swappiness": on_host("vm.swappiness"), "kernel.shm_rmid_forced": "1"},
            {},
            "kubelet",
            ["Tuned", "Pod"],
            {"vm.swappiness": on_host("vm.swappiness"), "kernel.shm_rmid_forced": "1"},
        ),
        (
            "interface",
            {"net.ipv4.conf.net1.accept_redirects": "0"},
            {},
            "kubelet",
            ["NetworkAttachmentDefinition", "Pod"],
            {"net.ipv4.conf.net1.accept_redirects": "0"},
        ),
        (
            "host-network",
            {"net.ipv4.ip_local_port_range": on_host("net.ipv4.ip_local_port_range")},
            {"hostNetwork": True},
            "validation",
            ["Tuned", "Pod"],
            {"net.ipv4.ip_local_port_range": on_host("net.ipv4.ip_local_port_range")},
        ),
        (
            "refused-value",
            {"net.ipv4.ip_local_port_range": "60999 32770"},
            {},
            "kernel",
            ["Pod"],
            {"net.ipv4.ip_local_port_range": "32770 60999"},
        ),
        (
            "not-namespaced",
            {"net.core.rmem_max": on_host("net.core.rmem_max")},
            {},
            "kubelet",
            ["Tuned", "Pod"],
            {},
        ),
    ],
)
def test_pod_runs_after_the_printed_manifests(
    pools: Cluster,
    name: str,
    sysctls: dict[str, str],
    fields: dict[str, Any],
    gate: str,
    printed: list[str],
    reads: dict[str, str],
) -> None:
    """The gate that refuses is named first; afterwards the pod is ready and reads what it wanted."""
    text = manifest(pod(name, sysctls=sysctls, **fields))
    answer = explain(pools, "-", text=text)
    assert answer["firstRefusal"]["gate"] == gate
    fix = pools.podsysctl("explain", "-", "-o", "manifests", input_text=text, check=False).stdout
    assert kinds(fix) == printed
    pools.kubectl("apply", "-f", "-", input_text=fix)
    try:
        pools.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
        if "Tuned" in printed:
            wait_until(lambda: is_tuned(pools, f"{name}-sysctls"), 60, "the node to be tuned")
        for sysctl, value in reads.items():
            out = pools.kubectl("exec", name, "--", "sysctl", "-n", sysctl).stdout
            assert out.split() == value.split()
    finally:
        pools.kubectl("delete", "-f", "-", "--wait", "--timeout=60s", input_text=fix)
    wait_until(lambda: is_tuned(pools, "machine-defaults"), 60, "the node to have its own values")


def is_tuned(cluster: Cluster, profile: str) -> bool:
    """Whether the worker has applied the profile, and nothing went wrong."""
    found = cluster.get("-n", tuning.NAMESPACE, "profile", "worker-0")
    status = found.get("status") or {}
    conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    return (
        found["spec"]["config"]["tunedProfile"] == status.get("tunedProfile") == profile
        and status.get("observedGeneration") == found["metadata"]["generation"]
        and conditions == {"Applied": "True", "Degraded": "False"}
    )


def told(cluster: Cluster, name: str) -> str:
    """Everything that the cluster says of a pod: its status, and its events."""
    listed = cluster.get("events", "--field-selector", f"involvedObject.name={name}")["items"]
    return json.dumps([cluster.get("pod", name).get("status"), [event["message"] for event in listed]])


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("no-room", {"resources": {"requests": {"cpu": "1000"}}}, "Insufficient cpu"),
        ("wrong-node", {"nodeName": "worker-0", "nodeSelector": {"disk": "ssd"}}, "Predicate NodeAffinity failed: "),
        ("no-user-namespace", {"hostUsers": False}, "runtime does not support user namespaces"),
        ("gated", {"schedulingGates": [{"name": "example.com/wait"}]},
         "Scheduling is blocked due to non-empty scheduling gates"),
        ("no-volume", {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
         "volume type persistentVolumeClaim is not supported on this node"),
        ("root", {"securityContext": {"runAsNonRoot": True, "runAsUser": 0}},
         "container's runAsUser breaks non-root policy"),
        ("alone", {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "none"}}}]}}},
         "node(s) didn't match pod affinity rules"),
    ],
)  # fmt: skip
def test_pod_that_never_runs_is_refused_in_the_words_that_it_gets(
    pools: Cluster, name: str, spec: dict[str, Any], words: str
) -> None:
    """What explain says before is what the pod's status or its events say afterwards."""
    text = manifest(pod(name, **spec))
    answer = explain(pools, "-", text=text)
    reasons = [answer["firstRefusal"]["reason"], *(node["scheduling"].get("reason", "") for node in answer["nodes"])]
    assert not answer["runs"]
    assert any(words in reason for reason in reasons)
    pools.kubectl("apply", "-f", "-", input_text=text)
    try:
        wait_until(lambda: words in told(pools, name), 60, f"{words!r} to be said of the pod")
        assert pools.pod_status(name)["phase"] in ("Pending", "Failed")
    finally:
        pools.kubectl("delete", "pod", name, "--now")


def test_empty_value_runs_without_it_as_explain_says(pools: Cluster) -> None:
    """The API takes it, and a write of nothing changes nothing."""
    text = manifest(pod("empty", sysctls={"net.ipv4.ip_unprivileged_port_start": ""}))
    answer = explain(pools, "-", text=text)
    assert answer["runs"]
    [verdict] = [v for v in answer["nodes"][0]["sysctls"][0]["gates"] if v["gate"] == "kernel"]
    assert (verdict["outcome"], verdict["reason"]) == ("warned", "an empty value writes nothing")
    pools.kubectl("apply", "-f", "-", input_text=text)
    try:
        pools.kubectl("wait", "--for=condition=Ready", "pod/empty", "--timeout=60s")
        name = "net.ipv4.ip_unprivileged_port_start"
        assert pools.kubectl("exec", "empty", "--", "sysctl", "-n", name).stdout.split() == ["1024"]
    finally:
        pools.kubectl("delete", "pod", "empty", "--now")


def test_plain_users_pod_runs_after_the_printed_manifests(pools: Cluster) -> None:
    """A constraint with its binding, and the kubelet's list; the user then creates the pod."""
    pools.kubectl("create", "namespace", "team")
    pools.kubectl("create", "rolebinding", "ann", "-n", "team", "--clusterrole=edit", "--user=ann")
    text = manifest(pod("mine", sysctls={"net.core.optmem_max": "32768", "kernel.sem": "250 32000 32 128"}))
    refused = pools.kubectl("create", "-n", "team", "--as=ann", "-f", "-", input_text=text, check=False)
    assert 'unsafe sysctl "kernel.sem" is not allowed' in refused.stderr
    answer = explain(pools, "-", "-n", "team", "--as", "ann", text=text)
    assert answer["firstRefusal"]["gate"] == "scc"
    fix = pools.podsysctl("explain", "-", "-n", "team", "--as", "ann", "-o", "manifests", input_text=text, check=False)
    assert kinds(fix.stdout)[:3] == ["SecurityContextConstraints", "ClusterRole", "RoleBinding"]
    pools.kubectl("apply", "-f", "-", input_text=fix.stdout)
    wait_until(lambda: allows(pools, "kernel.sem"), 60, "the rollout")
    pools.kubectl("create", "-n", "team", "--as=ann", "-f", "-", input_text=text)
    pools.kubectl("wait", "-n", "team", "--for=condition=Ready", "pod/mine", "--timeout=60s")
