"""Rules of where volumes are mounted in a container, and of raw block devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects.validation.fields import Errors, Named, forbidden, invalid, not_found, not_supported, required
from podsysctl.objects.validation.pods.paths import validate_inner_path

Container = Mapping[str, Any]
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def validate_mounts(container: Container, volumes: Mapping[str, Any], errors: Errors, path: str) -> None:
    """Mounts of a container: known volumes, unique places, no clash with devices."""
    devices = {d.get("name") or "": d.get("devicePath") or "" for d in container.get("volumeDevices") or ()}
    seen: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        name, place = mount.get("name") or "", mount.get("mountPath") or ""
        where = f"{path}[{index}]"
        if not name:
            errors.append(required(f"{where}.name"))
        if name not in volumes:
            errors.append(not_found(f"{where}.name", name))
        if not place:
            errors.append(required(f"{where}.mountPath"))
        if place in seen:
            errors.append(invalid(f"{where}.mountPath", place, "must be unique"))
        seen.add(place)
        if name in devices:
            errors.append(invalid(f"{where}.name", name, "must not already exist in volumeDevices"))
        if devices and place in devices.values():
            text = "must not already exist as a path in volumeDevices"
            errors.append(invalid(f"{where}.mountPath", place, text))
        _validate_sub_path(mount, errors, path, where)
        if mount.get("mountPropagation") is not None:
            _validate_propagation(mount["mountPropagation"], container, errors, f"{path}.mountPropagation")
        _validate_recursive(mount, errors, f"{path}.recursiveReadOnly")


def _validate_sub_path(mount: Mapping[str, Any], errors: Errors, path: str, where: str) -> None:
    sub_path, expression = mount.get("subPath"), mount.get("subPathExpr")
    if sub_path:
        validate_inner_path(sub_path, errors, f"{path}.subPath")
    if expression:
        if sub_path:
            text = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid(f"{where}.subPathExpr", expression, text))
        validate_inner_path(expression, errors, f"{path}.subPathExpr")


def _validate_propagation(mode: str, container: Container, errors: Errors, path: str) -> None:
    if mode not in _PROPAGATIONS:
        errors.append(not_supported(path, Named(mode), _PROPAGATIONS))
    if mode == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        text = "Bidirectional mount propagation is available only to privileged containers"
        errors.append(forbidden(path, text))


def _validate_recursive(mount: Mapping[str, Any], errors: Errors, path: str) -> None:
    mode = mount.get("recursiveReadOnly")
    if mode is None or mode == "Disabled":
        return
    if mode not in _RECURSIVE:
        errors.append(not_supported(path, Named(mode), _RECURSIVE))
        return
    if not mount.get("readOnly"):
        errors.append(forbidden(path, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation") not in (None, "None"):
        text = "may only be specified when mountPropagation is None or not specified"
        errors.append(forbidden(path, text))


def validate_devices(container: Container, volumes: Mapping[str, Any], errors: Errors, path: str) -> None:
    """Block devices of a container: claims alone, unique names and places, no clash with mounts."""
    mounts = {m.get("name") or "": m.get("mountPath") or "" for m in container.get("volumeMounts") or ()}
    names: set[str] = set()
    places: set[str] = set()
    for index, device in enumerate(container.get("volumeDevices") or ()):
        name, place = device.get("name") or "", device.get("devicePath") or ""
        where = f"{path}[{index}]"
        volume = volumes.get(name)
        if not name:
            errors.append(required(f"{where}.name"))
        if name in names:
            errors.append(invalid(f"{where}.name", name, "must be unique"))
        if volume is None:
            errors.append(not_found(f"{where}.name", name))
        elif volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None:
            text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errors.append(invalid(f"{where}.name", name, text))
        if not place:
            errors.append(required(f"{where}.devicePath"))
        if place in places:
            errors.append(invalid(f"{where}.devicePath", place, "must be unique"))
        if place and ".." in place.split("/"):
            errors.append(invalid(f"{where}.devicePath", place, "can not contain backsteps ('..')"))
        else:
            places.add(place)
        if name in mounts:
            errors.append(invalid(f"{where}.name", name, "must not already exist in volumeMounts"))
        if mounts and place in mounts.values():
            text = "must not already exist as a path in volumeMounts"
            errors.append(invalid(f"{where}.devicePath", place, text))
        if name:
            names.add(name)
