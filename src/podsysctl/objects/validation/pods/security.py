"""Rules of security contexts and sysctls: what may not be combined, and what a profile needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from podsysctl.base.limits import SYSCTL_NAME_BYTES
from podsysctl.objects import names
from podsysctl.objects.internal import internal_json
from podsysctl.objects.validation.fields import (
    Errors,
    Named,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from podsysctl.objects.validation.pods.options import PodOptions, Spec, containers_of, host_sysctl_error
from podsysctl.objects.validation.pods.paths import validate_inner_path
from podsysctl.objects.validation.pods.windows import validate_windows_options

Context = Mapping[str, Any]
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_FMT = rf"^({_SYSCTL_SEGMENT}[\./])*{_SYSCTL_SEGMENT}$"
_SYSCTL = re.compile(_SYSCTL_FMT.strip("^$"))
_SYSCTL_TEXT = f"must have at most {SYSCTL_NAME_BYTES} characters and match regex {_SYSCTL_FMT}"
_PROFILE_BYTES = 4095
_PROC_MOUNTS = ("Default", "Unmasked")
_GROUP_CHANGE = ("Always", "OnRootMismatch")
_GROUPS_POLICIES = ("Merge", "Strict")
_SELINUX_POLICIES = ("MountOption", "Recursive")
PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")


def validate_pod_context(spec: Spec, options: PodOptions, errors: Errors, path: str) -> None:
    """The pod's own security context."""
    context = spec.get("securityContext")
    if context is None:
        return
    for key in ("fsGroup", "runAsUser", "runAsGroup"):
        if context.get(key) is not None:
            each(errors, f"{path}.{key}", context[key], names.user_or_group_id(context[key]))
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        each(errors, f"{path}.supplementalGroups[{index}]", group, names.user_or_group_id(group))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(invalid(f"{path}.shareProcessNamespace", True, text))
    if context.get("sysctls"):
        _validate_sysctls(spec, context["sysctls"], options, errors, f"{path}.sysctls")
    _validate_choice(context.get("fsGroupChangePolicy"), _GROUP_CHANGE, errors, f"{path}.fsGroupChangePolicy")
    validate_seccomp(context.get("seccompProfile"), errors, f"{path}.seccompProfile")
    validate_windows_options(context.get("windowsOptions"), errors, f"{path}.windowsOptions")
    validate_app_armor(context.get("appArmorProfile"), errors, f"{path}.appArmorProfile")
    _validate_choice(
        context.get("supplementalGroupsPolicy"), _GROUPS_POLICIES, errors, f"{path}.supplementalGroupsPolicy"
    )
    policies = _SELINUX_POLICIES if options.allow_any_selinux_policy else ("Recursive",)
    _validate_choice(context.get("seLinuxChangePolicy"), policies, errors, f"{path}.seLinuxChangePolicy")


def _validate_choice(value: str | None, supported: tuple[str, ...], errors: Errors, path: str) -> None:
    if value is not None and value not in supported:
        errors.append(not_supported(path, Named(value), supported))


def _validate_sysctls(spec: Spec, sysctls: Any, options: PodOptions, errors: Errors, path: str) -> None:
    seen: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        name = sysctl.get("name") or ""
        where = f"{path}[{index}].name"
        if not name:
            errors.append(required(where))
        elif len(name.encode()) > SYSCTL_NAME_BYTES or not _SYSCTL.fullmatch(name):
            errors.append(invalid(where, name, _SYSCTL_TEXT))
        elif name in seen:
            errors.append(duplicate(where, name))
        if not options.allow_host_sysctls:
            clash = host_sysctl_error(spec, name)
            if clash:
                errors.append(invalid(where, name, clash))
        seen.add(name)


def validate_seccomp(profile: Mapping[str, Any] | None, errors: Errors, path: str) -> None:
    """A seccomp profile: a known type, and a file exactly when it is a local one."""
    if profile is None:
        return
    kind, file = profile.get("type") or "", profile.get("localhostProfile")
    if not kind:
        errors.append(required(f"{path}.type", "type is required when seccompProfile is set"))
    elif kind not in PROFILE_TYPES:
        errors.append(not_supported(f"{path}.type", Named(kind), PROFILE_TYPES))
    if kind == "Localhost":
        if file is None:
            errors.append(required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost"))
        else:
            validate_inner_path(file, errors, f"{path}.localhostProfile")
    elif file is not None:
        shown = internal_json("SeccompProfile", profile)
        errors.append(invalid(f"{path}.localhostProfile", shown, "can only be set when seccomp type is Localhost"))


def validate_app_armor(profile: Mapping[str, Any] | None, errors: Errors, path: str) -> None:
    """An AppArmor profile: a known type, and a name exactly when it is a local one."""
    if profile is None:
        return
    kind, name = profile.get("type") or "", profile.get("localhostProfile")
    where = f"{path}.localhostProfile"
    if kind == "Localhost":
        missing = required(where, "must be set when AppArmor type is Localhost")
        if name is None:
            errors.append(missing)
            return
        if name.strip() != name:
            errors.append(invalid(where, name, "must not be padded with whitespace"))
        elif not name:
            errors.append(missing)
        if len(name.encode()) > _PROFILE_BYTES:
            errors.append(too_long(where, _PROFILE_BYTES))
    elif kind in PROFILE_TYPES:
        if name is not None:
            errors.append(invalid(where, Named(name), "can only be set when AppArmor type is Localhost"))
    elif not kind:
        errors.append(required(f"{path}.type", "type is required when appArmorProfile is set"))
    else:
        errors.append(not_supported(f"{path}.type", Named(kind), PROFILE_TYPES))


def validate_container_context(context: Context | None, host_users: bool, errors: Errors, path: str) -> None:
    """A container's security context; `host_users` tells whether it shares the host's user namespace."""
    if not context:
        return
    for key in ("runAsUser", "runAsGroup"):
        if context.get(key) is not None:
            each(errors, f"{path}.{key}", context[key], names.user_or_group_id(context[key]))
    proc_mount = context.get("procMount")
    if proc_mount is not None:
        _validate_choice(proc_mount, _PROC_MOUNTS, errors, f"{path}.procMount")
        if host_users and proc_mount == "Unmasked":
            text = "`hostUsers` must be false to use `Unmasked`"
            errors.append(invalid(f"{path}.procMount", Named(proc_mount), text))
    validate_seccomp(context.get("seccompProfile"), errors, f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            errors.append(invalid(path, internal_json("SecurityContext", context), text))
        for capability in (context.get("capabilities") or {}).get("add") or ():
            if capability == "CAP_SYS_ADMIN":
                text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
                errors.append(invalid(path, internal_json("SecurityContext", context), text))
    validate_windows_options(context.get("windowsOptions"), errors, f"{path}.windowsOptions")
    validate_app_armor(context.get("appArmorProfile"), errors, f"{path}.appArmorProfile")


def validate_host_users(spec: Spec, options: PodOptions, errors: Errors, path: str) -> None:
    """What a pod in its own user namespace may not share with the host."""
    if spec.get("hostUsers") is not False:
        return
    text = "when `hostUsers` is false"
    if spec.get("hostNetwork") and not options.allow_user_namespace_network:
        errors.append(forbidden(f"{path}.hostNetwork", text))
    if spec.get("hostPID"):
        errors.append(forbidden(f"{path}.HostPID", text))
    if spec.get("hostIPC"):
        errors.append(forbidden(f"{path}.HostIPC", text))
    if not options.allow_user_namespace_devices:
        for where, container in containers_of(spec, path):
            if container.get("volumeDevices"):
                errors.append(forbidden(f"{where}.volumeDevices", text))
