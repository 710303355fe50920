"""`podsysctl explain` against a running API server: nodes, pools, rights, namespaces."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from podsysctl.apiserver import kubeconfig
from podsysctl.apiserver.config import ServerConfig
from podsysctl.apiserver.server import ApiServer
from podsysctl.cli.main import main
from podsysctl.client import config
from podsysctl.client.discovery import discover
from podsysctl.client.rest import Client
from podsysctl.objects import tuning
from podsysctl.policy.node_facts import NodeFacts
from tests.cli_check.test_explain import CHAPTER

POOL_API = "machineconfiguration.openshift.io/v1"


class Cluster:
    """An API server with nodes that publish their gates, and a kubeconfig for it."""

    def __init__(self, client: Client, path: Path) -> None:
        self.client = client
        self.kubeconfig = str(path)

    async def create(self, obj: dict[str, Any]) -> None:
        """Make any object."""
        mapper = await discover(self.client)
        await self.client.create(mapper.find_kind(obj["apiVersion"], obj["kind"]), obj)

    async def node(self, name: str, pool: str, *allowed: str) -> None:
        """A node of a pool whose kubelet allows these sysctls."""
        facts = NodeFacts(name, "6.1.0", allowed=allowed, app_armor=False)
        labels = {f"node-role.kubernetes.io/{pool}": "", "kubernetes.io/hostname": name}
        metadata = {"name": name, "labels": labels, "annotations": facts.to_annotations()}
        allocatable = {"cpu": "4", "memory": "8Gi", "pods": "10"}
        status = {"allocatable": allocatable, "features": {"supplementalGroupsPolicy": False}}
        await self.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status})

    async def explain(self, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
        """Exit code and the answer for the only target; the command runs in a thread with a loop of its own."""
        arguments = ["explain", *words, "-o", "json", "--kubeconfig", self.kubeconfig]
        code = await asyncio.to_thread(main, arguments)
        return code, json.loads(capsys.readouterr().out)["targets"][0]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """One master pool, one worker pool, one worker."""
    with tempfile.TemporaryDirectory(prefix="psc-", dir="/tmp") as directory:
        async with ApiServer(ServerConfig(Path(directory), port=0)) as server:
            path = kubeconfig.write_admin(server)
            async with Client(config.load(path)) as client:
                made = Cluster(client, path)
                label = "pools.operator.machineconfiguration.openshift.io/worker"
                role = {"key": "machineconfiguration.openshift.io/role", "operator": "In", "values": ["worker"]}
                pool = {
                    "apiVersion": POOL_API,
                    "kind": "MachineConfigPool",
                    "metadata": {"name": "worker", "labels": {label: ""}},
                    "spec": {
                        "machineConfigSelector": {"matchExpressions": [role]},
                        "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}},
                    },
                }
                await made.create(pool)
                await made.node("w0", "worker")
                yield made


async def test_explain_names_the_allowlist_of_the_real_nodes(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the node published is judged, and its pool is where the fix goes."""
    code, answer = await cluster.explain(capsys, str(CHAPTER))
    assert code == 3
    assert [node["name"] for node in answer["nodes"]] == ["w0"]
    assert answer["nodes"][0]["pool"] == "worker"
    assert answer["nodes"][0]["sysctls"][1]["gates"][0]["outcome"] == "refused"
    assert [m["kind"] for m in answer["manifests"]] == ["KubeletConfig"]
    assert answer["user"] == "kubernetes-admin"


async def test_node_level_fix_builds_on_the_profile_of_the_node(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its Profile names it, its Tuned at which priority; unknown ones are OpenShift's."""
    metadata = {"name": "p", "namespace": "default"}
    sysctls = [{"name": "vm.max_map_count", "value": "262144"}]
    spec = {"securityContext": {"sysctls": sysctls}, "containers": [{"name": "c", "image": "busybox"}]}
    path = tmp_path / "pod.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))

    async def printed() -> tuple[str, dict[str, Any]]:
        _, answer = await cluster.explain(capsys, str(path))
        (made,) = [m for m in answer["manifests"] if m["kind"] == "Tuned"]
        return made["spec"]["profile"][0]["data"], made["spec"]["recommend"][0]

    data, rule = await printed()
    assert ("include=openshift-node\n" in data, rule["priority"]) == (True, 20)
    place = {"namespace": tuning.NAMESPACE}
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tuning.NAMESPACE}})
    own = {
        "profile": [{"name": "own", "data": "[main]\n"}],
        "recommend": [{"profile": "own", "priority": 7, "operand": {"debug": True}}],
    }
    await cluster.create(
        {
            "apiVersion": "tuned.openshift.io/v1",
            "kind": "Tuned",
            "metadata": {"name": "own", **place},
            "spec": own,
        }
    )
    await cluster.create(
        {
            "apiVersion": "tuned.openshift.io/v1",
            "kind": "Profile",
            "metadata": {"name": "w0", **place},
            "spec": {"config": {"tunedProfile": "own"}},
        }
    )
    data, rule = await printed()
    assert ("include=own\n" in data, rule["priority"], rule["operand"]) == (True, 6, {"debug": True})


async def test_explain_prefers_a_node_that_accepts(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """One accepting node is enough to run; a single node can be asked for."""
    await cluster.node("w1", "worker", "kernel.msg*", "net.core.somaxconn")
    assert (await cluster.explain(capsys, str(CHAPTER)))[0] == 0
    assert (await cluster.explain(capsys, str(CHAPTER), "--node", "w1"))[0] == 0
    assert (await cluster.explain(capsys, str(CHAPTER), "--node", "w0"))[0] == 3


async def test_explain_as_plain_user_reviews_real_rights(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Rights come from the server's own roles and bindings; the namespace's ranges and labels are its own."""
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    metadata = {"name": "demo", "labels": labels}
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    code, answer = await cluster.explain(capsys, str(CHAPTER), "--as", "dev", "-n", "demo")
    assert code == 3
    gates = {gate["gate"]: gate for gate in answer["gates"]}
    assert 'provider "anyuid": Forbidden: not usable' in gates["scc"]["reason"]
    assert gates["pod-security"]["reason"].startswith('violates PodSecurity "baseline:latest"')
    assert [m["kind"] for m in answer["manifests"]] == [
        "SecurityContextConstraints", "ClusterRole", "RoleBinding", "Namespace", "KubeletConfig",
    ]  # fmt: skip
    assert answer["runsAfterFixes"] is True


async def test_explain_pod_of_the_cluster(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """A stored pod is judged by its name, and a missing namespace is told."""
    import yaml

    await cluster.create(yaml.safe_load(CHAPTER.read_text()) | {"metadata": {"name": "web", "namespace": "default"}})
    code, answer = await cluster.explain(capsys, "pod/web")
    assert (code, answer["target"]) == (3, "pod/web")
    arguments = ["explain", str(CHAPTER), "-n", "nowhere", "--kubeconfig", cluster.kubeconfig]
    assert await asyncio.to_thread(main, arguments) in (2, 3)


async def test_explain_applies_its_own_manifests(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What it prints for a plain user is accepted by the server, and then only the kubelet's part is left."""
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}})
    _, answer = await cluster.explain(capsys, str(CHAPTER), "--as", "dev", "-n", "demo")
    for manifest in answer["manifests"]:
        await cluster.create(manifest)
    _, after = await cluster.explain(capsys, str(CHAPTER), "--as", "dev", "-n", "demo")
    gates = {gate["gate"]: gate for gate in after["gates"]}
    assert gates["scc"]["rule"] == "scc/demo-default-sysctls, usable by the serviceaccount"
    assert [m["kind"] for m in after["manifests"]] == ["KubeletConfig"]
    assert after["manifests"][0]["metadata"]["name"] == "sysctl-worker"
