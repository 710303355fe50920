"""Makes the volumes of a pod before its containers start, keeps their content current, and takes them down."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podsysctl.base import trees
from podsysctl.base.clock import Clock
from podsysctl.base.errors import ConnectionFailedError, KernelError, StatusError
from podsysctl.node import amounts, downward
from podsysctl.node import pod as pods
from podsysctl.node.paths import NodePaths
from podsysctl.node.references import References
from podsysctl.node.security import ContainerConfigError
from podsysctl.node.volumes import atomic, hostpath, mounts, payload
from podsysctl.node.volumes.errors import VolumeError
from podsysctl.node.volumes.tokens import Tokens
from podsysctl.policy import agent_limits

PAYLOAD_PLUGINS = {
    "configMap": "configmap",
    "secret": "secret",
    "downwardAPI": "downward-api",
    "projected": "projected",
}
_IN_MEMORY = frozenset({"secret", "downwardAPI", "projected"})
"""Volumes that never touch a disk, since they may hold secrets."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume that is ready: where it lies on the node, and whether mounts of it are forced read-only."""

    host_path: Path
    read_only: bool = False
    is_managed: bool = True


class Volumes:
    """The volumes of one node's pods."""

    def __init__(
        self,
        paths: NodePaths,
        references: References,
        tokens: Tokens,
        clock: Clock,
        node_facts: Callable[[], downward.NodeFacts],
    ) -> None:
        self._paths = paths
        self._references = references
        self._tokens = tokens
        self._clock = clock
        self._node_facts = node_facts

    async def ensure(self, pod: pods.Pod, pod_ips: tuple[str, ...]) -> dict[str, Volume]:
        """Make every volume, or bring its content up to date. Raises VolumeError for the first that fails."""
        out = {}
        for volume in pods.spec(pod).get("volumes") or ():
            try:
                out[volume["name"]] = await self._ensure_one(pod, volume, pod_ips)
            except (payload.PayloadError, hostpath.HostPathError, ContainerConfigError) as error:
                raise VolumeError(volume["name"], str(error)) from error
            except (StatusError, ConnectionFailedError, KernelError) as error:
                raise VolumeError(volume["name"], error.message) from error
            except OSError as error:
                raise VolumeError(volume["name"], f"{error.filename}: {error.strerror}") from error
        return out

    async def _ensure_one(self, pod: pods.Pod, volume: dict[str, Any], pod_ips: tuple[str, ...]) -> Volume:
        name = volume["name"]
        problem = agent_limits.volume_problem(volume)
        if problem is not None:
            raise VolumeError(name, problem)
        if "hostPath" in volume:
            source = volume["hostPath"]
            hostpath.prepare(source["path"], source.get("type") or "")
            return Volume(Path(source["path"]), is_managed=False)
        if "emptyDir" in volume:
            return self._empty_dir(pod, name, volume["emptyDir"] or {})
        kind = next(key for key in PAYLOAD_PLUGINS if key in volume)
        sources = payload.Sources(self._references, self._tokens, self._node_facts(), pod_ips)
        files = await payload.files_of(pod, volume, sources)
        target = self._paths.volume(pods.uid(pod), PAYLOAD_PLUGINS[kind], name)
        is_bare = not target.is_dir()
        if is_bare:
            target.mkdir(mode=0o755, parents=True)
            os.chmod(target, 0o777)
        elif not (target / atomic.DATA).is_symlink():  # cut off before its files were written, or before its mount
            is_bare = not mounts.is_mount_point(target)
        if is_bare and kind in _IN_MEMORY:
            mounts.mount_tmpfs(target, mode=0o777)
        atomic.write(target, files, self._clock.now(), _fs_group(pod))
        return Volume(target, read_only=True)

    def _empty_dir(self, pod: pods.Pod, name: str, source: dict[str, Any]) -> Volume:
        """Made with all its rights or not at all: what is there is its containers' own, and is not touched again."""
        target = self._paths.volume(pods.uid(pod), "empty-dir", name)
        medium, group = source.get("medium") or "", _fs_group(pod)
        if medium == "Memory":
            if not mounts.is_mount_point(target):
                limit = source.get("sizeLimit")
                target.mkdir(parents=True, exist_ok=True)
                mode = 0o1777 if group is None else 0o3777
                mounts.mount_tmpfs(target, 0 if limit is None else amounts.units(limit), mode=mode, group=group)
        elif not target.is_dir():
            new = target.with_name(f".{name}.new")
            new.mkdir(parents=True, exist_ok=True)
            os.chmod(new, 0o777)
            if group is not None:
                atomic.give_to_group(new, group, writable=True)
            new.rename(target)
        return Volume(target)

    async def remove(self, uid: str) -> None:
        """Unmount and delete everything of a pod except its logs. Raises KernelError when a mount stays."""
        self._references.forget(uid)
        self._tokens.forget(uid)
        await asyncio.to_thread(remove_tree, self._paths.pod(uid))


def _fs_group(pod: pods.Pod) -> int | None:
    group = pods.security_context(pod).get("fsGroup")
    return None if group is None else int(group)


def remove_tree(root: Path) -> None:
    """Delete a directory after unmounting all below it: what is bound in from elsewhere must survive.

    Raises KernelError when something cannot be unmounted; nothing is deleted then.
    """
    if not root.exists():
        return
    mounts.unmount_below(root)
    trees.remove(root)
