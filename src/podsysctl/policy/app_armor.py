"""Which AppArmor profile a container asks for: its own, that of the old annotation, or the pod's.

Source: kubelet 1.36 security/apparmor/helpers.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects.strategy.pods import app_armor_field
from podsysctl.objects.validation.pods.annotations import APP_ARMOR
from podsysctl.objects.validation.pods.options import CONTAINER_LISTS

_Object = Mapping[str, Any]


def profile_of(pod: _Object, container: _Object) -> _Object | None:
    """The profile of one container; None when it asks for none."""
    own: _Object | None = (container.get("securityContext") or {}).get("appArmorProfile")
    name = APP_ARMOR + (container.get("name") or "")
    annotation = ((pod.get("metadata") or {}).get("annotations") or {}).get(name, "")
    return own or app_armor_field(annotation) or _of_pod(pod)


def is_asked_for(pod: _Object) -> bool:
    """Whether a host has to have AppArmor for the pod: its own profile counts even when each container has another."""
    if _is_confined(_of_pod(pod)):
        return True
    for field in CONTAINER_LISTS:
        for container in pod["spec"].get(field) or ():
            if _is_confined(profile_of(pod, container)):
                return True
    return False


def _is_confined(profile: _Object | None) -> bool:
    return profile is not None and profile.get("type") != "Unconfined"


def _of_pod(pod: _Object) -> _Object | None:
    profile: _Object | None = (pod["spec"].get("securityContext") or {}).get("appArmorProfile")
    return profile
