"""Rules of pods that name their operating system: what Windows pods may not set, and Linux pods neither."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.validation.fields import Errors, Named, each, forbidden, invalid, not_supported, required
from podsysctl.objects.validation.pods.options import Spec, containers_of

_SYSTEMS = ("linux", "windows")
_SPEC_BYTES = 64 * 1024
_DOMAIN_BYTES = 256
_USER_BYTES = 104
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_DNS_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS_DOMAIN = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*")
_BAD_USER = re.compile(r'["/\\:;|=,+*?<>@\[\]]')
_NOT_ON_WINDOWS = "cannot be set for a windows pod"

_POD_FIELDS = (
    ("securityContext", "appArmorProfile"),
    ("securityContext", "seLinuxOptions"),
    ("", "hostUsers"),
    ("", "hostPID"),
    ("", "hostIPC"),
    ("securityContext", "seccompProfile"),
    ("securityContext", "fsGroup"),
    ("securityContext", "fsGroupChangePolicy"),
    ("securityContext", "sysctls"),
    ("", "shareProcessNamespace"),
    ("securityContext", "runAsUser"),
    ("securityContext", "runAsGroup"),
    ("securityContext", "supplementalGroups"),
    ("securityContext", "supplementalGroupsPolicy"),
    ("securityContext", "seLinuxChangePolicy"),
)
_CONTAINER_FIELDS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)


def validate_system(spec: Spec, errors: Errors, path: str) -> None:
    """The operating system a pod names, and the fields that do not fit it."""
    system = spec.get("os")
    if system is None:
        return
    name = system.get("name") or ""
    if not name:
        errors.append(required(f"{path}.os.name"))
    elif name not in _SYSTEMS:
        errors.append(not_supported(f"{path}.os", Named(name), _SYSTEMS))
    elif name == "linux":
        _validate_linux(spec, errors, path)
    else:
        _validate_windows(spec, errors, path)


def _validate_linux(spec: Spec, errors: Errors, path: str) -> None:
    text = "windows options cannot be set for a linux pod"
    if (spec.get("securityContext") or {}).get("windowsOptions") is not None:
        errors.append(forbidden(f"{path}.securityContext.windowsOptions", text))
    for where, container in containers_of(spec, path):
        if (container.get("securityContext") or {}).get("windowsOptions") is not None:
            errors.append(forbidden(f"{where}.securityContext.windowsOptions", text))


def _validate_windows(spec: Spec, errors: Errors, path: str) -> None:
    for parent, field in _POD_FIELDS:
        holder = spec.get(parent) or {} if parent else spec
        value = holder.get(field)
        if value is None or (field in ("hostPID", "hostIPC") and not value) or value == []:
            continue
        where = f"{path}.{parent}.{field}" if parent else f"{path}.{field}"
        errors.append(forbidden(where, _NOT_ON_WINDOWS))
    for where, container in containers_of(spec, path):
        context = container.get("securityContext") or {}
        for field in _CONTAINER_FIELDS:
            if context.get(field) is not None:
                errors.append(forbidden(f"{where}.securityContext.{field}", _NOT_ON_WINDOWS))


def validate_windows_options(options: Mapping[str, Any] | None, errors: Errors, path: str) -> None:
    """Credential specifications and the user name of Windows containers."""
    if options is None:
        return
    name = options.get("gmsaCredentialSpecName")
    if name is not None:
        each(errors, f"{path}.gmsaCredentialSpecName", Named(name), names.dns_subdomain(name))
    credentials = options.get("gmsaCredentialSpec")
    where = f"{path}.gmsaCredentialSpec"
    if credentials is not None:
        if not credentials:
            errors.append(invalid(where, Named(""), "gmsaCredentialSpec cannot be an empty string"))
        elif len(credentials.encode()) > _SPEC_BYTES:
            errors.append(invalid(where, Named(credentials), "gmsaCredentialSpec size must be under 64 KiB"))
    if options.get("runAsUserName") is not None:
        value = options["runAsUserName"]
        for text in _user_name_errors(value):
            errors.append(invalid(f"{path}.runAsUserName", Named(value), text))


def _user_name_errors(value: str) -> list[str]:
    if not value:
        return ["runAsUserName cannot be an empty string"]
    if _CONTROL.search(value):
        return ["runAsUserName cannot contain control characters"]
    parts = value.split("\\")
    if len(parts) > 2:
        return ["runAsUserName cannot contain more than one backslash"]
    out = []
    domain, user = (parts[0], parts[1]) if len(parts) == 2 else ("", parts[0])
    if len(domain.encode()) >= _DOMAIN_BYTES:
        out.append(f"runAsUserName's Domain length must be under {_DOMAIN_BYTES} characters")
    if len(parts) == 2 and not (_NETBIOS.fullmatch(domain) or _DNS_DOMAIN.fullmatch(domain)):
        out.append("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
    if not user:
        out.append("runAsUserName's User cannot be empty")
    elif len(user.encode()) > _USER_BYTES:
        out.append(f"runAsUserName's User length must not be longer than {_USER_BYTES} characters")
    if re.fullmatch(r"[. ]+", user):
        out.append("runAsUserName's User cannot contain only periods or spaces")
    if _BAD_USER.search(user):
        out.append("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]")
    return out


def validate_host_process(spec: Spec, errors: Errors, path: str) -> None:
    """Containers that run as processes of a Windows host: all or none, and on the host's network."""
    pod_level = ((spec.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    total = host = 0
    for where, container in containers_of(spec, path):
        total += 1
        own = ((container.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
        if pod_level is not None and own is not None and pod_level != own:
            shown = "true" if pod_level else "false"
            text = f"pod hostProcess value must be identical if both are specified, was {shown}"
            errors.append(invalid(f"{where}.securityContext.windowsOptions.hostProcess", own, text))
        host += bool(own if own is not None else pod_level)
    if not host:
        return
    if host != total:
        text = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        errors.append(invalid(path, "", text))
    if not spec.get("hostNetwork"):
        text = "hostNetwork must be true if pod contains any hostProcess containers"
        errors.append(invalid(f"{path}.hostNetwork", False, text))
