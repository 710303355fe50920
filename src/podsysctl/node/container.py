"""One container for the runtime: image, command, environment, mounts, rights, resources."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podsysctl.node import environment, hostname, labels, resources, security
from podsysctl.node import pod as pods
from podsysctl.node.config import AgentConfig
from podsysctl.node.expansion import expand, missing
from podsysctl.node.paths import NodePaths, log_file
from podsysctl.node.security import ContainerConfigError, ImageUser
from podsysctl.node.volumes import subpath
from podsysctl.node.volumes.manager import Volume
from podsysctl.policy import recursive_read_only
from podsysctl.runtime import cri_pb2 as cri

_PROPAGATION = {"HostToContainer": cri.PROPAGATION_HOST_TO_CONTAINER, "Bidirectional": cri.PROPAGATION_BIDIRECTIONAL}
ETC_HOSTS = "/etc/hosts"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is on the node: what to start, and as whom it runs."""

    ref: str
    user: ImageUser


@dataclass(frozen=True, slots=True)
class Context:
    """Everything about the pod that its containers share; `recursive_read_only` says what its runtime can do."""

    pod: pods.Pod
    config: AgentConfig
    paths: NodePaths
    volumes: Mapping[str, Volume]
    pod_ips: tuple[str, ...]
    memory_bytes: int
    recursive_read_only: bool = False


def build(
    context: Context, container: pods.Container, attempt: int, image: Image, variables: Mapping[str, str]
) -> Any:
    """The CRI ContainerConfig; makes the files it mounts. Raises ContainerConfigError."""
    pod, config = context.pod, context.config
    security.verify_non_root(pod, container, image.user)
    command, args = environment.command_line(container, variables)
    context.paths.container_logs(pod, container["name"]).mkdir(mode=0o755, parents=True, exist_ok=True)
    out = cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name=container["name"], attempt=attempt),
        image=cri.ImageSpec(image=image.ref, user_specified_image=container.get("image", "")),
        command=command,
        args=args,
        working_dir=container.get("workingDir") or "",
        envs=[cri.KeyValue(key=k, value=v) for k, v in variables.items()],
        mounts=_mounts(context, container, variables),
        labels=labels.container_labels(pod, container, config.node_name),
        annotations=labels.container_annotations(pod, container, attempt),
        log_path=log_file(container["name"], attempt),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        tty=bool(container.get("tty")),
    )
    kubelet = config.kubelet
    out.linux.resources.CopyFrom(resources.linux_resources(pod, container, kubelet, context.memory_bytes))
    out.linux.security_context.CopyFrom(
        security.container_context(pod, container, image.user, context.paths.seccomp, kubelet.seccomp_default)
    )
    return out


def _mounts(context: Context, container: pods.Container, variables: Mapping[str, str]) -> list[Any]:
    out = []
    wants_hosts = bool(context.pod_ips) or pods.is_host_network(context.pod)
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        out.append(_volume_mount(context, container, index, mount, variables))
        wants_hosts = wants_hosts and mount["mountPath"] != ETC_HOSTS
    if wants_hosts:
        out.append(cri.Mount(container_path=ETC_HOSTS, host_path=str(_write_hosts(context)), selinux_relabel=True))
    if container.get("terminationMessagePath"):
        path = _termination_file(context, container)
        out.append(cri.Mount(container_path=container["terminationMessagePath"], host_path=str(path)))
    return out


def _volume_mount(
    context: Context, container: pods.Container, index: int, mount: dict[str, Any], variables: Mapping[str, str]
) -> Any:
    name = mount["name"]
    volume = context.volumes.get(name)
    if volume is None:
        raise ContainerConfigError(f'cannot find volume "{name}" to mount into container "{container["name"]}"')
    sub_path = mount.get("subPath") or ""
    if mount.get("subPathExpr"):
        unknown = missing(mount["subPathExpr"], variables)
        if unknown:  # in a path nothing is left as written (container/helpers.go, ExpandContainerVolumeMounts)
            raise ContainerConfigError(f"missing value for {', '.join(unknown)}")
        sub_path = expand(mount["subPathExpr"], variables)
    host_path = volume.host_path
    if sub_path:
        host_path = _sub_path(context, container, index, mount, volume, sub_path)
    container_path = mount["mountPath"]
    if not container_path.startswith("/"):
        container_path = f"/{container_path}"
    problem = recursive_read_only.find_problem(mount, context.recursive_read_only)
    if problem is not None:
        raise ContainerConfigError(f"failed to resolve recursive read-only mode: {problem}")
    return cri.Mount(
        container_path=container_path,
        host_path=str(host_path),
        readonly=bool(mount.get("readOnly")) or volume.read_only,
        recursive_read_only=recursive_read_only.is_recursive(mount, context.recursive_read_only),
        propagation=_PROPAGATION.get(mount.get("mountPropagation") or "", cri.PROPAGATION_PRIVATE),
    )


def _sub_path(
    context: Context, container: pods.Container, index: int, mount: dict[str, Any], volume: Volume, sub_path: str
) -> Path:
    if sub_path.startswith("/"):
        raise ContainerConfigError(f"error SubPath `{sub_path}` must not be an absolute path")
    if ".." in sub_path.split("/"):
        raise ContainerConfigError(f"unable to provision SubPath `{sub_path}`: must not contain '..'")
    target = context.paths.subpaths(pods.uid(context.pod)) / mount["name"] / container["name"] / str(index)
    try:
        return subpath.prepare(volume.host_path, sub_path, target, make_missing=not volume.read_only)
    except (subpath.SubPathError, OSError) as error:
        # The reason is not told: it would reveal what files the node has.
        raise ContainerConfigError(
            f'failed to prepare subPath for volumeMount "{mount["name"]}" of container "{container["name"]}"'
        ) from error


def _write_hosts(context: Context) -> Path:
    path = context.paths.hosts(pods.uid(context.pod))
    # What the node's file says in another encoding is passed on as it is.
    node_hosts = Path(ETC_HOSTS).read_text(errors="surrogateescape") if pods.is_host_network(context.pod) else ""
    text = hostname.hosts_file(context.pod, context.pod_ips, context.config.kubelet.cluster_domain, node_hosts)
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    path.write_text(text, errors="surrogateescape")
    os.chmod(path, 0o644)
    return path


def _termination_file(context: Context, container: pods.Container) -> Path:
    directory = context.paths.container(pods.uid(context.pod), container["name"])
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    path = directory / secrets.token_hex(4)
    path.touch()
    os.chmod(path, 0o666)
    return path
