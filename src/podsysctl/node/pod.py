"""What the agent reads of a Pod object: names, containers, policies. Pure; absent fields read as their defaults."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

Pod = dict[str, Any]
Container = dict[str, Any]

TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})


def uid(pod: Pod) -> str:
    """`metadata.uid`."""
    return str(pod["metadata"].get("uid", ""))


def name(pod: Pod) -> str:
    """`metadata.name`."""
    return str(pod["metadata"]["name"])


def namespace(pod: Pod) -> str:
    """`metadata.namespace`."""
    return str(pod["metadata"].get("namespace", ""))


def full_name(pod: Pod) -> str:
    """The pod as the kubelet prints it in messages: name_namespace(uid)."""
    return f"{name(pod)}_{namespace(pod)}({uid(pod)})"


def annotations_of(pod: Pod) -> dict[str, str]:
    """`metadata.annotations`, possibly empty."""
    return pod["metadata"].get("annotations") or {}


def labels_of(pod: Pod) -> dict[str, str]:
    """`metadata.labels`, possibly empty."""
    return pod["metadata"].get("labels") or {}


def spec(pod: Pod) -> dict[str, Any]:
    """`spec`."""
    return pod.get("spec") or {}


def status(pod: Pod) -> dict[str, Any]:
    """`status`, possibly empty."""
    return pod.get("status") or {}


def security_context(pod: Pod) -> dict[str, Any]:
    """`spec.securityContext`, possibly empty."""
    return spec(pod).get("securityContext") or {}


def containers(pod: Pod) -> list[Container]:
    """The regular containers, in order."""
    return spec(pod).get("containers") or []


def init_containers(pod: Pod) -> list[Container]:
    """The init containers with the restartable ones, in order."""
    return spec(pod).get("initContainers") or []


def ephemeral_containers(pod: Pod) -> list[Container]:
    """The debug containers added to a running pod, in order."""
    return spec(pod).get("ephemeralContainers") or []


def all_containers(pod: Pod) -> Iterator[Container]:
    """Init, regular and ephemeral containers."""
    yield from init_containers(pod)
    yield from containers(pod)
    yield from ephemeral_containers(pod)


def find_container(pod: Pod, container_name: str) -> Container | None:
    """The container of that name, of any kind."""
    return next((c for c in all_containers(pod) if c["name"] == container_name), None)


def field_path(pod: Pod, container_name: str) -> str:
    """`involvedObject.fieldPath` of a container's events, as spec.containers{name}."""
    for key in ("containers", "initContainers", "ephemeralContainers"):
        if any(c["name"] == container_name for c in spec(pod).get(key) or ()):
            return f"spec.{key}{{{container_name}}}"
    return ""


def restart_policy(pod: Pod) -> str:
    """Always (the default), OnFailure or Never."""
    return spec(pod).get("restartPolicy") or "Always"


def is_restartable_init(container: Container) -> bool:
    """Whether an init container is a sidecar: `restartPolicy: Always` of its own."""
    return bool(container.get("restartPolicy") == "Always")


def has_restartable_init(pod: Pod) -> bool:
    """Whether any init container is a sidecar."""
    return any(is_restartable_init(c) for c in init_containers(pod))


def container_should_restart(pod: Pod, container: Container, exit_code: int) -> bool:
    """Whether a container that ended with that code is to run again.

    A container's own rules come first, then its own policy, then the pod's (KEP-5307, beta in 1.35).
    """
    policy = container.get("restartPolicy")
    if policy:
        for rule in container.get("restartPolicyRules") or ():
            if rule.get("action") == "Restart" and _exit_code_matches(rule.get("exitCodes") or {}, exit_code):
                return True
    policy = policy or restart_policy(pod)
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _exit_code_matches(requirement: dict[str, Any], exit_code: int) -> bool:
    listed = exit_code in (requirement.get("values") or ())
    return listed if requirement.get("operator") == "In" else not listed


def is_host_network(pod: Pod) -> bool:
    """Whether the pod lives in the node's network namespace."""
    return bool(spec(pod).get("hostNetwork"))


def is_terminal(pod: Pod) -> bool:
    """Whether the API says the pod is Succeeded or Failed."""
    return status(pod).get("phase") in TERMINAL_PHASES


def is_deleted(pod: Pod) -> bool:
    """Whether deletion was asked for."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def deletion_grace_s(pod: Pod) -> int | None:
    """`metadata.deletionGracePeriodSeconds`, None when not being deleted."""
    value = pod["metadata"].get("deletionGracePeriodSeconds")
    return None if value is None else int(value)


def sysctls(pod: Pod) -> list[tuple[str, str]]:
    """The declared sysctls as (name, value) as written, in order, duplicates kept."""
    return [(str(s["name"]), str(s.get("value", ""))) for s in security_context(pod).get("sysctls") or ()]


def container_hash(container: Container) -> str:
    """A fingerprint of what makes a running container obsolete when it changes: its name and image.

    The kubelet hashes the same two fields (pkg/kubelet/container/helpers.go, HashContainer).
    """
    text = json.dumps([container["name"], container.get("image", "")])
    return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()
