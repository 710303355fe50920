"""Parts of a container's configuration: environment, downward API, security, resources, host names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podsysctl.base.errors import UsageError
from podsysctl.node import container as container_module
from podsysctl.node import downward, environment, hostname, resources, security
from podsysctl.node.config import AgentConfig, KubeletConfiguration, parse_kubelet_configuration
from podsysctl.node.paths import NodePaths
from podsysctl.node.sandbox import build as build_sandbox
from podsysctl.node.security import ContainerConfigError, ImageUser
from podsysctl.node.volumes.manager import Volume
from podsysctl.runtime import cri_pb2 as cri
from tests.node.builders import container, pod

FACTS = downward.NodeFacts(("192.0.2.10",), {"cpu": 2000, "memory": 4096})


class _References:
    """ConfigMaps and Secrets of a test."""

    def __init__(self, **objects: dict[str, Any]) -> None:
        self._objects = objects

    async def config_map(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self._objects.get(name)

    async def secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self._objects.get(name)


async def _resolve(spec: dict[str, Any], **objects: dict[str, Any]) -> dict[str, str]:
    references: Any = _References(**objects)
    return await environment.Resolver(pod(spec), spec, references, FACTS, ("10.0.0.2",)).resolve()


async def test_environment_later_variables_expand_earlier_ones() -> None:
    """$(NAME) sees what was declared before; $$ escapes; unknown names stay."""
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$$(A)-$(C)"}]
    assert await _resolve(container(env=env)) == {"A": "1", "B": "1-$(A)-$(C)"}


async def test_environment_env_overrides_env_from() -> None:
    """Variables of env win over those of envFrom, which carry their prefix."""
    spec = container(
        envFrom=[{"prefix": "P_", "configMapRef": {"name": "cfg"}}], env=[{"name": "P_a", "value": "own"}]
    )
    got = await _resolve(spec, cfg={"kind": "ConfigMap", "data": {"a": "1", "b": "2"}})
    assert got == {"P_a": "own", "P_b": "2"}


async def test_environment_never_comes_from_binary_data() -> None:
    """A ConfigMap's binaryData is for files: bytes in a variable would keep the container from starting."""
    cfg = {"kind": "ConfigMap", "data": {"a": "1"}, "binaryData": {"b": "AAEC/w=="}}
    assert await _resolve(container(envFrom=[{"configMapRef": {"name": "cfg"}}]), cfg=cfg) == {"a": "1"}
    source = {"configMapKeyRef": {"name": "cfg", "key": "b"}}
    with pytest.raises(ContainerConfigError, match="couldn't find key b in ConfigMap default/cfg"):
        await _resolve(container(env=[{"name": "A", "valueFrom": source}]), cfg=cfg)


async def test_environment_secret_key_is_decoded() -> None:
    """A Secret's value is base64 on the wire."""
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    got = await _resolve(
        container(env=[{"name": "A", "valueFrom": source}]), s={"kind": "Secret", "data": {"k": "aGk="}}
    )
    assert got == {"A": "hi"}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"configMapKeyRef": {"name": "none", "key": "k"}}, 'configmap "none" not found'),
        ({"secretKeyRef": {"name": "none", "key": "k"}}, 'secret "none" not found'),
        ({"configMapKeyRef": {"name": "cfg", "key": "k"}}, "couldn't find key k in ConfigMap default/cfg"),
    ],
)
async def test_environment_missing_reference_fails_unless_optional(source: dict[str, Any], text: str) -> None:
    """A missing object or key is an error in the kubelet's words, and left out when optional."""
    cfg = {"kind": "ConfigMap", "data": {}}
    with pytest.raises(ContainerConfigError) as caught:
        await _resolve(container(env=[{"name": "A", "valueFrom": source}]), cfg=cfg)
    assert caught.value.message == text
    (kind, reference) = next(iter(source.items()))
    optional = {kind: {**reference, "optional": True}}
    assert await _resolve(container(env=[{"name": "A", "valueFrom": optional}]), cfg=cfg) == {}


def test_downward_fields_and_subscripts() -> None:
    """fieldRef reads names, addresses, and single labels; whole maps are sorted and quoted."""
    subject = pod()
    subject["metadata"]["labels"] = {"b": 'x"y', "a": "1"}
    read = {
        path: downward.field(subject, path, FACTS, ("10.0.0.2",))
        for path in ("metadata.labels['a']", "metadata.labels", "status.podIP", "status.hostIP", "spec.nodeName")
    }
    assert read == {
        "metadata.labels['a']": "1",
        "metadata.labels": 'a="1"\nb="x\\"y"',
        "status.podIP": "10.0.0.2",
        "status.hostIP": "192.0.2.10",
        "spec.nodeName": "node1",
    }


def test_downward_resource_divides_and_rounds_up() -> None:
    """resourceFieldRef divides by its divisor, rounds up, and falls back to the node's amount."""
    spec = container(resources={"limits": {"cpu": "1500m"}})
    subject = pod(spec)
    assert downward.resource(subject, spec, {"resource": "limits.cpu"}, FACTS) == "2"
    assert downward.resource(subject, spec, {"resource": "limits.cpu", "divisor": "1m"}, FACTS) == "1500"
    assert downward.resource(subject, spec, {"resource": "limits.memory"}, FACTS) == "4096"
    assert downward.resource(subject, spec, {"resource": "requests.memory"}, FACTS) == "0"


@pytest.mark.parametrize(
    ("context", "user", "text"),
    [
        (
            {"runAsNonRoot": True},
            ImageUser(0),
            'container has runAsNonRoot and image will run as root (pod: "p_default(uid-1)", container: c)',
        ),
        (
            {"runAsNonRoot": True, "runAsUser": 0},
            ImageUser(1000),
            "container's runAsUser breaks non-root policy (pod: \"p_default(uid-1)\", container: c)",
        ),
        (
            {"runAsNonRoot": True},
            ImageUser(None, "app"),
            "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root "
            '(pod: "p_default(uid-1)", container: c)',
        ),
    ],
)
def test_verify_non_root_refuses_root_in_upstreams_words(context: dict[str, Any], user: ImageUser, text: str) -> None:
    """runAsNonRoot refuses an image that runs as root, or whose user is not a number."""
    subject = pod(securityContext=context)
    with pytest.raises(ContainerConfigError) as caught:
        security.verify_non_root(subject, subject["spec"]["containers"][0], user)
    assert caught.value.message == text


def test_verify_non_root_accepts_other_users() -> None:
    """A user other than 0, from the pod or the image, is fine."""
    subject = pod(securityContext={"runAsNonRoot": True, "runAsUser": 1000})
    security.verify_non_root(subject, subject["spec"]["containers"][0], ImageUser(0))
    subject = pod(securityContext={"runAsNonRoot": True})
    security.verify_non_root(subject, subject["spec"]["containers"][0], ImageUser(1000))


def test_container_context_of_the_chapter_is_restrictive() -> None:
    """The chapter's security context reaches the runtime whole."""
    spec = container(
        securityContext={"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    )
    subject = pod(
        spec,
        securityContext={
            "runAsUser": 2000,
            "runAsGroup": 3000,
            "fsGroup": 4000,
            "supplementalGroups": [5000],
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    )
    got = security.container_context(subject, spec, ImageUser(0), Path("/seccomp"), False)
    assert got.no_new_privs
    assert list(got.capabilities.drop_capabilities) == ["ALL"]
    assert (got.run_as_user.value, got.run_as_group.value) == (2000, 3000)
    assert list(got.supplemental_groups) == [4000, 5000]
    assert got.seccomp.profile_type == cri.SecurityProfile.RuntimeDefault
    assert "/proc/kcore" in got.masked_paths
    assert "/proc/sys" in got.readonly_paths


def test_container_context_unmasked_proc_has_no_masks() -> None:
    """procMount Unmasked leaves /proc as it is."""
    spec = container(securityContext={"procMount": "Unmasked"})
    got = security.container_context(pod(spec), spec, ImageUser(0), Path("/s"), False)
    assert not got.masked_paths
    assert not got.readonly_paths
    assert got.seccomp.profile_type == cri.SecurityProfile.Unconfined


def test_container_context_passes_the_app_armor_profile_on() -> None:
    """The container's profile wins over its annotation of old, and that over the pod's; without one none is sent."""
    shared = {"appArmorProfile": {"type": "Unconfined"}}
    own = {"appArmorProfile": {"type": "Localhost", "localhostProfile": "strict"}}
    plain, special = container("plain"), container("special", securityContext=own)
    subject = pod(plain, special, securityContext=shared)
    subject["metadata"]["annotations"] = {"container.apparmor.security.beta.kubernetes.io/plain": "runtime/default"}

    def sent(spec: dict[str, Any], of: dict[str, Any] = subject) -> Any:
        return security.container_context(of, spec, ImageUser(0), Path("/s"), False)

    assert sent(plain).apparmor == cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault)
    wanted = cri.SecurityProfile(profile_type=cri.SecurityProfile.Localhost, localhost_ref="strict")
    assert sent(special).apparmor == wanted
    assert sent(container("other")).apparmor.profile_type == cri.SecurityProfile.Unconfined
    assert not sent(plain, pod(plain)).HasField("apparmor")


def test_sandbox_sysctls_are_dotted_and_the_last_spelling_wins(tmp_path: Path) -> None:
    """Slash names go to the runtime with dots, and a later duplicate overwrites."""
    sysctls = [
        {"name": "kernel.sem", "value": "1"},
        {"name": "kernel/sem", "value": "2"},
        {"name": "net/ipv4/conf/eth0.100/rp_filter", "value": "0"},
    ]
    config = AgentConfig("node1", tmp_path)
    got = build_sandbox(
        pod(securityContext={"sysctls": sysctls}),
        config,
        NodePaths(tmp_path),
        attempt=3,
        node_dns=hostname.DNS(["192.0.2.53"]),
        default_sysctls={"net.ipv4.ping_group_range": "0 1"},
        cgroup_parent="/x",
    )
    assert dict(got.linux.sysctls) == {
        "net.ipv4.ping_group_range": "0 1",
        "kernel.sem": "2",
        "net.ipv4.conf.eth0/100.rp_filter": "0",
    }
    assert (got.metadata.attempt, got.hostname) == (3, "p")
    assert list(got.dns_config.servers) == ["192.0.2.53"]
    assert got.labels["podsysctl.dev/node"] == "node1"
    assert got.log_directory == f"{tmp_path}/logs/default_p_uid-1"


def test_namespace_options_follow_the_pod() -> None:
    """hostNetwork, hostIPC, hostPID and shareProcessNamespace choose the namespaces."""
    got = security.namespace_options(pod(hostNetwork=True, hostIPC=True, hostPID=True))
    assert (got.network, got.ipc, got.pid) == (cri.NODE, cri.NODE, cri.NODE)
    got = security.namespace_options(pod(shareProcessNamespace=True))
    assert (got.network, got.ipc, got.pid) == (cri.POD, cri.POD, cri.POD)
    assert security.namespace_options(pod()).pid == cri.CONTAINER


def test_linux_resources_follow_requests_and_limits() -> None:
    """Shares from the request, quota from the limit, memory in bytes, OOM score by quality of service."""
    spec = container(resources={"requests": {"cpu": "250m"}, "limits": {"cpu": "500m", "memory": "64Mi"}})
    subject = pod(spec)
    subject["status"]["qosClass"] = "Burstable"
    got = resources.linux_resources(subject, spec, KubeletConfiguration(), 1 << 30)
    assert (got.cpu_shares, got.cpu_quota, got.cpu_period) == (256, 50000, 100000)
    assert got.memory_limit_in_bytes == 64 * 1024 * 1024
    assert got.oom_score_adj == 999
    assert resources.linux_resources(pod(), container(), KubeletConfiguration(), 1).oom_score_adj == 1000


def test_hosts_file_names_the_pod() -> None:
    """The pod's /etc/hosts has its address and name, its domain, and its aliases."""
    subject = pod(subdomain="sub", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["x", "y"]}])
    text = hostname.hosts_file(subject, ("10.0.0.2",), "cluster.local", "")
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "10.0.0.2\tp.sub.default.svc.cluster.local\tp\n" in text
    assert text.endswith("\n# Entries added by HostAliases.\n1.2.3.4\tx\ty\n")


def test_pod_dns_policies() -> None:
    """Default and ClusterFirst without cluster DNS take the node's servers; None takes only the pod's own."""
    node = hostname.parse_resolv_conf("nameserver 192.0.2.53\nsearch example.com\noptions ndots:1\n")
    kubelet = KubeletConfiguration()
    assert hostname.pod_dns(pod(), kubelet, node).servers == ["192.0.2.53"]
    own = pod(dnsPolicy="None", dnsConfig={"nameservers": ["1.1.1.1"], "options": [{"name": "ndots", "value": "2"}]})
    got = hostname.pod_dns(own, kubelet, node)
    assert (got.servers, got.searches, got.options) == (["1.1.1.1"], [], ["ndots:2"])
    cluster = KubeletConfiguration(cluster_dns=("10.96.0.10",), cluster_domain="cluster.local")
    got = hostname.pod_dns(pod(), cluster, node)
    assert got.searches == ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.com"]


def test_hostname_is_cut_to_the_kernels_length() -> None:
    """A long pod name is cut to 63 bytes and never ends with a separator."""
    subject = pod()
    subject["metadata"]["name"] = "a" * 62 + "-" + "b" * 10
    assert hostname.kernel_hostname(subject, "") == "a" * 62


def test_kubelet_configuration_reads_durations_and_lists() -> None:
    """The fields this agent obeys are read from a KubeletConfiguration; others are accepted."""
    got = parse_kubelet_configuration(
        {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "allowedUnsafeSysctls": ["net.core.somaxconn"],
            "maxPods": 20,
            "nodeStatusReportFrequency": "1m30s",
            "somethingNew": True,
        }
    )
    assert (got.allowed_unsafe_sysctls, got.max_pods, got.node_status_report_s) == (("net.core.somaxconn",), 20, 90.0)


@pytest.mark.parametrize(
    "fields",
    [
        {"registerWithTaints": 5},
        {"registerWithTaints": "key"},
        {"registerWithTaints": ["key"]},
        {"crashLoopBackOff": "1m"},
        {"crashLoopBackOff": {"maxContainerRestartPeriod": "999ms"}},
        {"nodeLeaseDurationSeconds": -1},
        {"systemReserved": ["cpu"]},
        {"cpuCFSQuota": "no"},
        {"maxPods": "20"},
        {"allowedUnsafeSysctls": "net.*"},
    ],
)
def test_kubelet_configuration_that_a_kubelet_cannot_read_is_refused(fields: dict[str, Any]) -> None:
    """In words, so that a rollout takes it back: any other error ends the whole machine, start after start."""
    with pytest.raises(UsageError, match=f"kubelet configuration: .*{next(iter(fields))}"):
        parse_kubelet_configuration(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"nodeStatusUpdateFrequency": "0s"},
        {"nodeStatusReportFrequency": "0s"},
        {"nodeLeaseDurationSeconds": 0},
        {"cpuCFSQuotaPeriod": "0s"},
        {"maxPods": 0},
        {"cpuCFSQuota": None, "serializeImagePulls": None},
    ],
)
def test_kubelet_configuration_zero_is_the_default_where_it_says_nothing(fields: dict[str, Any]) -> None:
    """A status written without a pause, or a lease renewed so, would take a whole processor."""
    assert parse_kubelet_configuration(fields) == KubeletConfiguration()


def test_hosts_of_the_node_in_another_encoding_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment of an administrator must not keep pods of the node's network from starting."""
    (tmp_path / "hosts").write_bytes(b"127.0.0.1 localhost # h\xfctte\n")
    monkeypatch.setattr(container_module, "ETC_HOSTS", str(tmp_path / "hosts"))
    config = AgentConfig("node1", tmp_path)
    context = container_module.Context(pod(hostNetwork=True), config, NodePaths(tmp_path), {}, ("192.0.2.1",), 0)
    image = container_module.Image("sha256:abc", ImageUser())
    made = container_module.build(context, container(), 0, image, {})
    assert b"# h\xfctte" in Path(made.mounts[0].host_path).read_bytes()


def _mount(tmp_path: Path, *, supported: bool = True, variables: dict[str, str] | None = None, **fields: Any) -> Any:
    """What a volume mount of a container becomes for the runtime."""
    (tmp_path / "volume").mkdir(exist_ok=True)
    volumes = {"v": Volume(tmp_path / "volume")}
    paths = NodePaths(tmp_path)
    context = container_module.Context(pod(), AgentConfig("node1", tmp_path), paths, volumes, (), 0, supported)
    spec = container(volumeMounts=[{"name": "v", "mountPath": "/v", **fields}])
    image = container_module.Image("sha256:abc", ImageUser())
    return container_module.build(context, spec, 0, image, variables or {}).mounts[0]


def test_mount_is_recursively_read_only_when_asked_for_and_possible(tmp_path: Path) -> None:
    """IfPossible is what the runtime can do; Enabled is done or refused."""

    def recursive(mode: str, supported: bool) -> bool:
        made = _mount(tmp_path, supported=supported, readOnly=True, recursiveReadOnly=mode)
        assert made.readonly
        return bool(made.recursive_read_only)

    assert recursive("Enabled", True)
    assert [recursive("IfPossible", supported) for supported in (True, False)] == [True, False]
    assert not recursive("Disabled", True)
    text = "failed to resolve recursive read-only mode: "
    text += 'volume "v" requested recursive read-only mode, but it is not supported by the runtime'
    with pytest.raises(ContainerConfigError) as caught:
        recursive("Enabled", False)
    assert caught.value.message == text


def test_sub_path_expression_needs_a_value_for_every_name(tmp_path: Path) -> None:
    """A name without a value is refused, and no directory is made that is called like it."""
    with pytest.raises(ContainerConfigError) as caught:
        _mount(tmp_path, subPathExpr="$(POD)/$(NOPE)/$(EMPTY)/$$(KEPT)", variables={"POD": "p", "EMPTY": ""})
    assert caught.value.message == "missing value for EMPTY, NOPE"
    assert list((tmp_path / "volume").iterdir()) == []
