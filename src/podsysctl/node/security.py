"""The security context of a container for the runtime, from the pod's and the container's own. Pure.

Sources: pkg/securitycontext/util.go, kuberuntime/security_context.go. Whether a pod may ask for it was decided
by admission long before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podsysctl.base.errors import PodsysctlError
from podsysctl.node import pod as pods
from podsysctl.policy import app_armor, non_root
from podsysctl.runtime import cri_pb2 as cri

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_POD_LEVEL = ("runAsUser", "runAsGroup", "runAsNonRoot", "seLinuxOptions")
_CONTAINER_LEVEL = (
    *_POD_LEVEL,
    "capabilities",
    "privileged",
    "readOnlyRootFilesystem",
    "allowPrivilegeEscalation",
    "procMount",
)


class ContainerConfigError(PodsysctlError):
    """A container that cannot be described to the runtime: shown as CreateContainerConfigError."""

    reason = "CreateContainerConfigError"


@dataclass(frozen=True, slots=True)
class ImageUser:
    """The user an image runs as: a number, or a name that only the image can resolve."""

    uid: int | None = 0
    name: str = ""


def effective(pod: pods.Pod, container: pods.Container) -> dict[str, Any]:
    """The pod's fields overridden by the container's (DetermineEffectiveSecurityContext)."""
    own = container.get("securityContext") or {}
    shared = pods.security_context(pod)
    out = {key: shared[key] for key in _POD_LEVEL if shared.get(key) is not None}
    out |= {key: own[key] for key in _CONTAINER_LEVEL if own.get(key) is not None}
    return out


def is_privileged(container: pods.Container) -> bool:
    """Whether the container asks for all privileges."""
    return bool((container.get("securityContext") or {}).get("privileged"))


def has_privileged_container(pod: pods.Pod) -> bool:
    """Whether the sandbox must allow privileged containers."""
    return any(is_privileged(c) for c in pods.all_containers(pod))


def verify_non_root(pod: pods.Pod, container: pods.Container, user: ImageUser) -> None:
    """Enforce runAsNonRoot. Raises ContainerConfigError in the kubelet's words (security_context_others.go)."""
    own = container.get("securityContext") or {}
    problem = non_root.find_problem(pods.security_context(pod), own, user.uid, user.name)
    if problem is not None:
        where = f'(pod: "{pods.full_name(pod)}", container: {container["name"]})'
        raise ContainerConfigError(f"{problem} {where}")


def seccomp(pod: pods.Pod, container: pods.Container, root: Path, default_on: bool) -> Any:
    """The seccomp profile: the container's, else the pod's, else RuntimeDefault when the node says so."""
    own = (container.get("securityContext") or {}).get("seccompProfile")
    profile = own or pods.security_context(pod).get("seccompProfile")
    if profile is None:
        kind = cri.SecurityProfile.RuntimeDefault if default_on else cri.SecurityProfile.Unconfined
        return cri.SecurityProfile(profile_type=kind)
    if profile["type"] == "RuntimeDefault":
        return cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault)
    if profile["type"] == "Localhost":
        if not profile.get("localhostProfile"):
            raise ContainerConfigError("localhostProfile must be set if seccompProfile type is Localhost.")
        path = root / profile["localhostProfile"]
        return cri.SecurityProfile(profile_type=cri.SecurityProfile.Localhost, localhost_ref=str(path))
    return cri.SecurityProfile(profile_type=cri.SecurityProfile.Unconfined)


def _app_armor(pod: pods.Pod, container: pods.Container, out: Any) -> None:
    profile = app_armor.profile_of(pod, container)
    if profile is not None:
        out.apparmor.profile_type = getattr(cri.SecurityProfile, profile["type"])
        out.apparmor.localhost_ref = profile.get("localhostProfile") or ""


def namespace_options(pod: pods.Pod) -> Any:
    """Which kernel namespaces the pod shares with the node or among its containers."""
    spec = pods.spec(pod)
    pid = cri.CONTAINER
    if spec.get("hostPID"):
        pid = cri.NODE
    elif spec.get("shareProcessNamespace"):
        pid = cri.POD
    return cri.NamespaceOption(
        network=cri.NODE if spec.get("hostNetwork") else cri.POD,
        ipc=cri.NODE if spec.get("hostIPC") else cri.POD,
        pid=pid,
    )


def supplemental_groups(pod: pods.Pod) -> list[int]:
    """fsGroup first, then supplementalGroups."""
    context = pods.security_context(pod)
    out = [] if context.get("fsGroup") is None else [int(context["fsGroup"])]
    return out + [int(group) for group in context.get("supplementalGroups") or ()]


def container_context(
    pod: pods.Pod, container: pods.Container, user: ImageUser, seccomp_root: Path, seccomp_default: bool
) -> Any:
    """The CRI LinuxContainerSecurityContext. Raises ContainerConfigError."""
    context = effective(pod, container)
    unmasked = context.get("procMount") == "Unmasked"
    out = cri.LinuxContainerSecurityContext(
        privileged=bool(context.get("privileged")),
        readonly_rootfs=bool(context.get("readOnlyRootFilesystem")),
        no_new_privs=context.get("allowPrivilegeEscalation") is False,
        namespace_options=namespace_options(pod),
        supplemental_groups=supplemental_groups(pod),
        masked_paths=() if unmasked else MASKED_PATHS,
        readonly_paths=() if unmasked else READONLY_PATHS,
        seccomp=seccomp(pod, container, seccomp_root, seccomp_default),
    )
    if context.get("runAsUser") is not None:
        out.run_as_user.value = int(context["runAsUser"])
    elif user.uid is not None:
        out.run_as_user.value = user.uid
    else:
        out.run_as_username = user.name
    if context.get("runAsGroup") is not None:
        out.run_as_group.value = int(context["runAsGroup"])
    capabilities = context.get("capabilities") or {}
    out.capabilities.add_capabilities.extend(capabilities.get("add") or ())
    out.capabilities.drop_capabilities.extend(capabilities.get("drop") or ())
    if pods.security_context(pod).get("supplementalGroupsPolicy") == "Strict":
        out.supplemental_groups_policy = cri.Strict
    _app_armor(pod, container, out)
    _selinux(context, out)
    return out


def _selinux(context: dict[str, Any], out: Any) -> None:
    options = context.get("seLinuxOptions")
    if options:
        for key in ("user", "role", "type", "level"):
            setattr(out.selinux_options, key, options.get(key) or "")
