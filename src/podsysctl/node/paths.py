"""Where a node's files lie: volumes, logs and what belongs to a pod. Pure.

The names are the kubelet's, so that tools that look there find what they expect.
"""

from __future__ import annotations

from pathlib import Path

from podsysctl.node import pod as pods


class NodePaths:
    """The tree of one node below its root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pods = root / "pods"
        self.logs = root / "logs"
        self.seccomp = root / "seccomp"

    def pod(self, uid: str) -> Path:
        """Everything of one pod except its logs."""
        return self.pods / uid

    def volume(self, uid: str, plugin: str, volume_name: str) -> Path:
        """One volume of a pod; `plugin` such as empty-dir."""
        return self.pods / uid / "volumes" / f"kubernetes.io~{plugin}" / volume_name

    def subpaths(self, uid: str) -> Path:
        """Bind mounts of subPaths."""
        return self.pods / uid / "volume-subpaths"

    def container(self, uid: str, container_name: str) -> Path:
        """Termination messages of one container."""
        return self.pods / uid / "containers" / container_name

    def hosts(self, uid: str) -> Path:
        """The pod's /etc/hosts."""
        return self.pods / uid / "etc-hosts"

    def pod_logs(self, pod: pods.Pod) -> Path:
        """Logs of one pod, a directory per container."""
        return self.logs / f"{pods.namespace(pod)}_{pods.name(pod)}_{pods.uid(pod)}"

    def container_logs(self, pod: pods.Pod, container_name: str) -> Path:
        """Logs of one container, N.log for its Nth run."""
        return self.pod_logs(pod) / container_name


def log_file(container_name: str, attempt: int) -> str:
    """A container's log relative to its pod's log directory, as the runtime is told."""
    return f"{container_name}/{attempt}.log"


def uid_of_log_directory(name: str) -> str:
    """The pod's uid in the name of a log directory."""
    return name.rpartition("_")[2]
