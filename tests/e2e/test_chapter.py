"""The chapter's own manifests, unchanged, give the chapter's own output."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, wait_until

CHAPTER = Path(__file__).resolve().parents[2] / "examples" / "chapter"
pytestmark = pytest.mark.e2e


def row(table: str, name: str) -> list[str]:
    """The words of one line of a table."""
    return next(line.split() for line in table.splitlines() if line.split()[:1] == [name])


def test_safe_pod_runs_with_its_four_values(kubectl: Cluster) -> None:
    """7.9.4: the pod is Running, and each declared sysctl is read inside it."""
    out = kubectl.kubectl("apply", "-f", str(CHAPTER / "sysctl_pod.yaml")).stdout
    assert out == "pod/sysctl-example created\n"
    kubectl.kubectl("wait", "--for=condition=Ready", "pod/sysctl-example", "--timeout=30s")
    assert row(kubectl.kubectl("get", "pod").stdout, "sysctl-example")[1:4] == ["1/1", "Running", "0"]
    want = {
        "kernel.shm_rmid_forced": "1",
        "net.ipv4.ip_local_port_range": "32770\t60666",
        "net.ipv4.tcp_syncookies": "0",
        "net.ipv4.ping_group_range": "0\t200000000",
    }
    for name, value in want.items():
        assert kubectl.kubectl("exec", "sysctl-example", "--", "sysctl", name).stdout == f"{name} = {value}\n"
    assert kubectl.kubectl("exec", "sysctl-example", "--", "id", "-u").stdout == "2000\n"
    conditions = {c["type"]: c["status"] for c in kubectl.pod_status("sysctl-example")["conditions"]}
    assert conditions["SysctlsVerified"] == "True"
    kubectl.kubectl("delete", "pod", "sysctl-example", "--now")


def test_unsafe_pod_is_scheduled_and_never_started(kubectl: Cluster) -> None:
    """7.9.5: SysctlForbidden on the node, with the status, the event and the row as measured."""
    applied = kubectl.kubectl("apply", "-f", str(CHAPTER / "sysctl-example-unsafe.yaml"))
    forbidden = "forbidden sysctls (net.core.somaxconn, kernel.msgmax)"
    assert applied.stderr == f'Warning: would violate PodSecurity "restricted:latest": {forbidden}\n'
    status = kubectl.wait_phase("sysctl-example-unsafe", "Failed")
    started = status.pop("startTime")
    assert started
    assert status == {
        "message": 'Pod was rejected: forbidden sysctl: "net.core.somaxconn" not allowlisted',
        "observedGeneration": 1,
        "phase": "Failed",
        "qosClass": "BestEffort",
        "reason": "SysctlForbidden",
    }
    assert row(kubectl.kubectl("get", "pod").stdout, "sysctl-example-unsafe")[1:4] == ["0/1", "SysctlForbidden", "0"]
    assert kubectl.get("pod", "sysctl-example-unsafe")["spec"]["nodeName"]

    def events() -> list[tuple[str, str]]:
        items = kubectl.get("events", "--field-selector", "involvedObject.name=sysctl-example-unsafe")["items"]
        return [(e["reason"], e["message"]) for e in items]

    wait_until(
        lambda: ("SysctlForbidden", 'forbidden sysctl: "net.core.somaxconn" not allowlisted') in events(), 5,
        "the SysctlForbidden event",
    )  # fmt: skip
    assert any(reason == "Scheduled" for reason, _ in events())
    refused = kubectl.kubectl("exec", "sysctl-example-unsafe", "--", "true", check=False)
    assert "cannot exec into a container in a completed pod; current phase is Failed" in refused.stderr
    kubectl.kubectl("delete", "pod", "sysctl-example-unsafe")
