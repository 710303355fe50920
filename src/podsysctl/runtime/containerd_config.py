"""The configuration of the private containerd: own directories and socket, and only the plugins that pods need.

containerd 1.x reads version 2 of the format, 2.x reads version 3, in which the CRI plugin is split
(containerd: docs/cri/config.md, docs/containerd-2.0.md). Left to others: finding programs, starting.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podsysctl.base import limits
from podsysctl.runtime.binaries import Binaries

_CRI = "io.containerd.grpc.v1.cri"
_CRI_RUNTIME = "io.containerd.cri.v1.runtime"
_CRI_IMAGES = "io.containerd.cri.v1.images"

_REGISTRY = {"config_path": "/etc/containerd/certs.d:/etc/docker/certs.d"}
"""Where administrators keep mirrors and certificates of registries: 2.x's default, and read only."""

UNUSED_PLUGINS = (
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.restart",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.nri.v1.nri",
)
"""What pods do not need and what would touch the host outside our directories: opt makes /opt/containerd, nri a
socket in /var/run. Names that a version does not know are ignored by it."""


@dataclass(frozen=True, slots=True)
class ContainerdPaths:
    """Where one private containerd keeps its things. `root` survives a reboot, `state` must not."""

    root: Path
    state: Path
    socket: Path
    cni_configuration: Path
    cni_plugins: Path


@dataclass(frozen=True, slots=True)
class HostTraits:
    """What the configuration has to know of the machine."""

    snapshotter: str = "overlayfs"
    apparmor: bool = False
    may_lower_oom_score: bool = False
    cgroup_driver: str = "cgroupfs"


def write_config(binaries: Binaries, paths: ContainerdPaths, traits: HostTraits, sandbox_image: str) -> str:
    """The text of containerd's configuration file."""
    unused = [*UNUSED_PLUGINS, *_other_snapshotters(traits.snapshotter)]
    document: dict[str, Any] = {
        "version": 2 if binaries.version.major < 2 else 3,
        "root": str(paths.root),
        "state": str(paths.state),
        "oom_score": 0,
        "disabled_plugins": unused,
        "grpc": {
            "address": str(paths.socket),
            "max_recv_message_size": limits.CRI_MESSAGE_BYTES,
            "max_send_message_size": limits.CRI_MESSAGE_BYTES,
        },
    }
    make = _plugins_1 if binaries.version.major < 2 else _plugins_2
    document["plugins"] = make(binaries, paths, traits, sandbox_image)
    return "\n".join(_toml((), document)) + "\n"


def _other_snapshotters(used: str) -> Iterable[str]:
    return (f"io.containerd.snapshotter.v1.{name}" for name in ("native", "overlayfs") if name != used)


def _runtimes(binaries: Binaries, paths: ContainerdPaths, traits: HostTraits) -> dict[str, Any]:
    options = {
        "BinaryName": str(binaries.runc),
        "Root": str(paths.state / "runc"),
        "SystemdCgroup": traits.cgroup_driver == "systemd",
    }
    return {"runc": {"runtime_type": "io.containerd.runc.v2", "options": options}}


def _security(traits: HostTraits) -> dict[str, Any]:
    return {
        "restrict_oom_score_adj": not traits.may_lower_oom_score,
        "disable_apparmor": not traits.apparmor,
        "netns_mounts_under_state_dir": True,
        "tolerate_missing_hugetlb_controller": True,
        "disable_hugetlb_controller": True,
        # As upstream's pods expect it: ping and low ports work without capabilities only where a pod's sysctls
        # say so, and those are ours to set.
        "enable_unprivileged_icmp": False,
        "enable_unprivileged_ports": False,
        "max_container_log_line_size": limits.LOG_LINE_BYTES,
    }


def _streaming() -> dict[str, Any]:
    return {
        "disable_tcp_service": True,
        "stream_server_address": "127.0.0.1",
        "stream_server_port": "0",
        "stream_idle_timeout": f"{limits.STREAM_IDLE_TIMEOUT_S}s",
        "enable_tls_streaming": False,
    }


def _plugins_1(binaries: Binaries, paths: ContainerdPaths, traits: HostTraits, sandbox_image: str) -> dict[str, Any]:
    cni = {"bin_dir": str(paths.cni_plugins), "conf_dir": str(paths.cni_configuration)}
    containerd = {
        "snapshotter": traits.snapshotter,
        "default_runtime_name": "runc",
        "runtimes": _runtimes(binaries, paths, traits),
    }
    own = {"sandbox_image": sandbox_image, "cni": cni, "containerd": containerd, "registry": _REGISTRY}
    return {_CRI: _streaming() | _security(traits) | own}


def _plugins_2(binaries: Binaries, paths: ContainerdPaths, traits: HostTraits, sandbox_image: str) -> dict[str, Any]:
    cni = {"bin_dir": str(paths.cni_plugins), "conf_dir": str(paths.cni_configuration)}
    containerd = {"default_runtime_name": "runc", "runtimes": _runtimes(binaries, paths, traits)}
    images = {"snapshotter": traits.snapshotter, "pinned_images": {"sandbox": sandbox_image}, "registry": _REGISTRY}
    return {
        _CRI: _streaming(),
        _CRI_RUNTIME: _security(traits) | {"cni": cni, "containerd": containerd},
        _CRI_IMAGES: images,
    }


def _toml(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterable[str]:
    """Plain values first, then the tables below, as TOML wants it. Our strings are the same in JSON and TOML."""
    if path:
        yield ""
        yield f"[{'.'.join(json.dumps(part) for part in path)}]"
    for key, value in table.items():
        if not isinstance(value, dict):
            yield f"{key} = {json.dumps(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _toml((*path, key), value)
