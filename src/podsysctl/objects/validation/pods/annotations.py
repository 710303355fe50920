"""Rules of annotations that once were fields: seccomp, AppArmor, tolerations, mirror pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from podsysctl.objects.quote import quote
from podsysctl.objects.validation.fields import Errors, forbidden, invalid
from podsysctl.objects.validation.pods.options import PodOptions, Spec, containers_of, is_deletion_cost
from podsysctl.objects.validation.pods.paths import validate_inner_path
from podsysctl.objects.validation.pods.scheduling import validate_tolerations

MIRROR = "kubernetes.io/config.mirror"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

Annotations = Mapping[str, str]


def validate_pod_annotations(
    annotations: Annotations, spec: Spec, options: PodOptions, errors: Errors, path: str
) -> None:
    """Annotations of a pod that mean something to Kubernetes."""
    if not annotations:
        return
    if MIRROR in annotations and not spec.get("nodeName"):
        text = "must set spec.nodeName if mirror pod annotation is set"
        errors.append(invalid(f"{path}[{MIRROR}]", annotations[MIRROR], text))
    if annotations.get(_TOLERATIONS):
        _validate_tolerations(annotations[_TOLERATIONS], options, errors, path)
    cost = annotations.get(_DELETION_COST)
    if cost is not None and not options.allow_invalid_deletion_cost and not is_deletion_cost(cost):
        errors.append(invalid(f"{path}[{_DELETION_COST}]", cost, "must be a 32bit integer"))
    if SECCOMP_POD in annotations:
        _validate_seccomp(annotations[SECCOMP_POD], errors, f"{path}.{SECCOMP_POD}")
    for key, value in annotations.items():
        if key.startswith(SECCOMP_CONTAINER):
            _validate_seccomp(value, errors, f"{path}.{key}")
    _validate_app_armor(annotations, spec, errors, path)


def _validate_tolerations(text: str, options: PodOptions, errors: Errors, path: str) -> None:
    try:
        rows = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        errors.append(invalid(path, _TOLERATIONS, str(error)))
        return
    if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
        validate_tolerations(rows, options, errors, f"{path}.{_TOLERATIONS}")


def _validate_seccomp(profile: str, errors: Errors, path: str) -> None:
    if profile in ("runtime/default", "docker/default", "unconfined"):
        return
    if profile.startswith("localhost/"):
        validate_inner_path(profile.removeprefix("localhost/"), errors, path)
    else:
        errors.append(invalid(path, profile, "must be a valid seccomp profile"))


def _validate_app_armor(annotations: Annotations, spec: Spec, errors: Errors, path: str) -> None:
    for key, profile in annotations.items():
        if not key.startswith(APP_ARMOR):
            continue
        name = key.removeprefix(APP_ARMOR)
        if all(container.get("name") != name for _, container in containers_of(spec, "")):
            errors.append(invalid(f"{path}[{key}]", name, "container not found"))
        if profile not in ("", "runtime/default", "unconfined") and not profile.startswith("localhost/"):
            errors.append(invalid(f"{path}[{key}]", profile, f"invalid AppArmor profile name: {quote(profile)}"))


def validate_profile_matches(annotations: Annotations, spec: Spec, errors: Errors, path: str) -> None:
    """A profile given both as annotation and as field must be one and the same."""
    if not annotations:
        return
    own = (spec.get("securityContext") or {}).get("seccompProfile")
    if own is not None and SECCOMP_POD in annotations:
        where = f"{path}.securityContext.seccompProfile"
        _match("seccomp", annotations[SECCOMP_POD], own, errors, where)
    for where, container in containers_of(spec, path):
        profile = (container.get("securityContext") or {}).get("seccompProfile")
        key = SECCOMP_CONTAINER + (container.get("name") or "")
        if profile is not None and key in annotations:
            _match("seccomp", annotations[key], profile, errors, f"{where}.securityContext.seccompProfile")
    if (spec.get("os") or {}).get("name") == "windows":
        return
    pod_profile = (spec.get("securityContext") or {}).get("appArmorProfile")
    for where, container in containers_of(spec, path):
        profile = (container.get("securityContext") or {}).get("appArmorProfile") or pod_profile
        key = APP_ARMOR + (container.get("name") or "")
        if profile is not None and key in annotations:
            _match("apparmor", annotations[key], profile, errors, f"{where}.securityContext.appArmorProfile")


def _match(what: str, annotation: str, profile: Mapping[str, Any], errors: Errors, path: str) -> None:
    kind = profile.get("type")
    is_default = annotation == "runtime/default" or (what == "seccomp" and annotation == "docker/default")
    if kind == "Localhost":
        if not annotation.startswith("localhost/"):
            errors.append(forbidden(f"{path}.type", f"{what} type in annotation and field must match"))
        elif profile.get("localhostProfile") != annotation.removeprefix("localhost/"):
            text = f"{what} profile in annotation and field must match"
            errors.append(forbidden(f"{path}.localhostProfile", text))
    elif (kind == "Unconfined" and annotation != "unconfined") or (kind == "RuntimeDefault" and not is_default):
        errors.append(forbidden(f"{path}.type", f"{what} type in annotation and field must match"))


def validate_annotation_updates(new: Annotations, old: Annotations, errors: Errors, path: str) -> None:
    """AppArmor and mirror annotations of a pod never change."""
    for key, value in old.items():
        if new.get(key) == value:
            continue
        if key.startswith(APP_ARMOR):
            errors.append(forbidden(f"{path}[{key}]", "may not remove or update AppArmor annotations"))
        if key == MIRROR:
            errors.append(forbidden(f"{path}[{key}]", "may not remove or update mirror pod annotation"))
    for key in new:
        if key in old:
            continue
        if key.startswith(APP_ARMOR):
            errors.append(forbidden(f"{path}[{key}]", "may not add AppArmor annotations"))
        if key == MIRROR:
            errors.append(forbidden(f"{path}[{key}]", "may not add mirror pod annotation"))
