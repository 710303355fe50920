"""Pods on a real runtime and a real API server: from creation to Ready, their content, their ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podsysctl.node.registration import NODES
from podsysctl.node.status_writer import PODS
from podsysctl.objects.kinds import builtin_by_resource
from tests.metrics import reading
from tests.node.cluster import NODE, Cluster, condition, container, is_ready, pod, shell, state, waiting

pytestmark = [pytest.mark.runtime, pytest.mark.root]

CONFIG_MAPS = builtin_by_resource("", "v1", "configmaps")
SECRETS = builtin_by_resource("", "v1", "secrets")

SHM_RMID_FORCED = "/proc/sys/kernel/shm_rmid_forced"

SYSCTLS = [
    {"name": "kernel.shm_rmid_forced", "value": "1"},
    {"name": "net/ipv4/ip_local_port_range", "value": "32770   60666"},
]


def _read(path: str) -> str:
    return Path(path).read_text()


async def test_pod_with_safe_sysctls_runs_and_is_verified(cluster: Cluster) -> None:
    """Declared sysctls are in effect in the pod, confirmed by the condition, and nowhere else."""
    host = _read(SHM_RMID_FORCED)
    await cluster.create(pod("a", securityContext={"sysctls": SYSCTLS}))
    found = await cluster.wait("a", is_ready)
    verified = condition(found, "SysctlsVerified")
    assert (verified["status"], verified["reason"]) == ("True", "ValuesMatch")
    assert reading.value("podsysctl_sysctl_verifications_total", result="as-declared") >= 1
    assert (await cluster.execute(found, "cat", SHM_RMID_FORCED)).strip() == "1"
    assert (await cluster.execute(found, "cat", "/proc/sys/net/ipv4/ip_local_port_range")).split() == ["32770", "60666"]
    assert _read(SHM_RMID_FORCED) == host
    reasons = [reason for _, reason, _ in await cluster.events("a")]
    assert reasons == ["Pulled", "Created", "Started"]


async def test_pod_with_unsafe_sysctl_is_forbidden_as_measured(cluster: Cluster) -> None:
    """The status of a refused pod has exactly the fields a real kubelet leaves, and no sandbox was made."""
    await cluster.create(pod("a", securityContext={"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]}))
    found = await cluster.wait("a", lambda p: p["status"].get("reason"))
    status = dict(found["status"])
    status.pop("startTime")
    assert status == {
        "message": 'Pod was rejected: forbidden sysctl: "net.core.somaxconn" not allowlisted',
        "observedGeneration": 1,
        "phase": "Failed",
        "qosClass": "BestEffort",
        "reason": "SysctlForbidden",
    }
    text = 'forbidden sysctl: "net.core.somaxconn" not allowlisted'
    assert await cluster.wait_event("a", "SysctlForbidden") == text
    assert reading.value("podsysctl_refused_pods_total", gate="kubelet", reason="SysctlForbidden") >= 1
    assert await cluster.sandboxes() == []


async def test_value_that_the_kernel_refuses_keeps_pod_creating(cluster: Cluster) -> None:
    """A value the kernel does not take fails the sandbox, and the pod waits in ContainerCreating."""
    bad = {"sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "nonsense"}]}
    counted = {"gate": "runtime", "reason": "FailedCreatePodSandBox"}
    before = reading.value("podsysctl_refused_pods_total", **counted)
    await cluster.create(pod("a", securityContext=bad))
    text = await cluster.wait_event("a", "FailedCreatePodSandBox")
    assert reading.value("podsysctl_refused_pods_total", **counted) == before + 1
    assert text.startswith("Failed to create pod sandbox: rpc error: code = Unknown desc = ")
    assert "invalid argument" in text
    found = await cluster.wait("a", lambda p: waiting(p) == "ContainerCreating")
    assert found["status"]["phase"] == "Pending"
    assert condition(found, "PodReadyToStartContainers")["status"] == "False"
    assert condition(found, "Ready")["message"] == "containers with unready status: [c]"


async def test_init_containers_and_sidecar_run_in_order(cluster: Cluster) -> None:
    """Init containers run one after the other, a sidecar runs beside the rest, and all share a volume."""
    work = {"volumeMounts": [{"name": "w", "mountPath": "/w"}]}
    body = pod(
        "a",
        shell("cat /w/log; sleep INF", **work),
        initContainers=[
            shell("echo one >> /w/log", "one", **work),
            shell("echo side >> /w/log; sleep INF", "side", restartPolicy="Always", **work),
            shell("echo two >> /w/log", "two", **work),
        ],
        volumes=[{"name": "w", "emptyDir": {}}],
    )
    await cluster.create(body)
    found = await cluster.wait("a", is_ready)
    assert (await cluster.execute(found, "cat", "/w/log")).split() == ["one", "side", "two"]
    init = {s["name"]: s for s in found["status"]["initContainerStatuses"]}
    assert init["one"]["state"]["terminated"]["reason"] == "Completed"
    assert (init["side"]["started"], init["side"]["ready"]) == (True, True)


async def test_security_context_is_enforced(cluster: Cluster) -> None:
    """User, groups, capabilities, no_new_privs, seccomp and the read-only root hold inside the container."""
    context = {
        "runAsUser": 2000,
        "runAsGroup": 3000,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    shared = {"fsGroup": 4000, "supplementalGroups": [5000], "seccompProfile": {"type": "RuntimeDefault"}}
    await cluster.create(pod("a", container(securityContext=context), securityContext=shared))
    found = await cluster.wait("a", is_ready)
    assert (await cluster.execute(found, "id")).strip() == "uid=2000 gid=3000 groups=3000,4000,5000"
    status = await cluster.execute(found, "cat", "/proc/1/status")
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(values["CapEff"], 16) == int(values["CapBnd"], 16) == 0
    assert (values["NoNewPrivs"], values["Seccomp"]) == ("1", "2")
    probe = 'touch /x 2>/dev/null && echo writable || echo read-only'
    assert (await cluster.execute(found, "bash", "-c", probe)).strip() == "read-only"


async def test_pod_that_wants_a_user_namespace_is_not_started_without(cluster: Cluster) -> None:
    """Running it as the host's root would break what it relies on; the text is the kubelet's."""
    await cluster.create(pod("a", hostUsers=False))
    text = "can't set `spec.hostUsers: false`, runtime does not support user namespaces"
    assert await cluster.wait_event("a", "FailedCreatePodSandBox") == f"Failed to create pod sandbox: {text}"
    await cluster.wait("a", lambda p: waiting(p) == "ContainerCreating")
    assert await cluster.sandboxes() == []


async def test_pod_with_resource_claims_is_not_started_without_its_devices(cluster: Cluster) -> None:
    """It waits, and the event says that there is nobody here who could give it a device."""
    claims = [{"name": "gpu", "resourceClaimName": "my-gpu"}]
    await cluster.create(pod("a", container(resources={"claims": [{"name": "gpu"}]}), resourceClaims=claims))
    text = "this node has no driver for the devices of the pod's resource claims: gpu"
    said = await cluster.wait_event("a", "FailedPrepareDynamicResources")
    assert said == f"Failed to prepare dynamic resources: {text}"
    await cluster.wait("a", lambda p: waiting(p) == "ContainerCreating")
    assert await cluster.sandboxes() == []


async def test_run_as_non_root_refuses_image_of_root(cluster: Cluster) -> None:
    """An image that runs as root is not started under runAsNonRoot, and the reason is upstream's."""
    created = await cluster.create(pod("a", securityContext={"runAsNonRoot": True}))
    found = await cluster.wait("a", lambda p: waiting(p) == "CreateContainerConfigError")
    uid = created["metadata"]["uid"]
    text = f'container has runAsNonRoot and image will run as root (pod: "a_default({uid})", container: c)'
    assert state(found)["waiting"]["message"] == text
    assert await cluster.wait_event("a", "Failed") == f"Error: {text}"


async def test_environment_and_volumes_hold_what_was_declared(cluster: Cluster) -> None:
    """Variables and files come from the pod, the node, ConfigMaps and Secrets."""
    await cluster.client.create(
        CONFIG_MAPS, {"metadata": {"name": "cfg", "namespace": "default"}, "data": {"a": "1", "b": "two"}}
    )
    await cluster.client.create(SECRETS, {"metadata": {"name": "s", "namespace": "default"}, "data": {"k": "aGk="}})
    env = [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cfg", "key": "a"}}},
        {"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "BOTH", "value": "$(A)-$(K)"},
    ]
    mounts = [
        {"name": "cfg", "mountPath": "/cfg"},
        {"name": "cfg", "mountPath": "/one", "subPath": "b"},
        {"name": "all", "mountPath": "/all"},
        {"name": "tmp", "mountPath": "/memory"},
    ]
    sources = [
        {"secret": {"name": "s", "items": [{"key": "k", "path": "secret/k", "mode": 0o400}]}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
    ]
    volumes = [
        {"name": "cfg", "configMap": {"name": "cfg"}},
        {"name": "all", "projected": {"sources": sources}},
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]
    await cluster.create(pod("a", container(env=env, volumeMounts=mounts), volumes=volumes))
    found = await cluster.wait("a", is_ready)
    printed = await cluster.execute(found, "env")
    assert {"A=1", "K=hi", "POD=a", "BOTH=1-hi"} <= set(printed.splitlines())
    read = await cluster.execute(found, "bash", "-c", "cat /cfg/a /one /all/secret/k /all/name; stat -f -c %T /memory")
    assert read == "1twohiatmpfs\n"
    assert (await cluster.execute(found, "cat", "/all/token")).count(".") == 2


async def test_variable_comes_from_a_file_that_an_init_container_wrote(cluster: Cluster) -> None:
    """fileKeyRef is resolved when the container starts, after what came before it."""
    work = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    source = {"fileKeyRef": {"volumeName": "v", "path": "env", "key": "KEY"}}
    body = pod(
        "a",
        container(env=[{"name": "FROM_FILE", "valueFrom": source}]),
        initContainers=[shell("echo \"KEY='it works'\" > /v/env", "init", **work)],
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    await cluster.create(body)
    found = await cluster.wait("a", is_ready)
    assert "FROM_FILE=it works\n" in await cluster.execute(found, "env")


async def test_recursive_read_only_mount_is_one_or_is_refused(cluster: Cluster) -> None:
    """What is mounted below the volume cannot be written either, or the container does not start and says why."""
    handlers = (await cluster.client.get(NODES, NODE))["status"].get("runtimeHandlers") or []
    can = any(h.get("name", "") == "" and h["features"]["recursiveReadOnlyMounts"] for h in handlers)
    mount = {"name": "v", "mountPath": "/v", "readOnly": True, "recursiveReadOnly": "Enabled"}
    mild = {**mount, "recursiveReadOnly": "IfPossible"}
    both = [container("must", volumeMounts=[mount]), container("may", volumeMounts=[mild])]
    await cluster.create(pod("a", *both, volumes=[{"name": "v", "emptyDir": {}}]))
    found = await cluster.wait("a", lambda p: "running" in state(p, 1) and waiting(p) != "ContainerCreating")
    said = {s["volumeMounts"][0]["recursiveReadOnly"] for s in found["status"]["containerStatuses"]}
    assert said == {"Enabled" if can else "Disabled"}
    if not can:
        assert waiting(found) == "CreateContainerConfigError"
        assert state(found)["waiting"]["message"].endswith("but it is not supported by the runtime")


async def test_config_map_change_reaches_the_volume(cluster: Cluster) -> None:
    """A changed ConfigMap appears in a running pod's volume without a restart."""
    body = {"metadata": {"name": "cfg", "namespace": "default"}, "data": {"a": "old"}}
    await cluster.client.create(CONFIG_MAPS, body)
    mount = [{"name": "cfg", "mountPath": "/cfg"}]
    await cluster.create(
        pod("a", container(volumeMounts=mount), volumes=[{"name": "cfg", "configMap": {"name": "cfg"}}])
    )
    found = await cluster.wait("a", is_ready)
    await cluster.client.patch(CONFIG_MAPS, "cfg", {"data": {"a": "new"}}, namespace="default")
    script = "for i in $(seq 100); do grep -q new /cfg/a && exit 0; sleep 0.1; done; exit 1"
    await cluster.execute(found, "bash", "-c", script)


async def test_missing_config_map_keeps_pod_waiting_until_it_is_there(cluster: Cluster) -> None:
    """A pod whose volume's ConfigMap is missing says so and starts as soon as it is created."""
    volumes = [{"name": "cfg", "configMap": {"name": "late"}}]
    await cluster.create(pod("a", container(volumeMounts=[{"name": "cfg", "mountPath": "/cfg"}]), volumes=volumes))
    text = 'MountVolume.SetUp failed for volume "cfg" : configmap "late" not found'
    assert await cluster.wait_event("a", "FailedMount") == text
    await cluster.client.create(CONFIG_MAPS, {"metadata": {"name": "late", "namespace": "default"}, "data": {"a": "1"}})
    await cluster.wait("a", is_ready, timeout_s=8)


async def test_completed_and_failed_pods_report_their_ends(cluster: Cluster) -> None:
    """With restartPolicy Never the exit code decides the phase; the termination message is told."""
    await cluster.create(pod("good", shell("true"), restartPolicy="Never"))
    bad = shell("echo why > /dev/termination-log; exit 7")
    logged = shell("echo from the log; exit 1", terminationMessagePolicy="FallbackToLogsOnError")
    await cluster.create(pod("bad", bad, restartPolicy="Never"))
    await cluster.create(pod("logged", logged, restartPolicy="Never"))
    good = await cluster.wait("good", lambda p: p["status"]["phase"] == "Succeeded")
    assert state(good)["terminated"]["reason"] == "Completed"
    found = await cluster.wait("bad", lambda p: p["status"]["phase"] == "Failed")
    ended = state(found)["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (7, "Error", "why\n")
    found = await cluster.wait("logged", lambda p: p["status"]["phase"] == "Failed")
    assert state(found)["terminated"]["message"] == "from the log\n"


async def test_pipe_for_a_termination_message_stops_nobody(cluster: Cluster) -> None:
    """Whatever a container has mounted there, the agent does not wait for it."""
    volume = {"name": "v", "mountPath": "/v"}
    message = {"name": "v", "mountPath": "/dev/termination-log", "subPath": "pipe"}
    body = pod(
        "a",
        shell("exit 3", volumeMounts=[message]),
        initContainers=[shell("mkfifo /v/pipe", name="make", volumeMounts=[volume])],
        volumes=[{"name": "v", "emptyDir": {}}],
        restartPolicy="Never",
    )
    await cluster.create(body)
    found = await cluster.wait("a", lambda p: p["status"].get("phase") == "Failed")
    assert "it is not a regular file" in state(found)["terminated"]["message"]


async def test_crashing_container_backs_off(cluster: Cluster) -> None:
    """A container that ends is restarted at once, then waits in CrashLoopBackOff for ten seconds."""
    await cluster.create(pod("a", shell("exit 3")))
    found = await cluster.wait("a", lambda p: waiting(p) == "CrashLoopBackOff")
    entry = found["status"]["containerStatuses"][0]
    assert entry["restartCount"] == 1
    assert entry["lastState"]["terminated"]["exitCode"] == 3
    uid = found["metadata"]["uid"]
    text = f"back-off 10s restarting failed container=c pod=a_default({uid})"
    assert entry["state"]["waiting"]["message"] == text
    shown = f"Back-off restarting failed container c in pod a_default({uid})"
    assert await cluster.wait_event("a", "BackOff") == shown


async def test_liveness_failure_restarts_and_readiness_decides_ready(cluster: Cluster) -> None:
    """A failing liveness probe restarts the container, a readiness probe holds Ready back."""
    live = container(livenessProbe={"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1})
    await cluster.create(pod("live", live))
    await cluster.wait("live", lambda p: p["status"].get("containerStatuses", [{}])[0].get("restartCount"))
    assert await cluster.wait_event("live", "Killing") == "Container c failed liveness probe, will be restarted"
    assert (await cluster.wait_event("live", "Unhealthy")).startswith("Liveness probe failed: ")
    probe = {"exec": {"command": ["test", "-f", "/tmp/ready"]}, "periodSeconds": 1}
    await cluster.create(pod("ready", shell("mkdir -p /tmp; sleep INF", readinessProbe=probe)))
    found = await cluster.wait("ready", lambda p: "running" in state(p))
    assert not is_ready(found)
    await cluster.execute(found, "bash", "-c", "mkdir -p /tmp; touch /tmp/ready")
    await cluster.wait("ready", is_ready, timeout_s=8)


async def test_alias_stands_for_an_image_that_no_registry_gives(cluster: Cluster) -> None:
    """A short name with an alias runs the local image, with a Warning that says so."""
    await cluster.create(pod("a", {"name": "c", "image": "centos", "command": ["sleep", "INF"]}))
    await cluster.wait("a", is_ready, timeout_s=60)
    reasons = [reason for _, reason, _ in await cluster.events("a")]
    assert "ImageAliased" in reasons or "Pulled" in reasons


async def test_image_that_is_not_there_is_told_by_policy(cluster: Cluster) -> None:
    """Never is refused at once; a pull that fails backs off."""
    await cluster.create(pod("never", container(image="example.invalid/x:1", imagePullPolicy="Never")))
    found = await cluster.wait("never", lambda p: waiting(p) == "ErrImageNeverPull")
    text = 'Container image "example.invalid/x:1" is not present with pull policy of Never'
    assert state(found)["waiting"]["message"] == text
    await cluster.create(pod("pull", container(image="example.invalid/x:1")))
    await cluster.wait("pull", lambda p: waiting(p) in ("ErrImagePull", "ImagePullBackOff"), timeout_s=60)
    text = await cluster.wait_event("pull", "Failed")
    assert text.startswith('Failed to pull image "example.invalid/x:1": ')


async def test_active_deadline_ends_the_pod(cluster: Cluster) -> None:
    """A pod past its activeDeadlineSeconds is Failed with reason DeadlineExceeded."""
    await cluster.create(pod("a", activeDeadlineSeconds=2))
    found = await cluster.wait("a", lambda p: p["status"]["phase"] == "Failed")
    assert found["status"]["reason"] == "DeadlineExceeded"
    assert found["status"]["message"] == "Pod was active on the node longer than the specified deadline"


async def test_host_namespaces_are_shared_when_asked(cluster: Cluster) -> None:
    """hostNetwork, hostIPC and hostPID put the container into the node's namespaces; its address is the node's."""
    await cluster.create(pod("a", hostNetwork=True, hostIPC=True, hostPID=True))
    found = await cluster.wait("a", is_ready)
    kinds = "readlink /proc/self/ns/net /proc/self/ns/ipc /proc/self/ns/pid"
    inside = (await cluster.execute(found, "bash", "-c", kinds)).split()
    assert inside == [os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "ipc", "pid")]
    assert found["status"]["podIP"] == found["status"]["hostIP"]


async def test_shared_process_namespace_shows_both_containers(cluster: Cluster) -> None:
    """With shareProcessNamespace one container sees the other's processes."""
    await cluster.create(pod("a", container("a"), container("b", "sleep", "987654"), shareProcessNamespace=True))
    found = await cluster.wait("a", is_ready)
    listed = await cluster.execute(found, "bash", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "987654" in listed


async def test_image_change_restarts_the_container(cluster: Cluster) -> None:
    """A changed image replaces the running container and counts a restart."""
    await cluster.create(pod("a"))
    await cluster.wait("a", is_ready)
    spec = {"containers": [{"name": "c", "image": f"{container()['image']}:latest"}]}
    await cluster.client.patch(PODS, "a", {"spec": spec}, namespace="default", patch_type="strategic")
    found = await cluster.wait("a", lambda p: p["status"]["containerStatuses"][0]["restartCount"] == 1)
    assert found["spec"]["containers"][0]["image"].endswith(":latest")
    assert await cluster.wait_event("a", "Killing") == "Container c definition changed, will be restarted"


async def test_debug_container_joins_the_processes_of_its_target(cluster: Cluster) -> None:
    """An ephemeral container is added to a running pod and sees its target's processes."""
    await cluster.create(pod("a", container("main", "sleep", "123456")))
    await cluster.wait("a", is_ready)
    debug = container("debug", targetContainerName="main")
    await cluster.client.patch(
        PODS,
        "a",
        {"spec": {"ephemeralContainers": [debug]}},
        namespace="default",
        patch_type="strategic",
        subresource="ephemeralcontainers",
    )

    def runs(found: dict[str, object]) -> bool:
        statuses = found["status"].get("ephemeralContainerStatuses") or []  # type: ignore[attr-defined]
        return any("running" in s["state"] for s in statuses)

    found = await cluster.wait("a", runs)
    container_id = found["status"]["ephemeralContainerStatuses"][0]["containerID"].removeprefix("containerd://")
    result = await cluster.runtime.exec_sync(container_id, ["cat", "/proc/1/cmdline"], 10)
    assert b"123456" in result.stdout


async def test_empty_dir_past_its_limit_evicts_the_pod(cluster: Cluster) -> None:
    """A pod that fills its emptyDir beyond sizeLimit is Failed with reason Evicted."""
    fill = shell("head -c 4194304 /dev/zero > /w/big; sleep INF", volumeMounts=[{"name": "w", "mountPath": "/w"}])
    await cluster.create(pod("a", fill, volumes=[{"name": "w", "emptyDir": {"sizeLimit": "1Mi"}}]))
    found = await cluster.wait("a", lambda p: p["status"]["phase"] == "Failed")
    text = 'Usage of EmptyDir volume "w" exceeds the limit "1Mi". '
    assert (found["status"]["reason"], found["status"]["message"]) == ("Evicted", text)
    assert await cluster.wait_event("a", "Evicted") == text
