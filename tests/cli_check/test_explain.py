"""`podsysctl explain` without a cluster: verdicts, fixes, forms of output, exit codes."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from podsysctl.cli.main import main
from tests.policy.builders import pod, restricted_pod, with_sysctls

CHAPTER = Path(__file__).resolve().parents[2] / "examples" / "chapter" / "sysctl-example-unsafe.yaml"


def file_of(directory: Path, *objects: Any) -> str:
    """A manifest file with these objects."""
    path = directory / "manifest.yaml"
    path.write_text(yaml.safe_dump_all(objects))
    return str(path)


def explain(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit code and standard output of an offline run."""
    code = main(["explain", *words, "--offline"])
    return code, capsys.readouterr().out


def explain_json(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """The answer for the only target."""
    code, out = explain(capsys, *words, "-o", "json")
    return code, json.loads(out)["targets"][0]


def test_explain_chapter_pod_names_the_kubelets_allowlist(capsys: pytest.CaptureFixture[str]) -> None:
    """Admission warns, the kubelet refuses, one manifest mends it; exit code 3."""
    code, out = explain(capsys, str(CHAPTER))
    assert code == 3
    assert 'would violate PodSecurity "restricted:latest": forbidden sysctls (net.core.somaxconn, kernel.msgmax)' in out
    assert 'verdict: refused by kubelet: forbidden sysctl: "net.core.somaxconn" not allowlisted' in out
    assert "kind: KubeletConfig" in out


def test_explain_pod_that_runs_exits_0(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A safe sysctl needs nothing; what the pod would read is shown as the kernel prints it."""
    target = with_sysctls(restricted_pod(), "net.ipv4.ip_local_port_range", value="32770       60666")
    code, out = explain(capsys, file_of(tmp_path, target))
    assert code == 0
    assert "verdict: it would run on 1 of 1 node(s)" in out
    assert "32770 60666" in out


def test_explain_json_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    """Gates, nodes, fixes and manifests for programs."""
    code, answer = explain_json(capsys, str(CHAPTER))
    assert code == 3
    assert answer["target"] == "pod/sysctl-example-unsafe"
    assert [gate["gate"] for gate in answer["gates"]] == ["validation", "scc", "pod-security"]
    sysctls = answer["nodes"][0]["sysctls"]
    assert sysctls[1]["gates"][0] == {
        "gate": "kubelet",
        "outcome": "refused",
        "sysctl": "net.core.somaxconn",
        "reason": 'forbidden sysctl: "net.core.somaxconn" not allowlisted',
        "rule": "no entry of the safe list or allowedUnsafeSysctls matches",
    }
    assert answer["runsAfterFixes"] is True
    assert [m["kind"] for m in answer["manifests"]] == ["KubeletConfig"]


def test_explain_manifests_are_a_yaml_stream(capsys: pytest.CaptureFixture[str]) -> None:
    """What `-o manifests` prints can be applied as it is."""
    code, out = explain(capsys, str(CHAPTER), "-o", "manifests", "--as", "dev", "-n", "demo")
    assert code == 3
    kinds = ["SecurityContextConstraints", "ClusterRole", "RoleBinding", "KubeletConfig"]
    assert [m["kind"] for m in yaml.safe_load_all(out)] == kinds


def test_explain_as_a_plain_user_asks_for_a_constraint(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Outside the platform's namespaces a plain user needs a constraint as well."""
    target = with_sysctls(restricted_pod(), "kernel.msgmax")
    name = file_of(tmp_path, target)
    kinds = [m["kind"] for m in explain_json(capsys, name, "--as", "dev")[1]["manifests"]]
    assert kinds == ["SecurityContextConstraints", "ClusterRole", "RoleBinding", "KubeletConfig"]
    kinds = [m["kind"] for m in explain_json(capsys, name)[1]["manifests"]]
    assert kinds == ["KubeletConfig"]


def test_explain_kubelet_configuration_is_honoured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A KubeletConfiguration file describes the node."""
    config = tmp_path / "kubelet.yaml"
    config.write_text("allowedUnsafeSysctls: [kernel.msg*, net.core.somaxconn]\n")
    code, _ = explain(capsys, str(CHAPTER), "--kubelet-config", str(config))
    assert code == 0
    config.write_text("allowedUnsafeSysctls: ['vm.*']\n")
    assert main(["explain", str(CHAPTER), "--offline", "--kubelet-config", str(config)]) == 2
    assert 'the sysctls "vm." are not known to be namespaced' in capsys.readouterr().err


@pytest.mark.parametrize(("kernel", "code"), [("4.14", 3), ("4.15", 0)])
def test_explain_kernel_version_decides_safe_names(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kernel: str, code: int
) -> None:
    """The kubelet's safe list depends on the node's kernel."""
    target = with_sysctls(restricted_pod(), "net.ipv4.tcp_rmem", value="4096 87380 6291456")
    assert explain(capsys, file_of(tmp_path, target), "--kernel", kernel)[0] == code


@pytest.mark.parametrize(("version", "warned"), [("1.26", True), ("1.27", False)])
def test_explain_cluster_version_decides_pod_security(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, version: str, warned: bool
) -> None:
    """An older cluster knows fewer safe names, in Pod Security and in the kubelet."""
    target = with_sysctls(restricted_pod(), "net.ipv4.ip_local_reserved_ports", value="8080")
    _, out = explain(capsys, file_of(tmp_path, target), "--cluster-version", version)
    assert ("forbidden sysctls" in out) is warned


def test_explain_deployment_changes_its_template(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A fix of the pod becomes a changed workload."""
    labels = {"matchLabels": {"a": "b"}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": with_sysctls(pod(), "vm.max_map_count")["spec"]}
    workload = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "demo"},
        "spec": {"selector": labels, "template": template},
    }
    code, answer = explain_json(capsys, file_of(tmp_path, workload))
    assert code == 3
    assert answer["target"] == "deployment/web"
    kinds = {m["kind"]: m for m in answer["manifests"]}
    assert "vm.max_map_count=1" in kinds["Tuned"]["spec"]["profile"][0]["data"]
    assert "securityContext" not in kinds["Deployment"]["spec"]["template"]["spec"]
    assert answer["runsAfterFixes"] is True


def test_explain_value_that_is_a_number_is_judged_in_quotes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The API server would answer 400; the fix is the quoted manifest."""
    target = with_sysctls(restricted_pod(), "kernel.shm_rmid_forced")
    target["spec"]["securityContext"]["sysctls"][0]["value"] = 1
    _, answer = explain_json(capsys, file_of(tmp_path, target))
    assert answer["quotedValues"] == ["kernel.shm_rmid_forced"]
    entry = answer["manifests"][0]["spec"]["securityContext"]["sysctls"][0]
    assert entry == {"name": "kernel.shm_rmid_forced", "value": "1"}


def test_explain_host_network_is_refused_by_validation(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The real field validation speaks; the node gets the value instead."""
    target = with_sysctls(restricted_pod(hostNetwork=True), "net.ipv4.tcp_syncookies")
    code, answer = explain_json(capsys, file_of(tmp_path, target))
    assert code == 3
    assert "may not be specified when 'hostNetwork' is true" in answer["gates"][0]["reason"]
    assert [m["kind"] for m in answer["manifests"]] == ["Tuned", "Pod"]
    assert answer["runsAfterFixes"] is True


def test_explain_reads_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash is standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(CHAPTER.read_bytes())))
    assert explain(capsys, "-")[0] == 3


def test_explain_parameter_goes_to_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    """A bare name is a kernel parameter."""
    assert main(["explain", "net.core.somaxconn"]) == 0
    assert "net.core.somaxconn" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nonsense"], "is no file, no KIND/NAME and no kernel parameter"),
        (["pod/x", "--offline"], "needs a cluster"),
        (["net.core.somaxconn", str(CHAPTER)], "not both"),
        ([str(CHAPTER), "--offline", "--node", "no-such"], "there is no node 'no-such'"),
        ([str(CHAPTER), "--offline", "--kernel", "x"], "does not begin with two numbers"),
        ([str(CHAPTER), "--offline", "--cluster-version", "x"], "is not of the form 1.30"),
        ([str(CHAPTER), "--offline", "--kubelet-config", "/no/such"], "cannot read /no/such"),
        (["/no/such.yaml"], "does not exist"),
    ],
)
def test_explain_question_that_makes_no_sense_exits_2(
    capsys: pytest.CaptureFixture[str], words: list[str], text: str
) -> None:
    """Usage errors name what is wrong."""
    assert main(["explain", *words]) == 2
    assert text in capsys.readouterr().err


def test_explain_file_without_pods_exits_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A ConfigMap starts no pod."""
    name = file_of(tmp_path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
    assert main(["explain", name, "--offline"]) == 2
    assert "nothing that creates pods" in capsys.readouterr().err


def test_explain_field_of_a_wrong_type_exits_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Nothing can be said of a pod that the API server cannot read."""
    broken = pod()
    broken["spec"]["containers"] = "none"
    assert main(["explain", file_of(tmp_path, broken), "--offline"]) == 2
    assert "cannot be handled as a Pod" in capsys.readouterr().err


HOST_NETWORK = pod(hostNetwork=True)
SITUATIONS: list[tuple[str, dict[str, Any], dict[str, str], tuple[str, ...]]] = [
    ("kubelet allowlist", pod(), {"net.core.somaxconn": "1024", "kernel.msgmax": "65536"}, ()),
    ("node-level", pod(), {"vm.swappiness": "10"}, ()),
    ("interface", pod(), {"net.ipv4.conf.net1.accept_redirects": "0"}, ()),
    ("host network", HOST_NETWORK, {"net.ipv4.ip_local_port_range": "1024 65535"}, ()),
    ("refused value", pod(), {"net.ipv4.ip_local_port_range": "60999 32770"}, ()),
    ("not namespaced", pod(), {"net.core.rmem_max": "1000000"}, ()),
    ("plain user", pod(), {"kernel.sem": "250 32000 32 128"}, ("--as", "ann", "-n", "team")),
]


@pytest.mark.parametrize(("name", "base", "sysctls", "words"), SITUATIONS, ids=[s[0] for s in SITUATIONS])
@pytest.mark.parametrize("platform", ["openshift", "kubernetes"])
def test_explain_of_its_own_manifests_says_that_the_pod_runs(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    base: dict[str, Any],
    sysctls: dict[str, str],
    words: tuple[str, ...],
    platform: str,
) -> None:
    """What is printed, given back as files, needs no further fix; on Kubernetes the kubelet's file as well."""
    target = copy.deepcopy(base)
    target["metadata"]["name"] = "p"
    target["spec"]["securityContext"] = {"sysctls": [{"name": n, "value": v} for n, v in sysctls.items()]}
    words = (*words, "--platform", platform)
    code, answer = explain_json(capsys, file_of(tmp_path, target), *words)
    assert (code, answer["runsAfterFixes"]) == (3, True)
    files = [yaml.safe_load(file["content"]) for fix in answer["fixes"] for file in fix.get("files", ())]
    changed = answer["manifests"] if any(m["kind"] == "Pod" for m in answer["manifests"]) else [target]
    code, again = explain_json(capsys, file_of(tmp_path, *files, *answer["manifests"], *changed), *words)
    assert (code, again["fixes"]) == (0, [])


@pytest.mark.parametrize(
    "beside",
    [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": 5}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": []},
        {"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints", "users": 1},
        {"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints", "metadata": {"name": "x"}},
        {"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "KubeletConfig", "spec": {
            "machineConfigPoolSelector": {"matchLabels": [1]}}},
        {"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "KubeletConfig", "spec": []},
        {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "allowedUnsafeSysctls": "x"},
        {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "spec": 1},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "subjects": [1], "roleRef": 1},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": [1, {"verbs": 1}]},
    ],
)  # fmt: skip
def test_explain_companion_that_is_not_well_formed_counts_as_absent(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, beside: dict[str, Any]
) -> None:
    """`check` says what is wrong with it; the pod is judged all the same."""
    code, answer = explain_json(capsys, file_of(tmp_path, beside, with_sysctls(restricted_pod(), "kernel.msgmax")))
    assert (code, answer["firstRefusal"]["gate"]) == (3, "kubelet")


def test_explain_offline_judges_by_the_namespace_in_the_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its labels decide what Pod Security enforces."""
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team", "labels": labels}}
    target = with_sysctls(restricted_pod(), "kernel.msgmax")
    for name, gate in (("team", "pod-security"), ("other", "kubelet")):
        target["metadata"]["namespace"] = name
        _, answer = explain_json(capsys, file_of(tmp_path, namespace, target), "--platform", "kubernetes")
        assert answer["firstRefusal"]["gate"] == gate
