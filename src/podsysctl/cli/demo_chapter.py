"""The chapter itself, as the demo walks it: what is typed, and what must come back."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podsysctl.cli.demo import Stage

TUNING_NAMESPACE = "openshift-cluster-node-tuning-operator"

UP: tuple[str, ...] = ("--masters", "3", "--workers", "3")
"""Arguments of `podsysctl up` for the demo's cluster."""

SAFE_VALUES = {
    "kernel.shm_rmid_forced": "1",
    "net.ipv4.ip_local_port_range": "32770\t60666",
    "net.ipv4.tcp_syncookies": "0",
    "net.ipv4.ping_group_range": "0\t200000000",
}
NAMESPACED = {
    "kernel.shmmax": "ipc",
    "kernel.msgmax": "ipc",
    "kernel.sem": "ipc",
    "fs.mqueue.msg_max": "ipc",
    "net.core.somaxconn": "net",
}
"""One of each family that section 7.9.2 names, with the kernel namespace it belongs to."""

SYSTEM_WIDE_SAFE = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
)
"""Table 7.4."""


def walk(stage: Stage, manifests: Path) -> None:
    """Sections 7.9.1 to 7.9.6 in order."""
    about_sysctls(stage)
    namespaced(stage)
    safe_and_unsafe(stage)
    safe_pod(stage, manifests)
    unsafe_pod(stage, manifests)
    enable_unsafe(stage, manifests)
    node_level(stage, manifests.parent / "node-tuning")


def about_sysctls(stage: Stage) -> None:
    """7.9.1"""
    stage.section("7.9.1 About sysctls")
    stage.say("Every parameter below /proc/sys, by subsystem (kernel, net, vm, dev, ...):")
    listing = stage.run("podsysctl", "sysctl", "list", "-a", show=False)
    names = [line.split(" = ")[0] for line in listing.splitlines() if " = " in line]
    for subsystem in ("kernel", "net", "vm", "dev"):
        count = sum(name.startswith(subsystem + ".") for name in names)
        stage.check(count > 0, f"{count} parameters begin with {subsystem}.")


def namespaced(stage: Stage) -> None:
    """7.9.2"""
    stage.section("7.9.2 Namespaced and node-level sysctls")
    stage.say("What the running kernel says of names that the chapter calls namespaced, and of one that is not:")
    text = stage.run("podsysctl", "sysctl", "probe", *NAMESPACED, "vm.swappiness")
    for name, kind in NAMESPACED.items():
        stage.check(_row(text, name)[1:3] == [kind, "own"], f"{name} belongs to the {kind} namespace: each pod its own")
    stage.check(_row(text, "vm.swappiness")[1:2] == ["node"], "vm.swappiness is node-level")


def safe_and_unsafe(stage: Stage) -> None:
    """7.9.3"""
    stage.section("7.9.3 Safe and unsafe sysctls")
    for name in SYSTEM_WIDE_SAFE:
        text = stage.run("podsysctl", "explain", name, show=False)
        stage.check("kubelet:      safe from" in text, f"{name} is safe on every node (table 7.4)")
    text = stage.run("podsysctl", "explain", "net.core.somaxconn", show=False)
    stage.check("kubelet:      safe from" not in text, "net.core.somaxconn is not")


def safe_pod(stage: Stage, manifests: Path) -> None:
    """7.9.4"""
    stage.section("7.9.4 Starting a pod with safe sysctls")
    text = stage.cluster("apply", "-f", str(manifests / "sysctl_pod.yaml"))
    stage.check("pod/sysctl-example created" in text, "the pod is created")
    stage.cluster("wait", "--for=condition=Ready", "pod/sysctl-example", "--timeout=60s")
    text = stage.cluster("get", "pod")
    stage.check(_row(text, "sysctl-example")[1:4] == ["1/1", "Running", "0"], "it is 1/1 Running with 0 restarts")
    stage.say("Inside the pod, as user 2000:")
    for name, value in SAFE_VALUES.items():
        text = stage.cluster("exec", "sysctl-example", "--", "sysctl", name)
        stage.check(f"{name} = {value}\n" in text, f"{name} is {' '.join(value.split())}")
    text = stage.cluster("exec", "sysctl-example", "--", "id", "-u")
    stage.check(text.strip() == "2000", "the container runs as user 2000")
    text = stage.cluster(
        "get", "pod", "sysctl-example", "-o", 'jsonpath={.status.conditions[?(@.type=="SysctlsVerified")].status}'
    )
    stage.check(text.strip() == "True", "every declared value was read back in the pod")


def unsafe_pod(stage: Stage, manifests: Path) -> None:
    """7.9.5"""
    stage.section("7.9.5 Starting a pod with unsafe sysctls")
    stage.cluster("apply", "-f", str(manifests / "sysctl-example-unsafe.yaml"))
    text = stage.until(stage.client, "get", "pod", "sysctl-example-unsafe", contains="SysctlForbidden")
    stage.check(_row(text, "sysctl-example-unsafe")[1:4] == ["0/1", "SysctlForbidden", "0"], "it is not deployed")
    node = stage.cluster("get", "pod", "sysctl-example-unsafe", "-o", "jsonpath={.spec.nodeName}")
    stage.check(bool(node.strip()), f"it was scheduled, to {node.strip()}")


def enable_unsafe(stage: Stage, manifests: Path) -> None:
    """7.9.6"""
    stage.section("7.9.6 Enabling unsafe sysctls")
    before = stage.cluster("get", "machineconfigpool")
    for pool in ("master", "worker"):
        row = _row(before, pool)
        stage.check(row[2:9] == ["True", "False", "False", "3", "3", "3", "0"], f"pool {pool} is updated, 3 of 3 nodes")
        stage.check(row[1].startswith(f"rendered-{pool}-"), f"it runs {row[1]}")
    text = stage.cluster("label", "machineconfigpool", "worker", "custom-kubelet=sysctl")
    stage.check("/worker labeled" in text, "the pool is labelled")
    stage.say("The first pod sleeps as process 1 and ignores SIGTERM: a drain would wait its whole 30 s of grace.")
    stage.cluster("delete", "pod", "sysctl-example", "--now")
    stage.cluster("apply", "-f", str(manifests / "set-sysctl-worker.yaml"))
    stage.say("The pool moves to its new configuration, one node at a time:")
    rows = _watch_rollout(stage, _row(before, "worker")[1])
    rolling = list(itertools.dropwhile(lambda row: row[2:4] != ["False", "True"], rows))
    stage.check(bool(rolling), "UPDATED became False and UPDATING True")
    updated = [row[7] for row in rolling]
    stage.check(sorted(updated) == updated and updated[-1] == "3", "UPDATEDMACHINECOUNT grew to 3")
    stage.check(rows[-1][2:4] == ["True", "False"], "UPDATED is True again, with a new rendered configuration")
    stage.cluster("apply", "-f", str(manifests / "sysctl-example-safe-unsafe.yaml"))
    stage.cluster("wait", "--for=condition=Ready", "pod/sysctl-example-safe-unsafe", "--timeout=60s")
    text = stage.cluster("get", "pod", "sysctl-example-safe-unsafe")
    stage.check(_row(text, "sysctl-example-safe-unsafe")[1:4] == ["1/1", "Running", "0"], "it is 1/1 Running")
    for name, value in (("net.core.somaxconn", "1024"), ("kernel.msgmax", "65536")):
        text = stage.cluster("exec", "sysctl-example-safe-unsafe", "--", "sysctl", name)
        stage.check(f"{name} = {value}\n" in text, f"{name} is {value} in the pod")


def node_level(stage: Stage, manifests: Path) -> None:
    """7.9.2 names the Node Tuning Operator for what has no namespace."""
    stage.section("7.9.2 A node-level sysctl, by the Node Tuning Operator")
    stage.say("vm.swappiness is the node's, whatever a pod asks for. A labelled, tainted node gets it from a Tuned:")
    before = stage.run("podsysctl", "sysctl", "get", "vm.swappiness").strip()
    stage.cluster("taint", "node", "worker-2", "example.com/database=:NoSchedule")
    stage.cluster("label", "node", "worker-2", "example.com/database=")
    stage.cluster("apply", "-f", str(manifests / "labelled-nodes.yaml"))
    profile = (stage.client, "get", "profile", "worker-2", "-n", TUNING_NAMESPACE)
    stage.until(*profile, "-o", "jsonpath={.status.tunedProfile}", contains="database")
    text = stage.run(*profile)
    stage.check(_row(text, "worker-2")[1:4] == ["database", "True", "False"], "the profile is applied, not degraded")
    text = stage.cluster("exec", "sysctl-example-safe-unsafe", "--", "sysctl", "vm.swappiness")
    stage.check("vm.swappiness = 10\n" in text, "every process of the machine sees the value, also in pods")
    stage.cluster("label", "node", "worker-2", "example.com/database-")
    stage.until("podsysctl", "sysctl", "get", "vm.swappiness", contains=before)


def _watch_rollout(stage: Stage, old_config: str) -> list[list[str]]:
    """The rows that the pool's watch prints until every node runs a new configuration."""
    command = (stage.client, "get", "machineconfigpool", "worker", "-w", "--no-headers")
    rows: list[list[str]] = []
    for line in stage.follow(*command):
        rows.append(line.split())
        if rows[-1][1] != old_config and rows[-1][2] == "True":
            break
    return rows


def _row(table: str, name: str) -> list[str]:
    """The words of one line of a table; empty when it is not there."""
    return next((line.split() for line in table.splitlines() if line.split()[:1] == [name]), [])
