"""The sysctl cases that Kubernetes tests on real nodes, rewritten from their intent, and a few more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, wait_until
from tests.e2e.pods import manifest, pod

pytestmark = pytest.mark.e2e


def read(cluster: Cluster, namespace: str, name: str, sysctl: str) -> str:
    """A value as `sysctl -n` prints it inside a pod."""
    return cluster.kubectl("exec", "-n", namespace, name, "--", "sysctl", "-n", sysctl).stdout.rstrip("\n")


def events(cluster: Cluster, namespace: str, name: str) -> list[tuple[str, str]]:
    """Reason and message of a pod's events."""
    items = cluster.get("events", "-n", namespace, "--field-selector", f"involvedObject.name={name}")["items"]
    return [(e["reason"], e["message"]) for e in items]


def test_safe_sysctl_is_applied_in_the_pod_and_not_on_the_host(kubectl: Cluster, namespace: str) -> None:
    """A safe sysctl reaches the pod; the host keeps its own value."""
    host = Path("/proc/sys/kernel/shm_rmid_forced").read_text()
    kubectl.kubectl("apply", "-n", namespace, "-f", "-", input_text=manifest(
        pod("safe", sysctls={"kernel.shm_rmid_forced": "1"})))  # fmt: skip
    kubectl.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/safe", "--timeout=30s")
    assert read(kubectl, namespace, "safe", "kernel.shm_rmid_forced") == "1"
    assert Path("/proc/sys/kernel/shm_rmid_forced").read_text() == host


def test_slash_name_means_the_same_as_the_dotted_name(kubectl: Cluster, namespace: str) -> None:
    """kernel/shm_rmid_forced is kernel.shm_rmid_forced."""
    kubectl.kubectl("apply", "-n", namespace, "-f", "-", input_text=manifest(
        pod("slash", sysctls={"kernel/shm_rmid_forced": "1"})))  # fmt: skip
    kubectl.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/slash", "--timeout=30s")
    assert read(kubectl, namespace, "slash", "kernel.shm_rmid_forced") == "1"


def test_invalid_names_are_refused_with_every_cause(kubectl: Cluster, namespace: str) -> None:
    """Each bad name is a cause of one 422; the good one is not."""
    names = ["foo-", "kernel.shmmax", "safe-and-unsafe", "bar.."]
    done = kubectl.kubectl("create", "-n", namespace, "-f", "-", check=False, input_text=manifest(
        pod("bad", sysctls=dict.fromkeys(names, "100000000"))))  # fmt: skip
    assert done.returncode == 1
    assert 'The Pod "bad" is invalid:' in done.stderr
    for index, bad in ((0, "foo-"), (3, "bar..")):
        assert f'spec.securityContext.sysctls[{index}].name: Invalid value: "{bad}"' in done.stderr
    assert "kernel.shmmax" not in done.stderr


def test_duplicate_sysctl_is_refused(kubectl: Cluster, namespace: str) -> None:
    """The same raw name twice is a Duplicate value."""
    twice = pod("twice")
    twice["spec"]["securityContext"]["sysctls"] = [{"name": "net.core.somaxconn", "value": v} for v in ("1", "2")]
    done = kubectl.kubectl("create", "-n", namespace, "-f", "-", check=False, input_text=manifest(twice))
    assert 'spec.securityContext.sysctls[1].name: Duplicate value: "net.core.somaxconn"' in done.stderr


@pytest.mark.parametrize(("field", "sysctl"), [("hostNetwork", "net.ipv4.tcp_syncookies"), ("hostIPC", "kernel.sem")])
def test_sysctl_of_a_shared_host_namespace_is_refused(
    kubectl: Cluster, namespace: str, field: str, sysctl: str
) -> None:
    """A pod in the host's namespace may not set what belongs to that namespace."""
    done = kubectl.kubectl("create", "-n", namespace, "-f", "-", check=False, input_text=manifest(
        pod("host", sysctls={sysctl: "1"}, **{field: True})))  # fmt: skip
    assert f"Invalid value: \"{sysctl}\": may not be specified when '{field}' is true" in done.stderr


@pytest.mark.parametrize("sysctl", ["vm.swappiness", "kernel.hostname", "kernel.msgmax", "net.core.somaxconn"])
def test_sysctl_outside_the_allowlist_never_starts(kubectl: Cluster, namespace: str, sysctl: str) -> None:
    """Anything not allowed on the node ends as SysctlForbidden, whatever its kind."""
    kubectl.kubectl("apply", "-n", namespace, "-f", "-", input_text=manifest(
        pod("unsafe", sysctls={sysctl: "1"})))  # fmt: skip
    status = kubectl.wait_phase("unsafe", "Failed", namespace=namespace)
    assert status["reason"] == "SysctlForbidden"
    assert status["message"] == f'Pod was rejected: forbidden sysctl: "{sysctl}" not allowlisted'


def test_value_the_kernel_refuses_keeps_the_pod_creating(kubectl: Cluster, namespace: str) -> None:
    """A bad value fails the sandbox, is reported and retried, and the pod stays ContainerCreating."""
    kubectl.kubectl("apply", "-n", namespace, "-f", "-", input_text=manifest(
        pod("badvalue", sysctls={"net.ipv4.ip_local_port_range": "abc"})))  # fmt: skip
    message = wait_until(
        lambda: next((m for r, m in events(kubectl, namespace, "badvalue") if r == "FailedCreatePodSandBox"), None),
        20, "FailedCreatePodSandBox",
    )  # fmt: skip
    assert message.startswith("Failed to create pod sandbox: rpc error: code = Unknown desc = ")
    assert "invalid argument" in message
    table = kubectl.kubectl("get", "pod", "badvalue", "-n", namespace, "--no-headers").stdout.split()
    assert table[1:4] == ["0/1", "ContainerCreating", "0"]
    assert kubectl.pod_status("badvalue", namespace)["phase"] == "Pending"


def test_declared_values_are_verified_in_a_condition(kubectl: Cluster, namespace: str) -> None:
    """What was declared is read back in the sandbox, compared as values."""
    kubectl.kubectl("apply", "-n", namespace, "-f", "-", input_text=manifest(
        pod("verified", sysctls={"net.ipv4.tcp_rmem": "4096  87380   6291456"})))  # fmt: skip
    kubectl.kubectl("wait", "-n", namespace, "--for=condition=SysctlsVerified", "pod/verified", "--timeout=30s")
    assert read(kubectl, namespace, "verified", "net.ipv4.tcp_rmem") == "4096\t87380\t6291456"
