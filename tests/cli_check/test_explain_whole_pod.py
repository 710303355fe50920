"""`podsysctl explain` of pods that never run for other reasons than sysctls, with a cluster in reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli_check.test_explain_online import Cluster, cluster
from tests.policy.builders import restricted_pod

__all__ = ["cluster"]

NODE_PORT = {"containerPort": 80, "hostPort": 8080}


def container(**fields: Any) -> dict[str, Any]:
    """The only container of a pod."""
    return {"name": "c", "image": "localhost/i", **fields}


def requesting(**amounts: str) -> dict[str, Any]:
    """A spec whose container requests resources."""
    return {"containers": [container(resources={"requests": amounts})]}


def file_of(directory: Path, spec: dict[str, Any], name: str = "p") -> str:
    """A manifest of a pod in the namespace default."""
    path = directory / f"{name}.json"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}}
    spec = {"containers": [container()], **spec}
    path.write_text(json.dumps(pod | {"spec": spec}))
    return str(path)


def read(name: str) -> Any:
    """The pod of a manifest."""
    return json.loads(Path(name).read_text())


@pytest.mark.parametrize(
    ("spec", "gate", "reason", "rule"),
    [
        (requesting(cpu="100"), "scheduling", "Insufficient cpu", "requests"),
        ({"containers": [container(resources={"limits": {"memory": "9Gi"}})]},
         "scheduling", "Insufficient memory", "requests"),
        (requesting(**{"example.com/foo": "1"}) | {"containers": [
            container(resources={"requests": {"example.com/foo": "1"}, "limits": {"example.com/foo": "1"}})]},
         "scheduling", "Insufficient example.com/foo", "requests"),
        ({"nodeName": "w0", "nodeSelector": {"disk": "ssd"}}, "kubelet",
         "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector", "NodeAffinity"),
        ({"nodeName": "w0", **requesting(cpu="100")}, "kubelet",
         "Node didn't have enough resource: cpu, requested: 100000, used: 0, capacity: 4000", "OutOfcpu"),
        ({"nodeName": "gone"}, "scheduling", "the pod names node gone", "nodeName"),
        ({"os": {"name": "windows"}}, "kubelet",
         "Failed to admit pod as the OS field doesn't match node OS", "PodOSNotSupported"),
        ({"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}}, "kubelet",
         "Cannot enforce AppArmor: AppArmor is not enabled on the host", "AppArmor"),
        ({"securityContext": {"supplementalGroupsPolicy": "Strict"}}, "kubelet",
         "SupplementalGroupsPolicy=Strict is not supported in this node", "SupplementalGroupsPolicyNotSupported"),
        ({"resourceClaims": [{"name": "gpu", "resourceClaimName": "g"}]}, "kubelet",
         "Failed to prepare dynamic resources: this node has no driver for the devices of the pod's resource claims: "
         "gpu",
         "FailedPrepareDynamicResources"),
        ({"volumes": [{"name": "v", "emptyDir": {}}], "containers": [container(volumeMounts=[
            {"name": "v", "mountPath": "/v", "readOnly": True, "recursiveReadOnly": "Enabled"}])]}, "kubelet",
         'failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but it is not '
         "supported by the runtime (container: c)", "CreateContainerConfigError"),
        ({"hostUsers": False}, "kubelet",
         "can't set `spec.hostUsers: false`, runtime does not support user namespaces", "FailedCreatePodSandBox"),
        ({"schedulingGates": [{"name": "example.com/wait"}]}, "scheduling",
         "Scheduling is blocked due to non-empty scheduling gates", "schedulingGates: example.com/wait"),
        ({"schedulerName": "other"}, "scheduling",
         "no pod has a node from scheduler other, and default-scheduler leaves the pod alone", "schedulerName: other"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}, "kubelet",
         'MountVolume.SetUp failed for volume "v" : volume type persistentVolumeClaim is not supported on this node',
         "FailedMount"),
        ({"volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}]}, "kubelet",
         'MountVolume.SetUp failed for volume "v" : volume type nfs is not supported on this node', "FailedMount"),
        ({"securityContext": {"runAsNonRoot": True, "runAsUser": 0}}, "kubelet",
         "container's runAsUser breaks non-root policy (container: c)", "CreateContainerConfigError"),
    ],
)  # fmt: skip
async def test_explain_names_what_keeps_a_pod_from_running(
    cluster: Cluster,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    spec: dict[str, Any],
    gate: str,
    reason: str,
    rule: str,
) -> None:
    """Each of them is refused with exit code 3, by its gate, in the words of the event or condition that tells."""
    code, answer = await cluster.explain(capsys, file_of(tmp_path, spec))
    assert (code, answer["runs"], answer["runsAfterFixes"]) == (3, False, False)
    assert answer["firstRefusal"] == {"gate": gate, "outcome": "refused", "reason": reason, "rule": rule}


async def test_explain_counts_what_other_pods_take_and_not_what_its_own_do(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Room and host ports go to the pods of a node; a pod is not in its own way, nor is a workload."""
    name = file_of(tmp_path, {"containers": [container(ports=[NODE_PORT], resources={"requests": {"cpu": "3"}})]})
    assert (await cluster.explain(capsys, name))[0] == 0
    pod = read(name)
    pod["spec"]["nodeName"] = "w0"
    await cluster.create(pod)
    assert (await cluster.explain(capsys, name))[0] == 0, "it is the pod itself"
    spec = {"containers": [container(resources={"requests": {"cpu": "2"}})]}
    code, answer = await cluster.explain(capsys, file_of(tmp_path, spec, "q"))
    assert (code, answer["firstRefusal"]["reason"]) == (3, "Insufficient cpu")
    spec = {"containers": [container(ports=[NODE_PORT])]}
    code, answer = await cluster.explain(capsys, file_of(tmp_path, spec, "q"))
    text = "node(s) didn't have free ports for the requested pod ports"
    assert (code, answer["firstRefusal"]["reason"]) == (3, text)
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "u", "controller": True}
    labels = {"app": "d"}
    metadata = {"name": "d-1", "namespace": "default", "labels": labels, "ownerReferences": [owner]}
    port = {"containerPort": 80, "hostPort": 9090}
    of_set = {"containers": [container(ports=[port])]}
    await cluster.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**of_set, "nodeName": "w0"}}
    )
    template = {"metadata": {"labels": labels}, "spec": of_set}
    workload = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    path = tmp_path / "d.json"
    path.write_text(json.dumps(workload))
    _, answer = await cluster.explain(capsys, str(path))
    assert answer["nodes"][0]["scheduling"]["outcome"] == "allowed"


async def test_explain_asks_where_other_pods_are(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Anti-affinity of a pod that is there, the pod's own affinity, and constraints on how pods are spread."""
    here = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}

    def rules(kind: str, **term: Any) -> dict[str, Any]:
        return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [{**here, **term}]}}}

    constraint = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
    for spec, reason, rule in (
        (rules("podAffinity", labelSelector={"matchLabels": {"app": "db"}}),
         "node(s) didn't match pod affinity rules", "podAffinity"),
        ({"topologySpreadConstraints": [constraint]},
         "node(s) didn't match pod topology spread constraints (missing required label)", "topologySpreadConstraints"),
    ):  # fmt: skip
        code, answer = await cluster.explain(capsys, file_of(tmp_path, spec))
        assert (code, answer["firstRefusal"]["reason"], answer["firstRefusal"]["rule"]) == (3, reason, rule)
    name = file_of(tmp_path, {})
    assert (await cluster.explain(capsys, name))[0] == 0
    alone = read(name)
    alone["metadata"]["name"] = "alone"
    alone["spec"] |= {"nodeName": "w0", **rules("podAntiAffinity")}
    await cluster.create(alone)
    code, answer = await cluster.explain(capsys, name)
    text = "node(s) didn't satisfy existing pods anti-affinity rules"
    assert (code, answer["firstRefusal"]["reason"]) == (3, text)


async def test_explain_says_what_it_does_not_judge(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A scheduler that placed pods, and the user of an image, are named beside a verdict that leaves them open."""
    spec = {"schedulerName": "other", "securityContext": {"runAsNonRoot": True}}
    name = file_of(tmp_path, spec)
    pod = read(name)
    pod["metadata"]["name"], pod["spec"]["nodeName"] = "placed", "w0"
    await cluster.create(pod)
    code, answer = await cluster.explain(capsys, name)
    assert (code, answer["runs"]) == (0, True)
    assert answer["nodes"][0]["scheduling"] == {
        "gate": "scheduling",
        "outcome": "unknown",
        "reason": "scheduler other decides, which is not asked",
        "rule": "schedulerName: other",
    }
    assert answer["nodes"][0]["kubelet"] == [
        {
            "gate": "kubelet",
            "outcome": "unknown",
            "reason": "whether the image of container c runs as root",
            "rule": "runAsNonRoot",
        }
    ]


def test_explain_offline_says_that_room_is_not_judged(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without a cluster nobody knows what nodes offer; everything that a node alone decides is judged all the same."""
    from podsysctl.cli.main import main

    path = file_of(tmp_path, restricted_pod()["spec"] | requesting(cpu="100"))
    arguments = ["explain", path, "--offline", "--platform", "kubernetes"]
    assert main(arguments) == 0
    assert "not judged: what the nodes offer, and what other pods take of it, is not known" in capsys.readouterr().out
    path = file_of(tmp_path, {"schedulingGates": [{"name": "example.com/wait"}]})
    assert main([*arguments[:1], path, *arguments[2:]]) == 3
    assert "refused by scheduling: Scheduling is blocked" in capsys.readouterr().out
