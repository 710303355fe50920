"""The control group of a pod: its name, its limits over all containers, and its removal.

Containers' own groups are made by the runtime below it. With the systemd driver the runtime makes slices and the
pod's group carries no limits of ours. Sources: pkg/kubelet/cm/pod_container_manager_linux.go, cgroups(7).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

from podsysctl.base.errors import PodsysctlError
from podsysctl.node import pod as pods
from podsysctl.node import resources
from podsysctl.node.config import AgentConfig
from podsysctl.node.qos import BEST_EFFORT, BURSTABLE, GUARANTEED, qos_class
from podsysctl.policy.scheduling.podinfo import PodInfo

ROOT = Path("/sys/fs/cgroup")
TOP = "podsysctl"
REMOVAL_TRIES = 20
REMOVAL_PAUSE_S = 0.05
_CLASSES = (GUARANTEED, BURSTABLE, BEST_EFFORT)
_V2_CONTROLLERS = ("cpu", "memory", "pids", "cpuset", "io")
_V1_CONTROLLERS = ("cpu", "memory", "pids")


def top(config: AgentConfig) -> str:
    """The group of one machine's cluster: two clusters on a machine may have nodes of one name."""
    return f"{TOP}_{hashlib.sha256(str(config.root).encode()).hexdigest()[:8]}"


class CgroupError(PodsysctlError):
    """A pod's control group cannot be made."""

    reason = "FailedCreatePodContainer"


def parent(pod: pods.Pod, config: AgentConfig) -> str:
    """The cgroup parent given to the runtime: a path, or a slice name for the systemd driver."""
    service = qos_class(pod)
    uid = pods.uid(pod)
    if config.kubelet.cgroup_driver == "systemd":
        middle = "" if service == GUARANTEED else f"-{service.lower()}"
        return f"{top(config)}{middle}-pod{uid.replace('-', '_')}.slice"
    return f"/{_of_node(config)}/{_of_pod(service, uid)}"


def _of_node(config: AgentConfig) -> str:
    """The node's group, relative to the root of a hierarchy."""
    return f"{config.kubelet.cgroup_root.strip('/')}/{top(config)}/{config.node_name}".lstrip("/")


def _of_pod(service: str, uid: str) -> str:
    """A pod's group, relative to its node's: pods without guarantees lie in a group of their class."""
    return f"pod{uid}" if service == GUARANTEED else f"{service.lower()}/pod{uid}"


def is_unified() -> bool:
    """Whether cgroup v2 alone is mounted."""
    return (ROOT / "cgroup.controllers").exists()


def ensure(pod: pods.Pod, config: AgentConfig) -> None:
    """Make the pod's group with its limits. Raises CgroupError."""
    if config.kubelet.cgroup_driver == "systemd":
        return
    relative = parent(pod, config).lstrip("/")
    try:
        if is_unified():
            _ensure_v2(relative, _limits_v2(pod, config))
        else:
            _ensure_v1(relative, _limits_v1(pod, config))
    except OSError as error:
        raise CgroupError(f"unable to ensure pod container exists: {error.filename}: {error.strerror}") from error


def remove(pod_uid: str, config: AgentConfig) -> None:
    """Remove the pod's group in every hierarchy. Blocks a little, since a group stays busy while its last task ends.

    What is still in use then stays for the next clean-up.
    """
    groups = [
        group
        for directory in _node_groups(config)
        for service in _CLASSES
        if (group := directory / _of_pod(service, pod_uid)).is_dir()
    ]
    for _ in range(REMOVAL_TRIES):
        for group in groups:
            _remove_tree(group)
        groups = [group for group in groups if group.is_dir()]
        if not groups:
            return
        time.sleep(REMOVAL_PAUSE_S)


def remove_node(config: AgentConfig) -> None:
    """Remove every empty group of the node, when nothing runs on it any more."""
    for directory in _node_groups(config):
        _remove_tree(directory)
        _remove_tree(directory.parent, children=False)


def pod_uids(config: AgentConfig) -> set[str]:
    """Uids of all pods that have a group on this node."""
    return {
        group.name.removeprefix("pod")
        for directory in _node_groups(config)
        for service in _CLASSES
        for group in directory.glob(_of_pod(service, "*"))
    }


def _node_groups(config: AgentConfig) -> Iterator[Path]:
    for hierarchy in _hierarchies():
        directory = hierarchy / _of_node(config)
        if directory.is_dir():
            yield directory


def _hierarchies() -> list[Path]:
    if is_unified():
        return [ROOT]
    return [p for p in ROOT.iterdir() if p.is_dir() and not p.is_symlink()]


def _remove_tree(group: Path, *, children: bool = True) -> None:
    try:
        if children:
            for child in group.iterdir():
                if child.is_dir():
                    _remove_tree(child)
        group.rmdir()
    except OSError:
        return  # still in use, or already gone: looked at again by the next clean-up


def _ensure_v1(relative: str, limits: dict[str, dict[str, int]]) -> None:
    for controller in _V1_CONTROLLERS:
        if not (ROOT / controller).is_dir():
            continue
        group = ROOT / controller / relative
        group.mkdir(parents=True, exist_ok=True)
        for name, value in limits.get(controller, {}).items():
            (group / name).write_text(str(value))


def _ensure_v2(relative: str, limits: dict[str, str]) -> None:
    group = ROOT
    for part in relative.split("/"):
        _delegate(group)
        group = group / part
        group.mkdir(exist_ok=True)
    _delegate(group)
    for name, value in limits.items():
        if (group / name).exists():
            (group / name).write_text(value)


def _delegate(group: Path) -> None:
    available = (group / "cgroup.controllers").read_text().split()
    active = (group / "cgroup.subtree_control").read_text().split()
    missing = [c for c in _V2_CONTROLLERS if c in available and c not in active]
    if missing:
        (group / "cgroup.subtree_control").write_text(" ".join(f"+{c}" for c in missing))


def _totals(pod: pods.Pod, config: AgentConfig) -> tuple[int, int, int, int]:
    """Shares, quota (0 unlimited), memory limit (0 unlimited) and most processes (0 unlimited) of the whole pod."""
    shares = resources.shares(PodInfo(pod).requests.get("cpu", 0))
    period_us = int(config.kubelet.cpu_cfs_quota_period_s * 1_000_000)
    cpu = _sum_limit(pod, "cpu") if config.kubelet.cpu_cfs_quota else 0
    return shares, resources.quota_us(cpu, period_us), _sum_limit(pod, "memory"), max(0, config.kubelet.pod_pids_limit)


def _sum_limit(pod: pods.Pod, resource: str) -> int:
    """The sum of the containers' limits; 0 when one of them has none."""
    level = resources.amount(pods.spec(pod), "limits", resource)
    if level:
        return level
    total = 0
    for container in pods.containers(pod):
        limit = resources.amount(container, "limits", resource)
        if not limit:
            return 0
        total += limit
    peak = 0
    for container in pods.init_containers(pod):
        limit = resources.amount(container, "limits", resource)
        if not limit:
            return 0
        if pods.is_restartable_init(container):
            total += limit
        else:
            peak = max(peak, limit)
    return max(total, peak)


def _limits_v1(pod: pods.Pod, config: AgentConfig) -> dict[str, dict[str, int]]:
    shares, quota, memory, pids = _totals(pod, config)
    out: dict[str, dict[str, int]] = {"cpu": {"cpu.shares": shares}}
    if quota:
        out["cpu"]["cpu.cfs_period_us"] = int(config.kubelet.cpu_cfs_quota_period_s * 1_000_000)
        out["cpu"]["cpu.cfs_quota_us"] = quota
    if memory:
        out["memory"] = {"memory.limit_in_bytes": memory}
    if pids:
        out["pids"] = {"pids.max": pids}
    return out


def _limits_v2(pod: pods.Pod, config: AgentConfig) -> dict[str, str]:
    shares, quota, memory, pids = _totals(pod, config)
    weight = 1 + (shares - resources.MIN_SHARES) * 9999 // (resources.MAX_SHARES - resources.MIN_SHARES)
    out = {"cpu.weight": str(weight)}
    if quota:
        out["cpu.max"] = f"{quota} {int(config.kubelet.cpu_cfs_quota_period_s * 1_000_000)}"
    if memory:
        out["memory.max"] = str(memory)
    if pids:
        out["pids.max"] = str(pids)
    return out
